//! The preparation itself, wherever it runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lazaret_mail::LoadError;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime_wizer::{ComponentContext, Wizer};

use super::configure::{Bench, configured};
use super::renewable::renewable;
use super::{Desk, Ground, Order, Plan, Product, Step, snapshot};
use crate::cache::{Cache, Functions, Key};
use crate::contract::Permission;
use crate::inspect::{Inspection, Preparation, inspect};
use crate::lines::Lines;
use crate::machine::{compile_fault, workshop_engine};
use crate::native::Native;
use crate::text::{clip, printable};

/// Octets of a reason why there is no snapshot.
const MAX_REASON: usize = 200;

/// Prepares a filter. Takes from milliseconds to minutes, and blocks; what the guest logs goes to the journal.
pub fn prepare(
    order: &Order,
    wasm: &[u8],
    config: &str,
    desk: &mut dyn Desk,
) -> Result<Product, LoadError> {
    desk.step(Step::Inspecting);
    let seen = inspect(wasm)?;
    let denied = desk.settle(&seen)?;
    let cache = order
        .cache
        .as_ref()
        .and_then(|(dir, size)| Cache::open(dir, *size).ok());
    let hash = Sha256::digest(wasm).into();
    let functions = Arc::new(Functions::open(cache.as_ref(), &order.name, &hash));
    let engine = workshop_engine(functions.clone())?;
    let lines = gathered(wasm);
    let mut workshop = Workshop {
        order,
        lines: &lines,
        wasm,
        engine,
        cache,
        compiled: 0,
    };
    let made = workshop.make(&seen, config, denied, desk);
    functions.save(workshop.cache.as_ref());
    let Made {
        preparation,
        ground,
        code,
    } = made?;
    Ok(Product {
        seen,
        preparation,
        ground,
        compiled: workshop.compiled,
        lines,
        code,
    })
}

/// Lines of its source, where it was built with them; nothing in them keeps a filter from loading.
fn gathered(wasm: &[u8]) -> Lines {
    let work = AssertUnwindSafe(|| Lines::gather(wasm));
    catch_unwind(work).unwrap_or_default()
}

struct Workshop<'a> {
    order: &'a Order,
    lines: &'a Lines,
    wasm: &'a [u8],
    engine: Engine,
    cache: Option<Cache>,
    compiled: u32,
}

/// What sandboxes start from.
struct Made {
    preparation: Preparation,
    ground: Option<Ground>,
    code: Native,
}

/// An instrumented component and what wizer needs to know of it later.
type Instrumented<'a> = (ComponentContext<'a>, Vec<u8>);

impl<'a> Workshop<'a> {
    fn make(
        &mut self,
        seen: &Inspection,
        config: &str,
        denied: Vec<Permission>,
        desk: &mut dyn Desk,
    ) -> Result<Made, LoadError> {
        let why_not = match (&seen.preparation, self.order.plan) {
            (Preparation::Snapshot, Plan::Snapshot) => {
                match self.frozen(seen, config, denied, desk)? {
                    Ok(frozen) => {
                        desk.step(Step::Finishing);
                        return self.restorable(Preparation::Snapshot, &frozen);
                    }
                    Err(why) => Preparation::InEachFork(why),
                }
            }
            (Preparation::Snapshot, Plan::Plain) => Preparation::InEachFork(String::new()),
            (known, _) => known.clone(),
        };
        desk.step(Step::Compiling);
        if why_not == Preparation::Absent {
            return self.restorable(why_not, self.wasm);
        }
        Ok(Made {
            preparation: why_not,
            ground: None,
            code: self.compile(self.wasm)?,
        })
    }

    /// Compiled with what puts used sandboxes back, where that can be.
    fn restorable(&mut self, preparation: Preparation, wasm: &[u8]) -> Result<Made, LoadError> {
        let work = AssertUnwindSafe(|| renewable(wasm));
        let with_it = catch_unwind(work).ok().flatten();
        let compiled = with_it.and_then(|(with_it, ground)| {
            let code = self.compile(&with_it).ok()?;
            Some((Some(ground), code))
        });
        let (ground, code) = match compiled {
            Some(compiled) => compiled,
            None => (None, self.compile(wasm)?),
        };
        Ok(Made {
            preparation,
            ground,
            code,
        })
    }

    /// The snapshot, or why there is none.
    fn frozen(
        &mut self,
        seen: &Inspection,
        config: &str,
        denied: Vec<Permission>,
        desk: &mut dyn Desk,
    ) -> Result<Result<Vec<u8>, String>, LoadError> {
        desk.step(Step::Compiling);
        let mut wizer = Wizer::new();
        wizer.keep_init_func(true);
        let (context, instrumented) = match instrument(&wizer, self.wasm) {
            Ok(instrumented) => instrumented,
            Err(why) => return Ok(Err(why)),
        };
        let component = self.instrumented(&instrumented)?;
        drop(instrumented);
        desk.step(Step::Configuring);
        let bench = Bench {
            order: self.order,
            engine: &self.engine,
            permissions: &seen.permissions,
            denied,
            lines: self.lines,
        };
        let configured = configured(&bench, &component, config)?;
        desk.step(Step::Freezing);
        Ok(snapshot::take(&wizer, &context, configured))
    }

    /// Compiled before by whoever had the same octets, so that a changed list is only configured again.
    fn instrumented(&mut self, wasm: &[u8]) -> Result<Component, LoadError> {
        let key = Key::instrumented(&self.engine, &Sha256::digest(wasm).into());
        let kept = self.cache.as_ref().and_then(|cache| cache.read(&key));
        if let Some(kept) = kept
            && let Ok(component) = Native::of_our_own(kept).component(&self.engine)
        {
            return Ok(component);
        }
        let code = self.compile(wasm)?;
        if let Some(cache) = &self.cache {
            cache.write(&key, &[code.octets()]);
        }
        code.component(&self.engine)
            .map_err(|error| compile_fault(&error))
    }

    fn compile(&mut self, wasm: &[u8]) -> Result<Native, LoadError> {
        self.compiled += 1;
        let code = self.engine.precompile_component(wasm);
        code.map(Native::of_our_own)
            .map_err(|error| compile_fault(&error))
    }
}

/// Adds what reads the state out of a component, or says in words why that cannot be done.
fn instrument<'a>(wizer: &Wizer, wasm: &'a [u8]) -> Result<Instrumented<'a>, String> {
    let work = AssertUnwindSafe(|| wizer.instrument_component(wasm));
    match catch_unwind(work) {
        Ok(Ok(instrumented)) => Ok(instrumented),
        Ok(Err(error)) => Err(reason(&error.root_cause().to_string())),
        Err(_) => Err("it is built in a way that snapshots do not know yet".to_owned()),
    }
}

/// wizer's words as the end of a sentence.
pub fn reason(words: &str) -> String {
    format!(
        "no snapshot can be taken of it ({})",
        printable(clip(words, MAX_REASON))
    )
}
