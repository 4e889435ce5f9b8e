//! What must hold for any value in a line of the log.

use std::io;
use std::sync::{Arc, Mutex};

use super::{Lines, LogFormat, Reader};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut page = self.0.lock().expect("nobody panics with it");
        page.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(format: LogFormat, value: &str) -> String {
    let page = Page::default();
    let out = page.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .event_format(Lines {
            format,
            reader: Reader::Plain,
        })
        .with_writer(move || out.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(value, shown = %value, debug = ?value, last = 7, "{value}");
    });
    let octets = page.0.lock().expect("nobody panics with it").clone();
    String::from_utf8(octets).expect("a log is text")
}

/// Whatever somebody says, it is one line without a control; in JSON it parses, and the fields are those that were
/// written; in text no value ends before it ends.
pub fn line(octets: &[u8]) {
    let value = String::from_utf8_lossy(octets);
    let json = written(LogFormat::Json, &value);
    let text = written(LogFormat::Text, &value);
    for line in [&json, &text] {
        let line = line.strip_suffix('\n').expect("a line ends");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&json).expect("a line of JSON");
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut wanted = [
        "timestamp",
        "level",
        "message",
        "value",
        "shown",
        "debug",
        "last",
        "target",
    ];
    wanted.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, wanted);
    assert_eq!(object["value"], object["shown"]);
    assert_eq!(object["value"], object["message"]);
    assert_eq!(object["last"], 7);
    assert!(text.ends_with(" last=7\n"), "{text:?}");
}
