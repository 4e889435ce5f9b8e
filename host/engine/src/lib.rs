//! The sandbox: inspects, compiles, contains and serves WebAssembly filters. Everything that says wasmtime is here.
//!
//! [`inspect()`] reads what a component is before a single instruction of it runs: its exports are its subscriptions,
//! its imports its requests for permission. [`Engine`] is a [`lazaret_mail::Loader`]: it settles the operator's grants
//! against those requests, compiles, tries one sandbox, and gives back a [`lazaret_mail::Filter`].
//!
//! Each sandbox is forked fresh, or put back octet for octet to where a fresh one begins (`renewal`), asked one question at a
//! time under limits of CPU, real time, memory and host calls, and dropped as a whole after any failure. What a filter did comes back only together with its verdict.
#![deny(unsafe_code)] // but for one call, in `native`

mod bindings;
mod boot;
mod cache;
mod clock;
mod clues;
mod contain;
mod contract;
mod engine;
mod files;
mod grants;
mod guest;
mod idle;
mod imports;
mod inspect;
mod journal;
mod lane;
mod limiter;
mod lines;
mod loading;
mod machine;
mod meter;
mod native;
mod pages;
mod parked;
mod prepare;
mod pulse;
mod renewal;
mod sandbox;
mod settings;
mod smoke;
mod stages;
mod strides;
mod template;
mod text;
mod waiting;

pub use cache::{CacheError, check_cache};
pub use contract::{Permission, Treatment, VERSION};
pub use engine::{Engine, EngineError, Slots};
pub use files::{inspect_file, read_file};
pub use inspect::{Configure, Inspection, Preparation, inspect, stage_names};
pub use prepare::serve_preparation;
pub use settings::{Allocation, CallLimits, EngineSettings, PrepareLimits, Preparer};
