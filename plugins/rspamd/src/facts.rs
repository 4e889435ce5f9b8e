//! What rspamd is told of a message besides its octets. The table in the README says the same.

use lazaret_filter::http::Request;
use lazaret_filter::session::TlsInfo;
use lazaret_filter::{envelope, session};

use crate::settings::Checked;

/// Octets of all recipients together; the host sends 64 KiB of fields.
const MOST_OF_RECIPIENTS: usize = 48 << 10;

/// The request about the message that is asked about.
pub fn request(settings: &Checked) -> Request {
    let mut request = Request::post_message(format!("{}/checkv2", settings.url));
    let client = session::client();
    let sender = envelope::sender().map(|sender| sender.mailbox);
    let tls = session::tls();
    let facts = [
        ("IP", Some(client.address)),
        ("Hostname", client.name),
        ("Helo", session::hello()),
        ("From", sender),
        ("User", session::user()),
        ("Queue-ID", Some(session::id())),
        ("TLS-Version", tls.as_ref().map(|tls| tls.version.clone())),
        ("TLS-Cipher", tls.as_ref().map(|tls| tls.cipher.clone())),
        ("TLS-Cert-Issuer", tls.and_then(issuer)),
        ("MTA-Tag", Some(session::listener())),
        ("MTA-Name", settings.mta_name.clone()),
        ("Settings-ID", settings.settings_id.clone()),
        ("Flags", settings.flags()),
        ("Password", settings.password.clone()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            request = request.field(name, value);
        }
    }
    with_recipients(request)
}

/// Of a client's certificate that our roots vouch for: any other is the client's own word. A control in a name is none in a
/// field.
fn issuer(tls: TlsInfo) -> Option<String> {
    let certificate = tls.client_certificate.filter(|shown| shown.verified)?;
    Some(certificate.issuer.replace(char::is_control, "_"))
}

/// One field each; a single one is also whom it is delivered to.
fn with_recipients(mut request: Request) -> Request {
    let recipients = envelope::recipients();
    if let [only] = recipients.as_slice() {
        request = request.field("Deliver-To", only.mailbox.as_str());
    }
    let mut octets = 0;
    for recipient in recipients {
        octets += recipient.mailbox.len() + "Rcpt".len();
        if octets > MOST_OF_RECIPIENTS {
            break;
        }
        request = request.field("Rcpt", recipient.mailbox);
    }
    request
}
