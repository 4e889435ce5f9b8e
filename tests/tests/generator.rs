//! The load generator against the proxy: what it sends arrives, over TLS from the first octet and after STARTTLS, and what
//! it says of its handshakes is true.

use lazaret_load::{Ending, Handshakes, Pace, Plan, Report, Security, send};
use lazaret_tests::{BackendDouble, Proxy};

/// Two connections at once, five in all, two messages on each.
fn plan(proxy: &Proxy, security: Security) -> Plan {
    let listener = match security {
        Security::Plain => "plain",
        Security::Starttls => "starttls",
        Security::Implicit => "implicit",
    };
    Plan {
        security,
        connections: 2,
        messages: 2,
        recipients: 3,
        ending: Ending::Connections(5),
        ..Plan::to(proxy.address(listener))
    }
}

/// All ten arrived, each once, for its three recipients.
fn arrived(backend: &BackendDouble, report: &Report) {
    assert_eq!(report.failures, 0, "{report}");
    assert_eq!((report.sessions, report.messages), (5, 10), "{report}");
    let deliveries = backend.deliveries();
    assert_eq!(deliveries.len(), 10);
    for delivery in &deliveries {
        assert_eq!(delivery.envelope.len(), 1 + 3, "{delivery:?}");
    }
}

fn sends(security: Security, pace: Pace, handshakes: Handshakes) -> Report {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    let report = send(&Plan {
        pace,
        handshakes,
        ..plan(&proxy, security)
    });
    arrived(&backend, &report);
    report
}

#[test]
fn full_handshakes_are_full() {
    for security in [Security::Implicit, Security::Starttls] {
        let report = sends(security, Pace::OneByOne, Handshakes::Full);
        assert_eq!(report.resumed, 0, "{security:?}: {report}");
    }
}

#[test]
fn sessions_are_resumed_and_counted() {
    for security in [Security::Implicit, Security::Starttls] {
        let report = sends(security, Pace::OneByOne, Handshakes::Resumed);
        // Those that begin together have no session to resume yet.
        assert!((1..=4).contains(&report.resumed), "{security:?}: {report}");
    }
}

#[test]
fn commands_go_in_groups_over_tls_too() {
    for security in [Security::Plain, Security::Implicit, Security::Starttls] {
        sends(security, Pace::Pipelined, Handshakes::Full);
    }
}

/// A generator that went on in the clear would measure something else.
#[test]
fn starttls_that_is_not_offered_is_a_failure() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    let report = send(&Plan {
        security: Security::Starttls,
        ..plan(&proxy, Security::Plain)
    });
    assert_eq!((report.messages, report.failures), (0, 2), "{report}");
    let first = report.first_failure.unwrap_or_default();
    assert!(first.contains("does not offer STARTTLS"), "{first}");
    assert!(backend.deliveries().is_empty());
}
