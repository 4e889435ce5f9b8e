//! Clients that never come back as they should, servers that do, and those who need not.

use std::sync::Barrier;

use lazaret_filter::testing::{State, Transaction, configure};

use crate::Greylist;

const LATER: &str = "defer 451 4.7.1 we do not know you yet, try again in 5 minutes";

fn said(transaction: Transaction, state: &State, config: &str) -> String {
    let report = transaction.state(state).run::<Greylist>(config);
    report.verdict().to_string()
}

fn plain(state: &State) -> String {
    said(Transaction::new(), state, "")
}

/// A bot tries once, and its next victim is another.
#[test]
fn catches_who_never_comes_again() {
    let state = State::new();
    assert_eq!(plain(&state), LATER);
    state.pass(600);
    let other = Transaction::new().to("eva@example.org");
    assert_eq!(said(other, &state, ""), LATER);
    let forged = Transaction::new().from("other@example.net");
    assert_eq!(said(forged, &state, ""), LATER);
}

/// Tries that follow each other do not make the wait shorter.
#[test]
fn catches_who_hammers() {
    let state = State::new();
    for _ in 0..10 {
        assert_eq!(plain(&state), LATER);
        state.pass(29);
    }
}

/// Three days later is a first try again.
#[test]
fn catches_who_comes_too_late() {
    let state = State::new();
    assert_eq!(plain(&state), LATER);
    state.pass(3 * 86_400);
    assert_eq!(plain(&state), LATER);
}

#[test]
fn spares_a_server_that_comes_again_and_whoever_is_known() {
    let state = State::new();
    assert_eq!(plain(&state), LATER);
    state.pass(301);
    let neighbour = Transaction::new()
        .client("192.0.2.77")
        .from("Sender@Example.NET");
    assert_eq!(said(neighbour, &state, ""), "continue");
    for _ in 0..3 {
        state.pass(35 * 86_400);
        assert_eq!(plain(&state), "continue", "each mail renews it");
    }
    state.pass(37 * 86_400);
    assert_eq!(plain(&state), LATER);
}

#[test]
fn spares_a_network_that_came_back_often_enough() {
    let state = State::new();
    let to = |recipient: &str| Transaction::new().client("2001:db8::1").to(recipient);
    let config = "auto-allow = 2";
    for recipient in ["a@example.org", "b@example.org"] {
        said(to(recipient), &state, config);
        state.pass(301);
        for _ in 0..3 {
            assert_eq!(said(to(recipient), &state, config), "continue");
        }
    }
    assert_eq!(said(to("c@example.org"), &state, config), "continue");
    assert_eq!(said(to("c@example.org"), &state, "auto-allow = 3"), LATER);
    let elsewhere = to("c@example.org").client("2001:db8:0:1::1");
    assert_eq!(said(elsewhere, &state, config), LATER);
}

/// Each mail renews the trust in its network, as it does with a triplet; without any it ends.
#[test]
fn spares_a_good_network_as_long_as_it_sends() {
    let state = State::new();
    let to = |recipient: &str| Transaction::new().to(recipient);
    let config = "auto-allow = 2";
    for recipient in ["a@example.org", "b@example.org"] {
        said(to(recipient), &state, config);
        state.pass(301);
        assert_eq!(said(to(recipient), &state, config), "continue");
    }
    for day in 0..120 {
        let new = format!("{day}@example.org");
        assert_eq!(said(to(&new), &state, config), "continue", "day {day}");
        state.pass(86_400);
    }
    state.pass(37 * 86_400);
    assert_eq!(said(to("c@example.org"), &state, config), LATER);
}

/// The fifth that passes makes it good for a whole `lifetime`, though the first four were long ago.
#[test]
fn spares_a_network_that_became_good_late() {
    let state = State::new();
    let to = |recipient: &str| Transaction::new().to(recipient);
    let config = "auto-allow = 2";
    for recipient in ["a@example.org", "b@example.org"] {
        said(to(recipient), &state, config);
        state.pass(301);
        assert_eq!(said(to(recipient), &state, config), "continue");
        state.pass(35 * 86_400);
    }
    assert_eq!(state.text("network 192.0.2.0/24"), None, "it is over");
    assert_eq!(said(to("c@example.org"), &state, config), "continue");
    let more = "auto-allow = 3";
    assert_eq!(said(to("d@example.org"), &state, more), LATER);
}

/// Trust of a version that wrote down only how many passed is renewed, too.
#[test]
fn spares_a_network_that_was_good_before() {
    let state = State::new();
    state.put("network 192.0.2.0/24", "2", 36 * 86_400);
    let to = |recipient: &str| Transaction::new().to(recipient);
    for day in 0..60 {
        let new = format!("{day}@example.org");
        let config = "auto-allow = 2";
        assert_eq!(said(to(&new), &state, config), "continue", "day {day}");
        state.pass(86_400);
    }
}

#[test]
fn spares_the_exempt_and_not_who_looks_like_them() {
    let config = "
        networks = ['198.51.100.0/24']
        client-names = ['mail.example']
        senders = ['Bank.example']
        recipients = ['abuse@', 'anna@example.org']
        null-sender = 'pass'";
    let verdict = |transaction| said(transaction, &State::new(), config);
    let new = Transaction::new;
    for spared in [
        new().client("198.51.100.9"),
        new().client_name("out.mail.example"),
        new().from("info@news.bank.example"),
        new().from(""),
        new().user("eva"),
        new().to("Abuse@example.net"),
        new().to("anna@example.org"),
    ] {
        assert_eq!(verdict(spared), "continue");
    }
    for alike in [
        new().client_name("fakemail.example"),
        new().from("info@mybank.example"),
        new().to("noabuse@example.net"),
        new().to("joanna@example.org"),
    ] {
        assert_eq!(verdict(alike), LATER);
    }
    assert_eq!(said(new().from(""), &State::new(), ""), LATER);
}

#[test]
fn without_state_mail_goes_on_unless_told_otherwise() {
    let denied = || Transaction::new().deny("state");
    let report = denied().run::<Greylist>("");
    assert_eq!(report.verdict().to_string(), "continue");
    assert!(report.log()[0].starts_with("warn: cannot remember"));
    let defer = "when-unavailable = 'defer'";
    assert_eq!(
        said(denied(), &State::new(), defer),
        "defer 451 4.7.1 we cannot take mail right now, try again later"
    );
}

/// Who makes up thousands of senders does not fill the store, and keeps nobody out: beyond some, all of the network share
/// places, and who comes back after the delay passes.
#[test]
fn catches_who_would_fill_the_store() {
    let state = State::new();
    let from = |n: usize| Transaction::new().from(&format!("{n}@example.net"));
    let neighbour = || from(0).client("192.0.2.77").to("bob@example.org");
    for n in 0..2100 {
        assert_eq!(said(from(n), &state, ""), LATER);
    }
    for _ in 0..3 {
        assert_eq!(said(neighbour(), &state, ""), LATER);
        assert_eq!(said(from(2099), &state, ""), LATER);
    }
    state.pass(301);
    assert_eq!(said(neighbour(), &state, ""), "continue");
    assert_eq!(said(from(2099), &state, ""), "continue");
    assert_eq!(said(from(1), &state, ""), "continue");
    let elsewhere = || from(3000).client("198.51.100.7");
    assert_eq!(said(elsewhere(), &state, ""), LATER);
    state.pass(301);
    assert_eq!(said(elsewhere(), &state, ""), "continue");
}

/// Two keys for each of 2,000 triplets and 1,024 places, and the number of them.
#[test]
fn a_flood_leaves_so_much_and_no_more() {
    let state = State::new();
    let from = |n: usize| Transaction::new().from(&format!("{n}@example.net"));
    for n in 0..20_000 {
        said(from(n), &state, "");
    }
    let keys = state.keys().len();
    assert!(keys <= 2 * (2000 + 1024) + 1, "{keys}");
}

/// The number of triplets that wait is what it was, however often one too many comes: when they are forgotten, there is room.
#[test]
fn spares_who_comes_when_the_flood_is_over() {
    let state = State::new();
    let from = |n: usize| Transaction::new().from(&format!("{n}@example.net"));
    for n in 0..3000 {
        said(from(n), &state, "window = '10m'");
    }
    state.pass(601);
    let settings = "window = '10m'";
    assert_eq!(said(from(9000), &state, settings), LATER);
    state.pass(301);
    assert_eq!(said(from(9000), &state, settings), "continue");
}

/// Eight sessions at the same moment, twice: one first try is remembered, one triplet has passed. Not each time they meet.
#[test]
fn of_sessions_that_come_at_once_one_counts() {
    for _ in 0..50 {
        let state = State::new();
        let text = |key: &str| state.text(&format!("{key} 192.0.2.0/24"));
        at_once(&state, LATER);
        assert_eq!(text("pending").as_deref(), Some("1"));
        state.pass(301);
        at_once(&state, "continue");
        assert_eq!(text("pending").as_deref(), Some("0"));
        assert_eq!(text("network").as_deref(), Some("1"));
    }
}

fn at_once(state: &State, expected: &str) {
    let start = Barrier::new(8);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                start.wait();
                assert_eq!(plain(state), expected);
            });
        }
    });
}

/// Mailboxes of any length are known again; no key is longer than the store takes.
#[test]
fn spares_long_mailboxes() {
    let state = State::new();
    let long = format!("{}@example.net", "ö".repeat(250));
    let verdict = || said(Transaction::new().from(&long).to(&long), &state, "");
    assert_eq!(verdict(), LATER);
    state.pass(301);
    assert_eq!(verdict(), "continue");
}

#[test]
fn says_what_is_wrong_with_its_configuration() {
    let problem = |toml: &str| configure::<Greylist>(toml).err().unwrap_or_default();
    assert_eq!(
        problem("delay = '2h'\nwindow = '1h'"),
        "window: 1 hour is over before delay = 2 hours is, and nobody would ever pass; make it longer"
    );
    for wrong in ["5", "0s", "401d", "m", "99999999d"] {
        let said = problem(&format!("delay = '{wrong}'"));
        assert!(said.contains("write it as 90s, 5m, 2h or 36d"), "{said}");
    }
    assert!(problem("senders = ['']").contains("remove it"));
    assert!(problem("dely = '5m'").contains("unknown field `dely`"));
}
