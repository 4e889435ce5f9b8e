//! What is asked after which verdict, as in tests/sessions/verdicts.

#![allow(clippy::unwrap_used, reason = "a test")]

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
fn after_an_accept_no_other_stage_is_asked() {
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
