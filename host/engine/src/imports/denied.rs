//! What a denied permission is linked to: everything answers `not-granted`.

use super::{Refusal, told};
use crate::bindings::types::Error;
use crate::bindings::{
    body, dns, edit_headers, http, lists, metrics, notes, pace, parts, score, state, types,
};

/// Stands in for the host where the operator said no.
pub struct Denied;

fn denied<T>() -> Result<T, Refusal> {
    Err(Error::NotGranted.into())
}

impl types::Host for Denied {
    fn convert_error(&mut self, refusal: Refusal) -> wasmtime::Result<Error> {
        told(refusal)
    }
}

impl body::Host for Denied {
    fn size(&mut self) -> wasmtime::Result<u32> {
        Ok(0)
    }

    fn read(&mut self, _: u32, _: u32) -> Result<Vec<u8>, Refusal> {
        denied()
    }
}

impl parts::Host for Denied {
    async fn all(&mut self) -> Result<Vec<parts::Part>, Refusal> {
        denied()
    }

    async fn read(&mut self, _: u32, _: u32, _: u32) -> Result<Vec<u8>, Refusal> {
        denied()
    }

    async fn text(&mut self, _: u32) -> Result<String, Refusal> {
        denied()
    }
}

impl edit_headers::Host for Denied {
    fn add(&mut self, _: String, _: String) -> Result<(), Refusal> {
        denied()
    }

    fn replace(&mut self, _: String, _: u32, _: String) -> Result<(), Refusal> {
        denied()
    }

    fn remove(&mut self, _: String, _: Option<u32>) -> Result<u32, Refusal> {
        denied()
    }
}

impl score::Host for Denied {
    fn add(&mut self, _: String, _: f64, _: String) -> Result<(), Refusal> {
        denied()
    }

    fn total(&mut self) -> Result<f64, Refusal> {
        denied()
    }

    fn all(&mut self) -> Result<Vec<score::Entry>, Refusal> {
        denied()
    }
}

impl notes::Host for Denied {
    fn set(&mut self, _: notes::Scope, _: String, _: String) -> Result<(), Refusal> {
        denied()
    }

    fn get(&mut self, _: String, _: String) -> Result<Option<String>, Refusal> {
        denied()
    }
}

impl pace::Host for Denied {
    fn hold(&mut self, _: u32) -> Result<(), Refusal> {
        denied()
    }
}

impl dns::Host for Denied {
    async fn lookup(&mut self, _: String, _: dns::Kind) -> Result<dns::Answer, Refusal> {
        denied()
    }

    async fn lookup_all(&mut self, _: Vec<dns::Query>) -> Result<Vec<dns::Answer>, Refusal> {
        denied()
    }
}

impl state::Host for Denied {
    async fn get(&mut self, _: String) -> Result<Option<Vec<u8>>, Refusal> {
        denied()
    }

    async fn set(&mut self, _: String, _: Vec<u8>, _: u32) -> Result<(), Refusal> {
        denied()
    }

    async fn remove(&mut self, _: String) -> Result<bool, Refusal> {
        denied()
    }

    async fn increment(&mut self, _: String, _: i32, _: u32) -> Result<i32, Refusal> {
        denied()
    }

    async fn compare_and_set(
        &mut self,
        _: String,
        _: Option<Vec<u8>>,
        _: Option<Vec<u8>>,
        _: u32,
    ) -> Result<bool, Refusal> {
        denied()
    }
}

impl http::Host for Denied {
    async fn fetch(&mut self, _: http::Request) -> Result<http::Response, Refusal> {
        denied()
    }
}

impl lists::Host for Denied {
    fn contains(&mut self, _: String, _: String) -> Result<bool, Refusal> {
        denied()
    }

    fn lookup(&mut self, _: String, _: String) -> Result<Option<String>, Refusal> {
        denied()
    }
}

impl metrics::Host for Denied {
    fn count(&mut self, _: String, _: u32) -> Result<(), Refusal> {
        denied()
    }

    fn gauge(&mut self, _: String, _: f64) -> Result<(), Refusal> {
        denied()
    }
}
