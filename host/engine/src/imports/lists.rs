//! `lists`: large sets that the host holds.

use super::{Ctx, Refusal};
use crate::bindings::lists::Host;

impl Host for Ctx {
    fn contains(&mut self, name: String, entry: String) -> Result<bool, Refusal> {
        Ok(self.reach()?.lists.contains(&name, &entry)?)
    }

    fn lookup(&mut self, name: String, entry: String) -> Result<Option<String>, Refusal> {
        let found = self.reach()?.lists.lookup(&name, &entry)?;
        self.charge_read(found.as_ref().map_or(0, String::len))?;
        Ok(found)
    }
}
