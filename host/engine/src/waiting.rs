//! In which call of the host a guest waits: where a filter was that was late.

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The call under way, if it is one that may wait. A guest is in one at a time.
#[derive(Debug, Default)]
pub struct Waiting {
    call: Mutex<Option<(&'static str, Instant)>>,
    /// has it waited since it was reset? Nearly none has
    waited: AtomicBool,
}

impl Waiting {
    /// While `work` is done, the guest waits in this call. Where the work is dropped before its end, it stays the last word.
    pub async fn during<F: Future>(&self, call: &'static str, work: F) -> F::Output {
        self.waited.store(true, Relaxed);
        self.set(Some((call, Instant::now())));
        let done = work.await;
        self.set(None);
        done
    }

    /// A new question: the guest waits nowhere.
    pub fn reset(&self) {
        if self.waited.load(Relaxed) {
            self.waited.store(false, Relaxed);
            self.set(None);
        }
    }

    /// Where it was when its time was over, of which it worked for `cpu`; a line for the author.
    pub fn told(&self, cpu: Duration) -> String {
        let last = *self.call.lock().expect("no holder of the call panics");
        match last {
            Some((call, since)) => format!(
                "it used {cpu:?} of CPU, and had been waiting in `{call}` for {:.1?} when its time was over",
                since.elapsed()
            ),
            None => format!(
                "it used {cpu:?} of CPU and waited for the rest, in no call of the host when its time was over"
            ),
        }
    }

    fn set(&self, call: Option<(&'static str, Instant)>) {
        *self.call.lock().expect("no holder of the call panics") = call;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_came_to_its_end_is_not_where_it_waits() {
        let waiting = Waiting::default();
        waiting.during("dns.lookup", async {}).await;
        let told = waiting.told(Duration::from_millis(3));
        assert!(told.contains("used 3ms of CPU"), "{told}");
        assert!(told.contains("in no call of the host"), "{told}");
    }

    #[tokio::test]
    async fn a_call_that_was_cut_off_is_named_until_the_next_question() {
        let waiting = Waiting::default();
        let never = waiting.during("http.fetch", std::future::pending::<()>());
        let late = tokio::time::timeout(Duration::from_millis(20), never).await;
        assert!(late.is_err());
        let told = waiting.told(Duration::ZERO);
        assert!(told.contains("waiting in `http.fetch` for "), "{told}");
        waiting.reset();
        assert!(!waiting.told(Duration::ZERO).contains("http.fetch"));
    }
}
