//! `[dns]`: who is asked about names.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use lazaret_config::{ConfigError, Source, Spanned};
use serde::Deserialize;

/// Who is asked about names, for filters that were granted `dns`, `http` by name or `session:name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resolvers {
    /// those of the system (`/etc/resolv.conf`)
    #[default]
    System,
    /// `servers`
    Servers(Vec<SocketAddr>),
    /// `zone`: no network, every name that exists stands in this file
    Zone(PathBuf),
}

/// As the operator wrote it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Written {
    servers: Vec<Spanned<String>>,
    zone: Option<Spanned<PathBuf>>,
}

/// RFC 1035 section 4.2.
const PORT: u16 = 53;

impl Written {
    pub(super) fn check(self, source: &Source) -> Result<Resolvers, ConfigError> {
        super::once(source, &self.servers)?;
        let servers = self.servers.iter().map(|server| address(source, server));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        match (self.zone, servers.is_empty()) {
            (None, true) => Ok(Resolvers::System),
            (None, false) => Ok(Resolvers::Servers(servers)),
            (Some(zone), true) => Ok(Resolvers::Zone(source.directory().join(zone.get_ref()))),
            (Some(zone), false) => Err(source
                .error(zone.span(), "[dns] has both `servers` and `zone`")
                .cure("keep one: a zone file takes the place of the network")),
        }
    }
}

/// An address, with a port where it is not 53.
fn address(source: &Source, written: &Spanned<String>) -> Result<SocketAddr, ConfigError> {
    let text = written.get_ref();
    let bare = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
    bare.or_else(|_| text.parse()).map_err(|_| {
        let problem = format!("`{}` is no address of a resolver", text.escape_debug());
        source
            .error(written.span(), problem)
            .cure("write e.g. \"192.0.2.53\" or \"[2001:db8::53]:5353\"")
    })
}
