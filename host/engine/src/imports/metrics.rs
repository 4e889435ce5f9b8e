//! `metrics`: counters and gauges of a filter.

use super::{Ctx, Refusal};
use crate::bindings::metrics::Host;

impl Host for Ctx {
    fn count(&mut self, name: String, by: u32) -> Result<(), Refusal> {
        Ok(self.reach()?.metrics.count(&name, by)?)
    }

    fn gauge(&mut self, name: String, value: f64) -> Result<(), Refusal> {
        Ok(self.reach()?.metrics.gauge(&name, value)?)
    }
}
