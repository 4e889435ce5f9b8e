//! `body`: the message as octets, from the stage message on.

use super::{Ctx, READ_AT_ONCE, Refusal};
use crate::bindings::body::Host;
use crate::bindings::types::Error;

impl Host for Ctx {
    fn size(&mut self) -> wasmtime::Result<u32> {
        self.charge()?;
        let message = self.whole_message().ok();
        let size = message.map(|message| message.size()).unwrap_or_default();
        Ok(u32::try_from(size).unwrap_or(u32::MAX))
    }

    fn read(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, Refusal> {
        self.charge()?;
        let message = self.whole_message()?;
        let length = length.min(READ_AT_ONCE) as usize;
        let octets = message.copy(u64::from(offset), length).map_err(|error| {
            tracing::error!(%error, "the spool cannot be read");
            Error::Unavailable
        })?;
        self.charge_read(octets.len())?;
        Ok(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Host};
    use crate::imports::testing::{at_with_limits, configuring, told, with_message};
    use crate::settings::CallLimits;
    use lazaret_mail::Ask;

    const MAIL: &str = "Subject: a\r\n\r\nbody\r\n";

    #[test]
    fn not_now_before_the_stage_message() {
        let mut ctx = with_message(Ask::Headers, MAIL);
        assert_eq!(told(ctx.read(0, 10)), Error::NotNow);
        assert_eq!(ctx.size().unwrap(), 0);
        assert_eq!(told(configuring().read(0, 10)), Error::NotNow);
    }

    #[test]
    fn reads_are_short_at_the_end_and_empty_past_it() {
        let mut ctx = with_message(Ask::Message, MAIL);
        assert_eq!(ctx.size().unwrap() as usize, MAIL.len());
        assert_eq!(ctx.read(0, 7).unwrap(), b"Subject");
        assert_eq!(ctx.read(14, 100).unwrap(), b"body\r\n");
        assert_eq!(ctx.read(1000, 100).unwrap(), b"");
        assert_eq!(ctx.read(u32::MAX, u32::MAX).unwrap(), b"");
    }

    #[test]
    fn a_read_is_at_most_64_kib() {
        let mail = format!("Subject: a\r\n\r\n{}", "x".repeat(100_000));
        let mut ctx = with_message(Ask::Message, &mail);
        assert_eq!(ctx.read(0, u32::MAX).unwrap().len(), 65536);
    }

    #[test]
    fn all_reads_together_have_a_limit() {
        let limits = CallLimits {
            read: 10,
            ..CallLimits::default()
        };
        let mut ctx = at_with_limits(Ask::Message, MAIL, limits);
        assert_eq!(ctx.read(0, 8).unwrap().len(), 8);
        assert_eq!(told(ctx.read(0, 8)), Error::Limit);
        assert_eq!(ctx.read(0, 2).unwrap().len(), 2);
    }
}
