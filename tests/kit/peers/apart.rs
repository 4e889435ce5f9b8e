//! Mail servers that cannot be installed beside Postfix, and have paths and users compiled in: started from where
//! `cargo xtask peers` has unpacked them, in a mount namespace in which their paths and users exist.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::mailbox::is_root;

/// A user that exists only for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    pub(super) name: &'static str,
    pub(super) id: u32,
}

/// Can this be done here? Says so if it cannot.
pub(super) fn can_be(name: &str, program: &Path) -> bool {
    let is_there = program.is_file() && is_root() && has_namespaces();
    if !is_there {
        super::missing(name);
    }
    is_there
}

fn has_namespaces() -> bool {
    let probe = Command::new("unshare")
        .args(["--mount", "true"])
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}

/// Writes `passwd` and `group` with these users into `dir`.
pub(super) fn write_users(dir: &Path, users: &[User]) {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let (mut passwd, mut group) = (read("/etc/passwd"), read("/etc/group"));
    for User { name, id } in users {
        passwd.push_str(&format!("{name}:x:{id}:{id}::{}:/bin/sh\n", dir.display()));
        group.push_str(&format!("{name}:x:{id}:\n"));
    }
    for (name, text) in [("passwd", passwd), ("group", group)] {
        std::fs::write(dir.join(name), text).expect("our directory");
    }
    std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).expect("our directory");
}

/// Makes a directory in `dir` that belongs to a user.
pub(super) fn make_dir(dir: &Path, name: &str, owner: u32) {
    let path = dir.join(name);
    std::fs::create_dir(&path).expect("a fresh directory");
    chown(&path, Some(owner), Some(owner)).expect("root may give files away");
}

/// Starts `command` where the users of `dir` exist, and where each of `binds`, a directory of `dir`, stands in the place
/// of another.
pub(super) fn start(dir: &Path, binds: &[(&Path, &str)], command: &[&str]) -> Child {
    spawn(dir, binds, command, Stdio::null(), "out")
}

/// Runs such a command to its end, with `input`.
pub(super) fn run(dir: &Path, binds: &[(&Path, &str)], command: &[&str], input: &[u8]) -> String {
    let mut child = spawn(dir, binds, command, Stdio::piped(), "run");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut stdin, input).expect("it reads");
    drop(stdin);
    let status = child.wait().expect("it ends");
    let said = std::fs::read_to_string(dir.join("run")).unwrap_or_default();
    assert!(status.success(), "{command:?}: {status}\n{said}");
    said
}

fn spawn(dir: &Path, binds: &[(&Path, &str)], command: &[&str], stdin: Stdio, log: &str) -> Child {
    let mut script = "set -e\n".to_owned();
    for name in ["passwd", "group"] {
        script.push_str(&format!(
            "mount --bind '{}/{name}' /etc/{name}\n",
            dir.display()
        ));
    }
    for (ours, theirs) in binds {
        script.push_str(&format!("mount --bind '{}' '{theirs}'\n", ours.display()));
    }
    script.push_str("exec \"$@\"\n");
    let log = std::fs::File::create(dir.join(log)).expect("our directory");
    Command::new("unshare")
        .args(["--mount", "sh", "-c", &script, "sh"])
        .args(command)
        .stdin(stdin)
        .stdout(log.try_clone().expect("a descriptor"))
        .stderr(log)
        .spawn()
        .expect("unshare was there")
}

/// Ends a server of ours with all it has started, by SIGTERM to it.
pub(super) fn stop(child: &mut Child) {
    // It may have ended.
    let _ = Command::new("kill")
        .arg(child.id().to_string())
        .stderr(Stdio::null())
        .status();
    let _ = child.wait();
}
