//! Floods of several kinds, mail that only looks like one, and a store that is no use.

use lazaret_filter::testing::{Report, State, Transaction, configure};

use crate::{Rate, clock};

const NETWORK: &str = "[[bucket]]\nby = 'network'\nrate = '60/1h'\nburst = 3";
const LATER: &str = "defer 451 4.7.1 too much mail from your network, try again in 60 seconds";

fn report(transaction: Transaction, state: &State, config: &str) -> Report {
    transaction.state(state).run::<Rate>(config)
}

fn said(transaction: Transaction, state: &State, config: &str) -> String {
    report(transaction, state, config).verdict().to_string()
}

fn client(address: &str) -> Transaction {
    Transaction::new().client(address)
}

/// So many in a row pass.
fn passes(times: usize, transaction: &Transaction, state: &State, config: &str) {
    for n in 0..times {
        assert_eq!(said(transaction.clone(), state, config), "continue", "{n}");
    }
}

/// Time goes by, for the store and for us.
fn pass(state: &State, seconds: u64) {
    state.pass(seconds);
    clock::set(|now| now + seconds * 1_000_000);
}

#[test]
fn catches_a_flood_from_one_network() {
    let state = State::new();
    for host in ["192.0.2.1", "192.0.2.77", "192.0.2.200"] {
        passes(1, &client(host), &state, NETWORK);
    }
    assert_eq!(said(client("192.0.2.5"), &state, NETWORK), LATER);
    passes(1, &client("192.0.3.1"), &state, NETWORK);
}

#[test]
fn catches_a_sender_that_changes_its_addresses() {
    let state = State::new();
    let config = "[[bucket]]\nby = 'sender-domain'\nrate = '10/1m'\nburst = 2\nanswer = 'refuse'";
    for n in 0..2 {
        let from = format!("offer{n}@Bulk.example");
        passes(
            1,
            &client(&format!("192.0.{n}.1")).from(&from),
            &state,
            config,
        );
    }
    let more = client("198.51.100.1").from("offer3@bulk.example");
    assert_eq!(
        said(more, &state, config),
        "reject 550 5.7.1 too much mail from this domain"
    );
}

/// `C: MAIL FROM:<x@ｂulk.example> SMTPUTF8`, the first letter of full width.
#[test]
fn catches_a_domain_in_another_spelling() {
    let state = State::new();
    let config = "[[bucket]]\nby = 'sender-domain'\nrate = '10/1m'\nburst = 2
        [[bucket]]\nby = 'recipient'\nrate = '1/1h'\nburst = 3";
    let mail = |from: &str, to: &str| Transaction::new().from(from).to(to);
    passes(
        1,
        &mail("x@\u{ff42}ulk.example", "anna@bücher.example"),
        &state,
        config,
    );
    passes(
        1,
        &mail("x@BULK\u{3002}example", "Anna@BU\u{308}CHER.example"),
        &state,
        config,
    );
    let third = mail("x@bulk.example", "bob@example.org");
    assert!(said(third, &state, config).contains("from this domain"));
    passes(
        1,
        &mail("a@a.example", "anna@xn--bcher-kva.example"),
        &state,
        config,
    );
    let fourth = said(mail("a@a.example", "anna@bücher.example"), &state, config);
    assert!(fourth.contains("to this recipient"), "{fourth}");
}

/// A bomb for one mailbox, from everywhere.
#[test]
fn catches_a_flood_at_one_recipient() {
    let state = State::new();
    let config = "[[bucket]]\nby = 'recipient'\nrate = '1/1h'\nburst = 2";
    for n in 0..2 {
        let transaction = client(&format!("198.51.100.{n}")).to("Anna@example.org");
        passes(1, &transaction, &state, config);
    }
    let report = report(
        Transaction::new()
            .to("anna@example.org")
            .to("bob@example.org"),
        &state,
        config,
    );
    assert_eq!(
        report.verdict().to_string(),
        "defer 451 4.7.1 too much mail to this recipient, try again in 60 minutes"
    );
    assert_eq!(report.recipients(), ["bob@example.org"]);
}

#[test]
fn catches_a_user_whose_password_was_stolen() {
    let state = State::new();
    let config = "[[bucket]]\nby = 'user'\nrate = '60/1h'\nburst = 4\neach = 'recipient'";
    let many = |count| {
        let recipient = |n| format!("victim{n}@example.net");
        (0..count).fold(Transaction::new().user("eva"), |it, n| it.to(&recipient(n)))
    };
    let report = report(many(9), &state, config);
    assert_eq!(report.recipients().len(), 4);
    let other = Transaction::new().user("bob").to("a@example.net");
    passes(1, &other, &state, config);
}

/// Tokens come back one by one, and never more than the bucket holds.
#[test]
fn spares_who_keeps_to_the_rate() {
    let state = State::new();
    passes(3, &client("192.0.2.1"), &state, NETWORK);
    for _ in 0..100 {
        pass(&state, 60);
        passes(1, &client("192.0.2.1"), &state, NETWORK);
        assert_eq!(said(client("192.0.2.1"), &state, NETWORK), LATER);
    }
    pass(&state, 86_400);
    passes(3, &client("192.0.2.1"), &state, NETWORK);
    assert_eq!(said(client("192.0.2.1"), &state, NETWORK), LATER);
}

/// A rush from many networks, of IPv6 neighbours in different /64, of bounces and of strangers to the limit.
#[test]
fn spares_crowds_of_others() {
    let state = State::new();
    for n in 0..200 {
        passes(1, &client(&format!("198.51.{n}.1")), &state, NETWORK);
        passes(1, &client(&format!("2001:db8:0:{n:x}::1")), &state, NETWORK);
    }
    let by_domain = "[[bucket]]\nby = 'sender-domain'\nrate = '1/1h'\nburst = 1";
    passes(20, &Transaction::new().from(""), &state, by_domain);
    let by_user = "[[bucket]]\nby = 'user'\nrate = '1/1h'\nburst = 1";
    passes(20, &Transaction::new(), &state, by_user);
}

#[test]
fn spares_the_exempt_and_not_who_looks_like_them() {
    let config = "
        exempt.networks = ['198.51.100.0/24']
        exempt.users = ['Newsletter']
        exempt.senders = ['Bank.example']
        exempt.recipients = ['abuse@']
        [[bucket]]
        by = 'network'
        rate = '1/1h'
        burst = 1
        each = 'recipient'";
    let new = Transaction::new;
    for spared in [
        new().client("198.51.100.9"),
        new().user("newsletter"),
        new().from("info@news.bank.example"),
        new().to("Abuse@example.org"),
    ] {
        passes(5, &spared, &State::new(), config);
    }
    for alike in [
        new().client("198.51.101.9"),
        new().user("newsletters"),
        new().from("info@mybank.example"),
        new().to("noabuse@example.org"),
    ] {
        let state = State::new();
        passes(1, &alike, &state, config);
        assert!(said(alike, &state, config).starts_with("defer 451"));
    }
}

#[test]
fn networks_are_as_wide_as_configured() {
    let state = State::new();
    let wide = format!("ipv4-network = 16\nipv6-network = 48\n{NETWORK}");
    for host in ["192.0.2.1", "192.0.77.1", "192.0.200.1"] {
        passes(1, &client(host), &state, &wide);
    }
    assert_eq!(said(client("192.0.9.9"), &state, &wide), LATER);
    for host in ["2001:db8::1", "2001:db8:0:77::1", "2001:db8:0:ffff::1"] {
        passes(1, &client(host), &state, &wide);
    }
    assert_eq!(said(client("2001:db8::9"), &state, &wide), LATER);
    let all = format!("ipv4-network = 0\nipv6-network = 0\n{NETWORK}");
    passes(2, &client("192.0.2.1"), &state, &all);
    passes(1, &client("203.0.113.1"), &state, &all);
    assert_eq!(said(client("198.51.100.1"), &state, &all), LATER);
}

/// The reply waits until there is a token, as long as that is not too long.
#[test]
fn replies_are_held_where_that_is_the_answer() {
    let state = State::new();
    let config =
        "[[bucket]]\nby = 'network'\nrate = '30/1m'\nburst = 2\nanswer = 'hold'\nhold = '5s'";
    let held = || {
        let report = report(Transaction::new(), &state, config);
        (report.verdict().to_string(), report.held())
    };
    let told = |wait: u64| ("continue".to_owned(), wait);
    assert_eq!(held(), told(0));
    assert_eq!(held(), told(0));
    assert_eq!(held(), told(2000));
    assert_eq!(held(), told(4000));
    let (verdict, _) = held();
    assert!(verdict.starts_with("defer 451 4.7.1"), "{verdict}");
    pass(&state, 2);
    assert_eq!(held(), told(4000));
}

/// What one bucket refuses costs nothing in the other.
#[test]
fn a_refusal_takes_no_token() {
    let state = State::new();
    let config = "
        [[bucket]]
        by = 'network'
        rate = '1/1h'
        burst = 5
        [[bucket]]
        by = 'sender-domain'
        rate = '1/1h'
        burst = 1";
    let from = |domain: &str| Transaction::new().from(&format!("a@{domain}"));
    passes(1, &from("one.example"), &state, config);
    for _ in 0..20 {
        assert!(said(from("one.example"), &state, config).contains("from this domain"));
    }
    for domain in [
        "two.example",
        "three.example",
        "four.example",
        "five.example",
    ] {
        passes(1, &from(domain), &state, config);
    }
    assert!(said(from("six.example"), &state, config).contains("from your network"));
}

/// Two limits of one network count side by side.
#[test]
fn a_short_and_a_long_limit_hold_together() {
    let state = State::new();
    let config = "
        [[bucket]]
        by = 'network'
        rate = '60/1m'
        burst = 2
        [[bucket]]
        by = 'network'
        rate = '5/1d'
        burst = 5";
    let plain = Transaction::new();
    for _ in 0..2 {
        passes(2, &plain, &state, config);
        assert!(said(plain.clone(), &state, config).contains("in 1 second"));
        pass(&state, 60);
    }
    passes(1, &plain, &state, config);
    assert!(said(plain, &state, config).contains("in 5 hours"));
}

/// An hour forward fills the bucket, an hour back empties it once at most.
#[test]
fn a_clock_that_jumps_shuts_nobody_out() {
    const HOUR: u64 = 3_600_000_000;
    let state = State::new();
    passes(3, &client("192.0.2.1"), &state, NETWORK);
    clock::set(|now| now - HOUR);
    assert_eq!(said(client("192.0.2.1"), &state, NETWORK), LATER);
    pass(&state, 60);
    passes(1, &client("192.0.2.1"), &state, NETWORK);
    clock::set(|now| now + 3 * HOUR);
    passes(3, &client("192.0.2.1"), &state, NETWORK);
}

#[test]
fn nonsense_in_the_store_is_a_full_bucket() {
    let state = State::new();
    for junk in ["", "many", "-1", "99999999999999999999999999"] {
        state.put("Network/Message 60/1h 192.0.2.0/24", junk, 3600);
        passes(3, &client("192.0.2.1"), &state, NETWORK);
        assert_eq!(said(client("192.0.2.1"), &state, NETWORK), LATER);
    }
    state.put(
        "Network/Message 60/1h 192.0.2.0/24",
        "18446744073709551615",
        3600,
    );
    assert_eq!(said(client("192.0.2.1"), &state, NETWORK), LATER);
}

#[test]
fn without_state_mail_goes_on_unless_told_otherwise() {
    let denied = || Transaction::new().deny("state");
    let report = denied().run::<Rate>(NETWORK);
    assert_eq!(report.verdict().to_string(), "continue");
    assert!(report.log()[0].starts_with("warn: cannot count"));
    let defer = format!("when-unavailable = 'defer'\n{NETWORK}");
    let verdict = denied().run::<Rate>(&defer).verdict().to_string();
    assert_eq!(
        verdict,
        "defer 451 4.7.1 we cannot take mail right now, try again later"
    );
}

#[test]
fn spares_long_mailboxes() {
    let long = format!("{}@example.org", "ö".repeat(400));
    let config = "[[bucket]]\nby = 'recipient'\nrate = '1/1h'\nburst = 2";
    passes(2, &Transaction::new().to(&long), &State::new(), config);
}

#[test]
fn says_what_is_wrong_with_its_configuration() {
    let problem = |toml: &str| configure::<Rate>(toml).err().unwrap_or_default();
    let bucket = |more: &str| problem(&format!("[[bucket]]\nby = 'network'\n{more}"));
    for wrong in ["60", "0/1h", "60/1", "60/0s", "x/1h", "60/1w", "9999999/1s"] {
        let said = bucket(&format!("rate = '{wrong}'\nburst = 1"));
        assert!(said.contains("write it as 600/1h"), "{wrong}: {said}");
    }
    assert!(bucket("rate = '1/1h'\nburst = 0").contains("burst: 0 is not"));
    assert!(bucket("rate = '1/300d'\nburst = 2").contains("399 days"));
    assert!(bucket("rate = '1/1h'\nburst = 1\nhold = '5s'").contains("leave it out"));
    assert!(bucket("rate = '1/1h'\nburst = 1\nanswer = 'hold'\nhold = '1m'").contains("1s to 30s"));
    let recipient = "[[bucket]]\nby = 'recipient'\nrate = '1/1h'\nburst = 1\neach = 'message'";
    assert!(problem(recipient).contains("leave `each` out"));
    assert!(problem("").contains("write one as [[config.bucket]]"));
    assert!(problem(&format!("ipv4-network = 33\n{NETWORK}")).contains("0 to 32 bits"));
    assert!(problem(&format!("exempt.senders = ['']\n{NETWORK}")).contains("remove it"));
    assert!(problem("[[bucket]]\nby = 'sender'").contains("unknown variant `sender`"));
}
