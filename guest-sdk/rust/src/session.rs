//! Permission `session`: who is talking to us.

use std::net::IpAddr;

pub use crate::bindings::permissions::lazaret::filter::session::{
    Certificate, ClientInfo, TlsInfo,
};
use crate::host::session as host;

/// Short id of this connection, as in the log and in our replies.
pub fn id() -> String {
    host::id()
}

/// Name of the listener in the configuration.
pub fn listener() -> String {
    host::listener()
}

/// Address, port and, where the host resolves it, confirmed PTR name of the client.
pub fn client() -> ClientInfo {
    host::client()
}

/// The client's address; an IPv4 address that came in an IPv6 one is given as IPv4.
pub fn client_ip() -> IpAddr {
    let address: IpAddr = client()
        .address
        .parse()
        .expect("the host writes addresses in canonical form");
    address.to_canonical()
}

/// What the client said in EHLO or HELO; none before that.
pub fn hello() -> Option<String> {
    host::hello()
}

/// None on a connection without TLS.
pub fn tls() -> Option<TlsInfo> {
    host::tls()
}

/// The name the backend accepted in AUTH; none before that.
pub fn user() -> Option<String> {
    host::user()
}

/// The client spoke before our greeting.
pub fn early_talker() -> bool {
    host::early_talker()
}
