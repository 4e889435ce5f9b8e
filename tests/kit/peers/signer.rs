//! DKIM by others: a key of Debian's `opendkim-genkey`, signatures of Debian's Mail::DKIM. `opendkim-testmsg`, which comes with
//! the former, signs with SHA-1 only, and such a signature is none any more (RFC 8301).

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A domain's key, and who signs with it.
#[derive(Debug)]
pub struct Signer {
    domain: String,
    dir: TempDir,
}

/// The selector of its key.
const SELECTOR: &str = "s1";

impl Signer {
    /// With a fresh RSA key of 2048 bits. None if one of the two is not installed.
    pub fn new(domain: &str) -> Option<Self> {
        let mail_dkim = quiet(Command::new("perl").args(["-MMail::DKIM::Signer", "-e", "1"]));
        if !mail_dkim {
            super::missing("libmail-dkim-perl");
            return None;
        }
        let program = super::find("opendkim-genkey")?;
        let dir = tempfile::Builder::new().prefix("lazaret-dkim-").tempdir();
        let dir = dir.expect("a temporary directory");
        let mut generate = Command::new(program);
        generate.args(["-b", "2048", "-d", domain, "-s", SELECTOR, "-D"]);
        super::run(generate.arg(dir.path()));
        Some(Self {
            domain: domain.to_owned(),
            dir,
        })
    }

    /// The entry in the zone file of its domain that publishes the key.
    pub fn record(&self) -> String {
        let file = self.dir.path().join(format!("{SELECTOR}.txt"));
        std::fs::read_to_string(file).expect("it was written")
    }

    /// The message with a signature on top; lines end in CRLF.
    pub fn sign(&self, message: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/auth/src/dkim/sign.pl");
        let key = self.dir.path().join(format!("{SELECTOR}.private"));
        let mut perl = Command::new("perl");
        perl.arg(script)
            .arg(key)
            .args(["rsa-sha256", "relaxed/relaxed", &self.domain, SELECTOR]);
        super::feed(&mut perl, message.as_bytes())
    }
}

fn quiet(command: &mut Command) -> bool {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
