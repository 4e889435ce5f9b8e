//! A context for tests: one session, one transaction, all granted, `X-*` editable, scores from -2 to 8.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lazaret_mail::message::HEADER_LIMIT;
use lazaret_mail::{
    Ask, Content, EditScope, Envelope, Grant, Message, Notes, Party, Path, Points, Question, Score,
    Session,
};

use lazaret_services::dns::{self, Names, Pattern, Zone};
use lazaret_services::{Grants, Reach, Services, Trust, http, state};

use super::{Ctx, Refusal};
use crate::bindings::types::Error;
use crate::grants::{ClientNames, Rights};
use crate::journal::{Ear, Journal};
use crate::settings::CallLimits;

/// A path without parameters.
pub fn path(mailbox: &str) -> Path {
    Path::new(lazaret_mail::facts::Address::parse(mailbox).unwrap())
}

/// `*.zen.example` may be asked for; the client has a name.
fn outside() -> Arc<Reach> {
    let zone = "a.zen.example. A 127.0.0.2\n1.2.0.192.in-addr.arpa. PTR client.example.net.\n\
                client.example.net. A 192.0.2.1\n";
    let names = Names::of_zone(Zone::parse(zone).unwrap());
    let patterns = vec![Pattern::parse("*.zen.example").unwrap()];
    let grants = Grants {
        dns: dns::Grant {
            patterns,
            ..dns::Grant::default()
        },
        ..Grants::default()
    };
    let http = http::Client::new(names.clone(), Trust::default());
    let services = Services::of(names, http, state::Store::default());
    // Without lists there is nothing to wait for.
    let mut reaching = pin!(services.reach("test", grants));
    match reaching
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(reach) => Arc::new(reach.unwrap()),
        Poll::Pending => panic!("it waits for something"),
    }
}

/// In `configure`.
pub fn configuring() -> Ctx {
    let limits = Arc::new(CallLimits::default());
    let rights = Rights {
        denied: Vec::new(),
        edits: EditScope::of(&[Grant::EditHeaders(vec!["X-*".into()])]),
        score: (-2.0, 8.0),
        client_name: ClientNames::Shown,
        tcp: Vec::new(),
        tcp_size: 1 << 20,
        tcp_time: Duration::from_secs(5),
        may_send: true,
        remarks: Vec::new(),
    };
    let journal = Arc::new(Journal::new("test".into(), &limits, Ear::Mail));
    let mut ctx = Ctx::new(
        "test".into(),
        Arc::new(rights),
        limits,
        journal,
        Arc::default(),
        Some(outside()),
    );
    ctx.begin(None);
    ctx
}

/// At a stage, without a message.
pub fn at(ask: Ask) -> Ctx {
    let mut ctx = configuring();
    ctx.begin(Some(question(ask, None)));
    ctx
}

/// At a stage, with a message.
pub fn with_message(ask: Ask, mail: &str) -> Ctx {
    let content = Content::Memory(mail.to_owned().into());
    let message = Message::parse(content, HEADER_LIMIT).unwrap();
    let mut ctx = configuring();
    ctx.begin(Some(question(ask, Some(Arc::new(message)))));
    ctx
}

/// At a stage, with a message, under other limits.
pub fn at_with_limits(ask: Ask, mail: &str, limits: CallLimits) -> Ctx {
    let mut ctx = with_message(ask, mail);
    ctx.limits = Arc::new(limits);
    ctx
}

/// What the guest is told instead of a result.
#[track_caller]
pub fn told<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Error {
    match result.unwrap_err() {
        Refusal::Told(error) => error,
        Refusal::Stop(error) => panic!("stopped: {error}"),
    }
}

fn question(ask: Ask, message: Option<Arc<Message>>) -> Question {
    let in_transaction = !matches!(ask, Ask::Connect | Ask::Hello(_));
    let envelope = Envelope {
        sender: Some(path("sender@example.com")),
        recipients: vec![path("first@example.org"), path("second@example.org")],
    };
    let notes = [(("other".to_owned(), "seen".to_owned()), "yes".to_owned())];
    Question {
        ask: ask.into(),
        session: Arc::new(session()),
        envelope: in_transaction.then(|| Arc::new(envelope)),
        message,
        score: earlier(),
        notes: Arc::new(Notes(notes.into())),
    }
}

/// One point, by the filter `other`.
fn earlier() -> Score {
    let mut score = Score::default();
    score.add(Points {
        filter: "other".into(),
        symbol: "EARLIER".into(),
        points: 1.0,
        why: "it said so".into(),
    });
    score
}

fn session() -> Session {
    Session {
        id: "s1".into(),
        listener: "mx".into(),
        client: Party {
            address: "192.0.2.1:4711".parse().unwrap(),
            name: lazaret_mail::ClientName::default(),
        },
        hello: None,
        tls: None,
        user: None,
        early_talker: false,
    }
}
