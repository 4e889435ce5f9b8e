//! XCLIENT (Postfix, XCLIENT_README): a listed peer says whose session it passes on.
//!
//! From then on it is that client's session, under the id of the connection: filters are asked anew from the stage
//! connect on, `trusted` and `xclient` are asked about the new address. TLS facts stay those of our own connection. The hello that must follow says
//! the name and the protocol, so that HELO and PROTO only have to be well formed.

use std::net::SocketAddr;
use std::sync::Arc;

use lazaret_mail::{Action, ClientName, Judge, Session, Stage};
use lazaret_smtp::{Attribute, Code, Enhanced, Keyword, Reply};

pub(super) use super::presented::Presented;
use super::{Connection, Trust};
use crate::explain::{By, Of};
use crate::fate::Fate;

/// What is taken, as offered.
const ATTRIBUTES: [&str; 5] = ["NAME", "ADDR", "PORT", "PROTO", "HELO"];

/// What stands in the EHLO answer for those who may say it.
pub(super) fn keyword() -> Keyword {
    Keyword::XClient(ATTRIBUTES.map(str::to_owned).into())
}

/// Answers it. Whoever may no longer say it (a passed-on client for another one) is refused.
pub(super) async fn present(c: &mut Connection, attributes: &[Attribute]) {
    if !c.may_present() {
        return c.server.answer(refused().naming(&c.session.id));
    }
    match c.presented.take_in(attributes) {
        None => c
            .server
            .answer(Reply::bad_parameter().naming(&c.session.id)),
        Some(None) => c.server.answer(greeting(&c.site.hostname)),
        Some(Some(address)) => {
            let presented = std::mem::take(&mut c.presented);
            let address = SocketAddr::new(address, presented.port);
            begin(c, address, presented.name).await;
        }
    }
}

/// The session of the client that is passed on.
async fn begin(c: &mut Connection, address: SocketAddr, name: Option<String>) {
    if c.admitted.claim(address.ip()).is_err() {
        c.counts.turned_away("connections-per-client");
        tracing::info!(session = %c.session.id, listener = %c.door.name, client = %address, limit = "connections-per-client", "turned away");
        let reply = too_many().naming(&c.session.id);
        let (stage, of) = (Some(Stage::Connect), Of::Itself);
        c.case.refused(&c.session, stage, of, &reply, By::Us);
        return c.server.close(reply);
    }
    let mut session = (*c.session).clone();
    let peer = session.client.address;
    session.client.address = address;
    session.client.name = name.map(ClientName::known).unwrap_or_default();
    session.early_talker = false;
    tracing::info!(session = %session.id, %peer, client = %address, "passed on by XCLIENT");
    let before = change(c, session);
    c.own.get_or_insert(before);
    // Going on would serve the client as somebody else.
    if !is_closed(c).await {
        c.server.answer(greeting(&c.site.hostname));
    }
    c.pace.restart();
}

/// May TLS still begin here? Behind STARTTLS nothing counts that was said before it (RFC 3207 section 4.2), and who speaks there may
/// be the client that was passed on: it would be taken for its front. A front that wants TLS says STARTTLS first.
pub(super) fn may_start_tls(c: &Connection) -> bool {
    c.own.is_none()
}

/// Of what was said of a client before STARTTLS nothing is left.
pub(super) fn forget(c: &mut Connection) {
    c.presented = Presented::default();
}

/// Another client's session; gives the one before.
fn change(c: &mut Connection, session: Session) -> Arc<Session> {
    c.drop_transaction(Fate::Reset);
    c.delivery.let_go();
    c.trust = Trust::of(&c.door, session.client.address.ip());
    let judge = Judge::new(c.chain(), &c.door.name);
    let before = std::mem::replace(&mut c.judge, judge);
    if let Some(observation) = before.disconnect(&c.session, "XCLIENT") {
        c.site.observers.spawn(&c.session, observation);
    }
    c.protocol = "SMTP";
    let session = Session {
        hello: None,
        ..session
    };
    std::mem::replace(&mut c.session, Arc::new(session))
}

/// The stage connect of a session that has changed, which may end it.
pub(super) async fn is_closed(c: &mut Connection) -> bool {
    let mut decision = c.judge.connect(&c.session).await;
    c.obey(Stage::Connect, Of::Itself, &mut decision).await;
    match decision.action {
        Action::Pass | Action::Keep(_) => false,
        Action::Refuse(reply) | Action::Close(reply) => {
            c.server.close(reply);
            true
        }
    }
}

fn greeting(hostname: &str) -> Reply {
    Reply::new(Code::READY, None, &format!("{hostname} ESMTP"))
}

fn too_many() -> Reply {
    Reply::new(
        Code::UNAVAILABLE,
        Enhanced::new(4, 7, 0),
        "Too many connections from you, try later",
    )
}

fn refused() -> Reply {
    Reply::new(
        Code::REFUSED,
        Enhanced::new(5, 7, 0),
        "Not authorized to say XCLIENT",
    )
}
