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

    async fn waits<F: Future>(&self, call: &'static str, work: F) -> F::Output {
        self.meter.waiting().during(call, work).await
    }
}

impl Host for Ctx {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, Refusal> {
        let reach = self.remember()?;
        let value = self.waits("state.get", reach.state.read(&key)).await?;
        self.charge_read(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    async fn set(&mut self, key: String, value: Vec<u8>, seconds: u32) -> Result<(), Refusal> {
        let reach = self.remember()?;
        let done = reach.state.set(&key, &value, seconds);
        Ok(self.waits("state.set", done).await?)
    }

    async fn remove(&mut self, key: String) -> Result<bool, Refusal> {
        let reach = self.remember()?;
        let done = reach.state.remove(&key);
        Ok(self.waits("state.remove", done).await?)
    }

    async fn increment(&mut self, key: String, by: i32, seconds: u32) -> Result<i32, Refusal> {
        let reach = self.remember()?;
        let done = reach.state.increment(&key, by, seconds);
        Ok(self.waits("state.increment", done).await?)
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
        Ok(self.waits("state.compare-and-set", written).await?)
    }
}
