//! One short function for each stage, all alike: own checks, filters, backend, answer.

use std::pin::pin;
use std::sync::Arc;

use lazaret_mail::{Action, Message, Stage};
use lazaret_smtp::{Extensions, Hello, HelloVerb, Keyword, Path, Reply};

use super::conclusion::Conclusion;
use super::intake::{Intake, Refusal};
use super::{Connection, log, own, pace, replies, xclient};
use crate::backend::Error;
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
    let offer = Extensions::offer(&backend, &own(&c.site, &c.door));
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
    let mut decision = c.judge.mail(chain, &c.session, &path).await;
    c.obey(Stage::Mail, Of::Itself, &mut decision).await;
    let by = By::filter(decision.by, By::Us);
    match decision.action {
        // The backend is asked about both at once.
        Action::Pass | Action::Keep(_) if c.server.rcpt_follows() => c.server.withhold(),
        Action::Pass | Action::Keep(_) => {
            let asked = c.delivery.mail(&c.introduction(), &path).await;
            let reply = begun(c, asked);
            c.server.answer(reply);
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

/// What the client hears of MAIL. A refusal ends the transaction.
fn begun(c: &mut Connection, asked: Result<Reply, Error>) -> Reply {
    let (fate, by, reply) = match asked {
        Ok(reply) => (
            Fate::RefusedByBackend,
            By::Backend,
            replies::of_backend(reply),
        ),
        Err(error) => (Fate::Failed, By::Us, c.backend_failed(&error)),
    };
    if !reply.code().is_positive() {
        c.end_transaction(Conclusion::early(fate, Some(&reply), by));
    }
    reply
}

/// Asks about MAIL by itself, if its answer is withheld. False: it is refused, and RCPT behind it is answered by that.
pub(super) async fn settle(c: &mut Connection) -> bool {
    let Some(sender) = withheld(c) else {
        return true;
    };
    let asked = c.delivery.mail(&c.introduction(), &sender).await;
    let reply = begun(c, asked);
    let accepted = reply.code().is_positive();
    c.server.settle(reply);
    accepted
}

/// The sender that the backend was not asked about yet.
fn withheld(c: &Connection) -> Option<Path> {
    if !c.server.withholds() {
        return None;
    }
    c.transaction.as_ref()?.envelope.sender.clone()
}

/// RCPT.
pub(super) async fn rcpt(c: &mut Connection, path: Path) {
    if let Some(reply) = refuse_recipient(c, &path) {
        if settle(c).await {
            c.recipient_refused(&path, &reply, By::Us);
            c.server.answer(reply);
        }
        return c.pace.restart();
    }
    let Some(transaction) = &c.transaction else {
        return c.server.answer(Reply::bad_sequence().naming(&c.session.id));
    };
    let envelope = Arc::clone(&transaction.envelope);
    let judging = c.judge.rcpt(&c.session, &envelope, &path);
    let mut decision = pace::holding(&mut c.delivery, pin!(judging)).await;
    // Or the list of recipients would be copied when this one joins it.
    drop(envelope);
    let of = Of::Address(path.address.clone());
    c.obey(Stage::Rcpt, of, &mut decision).await;
    if decision.action != Action::Pass && !settle(c).await {
        return c.pace.restart();
    }
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
                transaction.keep(path, keep);
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
    let asked = match withheld(c) {
        None => c.delivery.rcpt(&path).await,
        Some(sender) => match ask_both(c, &sender, &path).await {
            Some(asked) => asked,
            None => return,
        },
    };
    let (by, reply) = match asked {
        Ok(reply) => (By::Backend, replies::of_backend(reply)),
        Err(error) => (By::Us, c.backend_failed(&error)),
    };
    match &mut c.transaction {
        Some(transaction) if reply.code().is_positive() => {
            c.counts.recipient(true);
            transaction.accept(path);
        }
        _ => c.recipient_refused(&path, &reply, by),
    }
    c.server.answer(reply);
}

/// Asks about MAIL and RCPT at once. `None`: MAIL is refused, and both are answered.
async fn ask_both(
    c: &mut Connection,
    sender: &Path,
    recipient: &Path,
) -> Option<Result<Reply, Error>> {
    let who = c.introduction();
    let asked = c.delivery.mail_and_rcpt(&who, sender, recipient).await;
    let (mail, rcpt) = match asked {
        Ok((mail, rcpt)) => (Ok(mail), rcpt),
        Err(error) => (Err(error), None),
    };
    let mail = begun(c, mail);
    let accepted = mail.code().is_positive();
    c.server.settle(mail);
    rcpt.filter(|_| accepted)
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
