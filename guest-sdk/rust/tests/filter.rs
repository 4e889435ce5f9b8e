//! A filter with every stage, asked natively.

#![allow(clippy::unwrap_used, reason = "a test")]

use lazaret_filter::prelude::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    refuse: String,
}

/// Refuses at the stage it is told to, and counts what it saw.
struct Everywhere {
    refuse: String,
    asked: u32,
}

impl Everywhere {
    fn at(&mut self, stage: &str) -> Verdict {
        self.asked += 1;
        if self.refuse == stage {
            return Verdict::reject(format!("{stage}, asked {} times", self.asked));
        }
        Verdict::Continue
    }
}

#[filter]
impl Filter for Everywhere {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        log::info("ready");
        Ok(Self {
            refuse: config.refuse,
            asked: 0,
        })
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
            "nobody" => Verdict::reject("no such mailbox"),
            _ => self.at("rcpt"),
        }
    }
    fn headers(&mut self) -> Verdict {
        self.at("headers")
    }
    fn message(&mut self) -> Verdict {
        self.at("message")
    }
}

fn transaction() -> testing::Transaction {
    testing::Transaction::new()
        .to("nobody@example.org")
        .to("anna@example.org")
        .message("Subject: hi\n\nhello\n")
}

#[test]
fn each_stage_may_refuse() {
    let said = |stage: &str| {
        let report = transaction().run::<Everywhere>(&format!("refuse = '{stage}'"));
        report.verdicts().last().unwrap().1.to_string()
    };
    assert_eq!(said("connect"), "reject connect, asked 1 times");
    assert_eq!(said("hello"), "reject hello, asked 1 times");
    assert_eq!(said("mail"), "reject mail, asked 1 times");
    assert_eq!(said("rcpt"), "reject rcpt, asked 2 times");
    assert_eq!(said("headers"), "reject headers, asked 3 times");
    assert_eq!(said("message"), "reject message, asked 4 times");
    assert_eq!(said("never"), "continue");
}

#[test]
fn a_verdict_at_rcpt_is_for_that_recipient() {
    let report = transaction().run::<Everywhere>("refuse = ''");
    assert_eq!(report.recipients(), ["anna@example.org"]);
    assert_eq!(report.stage(), Some("rcpt"));
}

#[test]
fn configure_speaks_to_the_operator() {
    let problem = testing::configure::<Everywhere>("refuses = 'mail'").err();
    assert_eq!(
        problem.as_deref(),
        Some("[config]: unknown field `refuses`, expected `refuse`")
    );
}

#[derive(Default)]
struct Curious;

#[filter]
impl Filter for Curious {
    fn mail(&mut self, _: &Address) -> Verdict {
        assert_eq!(body::read(0, 10), Err(Error::NotNow));
        assert_eq!(parts::all(), Err(Error::NotNow));
        assert_eq!(score::add("EARLY", 1.0, "is fine"), Ok(()));
        notes::set(notes::Scope::Transaction, "seen", "yes").unwrap();
        assert_eq!(entropy::random(9).len(), 9);
        Verdict::Continue
    }

    fn message(&mut self) -> Verdict {
        assert_eq!(session::client_ip().to_string(), "192.0.2.1");
        assert_eq!(session::hello().as_deref(), Some("client.example.net"));
        assert_eq!(envelope::sender().unwrap().mailbox, "sender@example.net");
        assert_eq!(
            headers::first("subject").as_deref(),
            Some("Gr\u{fc}\u{df}e aus K\u{f6}ln")
        );
        assert_eq!(score::add("BAD", f64::NAN, ""), Err(Error::Invalid));
        assert_eq!(edit_headers::add("X-A", "a\r\nB: c"), Err(Error::Invalid));
        assert_eq!(edit_headers::add("X A", "a"), Err(Error::Invalid));
        assert_eq!(edit_headers::add("Received", "a"), Err(Error::NotGranted));
        assert_eq!(edit_headers::remove_all("X-Old"), Ok(2));
        assert_eq!(edit_headers::replace("Subject", 0, "hello"), Ok(()));
        assert_eq!(
            edit_headers::replace("Subject", 1, "hello"),
            Err(Error::Invalid)
        );
        assert_eq!(
            pace::hold(std::time::Duration::from_secs(2)),
            Err(Error::NotGranted)
        );
        let octets: Vec<u8> = body::chunks().flat_map(Result::unwrap).collect();
        assert_eq!(octets.len(), body::size() as usize);
        assert!(octets.ends_with(b"\r\n--b--\r\n"));
        for part in parts::all().unwrap() {
            log::info(format!(
                "{} {:?} {}",
                part.content_type, part.name, part.size
            ));
        }
        assert_eq!(parts::read_all(2, 1, 3).unwrap(), b"ell");
        assert_eq!(parts::read(9, 0, 1), Err(Error::Invalid));
        assert_eq!(parts::text(1).unwrap().trim_end(), "text");
        assert_eq!(parts::text(2), Err(Error::Invalid));
        Verdict::Continue
    }
}

/// Says in the reply what it finds in the score.
#[derive(Default)]
struct Sums;

#[filter]
impl Filter for Sums {
    fn message(&mut self) -> Verdict {
        score::add("OWN", 0.5, "to be seen").unwrap();
        let entries = score::all().unwrap().into_iter();
        let words: Vec<_> = entries
            .map(|it| format!("{}:{}:{}:{}", it.filter, it.symbol, it.points, it.why))
            .collect();
        Verdict::reject(words.join(" "))
    }
}

#[test]
fn the_entries_behind_the_total_are_listed() {
    let report = testing::Transaction::new()
        .scored("rules", "NO_DATE", 1.5, "no Date field")
        .message("Subject: hi\n\nhello\n")
        .run::<Sums>("");
    assert_eq!(
        report.verdict().to_string(),
        "reject rules:NO_DATE:1.5:no Date field :OWN:0.5:to be seen"
    );
}

const MIME: &str = "\
X-Old: 1
Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= aus
 =?utf-8?Q?K=C3=B6ln?=
X-Old: 2
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

text
--b
Content-Type: application/octet-stream
Content-Disposition: attachment; filename=hello.bin
Content-Transfer-Encoding: base64

aGVsbG8=
--b--
";

/// Says in the reply what it finds in the parts.
#[derive(Default)]
struct Enclosed;

#[filter]
impl Filter for Enclosed {
    fn message(&mut self) -> Verdict {
        let words = parts::all().unwrap().into_iter().map(|part| {
            let octets = parts::read(part.index, 0, part.size).unwrap();
            let text = String::from_utf8_lossy(&octets).replace("\r\n", "|");
            format!("{}:{}:{text}", part.content_type, part.attachment)
        });
        Verdict::reject(words.collect::<Vec<_>>().join(" "))
    }
}

/// As the host tells it: all octets of the enclosed message, and an attachment where Content-Disposition says so.
#[test]
fn an_enclosed_message_has_octets_and_disposition_decides() {
    let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n\nx\n--b\n\
        Content-Type: message/rfc822\nContent-Disposition: attachment\n\nSubject: in\n\nhello\n--b--\n";
    let report = testing::Transaction::new()
        .message(message)
        .run::<Enclosed>("");
    assert_eq!(
        report.verdict().to_string(),
        "reject multipart/mixed:false: image/png:false:x message/rfc822:true:Subject: in||hello text/plain:false:hello"
    );
}

#[test]
fn permissions_answer_as_the_host_does() {
    let report = testing::Transaction::new()
        .deny("pace")
        .message(MIME)
        .run::<Curious>("");
    assert_eq!(report.edits(), ["remove X-Old", "replace Subject 0: hello"]);
    assert_eq!(report.symbols(), ["EARLY"]);
    assert_eq!(report.note("seen"), Some("yes"));
    assert!(
        report
            .message()
            .starts_with("Subject: hello\r\nContent-Type")
    );
    assert_eq!(
        report.log(),
        [
            "info: multipart/mixed None 0",
            "info: text/plain None 4",
            "info: application/octet-stream Some(\"hello.bin\") 5",
        ]
    );
}
