//! `log`: lines in the operator's log, under the filter's name.

use super::Ctx;
use crate::bindings::log::{Host, Level};

impl Host for Ctx {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.charge()?;
        self.journal.write(level, &message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, Level};
    use crate::imports::testing::{at, at_with_limits};
    use crate::settings::CallLimits;
    use lazaret_mail::Ask;

    #[test]
    fn a_flood_is_dropped_not_failed() {
        let mut ctx = at(Ask::Connect);
        (0..150).for_each(|_| ctx.write(Level::Info, "again".into()).unwrap());
        assert_eq!(ctx.end().dropped, 50);
    }

    #[test]
    fn host_calls_without_end_are_stopped() {
        let limits = CallLimits {
            host_calls: 10,
            ..CallLimits::default()
        };
        let mut ctx = at_with_limits(Ask::Headers, "\r\n", limits);
        (0..10).for_each(|_| ctx.write(Level::Info, "again".into()).unwrap());
        let failed = ctx.write(Level::Info, "again".into()).unwrap_err();
        assert_eq!(failed.to_string(), "more than 10 host calls");
    }
}
