//! How a client comes in: TLS from the start or by STARTTLS, the look for early talk, the stage connect.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;

use lazaret_mail::Tls;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{Connection, Trust, stages, xclient};
use crate::door::DoorTls;
use crate::fate::Fate;
use crate::wire::Wire;

impl Connection {
    /// Implicit TLS, the look for early talk, the stage connect and the greeting.
    pub(super) async fn open(&mut self, tcp: TcpStream) -> io::Result<Wire> {
        // Replies are small and each is waited for: Nagle would add 40 ms to each.
        drop(tcp.set_nodelay(true));
        let wire = match &self.door.tls {
            DoorTls::Implicit(acceptor) => {
                let (wire, facts) = acceptor.accept(tcp, self.site.deadlines.handshake).await?;
                self.server.tls_established();
                self.note_tls(facts);
                wire
            }
            _ => {
                self.look_for_early_talk(&tcp).await;
                Wire::Plain(tcp)
            }
        };
        stages::connect(self).await;
        Ok(wire)
    }

    /// RFC 5321 section 4.3.1: the client waits for the greeting. Only noticed; filters judge it.
    async fn look_for_early_talk(&mut self, tcp: &TcpStream) {
        if self.trust == Trust::Trusted {
            return;
        }
        let delay = self.site.deadlines.greet_delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let mut octet = [MaybeUninit::uninit()];
        if socket2::SockRef::from(tcp)
            .peek(&mut octet)
            .is_ok_and(|octets| octets > 0)
        {
            Arc::make_mut(&mut self.session).early_talker = true;
        }
    }

    /// The handshake. What the client sent in the clear behind STARTTLS is gone; so is all it said before.
    pub(super) async fn start_tls(&mut self, wire: Wire) -> io::Result<Wire> {
        let DoorTls::Starttls(acceptor) = &self.door.tls else {
            return Err(io::Error::other("STARTTLS on a listener without it"));
        };
        let tcp = wire
            .into_plain()
            .ok_or_else(|| io::Error::other("STARTTLS inside TLS"))?;
        let (wire, facts) = acceptor.accept(tcp, self.site.deadlines.handshake).await?;
        self.server.tls_established();
        self.drop_transaction(Fate::Reset);
        self.delivery.let_go();
        xclient::forget(self);
        self.note_tls(facts);
        self.pace.restart();
        Ok(wire)
    }

    fn note_tls(&mut self, facts: Tls) {
        self.counts.tls(&facts.version);
        let session = Arc::make_mut(&mut self.session);
        session.tls = Some(Arc::new(facts));
        session.hello = None;
    }
}
