//! The whole journey with programs of others at both ends: swaks or smtplib, the proxy with the filters it brings along, Postfix.

use lazaret_tests::Proxy;
use lazaret_tests::peers::clients::{LISTENERS, file, smtplib, swaks, without_last_end};
use lazaret_tests::peers::journey::{Noise, on_top, with_header};
use lazaret_tests::peers::{self, Arrived, Backend, Postfix, Service};

/// In the order of the demo.
const FILTERS: [&str; 4] = ["access", "rules", "attachments", "policy"];

/// Postfix, and before it the proxy with these filters as they are shipped. None without Postfix.
fn journey() -> Option<(Postfix, Proxy)> {
    let service = Service {
        command: "smtpd -o smtpd_authorized_xclient_hosts=127.0.0.1",
    };
    let postfix = Postfix::start(service, "")?;
    let proxy = Proxy::before(postfix.address()).set("[backend]\nidentity = \"xclient\"\n");
    let with = |proxy: lazaret_tests::proxy::Builder, name: &&str| proxy.bundled(name, "");
    let proxy = FILTERS.iter().fold(proxy, with).start();
    Some((postfix, proxy))
}

/// The message that arrived last is, by SHA-256, what was sent, but for the lines that the log says were added.
fn must_have_arrived(postfix: &Postfix, count: usize, sender: &str, sent: &[u8]) {
    let arrived = postfix.arrived(count);
    assert_eq!(arrived.len(), count, "{sender}: what arrived");
    let Arrived { octets, .. } = arrived.last().expect("at least one");
    let more = on_top(sender, sent, octets);
    assert_eq!(more, "", "{sender}: more than what the log says");
}

#[test]
fn swaks_through_the_filters_to_postfix() {
    let Some((postfix, proxy)) = journey() else {
        return;
    };
    let message = with_header(b".a dot\r\n..\r\n. \r\nblanks  \t \r\n\r\n\r\nFrom here\r\nend\r\n");
    let file = file(without_last_end(&message));
    for (n, listener) in LISTENERS.into_iter().enumerate() {
        let sender = format!("journey-swaks-{listener}@example.com");
        let Some(said) = swaks(&proxy, listener, &sender, file.path(), &[]) else {
            return;
        };
        // The reply is Postfix's own.
        let queue_id = postfix.id_in(&said);
        assert!(postfix.log().contains(queue_id), "{said}");
        must_have_arrived(&postfix, n + 1, &sender, &message);
        peers::ran(&format!("swaks to postfix, {listener}"));
    }
}

#[test]
fn smtplib_through_the_filters_to_postfix() {
    let Some((postfix, proxy)) = journey() else {
        return;
    };
    let message = with_header(&Noise::new(0x51ce_0b57).three_hundred_lines());
    let file = file(&message);
    for (n, listener) in LISTENERS.into_iter().enumerate() {
        let sender = format!("journey-smtplib-{listener}@example.com");
        let Some(refused) = smtplib(&proxy, listener, &sender, file.path()) else {
            return;
        };
        let only_eve = refused.contains("eve@example.net") && !refused.contains("bob@example.org");
        assert!(only_eve, "{refused}");
        must_have_arrived(&postfix, n + 1, &sender, &message);
        peers::ran(&format!("smtplib to postfix, {listener}"));
    }
}
