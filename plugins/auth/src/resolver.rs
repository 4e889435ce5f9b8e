//! The host's name service, as SPF, DKIM and DMARC ask it.

use lazaret_filter::dns::{self, Answer};
use lazaret_filter::{Error, log};

use crate::names::{Found, Kind, Names};

/// Asks the host.
pub struct Host;

impl Names for Host {
    fn look_up(&mut self, name: &str, kind: Kind) -> Found {
        let kind = match kind {
            Kind::A => dns::Kind::A,
            Kind::Aaaa => dns::Kind::Aaaa,
            Kind::Mx => dns::Kind::Mx,
            Kind::Txt => dns::Kind::Txt,
            Kind::Ptr => dns::Kind::Ptr,
        };
        match dns::lookup(name, kind) {
            Ok(Answer::Records(records)) => Found::Records(records),
            // A name that cannot be one has no records.
            Ok(Answer::NoName | Answer::NoData) | Err(Error::Invalid) => Found::Void,
            Ok(Answer::Failed | Answer::Late) => Found::Temporary,
            Err(error) => {
                log::warn(format!("the name system was not asked ({})", error.name()));
                Found::Temporary
            }
        }
    }
}
