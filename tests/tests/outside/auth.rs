//! `auth` and `dnsbl` with a real name server, `auth` with signatures of others.

use lazaret_tests::peers::{self, Nsd, Signer};
use lazaret_tests::program::Program;
use lazaret_tests::{BackendDouble, Client};

use crate::{PROGRAM, before, letter};

/// Sends from 192.0.2.0/24 only, which we are not, and asks to have refused what is not its own. Zones begin at the top: who
/// looks for a policy asks there too, and a server that refuses to answer leaves it open whether there is one.
const STRICT: &str = "$ORIGIN com.
$TTL 60
@ SOA ns.example host.example ( 1 3600 600 86400 60 )
  NS ns.example
$ORIGIN example.com.
@ TXT \"v=spf1 ip4:192.0.2.0/24 -all\"
ns A 127.0.0.1
_dmarc TXT \"v=DMARC1; p=reject\"
";

/// Sends from here, by a record in two strings (RFC 7208 section 3.3), and asks to have suspected what is not its own.
const SUSPECTING: &str = "$ORIGIN net.
$TTL 60
@ SOA ns.example host.example ( 1 3600 600 86400 60 )
  NS ns.example
$ORIGIN example.net.
@ TXT \"v=spf1 a:mail.exam\" \"ple.net ~all\"
ns A 127.0.0.1
mail A 127.0.0.1
other TXT \"v=spf1 -all\"
_dmarc TXT \"v=DMARC1; p=quarantine; sp=quarantine\"
";

struct World {
    _names: Nsd,
    backend: BackendDouble,
    program: Program,
    signer: Signer,
}

fn world() -> Option<World> {
    let signer = Signer::new("example.com")?;
    let strict = STRICT.to_owned() + &signer.record();
    let zones = [("com", strict.as_str()), ("net", SUSPECTING)];
    let names = Nsd::start(&zones)?;
    let backend = BackendDouble::start();
    let builder = before(&backend)
        .set(&format!("[dns]\nservers = [\"{}\"]\n", names.address()))
        .bundled("auth", "")
        .bundled("policy", "");
    Some(World {
        _names: names,
        backend,
        program: Program::run(PROGRAM, builder),
        signer,
    })
}

impl World {
    /// The last line of the reply to this message.
    fn sent(&self, from: &str, message: &str) -> String {
        let mut client = Client::greeted(self.program.plain());
        let reply = client.deliver(from, &["bob@example.org"], message.as_bytes());
        reply.lines.last().expect("a reply has a line").clone()
    }

    /// The header section of the newest message, unfolded.
    fn delivered(&self) -> String {
        let newest = self.backend.deliveries().pop().expect("a delivery");
        let text = String::from_utf8_lossy(&newest.octets).replace("\r\n ", " ");
        let (section, _) = text.split_once("\r\n\r\n").expect("a message");
        section.to_owned()
    }
}

/// Its signature holds although it comes from elsewhere, until anything signed is changed.
#[test]
fn a_signature_of_others_holds_until_an_octet_is_changed() {
    let Some(world) = world() else { return };
    let forged = "Authentication-Results: mx.example.org; dmarc=fail\r\n";
    let signed = world.signer.sign(&letter("Alice <alice@example.com>"));
    let reply = world.sent("alice@example.com", &(forged.to_owned() + &signed));
    assert!(reply.starts_with("250 "), "{reply}");
    let section = world.delivered();
    let ours = "Authentication-Results: mx.example.org; spf=fail smtp.mailfrom=alice@example.com; \
                dkim=pass header.d=example.com header.s=s1; dmarc=pass header.from=example.com";
    let results: Vec<_> = section
        .lines()
        .filter(|line| line.starts_with("Authentication-Results"))
        .collect();
    assert_eq!(results, [ours], "{section}");
    let place = |name: &str| section.find(name).expect("it is there");
    assert!(place("Authentication-Results:") < place("DKIM-Signature:"));
    assert!(
        section.contains("X-Spam-Reasons: SPF_FAIL=2.0"),
        "{section}"
    );

    for (old, new, why) in [
        ("At one?", "At two?", "the body was changed"),
        ("Yours\r\n", "Yours \r\nx", "the body was changed"),
        ("lunch", "Lunch", "the signature is not of these fields"),
    ] {
        let changed = signed.replacen(old, new, 1);
        assert_ne!(changed, signed);
        let reply = world.sent("alice@example.com", &changed);
        let expected = "550 5.7.1 the domain in From does not answer for this message and asks to refuse it (DMARC) (";
        assert!(reply.starts_with(expected), "{why}: {reply}");
    }
    assert_eq!(world.backend.deliveries().len(), 1);
    for peer in ["nsd", "opendkim-genkey", "Mail::DKIM"] {
        peers::ran(peer);
    }
}

/// What a domain asks for decides, and its points stand in the header with their names.
#[test]
fn policies_of_domains_decide() {
    let Some(world) = world() else { return };
    let own = letter("Eva <eva@example.net>");
    let reply = world.sent("eva@example.net", &own);
    assert!(reply.starts_with("250 "), "{reply}");
    let section = world.delivered();
    let pass =
        "spf=pass smtp.mailfrom=eva@example.net; dkim=none; dmarc=pass header.from=example.net";
    assert!(section.contains(pass), "{section}");
    assert!(!section.contains("X-Spam-Flag"), "{section}");

    let reply = world.sent("eva@other.example.net", &letter("eva@other.example.net"));
    assert!(reply.starts_with("250 "), "{reply}");
    let section = world.delivered();
    let reasons = "X-Spam-Reasons: SPF_FAIL=2.0 DMARC_QUARANTINE=4.0";
    assert!(section.contains(reasons), "{section}");
    assert!(section.contains("X-Spam-Flag: YES"), "{section}");

    let reply = world.sent("eva@example.net", &letter("Bank <info@example.com>"));
    assert!(reply.starts_with("550 5.7.1 "), "{reply}");
    peers::ran("nsd");
}

/// A list that holds some, and one that vouches for one of them.
const LISTS: &str = "$ORIGIN example.
$TTL 60
@ SOA ns.example host.example ( 1 3600 600 86400 60 )
  NS ns.example
ns A 127.0.0.1
$ORIGIN block.example.
1.0.0.127 A 127.0.0.2
1.2.0.192 A 127.0.0.2
  A 127.0.0.10
2.2.0.192 A 127.0.0.2
1.113.0.203 A 127.0.0.2
3.2.0.192 A 127.0.0.9
$ORIGIN allow.example.
2.2.0.192 A 127.0.0.2
";

/// The reply to a recipient; `client` is who the balancer says it is.
fn rcpt(program: &Program, client: Option<&str>, to: &str) -> String {
    let mut session = match client {
        None => Client::greeted(program.plain()),
        Some(client) => {
            let mut session = Client::connect(program.address("starttls"));
            session.say(&format!("PROXY TCP4 {client} 198.51.100.1 40000 25"));
            session.expect("220 *");
            session.ask("EHLO client.example.com", "250 *");
            session
        }
    };
    session.ask("MAIL FROM:<win@example.com>", "250 *");
    session.say(&format!("RCPT TO:<{to}>"));
    session.hear().expect("a reply").text()
}

/// Whom a list knows is refused, but not at a mailbox for complaints, in a network of ours, or where another list vouches for
/// them.
#[test]
fn whom_a_list_knows_is_refused() {
    let Some(names) = Nsd::start(&[("example", LISTS)]) else {
        return;
    };
    let backend = BackendDouble::start();
    let balancer = "[listener-starttls]\nproxy-protocol = { from = [\"127.0.0.0/8\"] }\n";
    let servers = format!("[dns]\nservers = [\"{}\"]\n", names.address());
    let builder = before(&backend)
        .set(balancer)
        .set(&servers)
        .bundled("dnsbl", "[config]\ntrusted = [\"203.0.113.0/24\"]\n");
    let program = Program::run(PROGRAM, builder);
    for (client, to, expected) in [
        (
            None,
            "bob@example.org",
            "550 5.7.1 127.0.0.1 is listed by block.example (",
        ),
        (None, "abuse@example.org", "250 "),
        (None, "Postmaster@example.org", "250 "),
        (
            Some("192.0.2.1"),
            "bob@example.org",
            "550 5.7.1 192.0.2.1 is listed by block.example (",
        ),
        (Some("192.0.2.2"), "bob@example.org", "250 "),
        (Some("192.0.2.3"), "bob@example.org", "250 "),
        (Some("192.0.2.10"), "bob@example.org", "250 "),
        (Some("203.0.113.1"), "bob@example.org", "250 "),
    ] {
        let reply = rcpt(&program, client, to);
        assert!(reply.starts_with(expected), "{client:?}, {to}: {reply}");
    }
    assert_eq!(program.log(&["example does not answer"]), [""; 0]);
    peers::ran("nsd");
}
