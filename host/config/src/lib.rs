//! Configuration files as operators write them: TOML with units, lists kept in files of their own, and errors that say
//! which file, which line, what is wrong and what would be right.
//!
//! Nothing here knows any key: the crates that own a table describe it with serde (`deny_unknown_fields`) and read it
//! with [`read`] or, where later checks must cite a line, with [`Source`].
#![forbid(unsafe_code)]

mod error;
mod examples;
mod lists;
mod places;
mod source;
mod units;

pub use error::{ConfigError, nearest};
pub use lists::{LIST_FILE_LIMIT, LineList, read_list, read_text};
pub use source::{CONFIG_FILE_LIMIT, Source, parse, read};
pub use toml::{Spanned, Table, Value};
pub use units::{ByteSize, Span};
