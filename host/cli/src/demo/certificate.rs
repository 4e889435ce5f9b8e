//! The demo's own certificate: made once, kept, used again.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// Where the two PEM files are.
#[derive(Debug)]
pub struct Certificate {
    /// the certificate
    pub chain: PathBuf,
    /// its private key, readable by us alone
    pub key: PathBuf,
}

/// Keeps `tls/fullchain.pem` and `tls/privkey.pem` below `dir`, making both when one of them is missing.
pub fn ensure(dir: &Path) -> Result<Certificate, Failure> {
    let tls = dir.join("tls");
    let certificate = Certificate {
        chain: tls.join("fullchain.pem"),
        key: tls.join("privkey.pem"),
    };
    if certificate.chain.exists() && certificate.key.exists() {
        return Ok(certificate);
    }
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|e| Failure::temporary(format!("cannot make a certificate: {e}")))?;
    fs::create_dir_all(&tls)
        .and_then(|()| write_private(&certificate.key, &made.signing_key.serialize_pem()))
        .and_then(|()| fs::write(&certificate.chain, made.cert.pem()))
        .map_err(|e| Failure::temporary(format!("{}: {e}", tls.display())))?;
    Ok(certificate)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn made_once_then_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = ensure(dir.path()).unwrap();
        let before = fs::read(&first.chain).unwrap();
        let second = ensure(dir.path()).unwrap();
        assert_eq!(before, fs::read(second.chain).unwrap());
        let mode = fs::metadata(&first.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
