//! The services behind the imports `dns`, `state`, `http`, `lists` and `metrics`: what a call may still ask of them.

use std::sync::Arc;
use std::time::Duration;

use lazaret_services::{Reach, Refused, dns, http};

use super::{Ctx, Refusal};
use crate::bindings::types::Error;

/// What one call may still ask.
#[derive(Debug)]
pub struct Asking {
    pub dns: dns::Budget,
    pub http: http::Budget,
    /// calls of `state`
    pub state: u32,
    /// real time that these may still take
    pub state_time: Duration,
    /// octets over sockets, both ways together
    pub wire: u64,
}

impl Asking {
    /// Full. Without a reach nothing can be asked anyway.
    pub fn of(reach: Option<&Reach>, state: u32, wire: u64) -> Self {
        let (dns, http) = match reach {
            Some(Reach { grants, .. }) => {
                (dns::Budget::of(&grants.dns), http::Budget::of(&grants.http))
            }
            None => (
                dns::Budget::of(&dns::Grant::default()),
                http::Budget::of(&http::Grant::default()),
            ),
        };
        Self {
            dns,
            http,
            state,
            state_time: reach
                .and_then(|reach| reach.grants.state_time)
                .unwrap_or(Duration::MAX),
            wire,
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotGranted => Error::NotGranted,
            Refused::Limit => Error::Limit,
            Refused::Unavailable => Error::Unavailable,
            Refused::Invalid => Error::Invalid,
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Refusal::Told(refused.into())
    }
}

impl Ctx {
    /// What this filter reaches: nothing in `configure`, and nothing answers while it is tried out after loading.
    pub(super) fn reach(&mut self) -> Result<Arc<Reach>, Refusal> {
        self.charge()?;
        self.stage_now()?;
        Ok(self.reach.clone().ok_or(Error::Unavailable)?)
    }
}
