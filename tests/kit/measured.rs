//! Whether a test has the machine to itself.

/// `LAZARET_MEASURED=1`, as `.ci/run` says it where nothing else runs: only then is a bound in seconds one of ours and not of
/// the other tests.
pub fn measured() -> bool {
    std::env::var("LAZARET_MEASURED").is_ok_and(|value| value == "1")
}
