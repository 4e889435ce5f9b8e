//! What must hold for any octets. The fuzz targets run these, and so does `tests/corpus.rs` over `fuzz/corpus`.

use std::net::{Ipv4Addr, Ipv6Addr};

use lazaret_services::dns::{Answer, DomainName, Kind, Zone};
use lazaret_services::http::Origin;

/// A check over octets; it panics where something does not hold.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub type Check = fn(&[u8]);

/// A check with the name of its fuzz target and corpus folder.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub const ALL: [(&str, Check); 2] = [("origin", origin), ("zone", zone)];

/// Each line: an origin is written in one way, and read again it is the same.
pub fn origin(octets: &[u8]) {
    for line in String::from_utf8_lossy(octets).split('\n') {
        let Some(origin) = Origin::parse(line) else {
            continue;
        };
        let shown = origin.to_string();
        assert_eq!(Origin::parse(&shown).as_ref(), Some(&origin), "{line:?}");
        let bare = shown.strip_prefix("https://").unwrap_or(&shown);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._[]:".contains(c);
        assert!(bare.chars().all(plain), "{shown:?}");
        let port: u16 = shown
            .rsplit(':')
            .next()
            .and_then(|it| it.parse().ok())
            .expect("a port");
        assert!(port == origin.port && port > 0);
    }
}

/// A zone file is understood, or refused by line and in words fit for a terminal; what it answers is what was asked for.
pub fn zone(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let zone = match Zone::parse(&text) {
        Ok(zone) => zone,
        Err(wrong) => {
            assert!((1..=text.lines().count()).contains(&wrong.line), "{wrong}");
            assert!(!wrong.problem.contains(char::is_control), "{wrong:?}");
            return;
        }
    };
    assert!(Zone::parse(&format!("{text}\n; a comment")).is_ok());
    for name in names(&text) {
        for kind in [Kind::A, Kind::Aaaa, Kind::Mx, Kind::Txt, Kind::Ptr] {
            if let Answer::Records(records) = zone.resolve(&name, kind) {
                assert!(!records.is_empty());
                records.iter().for_each(|record| is_of(kind, record));
            }
        }
    }
}

/// All words, by themselves and below the first names that end in a dot.
fn names(text: &str) -> Vec<DomainName> {
    let words = || text.split_whitespace().take(50);
    let origins: Vec<_> = words().filter(|word| word.ends_with('.')).take(4).collect();
    let below = |word: &str| {
        let names = origins.iter().map(|origin| format!("{word}.{origin}"));
        names.chain([word.to_owned()]).collect::<Vec<_>>()
    };
    let names = words().flat_map(below);
    names.filter_map(|name| DomainName::parse(&name)).collect()
}

fn is_of(kind: Kind, record: &str) {
    let name = |text: &str| DomainName::parse(text).is_some_and(|name| name.as_str() == text);
    let good = match kind {
        Kind::A => record.parse::<Ipv4Addr>().is_ok(),
        Kind::Aaaa => record.parse::<Ipv6Addr>().is_ok(),
        Kind::Mx => record.split_once(' ').is_some_and(|(preference, host)| {
            preference.parse::<u16>().is_ok() && (host.is_empty() || name(host))
        }),
        Kind::Txt => true,
        Kind::Ptr => name(record),
    };
    assert!(good, "{kind:?}: {record:?}");
}
