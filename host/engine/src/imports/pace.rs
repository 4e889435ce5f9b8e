//! `pace`: hold back the reply to this stage.

use std::time::Duration;

use lazaret_mail::Stage;

use super::{Ctx, Refusal};
use crate::bindings::pace::Host;
use crate::bindings::types::Error;

impl Host for Ctx {
    fn hold(&mut self, milliseconds: u32) -> Result<(), Refusal> {
        self.charge()?;
        if matches!(self.stage_now()?, Stage::Outcome | Stage::Disconnect) {
            return Err(Error::NotNow.into());
        }
        let sum = self.effects.pace + Duration::from_millis(milliseconds.into());
        self.effects.pace = sum.min(self.limits.pace);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Error, Host};
    use crate::imports::testing::{at, configuring, told};
    use lazaret_mail::Ask;

    #[test]
    fn the_sum_is_capped() {
        let mut ctx = at(Ask::Connect);
        ctx.hold(1500).unwrap();
        assert_eq!(ctx.effects.pace, Duration::from_millis(1500));
        ctx.hold(u32::MAX).unwrap();
        assert_eq!(ctx.end().pace, Duration::from_secs(30));
    }

    #[test]
    fn nothing_to_hold_back_for_observers_and_in_configure() {
        assert_eq!(
            told(at(Ask::Disconnect("quit".into())).hold(1)),
            Error::NotNow
        );
        assert_eq!(told(configuring().hold(1)), Error::NotNow);
    }
}
