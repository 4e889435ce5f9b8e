//! XCLIENT (Postfix, XCLIENT_README): a listed peer says whose session it passes on.
//!
//! From then on it is that client's session, under the id of the connection: filters are asked anew from the stage
//! connect on, `trusted` and `xclient` are asked about the new address. TLS facts stay those of our own connection. The hello that must follow says
//! the name and the protocol, so that HELO and PROTO only have to be well formed.

use std::net::SocketAddr;
use std::sync::Arc;

use lazaret_mail::{Action, ClientName, Judge, Stage};
use lazaret_smtp::{Attribute, Code, Enhanced, Keyword, Reply};

pub(super) use super::presented::Presented;
use super::{Connection, Trust};
use crate::explain::Of;
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
    c.drop_transaction(Fate::Reset);
    c.delivery.let_go();
    c.trust = Trust::of(&c.door, address.ip());
    let judge = Judge::new(c.chain(), &c.door.name);
    let before = std::mem::replace(&mut c.judge, judge);
    if let Some(observation) = before.disconnect(&c.session, "XCLIENT") {
        c.site.observers.spawn(&c.session, observation);
    }
    let session = Arc::make_mut(&mut c.session);
    let peer = session.client.address;
    session.client.address = address;
    session.client.name = name.map(ClientName::known).unwrap_or_default();
    session.hello = None;
    session.early_talker = false;
    tracing::info!(session = %session.id, %peer, client = %address, "passed on by XCLIENT");
    c.protocol = "SMTP";
    let mut decision = c.judge.connect(&c.session).await;
    c.obey(Stage::Connect, Of::Itself, &mut decision).await;
    match decision.action {
        Action::Pass | Action::Keep(_) => c.server.answer(greeting(&c.site.hostname)),
        // Going on would serve the client as somebody else.
        Action::Refuse(reply) | Action::Close(reply) => c.server.close(reply),
    }
    c.pace.restart();
}

fn greeting(hostname: &str) -> Reply {
    Reply::new(Code::READY, None, &format!("{hostname} ESMTP"))
}

fn refused() -> Reply {
    Reply::new(
        Code::REFUSED,
        Enhanced::new(5, 7, 0),
        "Not authorized to say XCLIENT",
    )
}
