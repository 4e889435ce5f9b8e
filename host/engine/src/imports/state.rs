//! `state`: what a filter remembers across connections.

use lazaret_services::Reach;
use std::sync::Arc;

use super::{Ctx, Refusal};
use crate::bindings::state::Host;
use crate::bindings::types::Error;

impl Ctx {
    fn remember(&mut self) -> Result<Arc<Reach>, Refusal> {
        let reach = self.reach()?;
        self.asking.state = self.asking.state.checked_sub(1).ok_or(Error::Limit)?;
        Ok(reach)
    }
}

impl Host for Ctx {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, Refusal> {
        let value = self.remember()?.state.read(&key).await?;
        self.charge_read(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    async fn set(&mut self, key: String, value: Vec<u8>, seconds: u32) -> Result<(), Refusal> {
        Ok(self.remember()?.state.set(&key, &value, seconds).await?)
    }

    async fn remove(&mut self, key: String) -> Result<bool, Refusal> {
        Ok(self.remember()?.state.remove(&key).await?)
    }

    async fn increment(&mut self, key: String, by: i32, seconds: u32) -> Result<i32, Refusal> {
        Ok(self.remember()?.state.increment(&key, by, seconds).await?)
    }

    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        seconds: u32,
    ) -> Result<bool, Refusal> {
        let reach = self.remember()?;
        let (expected, value) = (expected.as_deref(), value.as_deref());
        let written = reach.state.compare_and_set(&key, expected, value, seconds);
        Ok(written.await?)
    }
}
