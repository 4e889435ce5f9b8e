//! Certificates and private keys: read, matched, and put in order of server names.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// How often the files are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The certificates of a listener, read again when their files change. For clients that name no server, or one we have no
/// certificate for, it is the first of them that they can verify.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// chain and key
    files: Vec<(PathBuf, PathBuf)>,
    /// never empty
    entries: ArcSwap<Vec<Entry>>,
    looked: Mutex<Looked>,
    /// why the files, as they are now, cannot be used
    trouble: Mutex<Option<String>>,
}

/// Why a pair cannot be used.
#[derive(Debug)]
pub(super) struct Fault {
    /// counted from 0
    pub(super) pair: usize,
    /// which of its files is at fault
    pub(super) part: Part,
    pub(super) problem: String,
    pub(super) cure: String,
}

/// A file of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Chain,
    Key,
}

/// One certificate, with its key.
#[derive(Debug)]
struct Entry {
    /// whom it is for
    names: Vec<String>,
    /// what is shown
    key: Arc<CertifiedKey>,
    /// seconds since 1970; where that cannot be read, nobody says it is over
    expires: Option<i64>,
}

impl Entry {
    fn has_expired(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
        self.expires.is_some_and(|expires| expires < now)
    }
}

#[derive(Debug)]
struct Looked {
    at: Instant,
    /// of the files as they were read; of those that could not be used nothing is kept, so that they are tried again
    stamps: Option<Vec<Stamp>>,
}

/// Differs if a file was written or replaced, or others may read it: inode, length, times of content and entry.
type Stamp = Option<(u64, u64, [i64; 4])>;

impl Certificates {
    /// Reads pairs of a PEM chain (own certificate first) and its PEM key. The error says which file, why, and what
    /// to do.
    pub(super) fn read(files: Vec<(PathBuf, PathBuf)>) -> Result<Self, Fault> {
        // Before they are read: a change meanwhile is seen as one.
        let looked = Looked {
            at: Instant::now(),
            stamps: Some(stamps(&files)),
        };
        let entries = ArcSwap::from_pointee(read_all(&files)?);
        Ok(Self(Arc::new(Shared {
            files,
            entries,
            looked: Mutex::new(looked),
            trouble: Mutex::default(),
        })))
    }

    /// Why the files, as they are now, cannot be used, those before serve on; or that these are over.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.lock_trouble().clone();
        trouble.or_else(|| self.expired())
    }

    /// Those that are shown are over: clients that check will not come.
    pub fn expired(&self) -> Option<String> {
        let entries = self.0.entries.load();
        let (over, (file, _)) = entries
            .iter()
            .zip(&self.0.files)
            .find(|it| it.0.has_expired())?;
        Some(format!(
            "the certificate {} for {} has expired; put a new one in its place",
            file.display(),
            over.names.join(", ")
        ))
    }

    /// One of these that has expired, for a name for which `shown` has one that is valid.
    pub(crate) fn expired_instead_of(&self, shown: &Self) -> Option<String> {
        let (entries, shown) = (self.0.entries.load(), shown.0.entries.load());
        let is_valid = |entries: &[Entry], name: &String| {
            let is_for = |entry: &&Entry| entry.names.iter().any(|own| covers(own, name));
            let mut named = entries.iter().filter(is_for);
            named.any(|entry| !entry.has_expired())
        };
        let is_worse = |name: &String| is_valid(&shown, name) && !is_valid(&entries, name);
        // Who names nobody is shown the first.
        let first = shown.first().is_some_and(|entry| !entry.has_expired());
        let mut pairs = entries.iter().zip(&self.0.files).enumerate();
        let (_, (_, (file, _))) = pairs.find(|(place, (entry, _))| {
            let is_worse = || *place == 0 && first || entry.names.iter().any(is_worse);
            entry.has_expired() && is_worse()
        })?;
        let file = file.display();
        Some(format!(
            "the certificate {file} has expired, and the one before it has not; name one that is valid"
        ))
    }

    /// An expired one does not take the place of one that is valid.
    fn none_expired_instead(&self, next: Vec<Entry>) -> Result<Vec<Entry>, Fault> {
        let before = self.0.entries.load();
        let mut pairs = next.iter().zip(before.iter());
        match pairs.position(|(new, old)| new.has_expired() && !old.has_expired()) {
            None => Ok(next),
            Some(pair) => {
                let file = self.0.files[pair].0.display();
                let problem = format!("the certificate {file} has expired");
                let fault = Fault::of(Part::Chain, problem, "put one there that is valid");
                Err(Fault { pair, ..fault })
            }
        }
    }

    fn lock_trouble(&self) -> MutexGuard<'_, Option<String>> {
        let trouble = self.0.trouble.lock();
        trouble.expect("no holder of this lock panics")
    }

    /// Reads the files if they changed and were not looked at for a while. Blocks.
    pub(crate) fn watch(&self) {
        self.look(LOOK_EVERY);
    }

    /// Reads the files now if they changed since they were read; true if they did and are good. Blocks.
    pub(crate) fn renew(&self) -> bool {
        self.look(Duration::ZERO)
    }

    /// Reads the files again if they changed. Whatever is wrong with the new ones, the old ones serve on.
    fn look(&self, every: Duration) -> bool {
        let mut looked = self.0.looked.lock().expect("no holder of this lock panics");
        if looked.at.elapsed() < every {
            return false;
        }
        looked.at = Instant::now();
        let now = Some(stamps(&self.0.files));
        if now == looked.stamps {
            return false;
        }
        looked.stamps = None;
        match read_all(&self.0.files).and_then(|next| self.none_expired_instead(next)) {
            Ok(entries) => {
                self.0.entries.store(Arc::new(entries));
                looked.stamps = now;
                *self.lock_trouble() = None;
                tracing::info!("certificates changed and were read again");
                true
            }
            Err(fault) => {
                self.complain(&fault.problem, &fault.cure);
                false
            }
        }
    }

    /// Once for each trouble.
    fn complain(&self, problem: &str, cure: &str) {
        let trouble = format!(
            "certificates changed and cannot be used, those before them serve on: {problem}; {cure}"
        );
        let before = self.lock_trouble().replace(trouble.clone());
        if before != Some(trouble) {
            tracing::error!(problem, cure, "certificates changed; the old ones serve on");
        }
    }
}

/// Equal if they are read from the same files.
impl PartialEq for Certificates {
    fn eq(&self, other: &Self) -> bool {
        self.0.files == other.0.files
    }
}

/// The first whose key the client can verify: among those for the name it wants, then among all. Where there is none, the
/// first for that name, or the first, and the client says why it does not go on.
impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let wanted = hello.server_name().map(str::to_ascii_lowercase);
        let entries = self.0.entries.load();
        let is_for = |it: &Entry, name: &str| it.names.iter().any(|own| covers(own, name));
        let is_wanted = |it: &&Entry| wanted.as_ref().is_some_and(|name| is_for(it, name));
        let in_order = || entries.iter().filter(is_wanted).chain(entries.iter());
        let schemes = schemes(&hello);
        let fits = |it: &&Entry| it.key.key.choose_scheme(&schemes).is_some();
        let chosen = in_order().find(fits).or_else(|| in_order().next());
        chosen.map(|it| Arc::clone(&it.key))
    }
}

/// What the client can verify in a handshake. Of TLS 1.2 rustls leaves only what goes with one of the suites both have; in
/// 1.3 some are for certificates only (RFC 8446 section 4.2.3). We speak 1.3 with whoever does.
fn schemes(hello: &ClientHello<'_>) -> Vec<SignatureScheme> {
    let mut suites = hello.cipher_suites().iter();
    let is_1_3 = suites.any(|suite| u16::from(*suite) >> 8 == 0x13);
    let of_1_3 = |scheme: &SignatureScheme| {
        use SignatureScheme as Scheme;
        !matches!(
            *scheme,
            Scheme::RSA_PKCS1_SHA1
                | Scheme::RSA_PKCS1_SHA256
                | Scheme::RSA_PKCS1_SHA384
                | Scheme::RSA_PKCS1_SHA512
                | Scheme::ECDSA_SHA1_Legacy
        )
    };
    let schemes = hello.signature_schemes().iter().copied();
    schemes.filter(|it| !is_1_3 || of_1_3(it)).collect()
}

fn stamps(files: &[(PathBuf, PathBuf)]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        let content = [metadata.mtime(), metadata.mtime_nsec()];
        let entry = [metadata.ctime(), metadata.ctime_nsec()];
        let times = [content[0], content[1], entry[0], entry[1]];
        Some((metadata.ino(), metadata.len(), times))
    };
    files
        .iter()
        .flat_map(|(chain, key)| [stamp(chain), stamp(key)])
        .collect()
}

fn read_all(files: &[(PathBuf, PathBuf)]) -> Result<Vec<Entry>, Fault> {
    let pairs = files.iter().enumerate();
    let read = pairs
        .map(|(pair, (chain, key))| read_pair(chain, key).map_err(|fault| Fault { pair, ..fault }));
    read.collect()
}

impl Fault {
    /// In the first pair.
    fn of(part: Part, problem: String, cure: &str) -> Self {
        Self {
            pair: 0,
            part,
            problem,
            cure: cure.to_owned(),
        }
    }
}

/// A certificate's `*.example.org` stands for one label (RFC 6125 section 6.4.3).
fn covers(own: &str, name: &str) -> bool {
    match own.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => own == name,
    }
}

fn read_pair(chain: &Path, key: &Path) -> Result<Entry, Fault> {
    regular(Part::Chain, chain)?;
    regular(Part::Key, key)?;
    let certificates = read_chain(chain)?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| {
        let problem = format!("no private key can be read from {}: {e}", key.display());
        Fault::of(
            Part::Key,
            problem,
            "it must hold one unencrypted key in PEM",
        )
    })?;
    let (names, expires) = (dns_names(&certificates[0]), expires(&certificates[0]));
    let certified = CertifiedKey::from_der(certificates, key_der, &aws_lc_rs::default_provider());
    let certified = certified.map_err(|e| no_pair(chain, key, &e))?;
    Ok(Entry {
        names,
        key: Arc::new(certified),
        expires,
    })
}

/// Which of the two is at fault is the operator's to know: the key is named where they do not fit.
fn no_pair(chain: &Path, key: &Path, error: &rustls::Error) -> Fault {
    let (chain, key) = (chain.display(), key.display());
    match error {
        rustls::Error::InconsistentKeys(_) => Fault::of(
            Part::Key,
            format!("the key {key} does not fit the certificate {chain}"),
            "name the key that the certificate was issued for, and put the host's own certificate first in the chain",
        ),
        rustls::Error::InvalidCertificate(_) => Fault::of(
            Part::Chain,
            format!("{chain} and {key} cannot be used: {error}"),
            "put the host's own certificate first in the chain, X.509 version 3",
        ),
        _ => Fault::of(
            Part::Key,
            format!("{chain} and {key} cannot be used: {error}"),
            "use an RSA, ECDSA or Ed25519 key",
        ),
    }
}

/// Reading a pipe or a device might never end.
fn regular(part: Part, path: &Path) -> Result<(), Fault> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let problem = format!("{} is not a regular file", path.display());
            Err(Fault::of(part, problem, "name the PEM file itself"))
        }
        _ => Ok(()),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let unreadable = |e: &dyn std::fmt::Display| {
        let problem = format!("no certificate can be read from {}: {e}", path.display());
        let cure = "it must hold the certificate chain in PEM, the host's own certificate first";
        Fault::of(Part::Chain, problem, cure)
    };
    let chain = CertificateDer::pem_file_iter(path).map_err(|e| unreadable(&e))?;
    let chain: Vec<_> = chain
        .collect::<Result<_, _>>()
        .map_err(|e| unreadable(&e))?;
    match chain.is_empty() {
        true => Err(unreadable(&"there is none in it")),
        false => Ok(chain),
    }
}

fn expires(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(dns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let files = (dir.join("cert.pem"), dir.join("key.pem"));
        std::fs::write(&files.0, made.cert.pem()).unwrap();
        std::fs::write(&files.1, made.signing_key.serialize_pem()).unwrap();
        files
    }

    fn names(certificates: &Certificates) -> Vec<String> {
        certificates.look(Duration::ZERO);
        certificates.0.entries.load()[0].names.clone()
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        assert!(covers("*.example.org", "mx.example.org"));
        assert!(!covers("*.example.org", "a.mx.example.org"));
        assert!(!covers("*.example.org", "example.org"));
        assert!(covers("mx.example.org", "mx.example.org"));
    }

    #[test]
    fn changed_files_are_read_again_and_broken_ones_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), "one.example.org");
        let certificates = Certificates::read(vec![files.clone()]).unwrap();
        assert_eq!(names(&certificates), ["one.example.org"]);
        write(dir.path(), "second.example.org");
        assert_eq!(names(&certificates), ["second.example.org"]);
        std::fs::write(&files.1, "half a key").unwrap();
        assert_eq!(names(&certificates), ["second.example.org"]);
        std::fs::remove_file(&files.0).unwrap();
        assert_eq!(names(&certificates), ["second.example.org"]);
        write(dir.path(), "third.example.org");
        assert_eq!(names(&certificates), ["third.example.org"]);
    }

    /// As an ACME client does: the key is there before the proxy may read it.
    #[test]
    fn what_could_not_be_read_once_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), "one.example.org");
        let certificates = Certificates::read(vec![files.clone()]).unwrap();
        write(dir.path(), "second.example.org");
        // Root may read everything, so a directory stands for a file that may not be read.
        let aside = dir.path().join("aside.pem");
        std::fs::rename(&files.1, &aside).unwrap();
        std::fs::create_dir(&files.1).unwrap();
        assert_eq!(names(&certificates), ["one.example.org"]);
        assert_eq!(names(&certificates), ["one.example.org"]);
        assert!(certificates.trouble().is_some());
        std::fs::remove_dir(&files.1).unwrap();
        std::fs::rename(&aside, &files.1).unwrap();
        assert_eq!(names(&certificates), ["second.example.org"]);
        assert_eq!(certificates.trouble(), None);
    }

    /// What was read is what counts, not when: a failure leaves no stamp behind that would say "known".
    #[test]
    fn a_failure_is_not_remembered_as_read() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), "one.example.org");
        let certificates = Certificates::read(vec![files.clone()]).unwrap();
        std::fs::write(&files.1, "half a key").unwrap();
        assert!(!certificates.renew());
        assert!(!certificates.renew());
        assert_eq!(certificates.0.looked.lock().unwrap().stamps, None);
    }

    #[test]
    fn an_expired_one_is_told_and_takes_no_valid_ones_place() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), "one.example.org");
        let certificates = Certificates::read(vec![files.clone()]).unwrap();
        assert_eq!(certificates.trouble(), None);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["old.example.org".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        std::fs::write(&files.0, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&files.1, key.serialize_pem()).unwrap();
        assert_eq!(names(&certificates), ["one.example.org"]);
        let trouble = certificates.trouble().unwrap();
        assert!(
            trouble.contains("cert.pem has expired; put one there"),
            "{trouble}"
        );
        // At start there is nothing better.
        let certificates = Certificates::read(vec![files]).unwrap();
        let trouble = certificates.trouble().unwrap();
        assert!(
            trouble.contains("for old.example.org has expired"),
            "{trouble}"
        );
    }
}
