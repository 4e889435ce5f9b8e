//! Permission `headers`: the header section, at the stages `headers` and `message`; empty elsewhere.

pub use crate::bindings::permissions::lazaret::filter::headers::Field;
use crate::host::headers as host;

/// Every field as it was received, in order.
pub fn all() -> Vec<Field> {
    host::all()
}

/// Values of the fields of that name (any case), unfolded, RFC 2047 decoded, in order.
pub fn text(name: &str) -> Vec<String> {
    host::text(name)
}

/// The first value of that name, unfolded and decoded.
pub fn first(name: &str) -> Option<String> {
    text(name).into_iter().next()
}
