//! This project, with null filters that export every stage.

use std::process::Command;

use super::{Absent, Filters};
use crate::ground::{Ground, HOSTNAME};
use crate::server::Server;

pub fn start(ground: &Ground, filters: Filters) -> Result<Server, Absent> {
    let mut server = Server::prepare("lazaret")?;
    std::fs::create_dir(server.dir().join("filters.d"))?;
    let component = std::fs::read(&ground.null_filter)?;
    for number in 0..filters.count {
        let name = format!("filters.d/{:02}-null-{number}", number + 10);
        server.write(&format!("{name}.wasm"), &component)?;
        let policy = format!(
            "grant = [\"body\"]\non-failure = \"defer\"\n[config]\nread-body = {}\n",
            filters.read_body
        );
        server.write(&format!("{name}.toml"), policy)?;
    }
    server.write("lazaret.toml", configuration(ground, &server))?;
    let file = server.dir().join("lazaret.toml");
    server.run(
        Command::new(&ground.lazaret)
            .args(["run", "--config"])
            .arg(&file)
            .env("XDG_STATE_HOME", file.with_file_name("state")),
    )?;
    Ok(server.ready()?)
}

/// Limits are raised where the load comes from one client, and nowhere else.
fn configuration(ground: &Ground, server: &Server) -> String {
    format!(
        r#"hostname = "{HOSTNAME}"
filters = "filters.d"

[[listener]]
name = "plain"
listen = ["{plain}"]
tls = "starttls"
certificate = "{certificate}"
private-key = "{key}"
recipients = ["example.org"]

[[listener]]
name = "implicit"
listen = ["{implicit}"]
tls = "implicit"
certificate = "{certificate}"
private-key = "{key}"
recipients = ["example.org"]

[backend]
address = ["{sink}"]
identity = "none"
connections = 1000

[limits]
connections-per-client = 10000
"#,
        plain = server.plain(),
        implicit = server.implicit(),
        certificate = ground.pem("cert.pem").display(),
        key = ground.pem("key.pem").display(),
        sink = ground.sink.address(),
    )
}
