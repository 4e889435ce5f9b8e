//! The sockets that a service manager listens on for us (sd_listen_fds(3)): `LISTEN_FDS` of them, if `LISTEN_PID` is us.

use lazaret_proxy::Handed;
use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};

use crate::exit::Failure;

/// All of them; none where nobody listens for us.
///
/// # Errors
/// One that takes no TCP connections.
pub fn sockets() -> Result<Handed, Failure> {
    let mut handed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for number in 0..handed.len() {
        let taken = handed.take_tcp_listener(number).map_err(|error| {
            let number = number + 1;
            Failure::usage(format!(
                "socket {number} that was handed over (LISTEN_FDS) takes no TCP connections: {error}; the .socket unit may hold ListenStream= with a port only"
            ))
        })?;
        let socket = taken.expect("each is taken once");
        // A filter is prepared in a child, which has no business with clients.
        fcntl_setfd(&socket, FdFlags::CLOEXEC)
            .map_err(|error| Failure::temporary(format!("cannot keep a socket: {error}")))?;
        sockets.push(socket);
    }
    Ok(Handed::of(sockets))
}
