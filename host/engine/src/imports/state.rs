//! `state`: what a filter remembers across connections.

use std::time::Instant;

use lazaret_services::state::Space;

use super::{Ctx, Refusal};
use crate::bindings::state::Host;
use crate::bindings::types::Error;

impl Ctx {
    /// What it remembers, for as long as this call may still wait for it.
    fn remember(&mut self) -> Result<Space, Refusal> {
        let reach = self.reach()?;
        self.asking.state = self.asking.state.checked_sub(1).ok_or(Error::Limit)?;
        let left = self.asking.state_time;
        if left.is_zero() {
            return Err(Error::Unavailable.into());
        }
        Ok(reach.state.clone().within(left))
    }

    async fn waits<F: Future>(&mut self, call: &'static str, work: F) -> F::Output {
        let begun = Instant::now();
        let done = self.meter.waiting().during(call, work).await;
        let left = &mut self.asking.state_time;
        *left = left.saturating_sub(begun.elapsed());
        done
    }
}

impl Host for Ctx {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, Refusal> {
        let space = self.remember()?;
        let value = self.waits("state.get", space.read(&key)).await?;
        self.charge_read(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    async fn set(&mut self, key: String, value: Vec<u8>, seconds: u32) -> Result<(), Refusal> {
        let space = self.remember()?;
        let done = space.set(&key, &value, seconds);
        Ok(self.waits("state.set", done).await?)
    }

    async fn remove(&mut self, key: String) -> Result<bool, Refusal> {
        let space = self.remember()?;
        let done = space.remove(&key);
        Ok(self.waits("state.remove", done).await?)
    }

    async fn increment(&mut self, key: String, by: i32, seconds: u32) -> Result<i32, Refusal> {
        let space = self.remember()?;
        let done = space.increment(&key, by, seconds);
        Ok(self.waits("state.increment", done).await?)
    }

    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        seconds: u32,
    ) -> Result<bool, Refusal> {
        let space = self.remember()?;
        let (expected, value) = (expected.as_deref(), value.as_deref());
        let written = space.compare_and_set(&key, expected, value, seconds);
        Ok(self.waits("state.compare-and-set", written).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lazaret_mail::Ask;
    use lazaret_services::Trust;
    use lazaret_services::state::{Caps, Place, Store};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::testing::{at, told};
    use super::*;

    /// A Redis that greets and then hangs.
    async fn hanging() -> Store {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut said = [0; 4096];
            while let Ok(octets @ 1..) = stream.read(&mut said).await {
                if !said[..octets].windows(4).any(|part| part == b"EVAL") {
                    stream.write_all(b"+PONG\r\n").await.unwrap();
                }
            }
        });
        let place = Place::Redis(url);
        Store::open(&place, &Trust::default()).await.unwrap()
    }

    /// However many orders a call gives, it hears of a store that hangs before its `wall` is over.
    #[tokio::test]
    async fn orders_of_a_call_have_their_time_together() {
        let store = hanging().await;
        let mut ctx = at(Ask::Connect);
        let reach = ctx.reach.as_mut().and_then(std::sync::Arc::get_mut);
        reach.unwrap().state = store.space("test", Caps::default());
        ctx.asking.state_time = Duration::from_millis(400);
        let begun = Instant::now();
        let mut waited = Vec::new();
        for _ in 0..3 {
            let answer = ctx.get("a".to_owned()).await;
            assert!(matches!(told(answer), Error::Unavailable));
            waited.push(begun.elapsed());
        }
        assert!(waited[0] >= Duration::from_millis(400), "{waited:?}");
        assert!(ctx.asking.state_time.is_zero(), "{waited:?}");
        assert!(waited[2] < Duration::from_millis(1000), "{waited:?}");
        ctx.begin(None);
        assert!(!ctx.asking.state_time.is_zero());
    }
}
