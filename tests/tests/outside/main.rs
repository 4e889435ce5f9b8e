//! Filters that need the outside world, through the proxy, with real servers behind them and with servers that are no use.

mod auth;
mod greylist;
mod keeper;
mod names;
mod scan;
mod shared;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use lazaret_tests::peers::Redis;
use lazaret_tests::program::Program;
use lazaret_tests::{BackendDouble, Proxy, proxy};

/// Compiles the bundled filters into the cache, once for all tests: on a busy machine a program that has to do it itself takes
/// longer to listen than its test would wait.
static COMPILED: LazyLock<()> = LazyLock::new(|| {
    let backend = BackendDouble::start();
    let builder = Proxy::before(backend.address()).set("state = \"memory\"");
    let filters = ["auth", "dnsbl", "greylist", "policy", "rate"];
    let add = |builder: proxy::Builder, name: &&str| builder.bundled(name, "");
    filters.iter().fold(builder, add).start().stop();
});

/// A proxy before this backend that will be a process of its own.
fn before(backend: &BackendDouble) -> proxy::Builder {
    LazyLock::force(&COMPILED);
    Proxy::before(backend.address()).with_cache()
}

/// Two proxies before one backend, with one Redis: one reaches it by its socket, one by TLS.
struct Twins {
    redis: Redis,
    backend: BackendDouble,
    proxies: [Program; 2],
}

impl Twins {
    /// With these bundled filters, by name and policy. None without Redis.
    fn with(filters: &[(&str, &str)]) -> Option<Self> {
        let redis = Redis::start()?;
        let backend = BackendDouble::start();
        let proxies = [redis.url(), redis.tls_url()].map(|state| {
            let state = format!("state = \"{state}\"\nservices-ca = \"cert.pem\"\n");
            let builder = before(&backend).set(&state);
            let add = |builder: proxy::Builder, (name, policy): &(&str, &str)| {
                builder.bundled(name, policy)
            };
            Program::run(PROGRAM, filters.iter().fold(builder, add))
        });
        Some(Self {
            redis,
            backend,
            proxies,
        })
    }
}

/// The program that is tested.
const PROGRAM: &str = env!("CARGO_BIN_EXE_lazaret-under-test");

/// A message of this sender without anything remarkable.
fn letter(from: &str) -> String {
    format!(
        "From: {from}\r\nTo: bob@example.org\r\nSubject: lunch on Monday\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\
         Message-ID: <1@example.com>\r\n\r\nAt one?\r\nYours\r\n"
    )
}

/// Says that it is over when it is dropped, also after a panic: who works until then would never end.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
