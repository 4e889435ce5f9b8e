//! The contract as Rust types, and the one place where words of a guest become words of the host.

use std::borrow::Cow;

use lazaret_mail::facts::Parameter;
use lazaret_mail::{Path, ReplyHint, Verdict};

use crate::text::{clip, printable};

mod generated {
    #![allow(missing_docs)]
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package lazaret:host;
            world everything {
                include lazaret:filter/permissions@0.1.0;
                export lazaret:filter/on-connect@0.1.0;
                export lazaret:filter/on-hello@0.1.0;
                export lazaret:filter/on-auth@0.1.0;
                export lazaret:filter/on-mail@0.1.0;
                export lazaret:filter/on-rcpt@0.1.0;
                export lazaret:filter/on-headers@0.1.0;
                export lazaret:filter/on-message@0.1.0;
                export lazaret:filter/on-outcome@0.1.0;
                export lazaret:filter/on-disconnect@0.1.0;
                export configure: func(config: string) -> result<_, string>;
            }
        ",
        world: "lazaret:host/everything",
        imports: {
            "lazaret:filter/parts.all": async | trappable,
            "lazaret:filter/parts.read": async | trappable,
            "lazaret:filter/parts.text": async | trappable,
            "lazaret:filter/session.client": async | trappable,
            "lazaret:filter/dns.lookup": async | trappable,
            "lazaret:filter/dns.lookup-all": async | trappable,
            "lazaret:filter/state.get": async | trappable,
            "lazaret:filter/state.set": async | trappable,
            "lazaret:filter/state.remove": async | trappable,
            "lazaret:filter/state.increment": async | trappable,
            "lazaret:filter/state.compare-and-set": async | trappable,
            "lazaret:filter/http.fetch": async | trappable,
            default: trappable,
        },
        trappable_error_type: {
            "lazaret:filter/types.error" => crate::imports::Refusal,
        },
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
        include_component_type: true,
    });
}

pub use generated::COMPONENT_TYPE;
pub use generated::exports::lazaret::filter as stages;
pub use generated::lazaret::filter::*;

/// Octets of a reply text or a reason that leave the engine; the chain cuts replies further.
const MAX_TEXT: usize = 2048;
/// Octets of an enhanced status code, e.g. `5.7.1`; longer ones are nonsense and dropped.
const MAX_ENHANCED: usize = 11;

impl From<types::Verdict> for Verdict {
    fn from(verdict: types::Verdict) -> Self {
        match verdict {
            types::Verdict::Continue => Verdict::Continue,
            types::Verdict::Accept => Verdict::Accept,
            types::Verdict::Reject(reply) => Verdict::Reject(reply.into()),
            types::Verdict::Defer(reply) => Verdict::Defer(reply.into()),
            types::Verdict::Discard => Verdict::Discard,
            types::Verdict::Quarantine(reason) => {
                Verdict::Quarantine(printable(clip(&reason, MAX_TEXT)))
            }
            types::Verdict::Disconnect(reply) => Verdict::Disconnect(reply.into()),
        }
    }
}

impl From<types::Reply> for ReplyHint {
    fn from(reply: types::Reply) -> Self {
        ReplyHint {
            code: reply.code,
            enhanced: reply.enhanced.filter(|code| code.len() <= MAX_ENHANCED),
            text: clip(&reply.text, MAX_TEXT).to_owned(),
        }
    }
}

/// A path as a question hands it over: nothing of it is copied, as it is nearly always written.
pub struct Spoken<'p> {
    local_part: Cow<'p, str>,
    mailbox: Cow<'p, str>,
    domain: &'p str,
    parameters: Vec<types::ParameterParam<'p>>,
}

impl<'p> From<&'p Path> for Spoken<'p> {
    fn from(path: &'p Path) -> Self {
        let address = &path.address;
        let (local_part, domain) = (address.plain_local_part(), address.domain());
        let mailbox = match (&local_part, domain) {
            (Cow::Borrowed(_), _) => Cow::Borrowed(address.mailbox()),
            (Cow::Owned(local_part), "") => Cow::Owned(local_part.clone()),
            (Cow::Owned(local_part), domain) => Cow::Owned(format!("{local_part}@{domain}")),
        };
        Self {
            local_part,
            mailbox,
            domain,
            parameters: path.parameters.iter().map(Into::into).collect(),
        }
    }
}

impl Spoken<'_> {
    /// Its words.
    pub fn words(&self) -> types::AddressParam<'_> {
        types::AddressParam {
            mailbox: &self.mailbox,
            local_part: &self.local_part,
            domain: self.domain,
            parameters: &self.parameters,
        }
    }
}

impl<'p> From<&'p Parameter> for types::ParameterParam<'p> {
    fn from(parameter: &'p Parameter) -> Self {
        types::ParameterParam {
            keyword: parameter.keyword(),
            value: parameter.value(),
        }
    }
}

impl From<&Path> for types::AddressResult {
    fn from(path: &Path) -> Self {
        let spoken = Spoken::from(path);
        let owned = |parameter: &types::ParameterParam<'_>| types::ParameterResult {
            keyword: parameter.keyword.to_owned(),
            value: parameter.value.map(str::to_owned),
        };
        types::AddressResult {
            parameters: spoken.parameters.iter().map(owned).collect(),
            mailbox: spoken.mailbox.into_owned(),
            local_part: spoken.local_part.into_owned(),
            domain: spoken.domain.to_owned(),
        }
    }
}
