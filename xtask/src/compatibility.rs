//! `cargo xtask compatibility`: runs the tests against mail programs of others and writes what came of them into
//! docs/compatibility.md.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use crate::guest_target;
use crate::step::{self, Outcome, Problem};

const TESTS: [&str; 4] = [
    "peers_clients",
    "peers_relays",
    "peers_backends",
    "peers_postfix",
];

const HEAD: &str = "# Compatibility

Written by `cargo xtask compatibility` from the tests `tests/tests/peers_*.rs`, which CI runs. Each row is at least one message
that arrived. Of all clients, relays among them (msmtp, Postfix, Exim), and of all backends the octets at the end were, by SHA-256,
those that were sent, once the lines are taken away that the log says were added (and the trace fields that a relay or a backend adds
itself). \"With\" is what both made use of.

Mail servers of others run from private directories on loopback. Debian's exim4 and opensmtpd cannot be installed beside
postfix, so `cargo xtask peers` unpacks them below `target/peers`. Debian 12's OpenSMTPD finished no TLS handshake with swaks and openssl
(\"EVP lib\" in its log: probably its key process does not sign with OpenSSL 3), so it is tested in the clear.
";

/// Runs them with every peer required, and writes the page only when all pass.
pub fn compatibility(arguments: &[String]) -> Outcome {
    if let Some(unexpected) = arguments.first() {
        return Err(Problem::usage(format!(
            "`compatibility` takes no arguments, got `{unexpected}`"
        )));
    }
    guest_target::ensure()?;
    let said = run_tests()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let page = root
        .expect("xtask is a folder of the workspace")
        .join("docs/compatibility.md");
    std::fs::write(&page, page_of(&said))
        .map_err(|error| Problem::failed(format!("{}: {error}", page.display())))?;
    step::say(&format!("wrote {}\n", page.display()));
    Ok(())
}

fn run_tests() -> Result<String, Problem> {
    let mut cargo = step::cargo();
    cargo.args(["test", "--package", "lazaret-tests"]);
    for test in TESTS {
        cargo.args(["--test", test]);
    }
    cargo
        .args(["--", "--show-output"])
        .env("LAZARET_REQUIRE_PEERS", "1")
        .stderr(Stdio::inherit());
    step::announce(&cargo);
    let output = cargo
        .output()
        .map_err(|error| step::not_started(&cargo, &error))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => Err(Problem::failed(format!(
            "the tests failed, and the page stays as it is:\n{said}"
        ))),
    }
}

fn page_of(said: &str) -> String {
    let clients = rows(said, "client");
    let backends = rows(said, "backend");
    format!(
        "{HEAD}\n## Clients\n\n| client | how | with |\n| --- | --- | --- |\n{clients}\n\
         ## Backends\n\n| backend | client's way in; our way to it | with |\n| --- | --- | --- |\n{backends}"
    )
}

/// `compatibility: SIDE | PEER | HOW | WITH`, sorted, each once.
fn rows(said: &str, side: &str) -> String {
    let prefix = format!("compatibility: {side} | ");
    let rows: BTreeSet<&str> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix(&prefix))
        .collect();
    rows.iter()
        .map(|row| format!("| {} |\n", row.trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn rows_are_sorted_and_kept_apart() {
        let page = page_of(
            "noise\n  compatibility: client | swaks 1 | plain | PIPELINING\ncompatibility: backend | Exim 4 | plain; plain | DSN\n\
             compatibility: client | msmtp 1 | plain | \ncompatibility: client | swaks 1 | plain | PIPELINING\n",
        );
        let clients = "| msmtp 1 | plain | |\n| swaks 1 | plain | PIPELINING |\n\n## Backends";
        assert!(page.contains(clients), "{page}");
        assert!(
            page.ends_with("| Exim 4 | plain; plain | DSN |\n"),
            "{page}"
        );
    }
}
