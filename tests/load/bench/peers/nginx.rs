//! nginx's mail proxy. It asks an HTTP server where a session goes to; nginx itself answers that here, so the CPU time
//! holds both, as it does in most installations.

use std::path::Path;
use std::process::Command;

use super::Absent;
use crate::ground::{Ground, HOSTNAME, find, free_port};
use crate::server::Server;

const MODULE: &str = "/usr/lib/nginx/modules/ngx_mail_module.so";

pub fn start(ground: &Ground) -> Result<Server, Absent> {
    let program = find("nginx").ok_or_else(|| Absent::NotHere("nginx".into()))?;
    if !Path::new(MODULE).is_file() {
        return Err(Absent::NotHere(
            "nginx's mail module (libnginx-mod-mail)".into(),
        ));
    }
    let mut server = Server::prepare("nginx")?;
    server.write("nginx.conf", configuration(ground, &server)?)?;
    let (dir, file) = (server.dir().to_owned(), server.dir().join("nginx.conf"));
    let mut command = Command::new(program);
    command.arg("-p").arg(&dir).arg("-c").arg(file);
    command.arg("-e").arg(dir.join("error.log"));
    server.run(&mut command)?;
    Ok(server.ready()?)
}

fn configuration(ground: &Ground, server: &Server) -> Result<String, Absent> {
    let (dir, sink) = (server.dir().display(), ground.sink.address());
    let (authority, certificate) = (free_port()?, ground.certificate.path().display());
    let (plain, implicit) = (server.plain(), server.implicit());
    Ok(format!(
        "load_module {MODULE};
user nobody nogroup;
daemon off;
worker_processes auto;
pid {dir}/nginx.pid;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  server {{
    listen {authority};
    location / {{
      add_header Auth-Status OK;
      add_header Auth-Server {ip};
      add_header Auth-Port {port};
      return 200 '';
    }}
  }}
}}
mail {{
  server_name {HOSTNAME};
  auth_http {authority}/;
  smtp_auth none;
  smtp_capabilities PIPELINING \"SIZE 52428800\" 8BITMIME;
  xclient off;
  timeout 10m;
  ssl_certificate {certificate}/cert.pem;
  ssl_certificate_key {certificate}/key.pem;
  server {{ listen {plain}; protocol smtp; starttls on; }}
  server {{ listen {implicit} ssl; protocol smtp; }}
}}
",
        ip = sink.ip(),
        port = sink.port(),
    ))
}
