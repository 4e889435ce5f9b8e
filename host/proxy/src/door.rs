//! One listener, for its sessions: how TLS starts there, whom it serves, and whose word it believes.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::{Balancers, ListenerConfig, ListenerTls, Others, Recipients, TlsTerms};
use crate::tls::Acceptor;

/// One listener, for its sessions.
pub(crate) struct Door {
    pub(crate) name: Arc<str>,
    pub(crate) tls: DoorTls,
    pub(crate) require_tls: bool,
    pub(crate) recipients: Recipients,
    trusted: Vec<IpNet>,
    balancers: Option<Balancers>,
    xclient: Vec<IpNet>,
    newline_exempt: Vec<IpNet>,
}

/// Whose connection one is, by where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// the client's own
    Client,
    /// a load balancer's, which must say whose
    Balancer,
    /// somebody's who should have come by a balancer
    Stranger,
}

/// How TLS starts.
pub(crate) enum DoorTls {
    Off,
    Starttls(Arc<Acceptor>),
    Implicit(Arc<Acceptor>),
}

impl DoorTls {
    fn acceptor(&self) -> Option<&Arc<Acceptor>> {
        match self {
            DoorTls::Off => None,
            DoorTls::Starttls(acceptor) | DoorTls::Implicit(acceptor) => Some(acceptor),
        }
    }
}

impl Door {
    pub(crate) fn new(config: &ListenerConfig) -> Self {
        Self::with(config, |terms| Arc::new(Acceptor::new(terms)))
    }

    /// The same listener by another configuration. Where the terms of TLS stay, so do the tickets that clients hold.
    pub(crate) fn renewed(&self, config: &ListenerConfig) -> Self {
        let before = self.tls.acceptor();
        Self::with(config, |terms| match before.filter(|it| it.has(terms)) {
            Some(acceptor) => Arc::clone(acceptor),
            None => Arc::new(Acceptor::new(terms)),
        })
    }

    fn with(config: &ListenerConfig, acceptor: impl Fn(&TlsTerms) -> Arc<Acceptor>) -> Self {
        let (tls, require_tls) = match &config.tls {
            ListenerTls::Off => (DoorTls::Off, false),
            ListenerTls::Starttls { terms, required } => {
                (DoorTls::Starttls(acceptor(terms)), *required)
            }
            ListenerTls::Implicit(terms) => (DoorTls::Implicit(acceptor(terms)), false),
        };
        Self {
            name: config.name.as_str().into(),
            tls,
            require_tls,
            recipients: config.recipients.clone(),
            trusted: config.trusted.clone(),
            balancers: config.balancers.clone(),
            xclient: config.xclient.clone(),
            newline_exempt: config.newline_exempt.clone(),
        }
    }

    /// What is expired where this listener shows what is valid: it does not take its place.
    pub(crate) fn would_expire(&self, config: &ListenerConfig) -> Option<String> {
        let (shown, terms) = (self.tls.acceptor()?, config.tls.terms()?);
        if shown.has(terms) {
            return None;
        }
        let expired = terms
            .certificates
            .expired_instead_of(shown.certificates())?;
        Some(format!("listener `{}`: {expired}", self.name))
    }

    /// Now, or once it is asked to.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.tls.acceptor().is_some()
    }

    /// Reads certificates again that changed; true if some did and are good.
    pub(crate) fn renew_certificates(&self) -> bool {
        self.tls.acceptor().is_some_and(|acceptor| acceptor.renew())
    }

    /// Looks now and then whether its certificates changed, so that a mistake is told before a client meets it.
    pub(crate) fn watch_certificates(&self) {
        if let Some(acceptor) = self.tls.acceptor() {
            acceptor.watch();
        }
    }

    /// What is wrong with its certificates.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.tls.acceptor()?.trouble()?;
        Some(format!("listener `{}`: {trouble}", self.name))
    }

    /// Is a client at this address spared the filters?
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        is_in(&self.trusted, address)
    }

    /// What a connection from this address is.
    pub(crate) fn peer(&self, address: IpAddr) -> Peer {
        match &self.balancers {
            Some(balancers) if is_in(&balancers.from, address) => Peer::Balancer,
            Some(balancers) if balancers.others == Others::Refused => Peer::Stranger,
            _ => Peer::Client,
        }
    }

    /// May a client at this address say whose session it passes on?
    pub(crate) fn takes_xclient_from(&self, address: IpAddr) -> bool {
        is_in(&self.xclient, address)
    }

    /// Is a bare LF of a client at this address taken for CRLF?
    pub(crate) fn exempts(&self, address: IpAddr) -> bool {
        is_in(&self.newline_exempt, address)
    }
}

fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}
