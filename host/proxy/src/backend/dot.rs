//! Between the dot, or the last octet of a chunk, and its reply: the backend may have taken the message, and only its reply says so.

use std::sync::Arc;

use super::member::Member;

/// A message whose dot is on its way. Dropped, as by a shutdown whose `grace` is over, it leaves a trace: the client
/// will send that message again.
pub(super) struct Unanswered<'t> {
    /// None once it is answered, or somebody knows that it is not
    member: Option<Arc<Member>>,
    /// the session's id and a number
    transaction: &'t str,
}

impl<'t> Unanswered<'t> {
    pub(super) fn new(member: &Arc<Member>, transaction: &'t str) -> Self {
        Self {
            member: Some(Arc::clone(member)),
            transaction,
        }
    }

    /// Somebody else tells what came of it.
    pub(super) fn told(mut self) {
        self.member = None;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(member) = self.member.take() {
            member.cut_off();
            tracing::warn!(
                transaction = self.transaction,
                address = %member.address,
                "cut off behind the dot: the backend may have taken this message, and it comes again"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::backend::member::Ledger;

    #[test]
    fn only_what_is_cut_off_is_counted() {
        let member = Member::new(
            ([192, 0, 2, 1], 25).into(),
            "192.0.2.1".into(),
            &Ledger::default(),
        );
        let ambiguous = || member.counts.ambiguous.load(Ordering::Relaxed);
        Unanswered::new(&member, "7F3K2Q-1").told();
        assert_eq!(ambiguous(), 0);
        drop(Unanswered::new(&member, "7F3K2Q-2"));
        assert_eq!(ambiguous(), 1);
        assert!(member.is_alive(), "no fault of the address");
    }
}
