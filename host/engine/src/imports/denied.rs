//! What a denied permission is linked to: everything answers `not-granted`.

use super::{Refusal, told};
use crate::bindings::types::Error;
use crate::bindings::{body, edit_headers, notes, pace, parts, score, types};

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
