//! One short function for each stage, all alike: own checks, filters, backend, answer.

use std::pin::pin;
use std::sync::Arc;

use lazaret_mail::{Action, Message, Stage};
use lazaret_smtp::{Code, Extensions, Hello, HelloVerb, Keyword, Path, Reply};

use super::conclusion::Conclusion;
use super::intake::{Intake, Refusal};
use super::transaction::Standing;
use super::{Connection, log, own, pace, replies, xclient};
use crate::backend::{Error, Opened};
use crate::explain::{By, Of};
use crate::fate::Fate;

/// Before the greeting.
pub(super) async fn connect(c: &mut Connection) {
    let mut decision = c.judge.connect(&c.session).await;
    c.obey(Stage::Connect, Of::Itself, &mut decision).await;
    match decision.action {
        Action::Pass | Action::Keep(_) => c.server.greet(),
        Action::Refuse(reply) => c.server.refuse_greeting(reply),
        Action::Close(reply) => c.server.close(reply),
    }
    c.pace.restart();
}

/// HELO or EHLO.
pub(super) async fn hello(c: &mut Connection, hello: Hello) {
    c.drop_transaction(Fate::Reset);
    // The backend knows this client by the name it said before.
    c.delivery.let_go();
    c.protocol = if hello.verb == HelloVerb::Ehlo {
        "ESMTP"
    } else {
        "SMTP"
    };
    Arc::make_mut(&mut c.session).hello = Some(hello.name.clone());
    c.case.is_now(&c.session);
    let mut decision = c.judge.hello(&c.session, &hello.name).await;
    let name = Of::Name(hello.name.as_str().into());
    c.obey(Stage::Hello, name, &mut decision).await;
    match decision.action {
        Action::Pass | Action::Keep(_) => {
            let offer = offer(c).await;
            c.server.accept_hello(&offer);
        }
        Action::Refuse(reply) => c.server.refuse_hello(reply),
        Action::Close(reply) => c.server.close(reply),
    }
    c.pace.restart();
}

/// Before anything is known of the backend, what needs it is left out: 8-bit content does not, in fact.
async fn offer(c: &mut Connection) -> Extensions {
    let unknown = || Arc::new(Extensions::new().with(Keyword::EightBitMime));
    let backend = c.site.backend.lasting_offer().await.unwrap_or_else(unknown);
    let mut own = own(&c.site, &c.door);
    own.start_tls &= xclient::may_start_tls(c);
    let offer = Extensions::offer(&backend, &own);
    match c.may_present() {
        true => offer.with(xclient::keyword()),
        false => offer,
    }
}

/// MAIL.
pub(super) async fn mail(c: &mut Connection, path: Path) {
    let chain = c.chain();
    c.begin(&chain, &path);
    let (client, size) = (c.session.client.address.ip(), path.declared_size());
    if let Some(crowded) = c.site.spooler.is_crowded(client, size.unwrap_or(0)) {
        let reply = replies::crowded(crowded, &c.session.id);
        if let Some(transaction) = &mut c.transaction {
            transaction.problem = Some(format!("`{}` is reached", crowded.key()));
        }
        c.end_transaction(Conclusion::early(Fate::Failed, Some(&reply), By::Us));
        c.server.answer(reply);
        return c.pace.restart();
    }
    let judging = c.judge.mail(chain, &c.session, &path);
    let mut decision = pace::holding_if_slow(&mut c.delivery, pin!(judging)).await;
    c.obey(Stage::Mail, Of::Itself, &mut decision).await;
    let by = By::filter(decision.by, By::Us);
    match decision.action {
        // The backend is asked when there is a recipient to ask for.
        Action::Pass | Action::Keep(_) => {
            c.server.answer(Reply::sender_ok().naming(&c.session.id));
        }
        Action::Refuse(reply) => {
            c.end_transaction(Conclusion::early(Fate::Refused, Some(&reply), by));
            c.server.answer(reply);
        }
        Action::Close(reply) => {
            c.end_transaction(Conclusion::early(Fate::Refused, Some(&reply), by));
            c.server.close(reply);
        }
    }
    c.pace.restart();
}

/// RCPT.
pub(super) async fn rcpt(c: &mut Connection, path: Path) {
    if let Some(reply) = refuse_recipient(c, &path) {
        c.recipient_refused(&path, &reply, By::Us);
        c.server.answer(reply);
        return c.pace.restart();
    }
    let Some(transaction) = &c.transaction else {
        return c.server.answer(Reply::bad_sequence().naming(&c.session.id));
    };
    // Its backend wants nothing of this sender: no filter is asked who else it was for.
    if let Standing::Refused(by, reply) = &transaction.standing {
        let (by, reply) = (by.clone(), reply.clone());
        c.recipient_refused(&path, &reply, by);
        c.server.answer(reply);
        return c.pace.restart();
    }
    let envelope = Arc::clone(&transaction.envelope);
    let judging = c.judge.rcpt(&c.session, &envelope, &path);
    let mut decision = pace::holding(&mut c.delivery, pin!(judging)).await;
    // Or the list of recipients would be copied when this one joins it.
    drop(envelope);
    let of = Of::Address(path.address.clone());
    c.obey(Stage::Rcpt, of, &mut decision).await;
    match decision.action {
        Action::Pass => ask_rcpt(c, path).await,
        Action::Refuse(reply) => {
            c.count_refused();
            c.server.answer(reply);
        }
        Action::Close(reply) => {
            c.count_refused();
            let by = By::filter(decision.by, By::Us);
            c.end_transaction(Conclusion::early(Fate::Refused, Some(&reply), by));
            c.server.close(reply);
        }
        Action::Keep(keep) => {
            c.counts.recipient(true);
            log::kept(
                &c.session,
                path.address.mailbox(),
                &keep,
                decision.by.as_deref(),
            );
            if let Some(transaction) = &mut c.transaction {
                transaction.keep(path, keep, By::filter(decision.by, By::Us));
            }
            c.server.answer(Reply::recipient_ok().naming(&c.session.id));
        }
    }
    c.pace.restart();
}

/// Whether we are the ones to take mail for it is asked before any filter and before the backend. The percent hack, the
/// bang path and an address inside an address (`user%other.example@ours`) ask a backend that rewrites them to relay for
/// anybody: refused on listeners that serve domains, whatever the backend would say.
fn refuse_recipient(c: &Connection, path: &Path) -> Option<Reply> {
    let recipients = &c.door.recipients;
    if !recipients.serves(&path.address) {
        return Some(replies::not_ours(&c.session.id));
    }
    let relays = recipients.are_named() && path.address.looks_routed();
    relays.then(|| replies::names_another_host(&c.session.id))
}

async fn ask_rcpt(c: &mut Connection, path: Path) {
    let (by, reply) = ask_backend(c, &path).await;
    match &mut c.transaction {
        Some(transaction) if reply.code().is_positive() => {
            c.counts.recipient(true);
            transaction.accept(path);
        }
        _ => c.recipient_refused(&path, &reply, by),
    }
    c.server.answer(reply);
}

/// Its answer, and with the first recipient that to MAIL, which stands for all that come.
async fn ask_backend(c: &mut Connection, path: &Path) -> (By, Reply) {
    let standing = c.transaction.as_ref().map(|it| &it.standing);
    match standing {
        Some(Standing::Open) => {
            let asked = c.delivery.rcpt(path).await;
            answered(c, asked)
        }
        _ => open(c, path).await,
    }
}

async fn open(c: &mut Connection, path: &Path) -> (By, Reply) {
    let envelope = c.transaction.as_ref().map(|it| Arc::clone(&it.envelope));
    let Some(sender) = envelope.as_ref().and_then(|it| it.sender.as_ref()) else {
        return (By::Us, Reply::bad_sequence().naming(&c.session.id));
    };
    let opened = c.delivery.open(&c.introduction(), sender, path).await;
    // Or the list of recipients would be copied when this one joins it.
    drop(envelope);
    let (standing, by, reply) = match opened {
        Ok(Opened::Asked(asked)) => {
            let (by, reply) = answered(c, asked);
            (Standing::Open, by, reply)
        }
        Ok(Opened::Refused(reply)) => refused(c, Ok(reply)),
        Err(error) => refused(c, Err(error)),
    };
    if let Some(transaction) = &mut c.transaction {
        transaction.standing = standing;
    }
    (by, reply)
}

fn refused(c: &mut Connection, asked: Result<Reply, Error>) -> (Standing, By, Reply) {
    let (by, mut reply) = answered(c, asked);
    // 552 to RCPT is 452 to many clients (RFC 5321 section 4.5.3.1.10), who would try again for days.
    if reply.code() == Code::TOO_BIG {
        reply = Reply::new(Code::FAILED, reply.enhanced(), reply.text());
    }
    (Standing::Refused(by.clone(), reply.clone()), by, reply)
}

/// What the client hears, and whose word it is.
fn answered(c: &mut Connection, asked: Result<Reply, Error>) -> (By, Reply) {
    match asked {
        Ok(reply) => (By::Backend, replies::of_backend(reply)),
        Err(error) => (By::Us, c.backend_failed(&error)),
    }
}

/// DATA: the content is wanted; the backend is asked when it is complete.
pub(super) fn data(c: &mut Connection) {
    let Some(transaction) = &mut c.transaction else {
        return c.server.answer(Reply::bad_sequence().naming(&c.session.id));
    };
    let watch = c
        .judge
        .asks(Stage::Headers)
        .then_some(c.site.limits.header_size);
    let spool = c.site.spooler.open(c.session.client.address.ip());
    transaction.receive(Intake::new(spool, watch));
    c.pace.begin_message();
    c.server.go_ahead();
}

/// Content as it comes.
pub(super) async fn content(c: &mut Connection, octets: &[u8]) {
    let Some(intake) = c.transaction.as_mut().and_then(|t| t.intake.as_mut()) else {
        return;
    };
    if let Some(section) = intake.push(octets).await {
        Box::pin(headers(c, section)).await;
    }
}

/// The header section is complete. A refusal is held until the dot.
pub(super) async fn headers(c: &mut Connection, section: bytes::Bytes) {
    let Some(transaction) = &mut c.transaction else {
        return;
    };
    let refusal = match Message::header_only(section, c.site.limits.header_size) {
        Err(fault) => Some(Refusal::Header(fault)),
        Ok(message) => {
            let message = Arc::new(message);
            let judging = c.judge.headers(&c.session, &transaction.envelope, &message);
            let mut decision = pace::holding(&mut c.delivery, pin!(judging)).await;
            c.note(Stage::Headers, Of::Itself, &mut decision);
            match &decision.action {
                Action::Pass | Action::Keep(_) => None,
                Action::Refuse(_) | Action::Close(_) => Some(Refusal::Judged(decision)),
            }
        }
    };
    let intake = c.transaction.as_mut().and_then(|it| it.intake.as_mut());
    if let (Some(refusal), Some(intake)) = (refusal, intake) {
        intake.refuse(refusal);
    }
}
