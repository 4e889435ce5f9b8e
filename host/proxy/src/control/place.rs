//! Where the socket is: derived from the path of the configuration alone, so that both sides find it.

use std::ffi::OsString;
use std::fs::{DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::{Control, words};
use crate::{Config, StartError};

/// Clients the system queues for us while we are busy.
const BACKLOG: i32 = 16;

/// Binds the socket of this configuration. Where the operator named none and no place will do, there is none: mail is
/// more important.
pub(crate) fn bind(config: &Config) -> Result<Option<Control>, StartError> {
    if let Some(path) = &config.control {
        return bind_at(path)
            .map(Some)
            .map_err(|source| StartError::Control {
                place: config.place_of_path(path),
                path: path.clone(),
                source,
            });
    }
    let names = names(&config.path);
    let mut troubles = Vec::new();
    for directory in usual_directories() {
        match bind_in(&directory, &names) {
            Ok(control) => return Ok(Some(control)),
            Err(error) => troubles.push(format!("{}: {error}", directory.display())),
        }
    }
    let tried = troubles.join("; ");
    tracing::warn!(
        tried,
        "no control socket: `lazaret filters` cannot reach this proxy; name one with `[admin] control`"
    );
    Ok(None)
}

/// The places for a socket that the operator did not name, in the order they are tried.
pub(super) fn usual(configuration: &Path) -> Vec<PathBuf> {
    let names = names(configuration);
    let all = |directory: PathBuf| names.iter().map(move |name| directory.join(name));
    usual_directories().flat_map(all).collect()
}

fn usual_directories() -> impl Iterator<Item = PathBuf> {
    directories(|variable| std::env::var_os(variable), user())
}

fn directories(
    variable: impl Fn(&str) -> Option<OsString>,
    user: u32,
) -> impl Iterator<Item = PathBuf> {
    // systemd may name several, with colons between them.
    let first = |list: OsString| std::env::split_paths(&list).next();
    let systemd = variable("RUNTIME_DIRECTORY").and_then(first);
    let session = variable("XDG_RUNTIME_DIR").map(|it| Path::new(&it).join("lazaret"));
    let own = std::env::temp_dir().join(format!("lazaret-{user}"));
    let absolute = |path: &PathBuf| path.is_absolute();
    let all = [systemd, session, Some("/run/lazaret".into()), Some(own)];
    all.into_iter().flatten().filter(absolute)
}

/// By the path as it is called, and by the file that is there now, if that has another: where the configuration is a link that
/// moves, as releases and containers have it, the first stays; who calls it by another path knows the second.
fn names(configuration: &Path) -> Vec<String> {
    let called = std::path::absolute(configuration).unwrap_or_else(|_| configuration.to_owned());
    let real = std::fs::canonicalize(configuration).ok();
    let real = real.filter(|real| *real != called);
    let paths = [Some(called), real].into_iter().flatten();
    paths.map(|path| name(&path)).collect()
}

fn name(path: &Path) -> String {
    let hash = Sha256::digest(path.as_os_str().as_encoded_bytes());
    let octets = hash[..8].iter().map(|octet| format!("{octet:02x}"));
    octets.collect::<String>() + ".sock"
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Under the first of the names, with a link to it under the others.
fn bind_in(directory: &Path, names: &[String]) -> io::Result<Control> {
    let [first, others @ ..] = names else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let path = directory.join(first);
    let links: Vec<_> = others.iter().map(|other| directory.join(other)).collect();
    prepare(&path)?;
    // Before there is a socket of ours: a link that was left would lead to it.
    links.iter().try_for_each(|link| clear(link))?;
    let mut control = bind_at(&path)?;
    for link in links {
        let linked = symlink(first, &link).and_then(|()| words::adopt(&path, &link));
        if let Err(error) = linked {
            tracing::warn!(link = %link.display(), %error, "the control socket has no other name");
        }
        control.links.push(link);
    }
    Ok(control)
}

/// Makes the directory where it is missing; its parent must be there.
fn prepare(socket: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory(socket)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Nobody but us and root may put a socket of their own here, or take ours away.
fn is_private(socket: &Path) -> io::Result<()> {
    let directory = directory(socket);
    let metadata = std::fs::metadata(directory)?;
    let owned = [user(), 0].contains(&metadata.uid());
    match metadata.is_dir() && owned && metadata.mode() & 0o022 == 0 {
        true => Ok(()),
        false => Err(not_private(directory)),
    }
}

/// May what answers at this socket be believed? Root asks the proxies of others, too: then nobody else may have been able to
/// put the directory there, as anybody can in the one for temporary files.
pub(super) fn is_credible(socket: &Path) -> io::Result<()> {
    let directory = directory(socket);
    let open_to_others =
        |path: &Path| Ok::<_, io::Error>(std::fs::metadata(path)?.mode() & 0o022 != 0);
    if open_to_others(directory)? {
        return Err(not_private(directory));
    }
    // Of a link whoever made it, too: he may let it lead elsewhere while we look.
    let owners = [
        std::fs::symlink_metadata(directory)?.uid(),
        std::fs::metadata(directory)?.uid(),
    ];
    let stranger = owners.into_iter().find(|it| ![user(), 0].contains(it));
    // Where it is called to be, not where a link of somebody's leads.
    let above = std::path::absolute(directory)?;
    let placed = || open_to_others(above.parent().unwrap_or(&above)).map(|open| !open);
    match stranger {
        Some(owner) if !placed()? => Err(of_a_stranger(directory, owner)),
        _ => Ok(()),
    }
}

fn of_a_stranger(directory: &Path, owner: u32) -> io::Error {
    io::Error::other(format!(
        "{} was put there by user {owner}, where anybody could; if that is who the proxy runs as, ask as that user, or name a \
         place with `control`",
        directory.display()
    ))
}

fn directory(socket: &Path) -> &Path {
    match socket.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn not_private(directory: &Path) -> io::Error {
    let problem = format!(
        "{} is not private: it must be a directory of this user that others cannot write to",
        directory.display()
    );
    io::Error::new(io::ErrorKind::PermissionDenied, problem)
}

fn bind_at(path: &Path) -> io::Result<Control> {
    is_private(path)?;
    clear(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before it listens: nobody can connect until the mode is right.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Control {
        listener: UnixListener::from_std(socket.into())?,
        path: path.to_owned(),
        links: Vec::new(),
    })
}

/// Removes what a process left that did not end well, and nothing else.
fn clear(path: &Path) -> io::Result<()> {
    if UnixStream::connect(path).is_ok() {
        let problem = "another lazaret with this configuration answers there";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, problem));
    }
    let is_other = |it: Metadata| !it.file_type().is_socket();
    if std::fs::metadata(path).is_ok_and(is_other) {
        let problem = "something else is there, which is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Root asks the proxies of others, and anybody may put a link into the directory for temporary files.
    #[test]
    fn a_link_to_somebodys_own_directory_is_not_believed() {
        if user() != 0 {
            return println!("skipped: only root can give directories to others");
        }
        let place = tempfile::tempdir().unwrap();
        let [open, home] = ["open", "home"].map(|name| place.path().join(name));
        let theirs = home.join("d");
        for directory in [&open, &home, &theirs] {
            std::fs::create_dir(directory).unwrap();
            std::fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::chown(&theirs, Some(12345), None).unwrap();
        std::fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        symlink(&theirs, open.join("lazaret-0")).unwrap();
        assert!(is_credible(&theirs.join("a.sock")).is_ok());
        assert!(is_credible(&open.join("lazaret-0/a.sock")).is_err());
    }

    #[test]
    fn the_places_come_in_order_and_relative_ones_do_not_count() {
        let variable = |name: &str| match name {
            "RUNTIME_DIRECTORY" => Some("/run/a:/run/b".into()),
            "XDG_RUNTIME_DIR" => Some("relative".into()),
            _ => None,
        };
        let found: Vec<_> = directories(variable, 7).collect();
        let own = std::env::temp_dir().join("lazaret-7");
        assert_eq!(
            found,
            [Path::new("/run/a"), Path::new("/run/lazaret"), &own]
        );
    }

    /// A private directory with two releases of a configuration and a link to the first.
    fn releases() -> (tempfile::TempDir, [PathBuf; 3]) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        let paths = ["1.toml", "2.toml", "current.toml"].map(|name| dir.path().join(name));
        std::fs::write(&paths[0], "").unwrap();
        std::fs::write(&paths[1], "").unwrap();
        symlink(&paths[0], &paths[2]).unwrap();
        (dir, paths)
    }

    #[tokio::test]
    async fn a_configuration_is_found_by_whatever_path_and_when_its_link_has_moved() {
        let (dir, [first, second, link]) = releases();
        let answers = |configuration: &Path| {
            let mut paths = names(configuration).into_iter();
            paths.any(|name| UnixStream::connect(dir.path().join(name)).is_ok())
        };
        let control = bind_in(dir.path(), &names(&link)).unwrap();
        let called = [&first, &second, &link].map(|path| answers(path));
        assert_eq!(called, [true, false, true]);
        std::fs::remove_file(&link).unwrap();
        symlink(&second, &link).unwrap();
        assert!(answers(&link), "it runs with what the link was");
        drop(control);
        assert!(!answers(&link) && !answers(&first));
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 3, "the configurations");
        // As after `kill -9`, twice.
        for _ in 0..2 {
            let mut control = bind_in(dir.path(), &names(&link)).unwrap();
            (control.path, control.links) = Default::default();
        }
        std::fs::write(
            dir.path().join(name(&second)).with_extension("switches"),
            "{}",
        )
        .unwrap();
        drop(bind_in(dir.path(), &names(&link)).unwrap());
        let switches = dir.path().join(name(&link)).with_extension("switches");
        assert!(
            switches.exists(),
            "they have the name by which it is called"
        );
        let control = bind_in(dir.path(), &names(&second)).unwrap();
        let taken = bind_in(dir.path(), &names(&link)).err().expect("taken");
        assert!(taken.to_string().contains("another lazaret"), "{taken}");
        drop(control);
    }

    /// It leads to what is good now, and to something else when its owner likes. To make one takes root.
    #[test]
    fn a_strangers_link_is_not_believed_wherever_it_leads() {
        let dir = tempfile::tempdir().unwrap();
        let (open, good) = (dir.path().join("open"), dir.path().join("good"));
        for (path, mode) in [(&open, 0o777), (&good, 0o700)] {
            std::fs::create_dir(path).unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        let link = open.join("link");
        symlink(&good, &link).unwrap();
        assert!(is_credible(&link.join("c.sock")).is_ok());
        if std::os::unix::fs::lchown(&link, Some(12345), None).is_ok() {
            let error = is_credible(&link.join("c.sock")).unwrap_err().to_string();
            assert!(error.contains("put there by user 12345"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let (dir, [file, _, link]) = releases();
        for path in [&file, &link, &dir.path().join("directory")] {
            if !path.exists() {
                std::fs::create_dir(path).unwrap();
            }
            let error = bind_at(path).err().expect("refused").to_string();
            assert!(error.contains("no socket"), "{error}");
            assert!(path.exists());
        }
    }

    #[tokio::test]
    async fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let error = bind_at(&path).err().expect("refused");
        assert!(error.to_string().contains("is not private"), "{error}");
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        let control = bind_at(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            bind_at(&path)
                .err()
                .expect("taken")
                .to_string()
                .contains("another lazaret")
        );
        drop(control);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_dead_process_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        let path = dir.path().join("c.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(bind_at(&path).is_ok());
    }
}
