//! `envelope`: from whom, to whom.

use lazaret_mail::Envelope;

use super::Ctx;
use crate::bindings::envelope::Host;
use crate::bindings::types::AddressResult as Address;

impl Ctx {
    fn envelope(&mut self) -> wasmtime::Result<Option<&Envelope>> {
        self.charge()?;
        let question = self.question.as_ref();
        Ok(question.and_then(|question| question.envelope.as_deref()))
    }
}

impl Host for Ctx {
    fn sender(&mut self) -> wasmtime::Result<Option<Address>> {
        let sender = self
            .envelope()?
            .and_then(|envelope| envelope.sender.as_ref());
        Ok(sender.map(Address::from))
    }

    fn recipients(&mut self) -> wasmtime::Result<Vec<Address>> {
        let envelope = self.envelope()?;
        let recipients = envelope.map(|e| e.recipients.iter().map(Address::from).collect());
        let recipients: Vec<_> = recipients.unwrap_or_default();
        self.charge_read_or_stop(recipients.iter().map(octets).sum())?;
        Ok(recipients)
    }
}

/// What an address costs, roughly.
fn octets(address: &Address) -> usize {
    const EACH: usize = 64;
    EACH * (1 + address.parameters.len()) + 2 * address.mailbox.len()
}

#[cfg(test)]
mod tests {
    use super::Host;
    use crate::imports::testing::{at, configuring, path};
    use lazaret_mail::Ask;

    #[test]
    fn there_is_no_sender_before_mail() {
        assert!(at(Ask::Connect).sender().unwrap().is_none());
        assert!(configuring().sender().unwrap().is_none());
    }

    #[test]
    fn sender_and_recipients_come_in_order() {
        let mut ctx = at(Ask::Rcpt(path("third@example.org")));
        let sender = ctx.sender().unwrap().unwrap();
        assert_eq!(
            (&*sender.local_part, &*sender.domain),
            ("sender", "example.com")
        );
        let mailboxes: Vec<_> = ctx
            .recipients()
            .unwrap()
            .into_iter()
            .map(|r| r.mailbox)
            .collect();
        assert_eq!(mailboxes, ["first@example.org", "second@example.org"]);
    }
}
