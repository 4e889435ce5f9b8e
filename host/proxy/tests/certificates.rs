//! Replays the corpus of the fuzz target `certificate`, each also cut and with each of its octets changed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

#[path = "checks/certificate.rs"]
mod checks;
#[allow(dead_code, reason = "only what is told of a certificate is looked at")]
#[path = "../src/tls/client_certificate.rs"]
mod client_certificate;

use client_certificate::{believing, facts};

/// As the proxy has it.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn corpus() -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/certificate");
    let entries = fs::read_dir(corpus).expect("the target has a corpus");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let files = paths.map(|path| fs::read(path).expect("the file can be read"));
    files.collect()
}

#[test]
fn the_corpus_replays() {
    let corpus = corpus();
    assert!(corpus.iter().filter(|it| tells(it)).count() > 1);
    corpus.iter().for_each(|it| checks::certificate(it));
}

fn tells(octets: &[u8]) -> bool {
    facts(&[octets.into()], None).is_some()
}

#[test]
fn any_cut_or_changed_octet_is_no_panic() {
    for whole in corpus() {
        for at in 0..whole.len() {
            checks::certificate(&whole[..at]);
            for value in [0, 0x1f, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                checks::certificate(&changed);
            }
        }
    }
}
