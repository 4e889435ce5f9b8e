//! `entropy`: fresh randomness from the system.

use super::{Breach, Ctx};
use crate::bindings::entropy::Host;

/// Most octets of one call; a longer wish is cut.
const AT_ONCE: u32 = 4096;

impl Host for Ctx {
    fn random(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        self.charge()?;
        let mut octets = vec![0; length.min(AT_ONCE) as usize];
        self.charge_read_or_stop(octets.len())?;
        let none = |error| Breach(format!("the system has no randomness: {error}"));
        getrandom::fill(&mut octets).map_err(none)?;
        Ok(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::Host;
    use crate::imports::testing::configuring;

    #[test]
    fn it_works_in_configure_is_fresh_and_its_length_is_cut() {
        let mut ctx = configuring();
        let (one, two) = (ctx.random(16).unwrap(), ctx.random(16).unwrap());
        assert_eq!((one.len(), two.len()), (16, 16));
        assert_ne!(one, two);
        assert_eq!(ctx.random(u32::MAX).unwrap().len(), 4096);
    }
}
