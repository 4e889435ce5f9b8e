//! What the demo prints when it is ready: under twenty lines, each command to be pasted as it stands.

use std::fmt::Write;
use std::net::SocketAddr;

use lazaret_proxy::Proxy;

use super::site::{DOMAIN, Site};

/// Where it listens, where mail lands, which filters run, what to try.
pub fn banner(site: &Site, proxy: &Proxy) -> String {
    let addresses = proxy.addresses();
    let listening = |name: &str| {
        let found = addresses.iter().find(|(listener, _)| listener == name);
        found.map(|(_, address)| *address)
    };
    let mut text = String::from("Lazaret is ready; Ctrl-C stops it.\n\n");
    for (label, name) in [("SMTP with STARTTLS", "smtp"), ("SMTP over TLS", "smtps")] {
        if let Some(address) = listening(name) {
            let _ = writeln!(text, "  {label:20}{address}");
        }
    }
    let (maildir, filters) = (site.maildir().join("new"), site.filters());
    let _ = writeln!(
        text,
        "  {:20}{}, for anyone @{DOMAIN}",
        "mail lands in",
        maildir.display()
    );
    let _ = writeln!(text, "  {:20}{}, enforcing", "filters", filters.display());
    for filter in proxy.chain().filters() {
        let stages: Vec<_> = filter.stages().iter().map(|s| s.name()).collect();
        let _ = writeln!(text, "    {:18}at {}", filter.name(), stages.join(", "));
    }
    if let Some(address) = listening("smtp") {
        text.push_str(&suggestions(address));
    }
    text
}

fn suggestions(smtp: SocketAddr) -> String {
    let (ip, port) = (smtp.ip(), smtp.port());
    let swaks = format!(
        "swaks --server {ip} --port {port} --tls --from alice@example.com --to bob@{DOMAIN}"
    );
    let message = format!(
        "Subject: hello\\r\\nFrom: alice@example.com\\r\\nTo: bob@{DOMAIN}\\r\\n\\r\\nHello.\\r\\n"
    );
    format!(
        "\nSend a message (with swaks, with Python), then one that is refused:\n  \
         {swaks}\n  \
         python3 -c \"import smtplib; s = smtplib.SMTP('{ip}', {port}); s.starttls(); \
         s.sendmail('alice@example.com', 'bob@{DOMAIN}', '{message}')\"\n  \
         {swaks} --attach-name invoice.pdf.exe --attach MZ\n\n"
    )
}
