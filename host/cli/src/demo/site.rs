//! The demo's directory.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lazaret_bundled::ALL;

use super::MaildirBackend;
use super::certificate;
use crate::arguments::Demo;
use crate::exit::Failure;
use crate::shipped::Shipped;

/// Who mail is taken for.
pub const DOMAIN: &str = "example.org";

/// A directory with certificate, configuration, filters and delivered mail.
#[derive(Debug)]
pub struct Site {
    dir: PathBuf,
}

impl Site {
    /// Makes the directory where it is missing.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
        let site = Self {
            dir: dir.to_owned(),
        };
        for part in [site.filters(), dir.join("quarantine")] {
            fs::create_dir_all(&part).map_err(|e| cannot_write(&part, &e))?;
        }
        Ok(site)
    }

    /// Where mail lands.
    pub fn maildir(&self) -> PathBuf {
        self.dir.join("maildir")
    }

    /// The filter directory.
    pub fn filters(&self) -> PathBuf {
        self.dir.join("filters.d")
    }

    /// Writes certificate, filters and configuration; answers with the configuration's path.
    pub fn prepare(&self, arguments: &Demo, backend: &MaildirBackend) -> Result<PathBuf, Failure> {
        certificate::ensure(&self.dir)?;
        self.write_filters()?;
        let backend = backend
            .address()
            .map_err(|e| Failure::temporary(format!("the Maildir backend cannot start: {e}")))?;
        let path = self.dir.join("lazaret.toml");
        let text = configuration(arguments.smtp, arguments.smtps, backend);
        fs::write(&path, text).map_err(|e| cannot_write(&path, &e))?;
        Ok(path)
    }

    /// The four bundled filters with their rights and lists; what the user changed stays as it is.
    fn write_filters(&self) -> Result<(), Failure> {
        let dir = self.filters();
        let mut shipped = Shipped::open(&dir).map_err(|e| cannot_write(&dir, &e))?;
        for filter in &ALL {
            shipped
                .put_filter(filter)
                .map_err(|(name, e)| cannot_write(&dir.join(&name), &e))?;
        }
        shipped.close().map_err(|e| cannot_write(&dir, &e))
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "{}: cannot be written: {error}; choose another --dir",
        path.display()
    ))
}

fn configuration(smtp: SocketAddr, smtps: SocketAddr, backend: SocketAddr) -> String {
    let listener = |name: &str, listen: SocketAddr, tls: &str| {
        format!(
            "[[listener]]\n\
             name = \"{name}\"\n\
             listen = [\"{listen}\"]\n\
             tls = \"{tls}\"\n\
             certificate = \"tls/fullchain.pem\"\n\
             private-key = \"tls/privkey.pem\"\n\
             recipients = [\"{DOMAIN}\"]\n"
        )
    };
    format!(
        "# Written anew by each start of `lazaret demo`; the filters in filters.d keep your changes.\n\
         hostname = \"localhost\"\n\
         filters = \"filters.d\"\n\
         cache = \"cache\"\n\
         quarantine = \"quarantine\"\n\
         state = \"state.redb\"\n\n\
         {}\n{}\n\
         [backend]                     # the Maildir server that runs inside the demo\n\
         address = [\"{backend}\"]\n\
         identity = \"xclient\"\n",
        listener("smtp", smtp, "starttls"),
        listener("smtps", smtps, "implicit"),
    )
}
