//! Is the directory ours alone?

use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// Why a directory is not taken as the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// it cannot be made or looked at
    #[error("the cache {dir} cannot be used: {error}")]
    Unusable {
        /// the directory
        dir: String,
        /// what the system said
        error: std::io::Error,
    },
    /// a link, or no directory at all
    #[error("the cache {0} is not a directory; name one, or remove it")]
    NoDirectory(String),
    /// of another user
    #[error(
        "the cache {0} belongs to another user, who could put native code there; name a directory of our own"
    )]
    NotOurs(String),
    /// others may read or write it
    #[error(
        "the cache {0} is open to other users, but it holds native code that is run and what is in [config]; chmod 700 {0}"
    )]
    Open(String),
}

/// Makes the directory where it is missing, for our user alone; refuses one that is not so.
pub fn make_private(dir: &Path) -> Result<(), CacheError> {
    let name = dir.display().to_string();
    let unusable = |error| CacheError::Unusable {
        dir: name.clone(),
        error,
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    let about = std::fs::symlink_metadata(dir);
    let about = match (about, made) {
        (Ok(about), _) => about,
        (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(unusable(error)),
    };
    if !about.is_dir() {
        return Err(CacheError::NoDirectory(name));
    }
    if !is_ours(&about) {
        return Err(CacheError::NotOurs(name));
    }
    if about.mode() & 0o077 != 0 {
        return Err(CacheError::Open(name));
    }
    Ok(())
}

/// Does it belong to the user we run as?
pub fn is_ours(about: &Metadata) -> bool {
    about.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_missing_directory_is_made_for_us_alone() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("a/b");
        make_private(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        make_private(&dir).unwrap();
    }

    #[test]
    fn an_open_directory_is_refused_with_the_cure() {
        let home = tempfile::tempdir().unwrap();
        for mode in [0o755, 0o770, 0o701] {
            fs::set_permissions(home.path(), Permissions::from_mode(mode)).unwrap();
            let said = make_private(home.path()).unwrap_err().to_string();
            assert!(said.contains("is open to other users"), "{said}");
            assert!(said.contains("chmod 700 /"), "{said}");
        }
    }

    #[test]
    fn a_link_and_a_file_are_no_directory() {
        let home = tempfile::tempdir().unwrap();
        let [real, link, file] = ["real", "link", "file"].map(|name| home.path().join(name));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        fs::write(&file, "").unwrap();
        for dir in [link, file] {
            let refused = make_private(&dir).unwrap_err();
            assert!(matches!(refused, CacheError::NoDirectory(_)), "{refused}");
        }
    }
}
