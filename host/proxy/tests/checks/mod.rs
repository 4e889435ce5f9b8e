//! What must hold for any octets. The fuzz targets run these, and so does `corpus.rs` over `fuzz/corpus`, so that what was
//! found once stays found.

use std::path::Path;

use lazaret_proxy::Config;
use lazaret_proxy::control::{Request, Response};

/// A check over octets; it panics where something does not hold.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub type Check = fn(&[u8]);

/// A check with the name of its fuzz target and corpus folder.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub const ALL: [(&str, Check); 2] = [("config", config), ("control", control)];

/// A configuration is understood, or refused in one piece that names the file and shows no control.
pub fn config(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    match Config::parse(Path::new("lazaret.toml"), &text) {
        Ok(config) => {
            assert!(!config.listeners.is_empty());
            let limits = &config.limits;
            assert!(limits.in_flight >= limits.message_size);
            assert!(limits.in_flight_per_client >= limits.message_size);
            assert!(
                config
                    .admin
                    .iter()
                    .all(|address| address.ip().is_loopback())
            );
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.starts_with("lazaret.toml"), "{told:?}");
            let shown = |c: char| c == '\n' || !c.is_control();
            assert!(told.chars().all(shown), "{told:?}");
        }
    }
}

/// A request that is understood is written and read back as the same; an answer, too, and each is one line.
pub fn control(octets: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<Request>(octets) {
        let line = serde_json::to_vec(&request).expect("words can be written");
        assert!(!line.contains(&b'\n'));
        let again: Request = serde_json::from_slice(&line).expect("what was written");
        assert_eq!(again, request);
    }
    if let Ok(response) = serde_json::from_slice::<Response>(octets) {
        let line = serde_json::to_vec(&response).expect("words can be written");
        assert!(!line.contains(&b'\n'));
        assert!(serde_json::from_slice::<Response>(&line).is_ok());
    }
}
