//! Sockets that listened before we came, and will when we are gone: socket activation, as of systemd. Who connects while
//! one program ends and the next begins waits in their queues, and is not refused.

use std::net::{SocketAddr, TcpListener};

use crate::proxy::StartError;

/// Listening sockets that whoever started the program made, and keeps.
#[derive(Debug, Default)]
pub struct Handed(Vec<TcpListener>);

impl Handed {
    /// Each is to be closed when a child starts.
    pub fn of(sockets: Vec<TcpListener>) -> Self {
        Self(sockets)
    }

    /// The one for this address of the configuration, if there is one.
    pub(crate) fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let is_it = |socket: &TcpListener| socket.local_addr().is_ok_and(|own| own == address);
        let found = self.0.iter().position(is_it)?;
        Some(self.0.swap_remove(found))
    }

    /// Nobody would ever answer at one that is left over.
    ///
    /// # Errors
    /// One is left over.
    pub(crate) fn all_taken(&self) -> Result<(), StartError> {
        let left = self.0.first().and_then(|socket| socket.local_addr().ok());
        left.map_or(Ok(()), |address| Err(StartError::Handed(address)))
    }
}
