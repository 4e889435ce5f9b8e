//! Haraka with a plugin that does nothing on every hook. It is installed with `npm install --prefix target/bench Haraka`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Absent;
use crate::ground::{Ground, HOSTNAME};
use crate::server::Server;

/// On every hook of an SMTP session (docs/Plugins.md of Haraka, "Available Hooks"). A recipient is accepted by a plugin or
/// not at all, so this one says OK there.
const PLUGIN: &str = "\
for (const hook of ['connect_init', 'lookup_rdns', 'connect', 'helo', 'ehlo', 'capabilities', 'unrecognized_command',
  'vrfy', 'noop', 'rset', 'mail', 'rcpt_ok', 'data', 'data_post', 'max_data_exceeded', 'queue', 'queue_outbound',
  'queue_ok', 'reset_transaction', 'deny', 'quit', 'disconnect'])
  exports[`hook_${hook}`] = (next) => next();
exports.hook_rcpt = (next) => next(OK);
";

pub fn start(ground: &Ground) -> Result<Server, Absent> {
    let missing = || Absent::NotHere("haraka (npm install --prefix target/bench Haraka)".into());
    let program = ground.haraka.as_ref().ok_or_else(missing)?;
    let mut server = Server::prepare("haraka")?;
    // Its own default configuration; what differs is written over it.
    Command::new(program).arg("-i").arg(server.dir()).output()?;
    let (plain, implicit) = (server.plain(), server.implicit());
    let sink = ground.sink.address();
    let smtp = format!(
        "listen={plain},{implicit}\nsmtps_port={}\nnodes=0\ninactivity_timeout=600\n",
        implicit.port()
    );
    let proxy = format!("host={}\nport={}\n", sink.ip(), sink.port());
    for (file, content) in [
        ("smtp.ini", smtp.as_str()),
        ("me", HOSTNAME),
        ("plugins", "tls\nnull\nqueue/smtp_proxy\n"),
        ("smtp_proxy.ini", &proxy),
        ("tls.ini", "key=tls_key.pem\ncert=tls_cert.pem\n"),
        ("loglevel", "NOTICE\n"),
    ] {
        server.write(&format!("config/{file}"), content)?;
    }
    server.write("config/tls_key.pem", std::fs::read(ground.pem("key.pem"))?)?;
    server.write(
        "config/tls_cert.pem",
        std::fs::read(ground.pem("cert.pem"))?,
    )?;
    server.write("plugins/null.js", PLUGIN)?;
    let dir = server.dir().to_owned();
    server.run(Command::new(program).arg("-c").arg(dir))?;
    Ok(server.ready()?)
}

/// Where npm put it below `root`, if it did.
pub fn find(root: &Path) -> Option<PathBuf> {
    let program = root.join("node_modules/.bin/haraka");
    program.is_file().then_some(program)
}

pub fn version(ground: &Ground) -> String {
    let Some(program) = &ground.haraka else {
        return String::new();
    };
    super::first_line(Command::new(program).arg("-v"))
}
