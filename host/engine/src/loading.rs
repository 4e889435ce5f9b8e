//! From octets and a policy to a filter: from the cache or through a preparation, tried, and kept.

use std::sync::Arc;

use async_trait::async_trait;
use lazaret_mail::{Filter, LoadError, Loader, Policy, Source};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::cache::{Key, Makings};
use crate::contract::Permission;
use crate::engine::Engine;
use crate::files::{at_file, refuse_large};
use crate::grants::{reach, settle, unreachable};
use crate::inspect::{Configure, Inspection, Preparation, fault};
use crate::lane::step_back;
use crate::prepare::{Desk, Order, Plan, Product, Progress, Step, Watch, in_child, prepare};
use crate::sandbox::WasmFilter;
use crate::settings::Preparer;
use crate::smoke::{Trial, try_stage, try_stages};
use crate::template::Template;

#[async_trait]
impl Loader for Engine {
    async fn load(&self, source: Source) -> Result<Arc<dyn Filter>, LoadError> {
        Ok(Arc::new(self.loaded(source).await?))
    }
}

impl Engine {
    /// Loads a filter as for service, lets go of it, and tells how its sandboxes would have come by their configured
    /// state: what really happened, where [`inspect()`](crate::inspect()) tells what can be expected. Takes from milliseconds
    /// to minutes.
    ///
    /// # Errors
    /// The filter would not load.
    pub async fn try_preparation(&self, source: Source) -> Result<Preparation, LoadError> {
        Ok(self.loaded(source).await?.prepared().clone())
    }

    async fn loaded(&self, source: Source) -> Result<WasmFilter, LoadError> {
        let file = source.file.clone();
        let progress = Arc::<Progress>::default();
        let _watch = Watch::start(&source.name, progress.clone());
        let loaded = aside(self.clone(), source, progress).await;
        loaded.map_err(|error| at_file(error, &file))
    }
}

/// Loads on a thread of its own. Reading, hashing and taking over tens of megabytes of code, or making the image of a
/// snapshot, would hold an async thread up, and take processors from those who serve mail: the thread steps back.
async fn aside(
    engine: Engine,
    source: Source,
    progress: Arc<Progress>,
) -> Result<WasmFilter, LoadError> {
    let (told, loaded) = oneshot::channel();
    let runtime = Handle::current();
    let work = move || {
        // Where a child compiles, this process serves mail.
        if engine.settings().preparer != Preparer::InProcess {
            step_back();
        }
        let loading = Loading {
            engine,
            hash: Sha256::digest(&source.wasm).into(),
            progress,
            source,
        };
        // Whoever ordered it may be gone.
        let _ = told.send(runtime.block_on(loading.run()));
    };
    let thread = std::thread::Builder::new().name("lazaret-load".into());
    if let Err(error) = thread.spawn(work) {
        return Err(fault(
            format!("no thread could be started to load it: {error}"),
            "look at the limits on processes, then load it again",
        ));
    }
    loaded.await.unwrap_or_else(|_| {
        Err(fault(
            "it made its loading fail",
            "report this, with the file",
        ))
    })
}

/// One filter on its way.
struct Loading {
    engine: Engine,
    source: Source,
    /// sha256 of the component
    hash: [u8; 32],
    progress: Arc<Progress>,
}

impl Loading {
    /// Tried without the outside, then given it: made-up sessions leave no traces in state, and ask nobody.
    async fn run(&self) -> Result<WasmFilter, LoadError> {
        let filter = self.tried().await?;
        let Source { name, policy, .. } = &self.source;
        let services = &self.engine.settings().services;
        let reach = services.reach(name, reach(policy)?).await;
        Ok(filter.in_service(Arc::new(reach.map_err(unreachable)?)))
    }

    async fn tried(&self) -> Result<WasmFilter, LoadError> {
        refuse_large(
            self.source.wasm.len() as u64,
            self.engine.settings().max_wasm,
        )?;
        let product = self.product(Plan::Snapshot).await?;
        self.remark(&product.seen)?;
        if let Preparation::InEachFork(why) = &product.preparation {
            let filter = &*self.source.name;
            tracing::warn!(
                filter,
                "no snapshot, each sandbox is configured anew: {why}"
            );
        }
        let filter = self.filter(&product).await?;
        let failed = try_stages(&filter, self.engine.settings().prepare.trial_wall).await;
        let suspects: Vec<_> = failed
            .iter()
            .filter(|trial| trial.may_be_frozen())
            .collect();
        if product.preparation == Preparation::Snapshot
            && !suspects.is_empty()
            && let Some(plain) = self.thawed(&suspects).await?
        {
            return Ok(plain);
        }
        self.warn(&failed);
        Ok(filter)
    }

    /// The filter without a snapshot, if a stage that failed in the forks of the snapshot does not fail in a sandbox that
    /// was configured by itself.
    async fn thawed(&self, failed: &[&Trial]) -> Result<Option<WasmFilter>, LoadError> {
        let mut product = self.product(Plan::Plain).await?;
        let filter = self.filter(&product).await?;
        for trial in failed {
            if try_stage(&filter, trial.stage).await.is_none() {
                let why = format!(
                    "at {} it fails in forks of its snapshot ({})",
                    trial.stage, trial.failure.kind
                );
                tracing::warn!(filter = self.source.name, "no snapshot: {why}");
                product.preparation = Preparation::InEachFork(why);
                self.keep(Plan::Snapshot, &product);
                return Ok(Some(self.filter(&product).await?));
            }
        }
        Ok(None)
    }

    /// On-failure answers where a filter fails: what is seen while loading is the author's to know, not a reason to refuse.
    fn warn(&self, failed: &[Trial]) {
        for trial in failed {
            tracing::warn!(
                filter = self.source.name,
                "tried with a made-up session, it failed at {}: {}; its on-failure answers where it fails",
                trial.stage,
                trial.failure.kind
            );
        }
    }

    /// Links it and makes the first sandbox.
    async fn filter(&self, product: &Product) -> Result<WasmFilter, LoadError> {
        let Source { name, policy, .. } = &self.source;
        let rights = settle(&product.seen, policy)?;
        let template = Template::make(&self.engine, name, product, rights, policy.clone())?;
        Ok(WasmFilter::new(template.tried().await?))
    }

    /// Prepared before, or now.
    async fn product(&self, plan: Plan) -> Result<Product, LoadError> {
        if let Some(product) = self.kept(plan) {
            return Ok(product);
        }
        let _turn = self.engine.turn(self.hash).await;
        // Whoever was before us may have prepared the same.
        if let Some(product) = self.kept(plan) {
            return Ok(product);
        }
        let product = self.prepare(plan)?;
        self.engine.count(product.compiled);
        self.keep(plan, &product);
        Ok(product)
    }

    fn prepare(&self, plan: Plan) -> Result<Product, LoadError> {
        let Source { wasm, policy, .. } = &self.source;
        let order = self.order(plan);
        let mut desk = Counter { loading: self };
        match &self.engine.settings().preparer {
            Preparer::InProcess => std::thread::scope(|scope| {
                // It brings a runtime of its own, which no thread of ours may enter.
                let work = || prepare(&order, wasm, &policy.config, &mut Counter { loading: self });
                scope.spawn(work).join().unwrap_or_else(|_| {
                    Err(fault(
                        "it made its preparation fail",
                        "report this, with the file",
                    ))
                })
            }),
            Preparer::Child { program } => {
                in_child(program, &order, wasm, &policy.config, &mut desk)
            }
        }
    }

    fn order(&self, plan: Plan) -> Order {
        let settings = self.engine.settings();
        Order {
            name: self.source.name.clone(),
            plan,
            memory: self.source.policy.memory,
            max_memory: settings.max_memory,
            table_elements: settings.table_elements,
            call: settings.call.clone(),
            limits: settings.prepare.clone(),
            cache: self.engine.cache().map(|cache| cache.place()),
        }
    }

    fn key(&self, plan: Plan) -> Key {
        let makings = Makings {
            wasm: &self.hash,
            policy: &self.source.policy,
            settings: self.engine.settings(),
            plan,
        };
        Key::prepared(self.engine.wasm(), &makings)
    }

    fn kept(&self, plan: Plan) -> Option<Product> {
        let octets = self.engine.cache()?.read(&self.key(plan))?;
        Product::from_octets(octets)
    }

    fn keep(&self, plan: Plan, product: &Product) {
        if let Some(cache) = self.engine.cache() {
            let head = product.head_octets();
            let parts = [&head[..], product.lines.octets(), product.code.octets()];
            cache.write(&self.key(plan), &parts);
        }
    }

    /// Odd things that do no harm, into the log.
    fn remark(&self, seen: &Inspection) -> Result<(), LoadError> {
        let rights = self.settled(seen)?;
        for remark in &rights {
            tracing::warn!(filter = self.source.name, "{remark}");
        }
        Ok(())
    }

    /// Refuses rights that are not settled; the remarks on those that are.
    fn settled(&self, seen: &Inspection) -> Result<Vec<String>, LoadError> {
        let rights = settle(seen, &self.source.policy)?;
        refuse_unused_config(seen, &self.source.policy)?;
        Ok(rights.remarks)
    }
}

/// Where a preparation asks.
struct Counter<'a> {
    loading: &'a Loading,
}

impl Desk for Counter<'_> {
    fn step(&mut self, step: Step) {
        self.loading.progress.set(step);
    }

    fn settle(&mut self, seen: &Inspection) -> Result<Vec<Permission>, LoadError> {
        self.loading.settled(seen)?;
        Ok(settle(seen, &self.loading.source.policy)?.denied)
    }
}

fn refuse_unused_config(seen: &Inspection, policy: &Policy) -> Result<(), LoadError> {
    let empty = ["", "{}", "null"].contains(&policy.config.trim());
    if empty || seen.configure != Configure::Absent {
        return Ok(());
    }
    Err(fault(
        "its .toml has a [config] table, but the filter takes no configuration",
        "take [config] out, or export `configure`",
    ))
}
