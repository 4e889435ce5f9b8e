//! Sessions it must refuse, sessions that only look like them, and the order of its lists.

use lazaret_filter::testing::{Transaction, configure};

use crate::Access;

const CONFIG: &str = "
clients = { deny = ['198.51.100.0/24', '2001:db8:bad::/48'], allow = ['198.51.100.25'] }
client-names = { deny = ['.dynamic.example.net'], action = 'defer' }
hellos = { deny = ['ylmf-pc', '.invalid'] }
senders = { deny = ['.bulk.example', 'offers@shop.example'], allow = ['orders@shop.bulk.example'] }
recipients = { deny = ['trap@example.org'], allow = ['postmaster@'], text = 'nobody reads this' }
";

fn said(transaction: Transaction) -> String {
    let report = transaction.run::<Access>(CONFIG);
    match report.stage() {
        Some(stage) => format!("{stage}: {}", report.verdict()),
        None => "continue".into(),
    }
}

fn session() -> Transaction {
    Transaction::new()
}

/// A spammer's rented network: `S: 554 5.7.1 we take no mail from your network`
#[test]
fn catches_a_denied_network() {
    let expected = "connect: reject 5.7.1 we take no mail from your network";
    assert_eq!(said(session().client("198.51.100.77")), expected);
    assert_eq!(said(session().client("2001:db8:bad::25")), expected);
}

/// A botnet that always says the same name: `C: EHLO ylmf-pc`
#[test]
fn catches_the_hello_of_a_botnet() {
    assert_eq!(
        said(session().helo("ylmf-pc")),
        "hello: reject 5.7.1 we take no mail from a client of this name"
    );
}

/// `C: MAIL FROM:<win@x17.bulk.example>`
#[test]
fn catches_a_bulk_sender_below_a_denied_domain() {
    let expected = "mail: reject 5.1.8 we take no mail from this sender";
    assert_eq!(said(session().from("win@x17.bulk.example")), expected);
    assert_eq!(said(session().from("Offers@SHOP.example")), expected);
}

#[test]
fn catches_a_dynamic_name_for_now() {
    assert_eq!(
        said(session().client_name("p1.dynamic.example.net")),
        "connect: defer 4.7.1 we take no mail from your network"
    );
}

#[test]
fn catches_a_recipient_that_is_a_trap() {
    let session = session().to("trap@example.org").to("anna@example.org");
    let report = session.run::<Access>(CONFIG);
    assert_eq!(
        report.verdict().to_string(),
        "reject 5.1.1 nobody reads this"
    );
    assert_eq!(report.recipients(), ["anna@example.org"]);
}

#[test]
fn spares_the_network_next_door() {
    assert_eq!(said(session().client("198.51.101.77")), "continue");
    assert_eq!(said(session().client("2001:db8:bad1::25")), "continue");
}

#[test]
fn spares_a_hello_that_only_starts_alike() {
    assert_eq!(said(session().helo("ylmf-pc.example.org")), "continue");
    assert_eq!(said(session().helo("invalid.example.org")), "continue");
}

#[test]
fn spares_senders_with_like_names() {
    for sender in [
        "win@notbulk.example",
        "offers@example.org",
        "orders@shop.example",
        "",
    ] {
        assert_eq!(said(session().from(sender)), "continue", "{sender}");
    }
}

#[test]
fn allow_goes_before_deny_in_one_list_and_across_lists() {
    assert_eq!(said(session().client("198.51.100.25")), "continue");
    assert_eq!(said(session().from("orders@shop.bulk.example")), "continue");
    let allowed_client = session().client("198.51.100.25").helo("ylmf-pc");
    assert_eq!(said(allowed_client), "continue");
}

#[test]
fn waiting_until_rcpt_lets_a_recipient_spare_a_client() {
    let config = format!("when = 'at-rcpt'\n{CONFIG}");
    let session = session()
        .client("198.51.100.77")
        .to("postmaster@example.org")
        .to("anna@example.org");
    let report = session.run::<Access>(&config);
    assert_eq!(report.recipients(), ["postmaster@example.org"]);
    assert_eq!(report.stage(), Some("rcpt"));
    assert!(report.verdict().to_string().contains("your network"));
}

#[test]
fn a_bad_entry_is_named_with_its_list() {
    let problem = |config: &str| configure::<Access>(config).err().unwrap();
    assert_eq!(
        problem("clients = { deny = ['10.0.0.0/99'] }"),
        "clients.deny: network `10.0.0.0/99` has a bad prefix length"
    );
    assert!(problem("senders = { allow = ['*.example.org'] }").starts_with("senders.allow: "));
    assert!(problem("sender = {}").contains("unknown field `sender`, expected one of"));
}
