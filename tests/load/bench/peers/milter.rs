//! The null milter: libmilter's own dispatch, in C, as milters are written.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use super::Absent;
use crate::ground::find;
use crate::server::Server;

const SOURCE: &str = include_str!("null_milter.c");

/// Compiles it into the server's directory.
pub fn build(server: &Server) -> Result<PathBuf, Absent> {
    let compiler = find("cc").ok_or_else(|| Absent::NotHere("cc".into()))?;
    server.write("null_milter.c", SOURCE)?;
    let program = server.dir().join("null_milter");
    let built = Command::new(compiler)
        .args(["-O2", "-o"])
        .arg(&program)
        .arg(server.dir().join("null_milter.c"))
        .args(["-lmilter", "-lpthread"])
        .output()
        .context("cc does not start")?;
    match built.status.success() {
        true => Ok(program),
        false => Err(Absent::NotHere("libmilter (libmilter-dev)".into())),
    }
}

/// Runs one and answers where Postfix finds it.
pub fn run(server: &mut Server, program: &PathBuf, number: usize) -> Result<String, Absent> {
    let socket = format!("unix:{}/milter-{number}", server.dir().display());
    server.run(Command::new(program).arg(&socket))?;
    Ok(socket)
}
