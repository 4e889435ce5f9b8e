//! Copies the state of a configured component into a component that starts with it.

use wasmtime::Store;
use wasmtime::component::{Instance, Lift, WasmList};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use super::configure::Configured;
use super::workshop::reason;
use crate::contain::caught;
use crate::guest::Guest;

/// Reading a memory grows it by a page, twice for each memory.
const PAGES: usize = 2 * crate::limiter::MAX_MEMORIES * 65536;
/// What the host copies beside the memory itself.
const SPARE: usize = 16 << 20;
/// Ticks until the end of time: nothing of the guest runs any more.
const NEVER: u64 = 1 << 60;

/// The component with the state, or in words why it cannot be.
pub fn take(
    wizer: &Wizer,
    context: &ComponentContext<'_>,
    configured: Configured,
) -> Result<Vec<u8>, String> {
    let Configured {
        mut store,
        instance,
        runtime,
    } = configured;
    if store.data().holds_handles() {
        return Err("after configure it holds handles of WASI, an open stdout for example: print nothing there, use \
                    `log`"
            .to_owned());
    }
    let memory = usize::try_from(store.data().limiter.memory()).unwrap_or(usize::MAX);
    store.data_mut().limiter.allow_more(PAGES);
    store.set_hostcall_fuel(memory.saturating_add(SPARE));
    store.set_epoch_deadline(NEVER);
    let mut reader = Reader {
        store: &mut store,
        instance,
        failed: None,
    };
    // Its code panics on what it does not know.
    let taken = runtime.block_on(caught(wizer.snapshot_component(context, &mut reader)));
    match (reader.failed, taken) {
        (Some(why), _) => Err(reason(&why)),
        (None, Some(Ok(frozen))) => Ok(frozen),
        (None, Some(Err(error))) => Err(reason(&error.root_cause().to_string())),
        (None, None) => Err("its state is of a kind that snapshots do not know yet".to_owned()),
    }
}

/// Calls what wizer added to the component.
struct Reader<'a> {
    store: &'a mut Store<Guest>,
    instance: Instance,
    /// the first fault; what is read after it is worth nothing
    failed: Option<String>,
}

impl Reader<'_> {
    async fn call<R: Lift + Send + Sync + 'static>(
        &mut self,
        instance: &str,
        func: &str,
    ) -> Option<R> {
        match self.try_call(instance, func).await {
            Ok(value) => Some(value),
            Err(error) => {
                let why = || error.root_cause().to_string();
                self.failed.get_or_insert_with(why);
                None
            }
        }
    }

    async fn try_call<R: Lift + Send + Sync + 'static>(
        &mut self,
        instance: &str,
        func: &str,
    ) -> wasmtime::Result<R> {
        let store = &mut *self.store;
        let inside = self.instance.get_export_index(&mut *store, None, instance);
        let found = inside
            .and_then(|inside| {
                self.instance
                    .get_export_index(&mut *store, Some(&inside), func)
            })
            .ok_or_else(|| wasmtime::format_err!("{instance}#{func} is missing"))?;
        let func = self
            .instance
            .get_typed_func::<(), (R,)>(&mut *store, found)?;
        Ok(func.call_async(&mut *store, ()).await?.0)
    }
}

impl ComponentInstanceState for Reader<'_> {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        match self.call::<WasmList<u8>>(instance, func).await {
            Some(list) => contents(list.as_le_slice(&*self.store)),
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.call(instance, func).await.unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.call(instance, func).await.unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        let value: Option<f32> = self.call(instance, func).await;
        value.unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        let value: Option<f64> = self.call(instance, func).await;
        value.unwrap_or_default().to_bits()
    }
}
