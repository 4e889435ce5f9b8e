//! What is asked after which verdict, as in tests/sessions/verdicts.

use lazaret_filter::prelude::*;

#[derive(Deserialize)]
struct Told {
    at: String,
    say: String,
}

/// Says at one stage what it is told to, about eve and nobody else; keeps who is in the envelope at the end.
struct Puppet(Told);

impl Puppet {
    fn at(&self, stage: &str) -> Verdict {
        match self.0.say.as_str() {
            _ if self.0.at != stage => Verdict::Continue,
            "accept" => Verdict::Accept,
            "discard" => Verdict::Discard,
            "quarantine" => Verdict::quarantine("looks odd"),
            "disconnect" => Verdict::disconnect("go"),
            _ => Verdict::reject("not this"),
        }
    }
}

#[filter]
impl Filter for Puppet {
    type Config = Told;

    fn configure(told: Told) -> Result<Self, String> {
        Ok(Self(told))
    }
    fn connect(&mut self) -> Verdict {
        self.at("connect")
    }
    fn hello(&mut self, _: &str) -> Verdict {
        self.at("hello")
    }
    fn mail(&mut self, _: &Address) -> Verdict {
        self.at("mail")
    }
    fn rcpt(&mut self, recipient: &Address) -> Verdict {
        match recipient.local_part.as_str() {
            "eve" => self.at("rcpt"),
            _ => Verdict::Continue,
        }
    }
    fn headers(&mut self) -> Verdict {
        self.at("headers")
    }
    fn message(&mut self) -> Verdict {
        for recipient in envelope::recipients() {
            log::info(recipient.mailbox);
        }
        self.at("message")
    }
}

fn play(say: &str, at: &str) -> testing::Report {
    testing::Transaction::new()
        .to("eve@example.org")
        .to("bob@example.org")
        .message("Subject: hello\n\nA line.\n")
        .run::<Puppet>(&format!("at = '{at}'\nsay = '{say}'"))
}

/// The stages that were asked.
fn asked(say: &str, at: &str) -> String {
    let report = play(say, at);
    let stages: Vec<_> = report.verdicts().iter().map(|(stage, _)| *stage).collect();
    stages.join(" ")
}

const ALL: &str = "connect hello mail rcpt rcpt headers message";

#[test]
fn after_an_accept_no_other_verdict_is_asked_for() {
    assert_eq!(asked("accept", "connect"), "connect");
    assert_eq!(asked("accept", "hello"), "connect hello");
    assert_eq!(asked("accept", "mail"), "connect hello mail");
    assert_eq!(
        asked("accept", "headers"),
        "connect hello mail rcpt rcpt headers"
    );
    assert_eq!(
        play("accept", "mail").recipients(),
        ["eve@example.org", "bob@example.org"]
    );
}

#[test]
fn accept_at_rcpt_is_for_that_recipient() {
    assert_eq!(asked("accept", "rcpt"), ALL);
}

#[test]
fn a_mark_ends_nothing() {
    for stage in ["connect", "hello", "mail", "rcpt", "headers", "message"] {
        assert_eq!(asked("quarantine", stage), ALL);
        assert_eq!(asked("discard", stage), ALL);
    }
}

#[test]
fn a_recipient_in_quarantine_is_one_of_the_envelope() {
    let seen = ["info: eve@example.org", "info: bob@example.org"];
    assert_eq!(play("quarantine", "rcpt").log(), seen);
    assert_eq!(play("reject", "rcpt").log(), &seen[1..]);
}

#[test]
fn disconnect_at_rcpt_ends_all_of_it() {
    assert_eq!(asked("disconnect", "rcpt"), "connect hello mail rcpt");
    assert_eq!(asked("reject", "rcpt"), ALL);
}

/// Looks on: writes down what it is told, and what it can still see.
#[derive(Default)]
struct Onlooker;

#[filter]
impl Filter for Onlooker {
    fn rcpt(&mut self, recipient: &Address) -> Verdict {
        match recipient.local_part.as_str() {
            "eve" => Verdict::Discard,
            "nobody" => Verdict::reject("no such mailbox"),
            _ => Verdict::Continue,
        }
    }
    fn message(&mut self) -> Verdict {
        match headers::first("Subject").as_deref() {
            Some("spam") => Verdict::reject("not this"),
            Some("odd") => Verdict::quarantine("looks odd"),
            _ => Verdict::Continue,
        }
    }
    fn outcome(&mut self, told: &TransactionResult) {
        let by = told.decided_by.is_some();
        let to = envelope::recipients().len();
        log::info(format!("{} {}, by us: {by}, to {to}", told.code, told.text));
        assert!(headers::all().is_empty());
        assert_eq!(body::size(), 0);
        assert_eq!(body::read(0, 1), Err(Error::NotNow));
        assert_eq!(parts::all(), Err(Error::NotNow));
        assert_eq!(edit_headers::add("X-A", "v"), Err(Error::NotNow));
        assert_eq!(score::add("A", 1.0, ""), Err(Error::NotNow));
        assert_eq!(
            notes::set(notes::Scope::Connection, "k", "v"),
            Err(Error::NotNow)
        );
        assert_eq!(pace::hold(std::time::Duration::ZERO), Err(Error::NotNow));
        assert_eq!(metrics::count("told", 1), Ok(()));
    }
    fn disconnect(&mut self, _: &str) {
        assert!(envelope::sender().is_none() && envelope::recipients().is_empty());
        log::info("gone");
    }
}

fn told(recipients: &[&str], subject: &str) -> String {
    let to = |transaction: testing::Transaction, mailbox: &&str| transaction.to(mailbox);
    let report = recipients
        .iter()
        .fold(testing::Transaction::new(), to)
        .message(format!("Subject: {subject}\n\nA line.\n"))
        .run::<Onlooker>("");
    report.log().join(" ").replace("info: ", "")
}

#[test]
fn observers_are_told_of_an_end_of_data_and_of_the_end() {
    let (eve, bob) = ("eve@example.org", "bob@example.org");
    assert_eq!(told(&[bob], "hello"), "250 OK, by us: false, to 1 gone");
    assert_eq!(told(&[bob], "spam"), "550 not this, by us: true, to 1 gone");
    assert_eq!(told(&[bob], "odd"), "250 OK, by us: true, to 1 gone");
    assert_eq!(told(&[eve], "hello"), "250 OK, by us: true, to 1 gone");
    assert_eq!(
        told(&[eve, bob], "hello"),
        "250 OK, by us: false, to 2 gone"
    );
    assert_eq!(told(&["nobody@example.org"], "hello"), "gone");
}
