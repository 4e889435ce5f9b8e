//! Listeners, backend and limits, as configured.

use std::fmt::Write;
use std::time::Duration;

use lazaret_config::{ByteSize, Span};
use lazaret_proxy::Config;
use lazaret_proxy::config::{
    BackendTls, ClientCertificates, Identity, LeastTls, ListenerConfig, ListenerTls, Recipients,
};
use serde_json::{Value, json};

use crate::output::Table;

/// A block of text for people.
pub fn text(config: &Config) -> String {
    let mut text = format!("{}, {}\n\n", config.hostname, config.path.display());
    let mut table = Table::new(&["listener", "at", "TLS", "recipients"]);
    for listener in &config.listeners {
        table.row([
            listener.name.clone(),
            addresses(listener).join(" "),
            tls(listener),
            recipients(listener).join(" "),
        ]);
    }
    text.push_str(&table.print(0));
    let backend = &config.backend;
    let _ = writeln!(
        text,
        "\nbackend     {}, TLS {}, identity {}, {} connections, held for {}",
        backend.address.join(" "),
        backend_tls(&backend.tls),
        identity(backend.identity),
        backend.connections,
        span(backend.hold),
    );
    let limits = &config.limits;
    let _ = writeln!(
        text,
        "limits      {} connections ({} a client), messages of {}, {} under way ({} a client), {} recipients",
        limits.connections,
        limits.connections_per_client,
        ByteSize(limits.message_size),
        ByteSize(limits.in_flight),
        ByteSize(limits.in_flight_per_client),
        limits.recipients,
    );
    match &config.quarantine {
        Some(dir) => {
            let _ = writeln!(text, "quarantine  {}", dir.display());
        }
        None => text.push_str("quarantine  none\n"),
    }
    text
}

/// The listeners for programs.
pub fn listeners_json(config: &Config) -> Value {
    let listener = |listener: &ListenerConfig| {
        json!({
            "name": listener.name,
            "listen": addresses(listener),
            "tls": tls(listener),
            "recipients": recipients(listener),
        })
    };
    config.listeners.iter().map(listener).collect()
}

/// The backend for programs.
pub fn backend_json(config: &Config) -> Value {
    let backend = &config.backend;
    json!({
        "address": backend.address,
        "tls": backend_tls(&backend.tls),
        "identity": identity(backend.identity),
        "connections": backend.connections,
    })
}

/// `10s`
pub fn span(time: Duration) -> String {
    Span(time).to_string()
}

fn addresses(listener: &ListenerConfig) -> Vec<String> {
    listener.listen.iter().map(ToString::to_string).collect()
}

/// `starttls, required, from 1.3, asks for certificates`: what is not the default.
fn tls(listener: &ListenerConfig) -> String {
    let mut words = vec![match &listener.tls {
        ListenerTls::Off => "off",
        ListenerTls::Starttls { .. } => "starttls",
        ListenerTls::Implicit(_) => "implicit",
    }];
    if matches!(listener.tls, ListenerTls::Starttls { required: true, .. }) {
        words.push("required");
    }
    let terms = listener.tls.terms();
    if terms.is_some_and(|terms| terms.least == LeastTls::V1_3) {
        words.push("from 1.3");
    }
    words.extend(match terms.map(|terms| &terms.clients) {
        Some(ClientCertificates::Ask(Some(_))) => Some("asks for certificates"),
        Some(ClientCertificates::Ask(None)) => Some("asks for certificates, verifies none"),
        Some(ClientCertificates::Off) | None => None,
    });
    words.join(", ")
}

fn recipients(listener: &ListenerConfig) -> Vec<String> {
    match &listener.recipients {
        Recipients::Any => vec!["any".to_owned()],
        Recipients::Domains(domains) => domains.written(),
    }
}

fn backend_tls(tls: &BackendTls) -> &'static str {
    match tls {
        BackendTls::Off => "off",
        BackendTls::Opportunistic => "opportunistic",
        BackendTls::Require => "required",
        BackendTls::Verify { .. } => "verified",
    }
}

fn identity(identity: Identity) -> &'static str {
    match identity {
        Identity::Xclient => "xclient",
        Identity::Xforward => "xforward",
        Identity::None => "none",
    }
}
