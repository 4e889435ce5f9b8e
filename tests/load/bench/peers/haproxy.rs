//! HAProxy in TCP mode. It logs nothing here, which is its cheapest way to run.

use std::process::Command;

use super::Absent;
use crate::ground::{Ground, find};
use crate::server::Server;

pub fn start(ground: &Ground) -> Result<Server, Absent> {
    let program = find("haproxy").ok_or_else(|| Absent::NotHere("haproxy".into()))?;
    let mut server = Server::prepare("haproxy")?;
    let configuration = format!(
        "global
  maxconn 9000
defaults
  mode tcp
  timeout connect 10s
  timeout client 10m
  timeout server 10m
frontend plain
  bind {plain}
  default_backend sink
frontend implicit
  bind {implicit} ssl crt {pem}
  default_backend sink
backend sink
  server sink {sink}
",
        plain = server.plain(),
        implicit = server.implicit(),
        pem = ground.pem("both.pem").display(),
        sink = ground.sink.address(),
    );
    server.write("haproxy.cfg", configuration)?;
    let file = server.dir().join("haproxy.cfg");
    server.run(Command::new(program).arg("-db").arg("-f").arg(file))?;
    Ok(server.ready()?)
}
