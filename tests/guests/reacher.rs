//! Reaches out: the local part of a recipient says how, `[config]` says where to; the reply says what came of it.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    inline: "package lazaret:reacher; world reacher {
        include lazaret:filter/stage-rcpt@0.1.0;
        include lazaret:filter/configure@0.1.0;
        import lazaret:filter/session@0.1.0;
        import lazaret:filter/dns@0.1.0;
        import lazaret:filter/http@0.1.0;
    }",
    path: "../../wit",
    world: "lazaret:reacher/reacher",
    generate_all,
});

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::OnceLock;
use std::time::Duration;

use exports::lazaret::filter::on_rcpt::{Address, Guest as OnRcpt, Verdict};
use lazaret::filter::types::{Error, Reply};
use lazaret::filter::{dns, http, session};
use serde_json::Value;

struct Reacher;

static CONFIG: OnceLock<Value> = OnceLock::new();

impl Guest for Reacher {
    /// `probe = true` asks at once, to see what is said to that.
    fn configure(config: String) -> Result<(), String> {
        let config: Value = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        if config.get("probe").is_some() {
            return Err(format!("dns says {}", lookup("a", "example.org")));
        }
        CONFIG
            .set(config)
            .map_err(|_| "configured twice".to_owned())
    }
}

impl OnRcpt for Reacher {
    fn rcpt(recipient: Address) -> Verdict {
        let to = |key: &str| {
            let config = CONFIG.get().and_then(|config| config.get(key));
            config
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        std::thread::sleep(nap());
        let text = match recipient.local_part.as_str() {
            "client" => session::client().name.unwrap_or_else(|| "none".to_owned()),
            "tcp" => talk(&to("tcp")).unwrap_or_else(|error| format!("{:?}", error.kind())),
            "patient" => attend(&to("tcp")),
            "again" => again(&to("tcp")).unwrap_or_else(|error| format!("{:?}", error.kind())),
            "listen" => {
                let bound = TcpListener::bind("127.0.0.1:0").map(drop);
                let sent = UdpSocket::bind("127.0.0.1:0").map(drop);
                format!("{} {}", bound.is_err(), sent.is_err())
            }
            "http" => fetch(&to("http")),
            "message" => fetch_with(&to("http"), http::Content::Message),
            kind => lookup(kind, &to("name")),
        };
        Verdict::Reject(Reply {
            code: None,
            enhanced: None,
            text,
        })
    }
}

/// `nap = 1000`, in milliseconds: how long it sleeps before it asks.
fn nap() -> Duration {
    let config = CONFIG.get().and_then(|config| config.get("nap"));
    Duration::from_millis(config.and_then(Value::as_u64).unwrap_or_default())
}

/// Says `ping`, hears what is said to that.
fn talk(to: &str) -> std::io::Result<String> {
    let address: SocketAddr = to.parse().map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"ping\n")?;
    let mut heard = [0; 100];
    let length = stream.read(&mut heard)?;
    Ok(String::from_utf8_lossy(&heard[..length]).trim().to_owned())
}

/// Gives the server a minute for the connection and one for each word, and tells what ended that.
fn attend(to: &str) -> String {
    const MINUTE: Duration = Duration::from_secs(60);
    let Ok(address) = to.parse::<SocketAddr>() else {
        return "no address".to_owned();
    };
    let mut stream = match TcpStream::connect_timeout(&address, MINUTE) {
        Ok(stream) => stream,
        Err(error) => return format!("no connection: {:?}", error.kind()),
    };
    let timeout = stream.set_read_timeout(Some(MINUTE));
    let mut heard = [0; 100];
    match timeout.and_then(|()| stream.read(&mut heard)) {
        Ok(length) => format!("{length} octets"),
        Err(error) => format!("no answer: {:?}", error.kind()),
    }
}

/// Never takes no for an answer: how often it was told so.
fn again(to: &str) -> std::io::Result<String> {
    let address: SocketAddr = to.parse().map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect(address)?;
    let refused = (0..100).filter(|_| stream.read(&mut [0]).is_err());
    Ok(format!("{} errors", refused.count()))
}

fn fetch(url: &str) -> String {
    fetch_with(url, http::Content::None)
}

fn fetch_with(url: &str, content: http::Content) -> String {
    let request = http::Request {
        verb: "POST".to_owned(),
        url: url.to_owned(),
        fields: Vec::new(),
        content,
    };
    match http::fetch(&request) {
        Ok(response) => format!("{} {} octets", response.status, response.content.len()),
        Err(error) => word(error),
    }
}

/// Names are asked together, words apart.
fn lookup(kind: &str, names: &str) -> String {
    let kind = match kind {
        "a" => dns::Kind::A,
        "aaaa" => dns::Kind::Aaaa,
        "mx" => dns::Kind::Mx,
        "txt" => dns::Kind::Txt,
        _ => dns::Kind::Ptr,
    };
    let queries = names.split(' ').map(|name| dns::Query {
        name: name.to_owned(),
        kind,
    });
    match dns::lookup_all(&queries.collect::<Vec<_>>()) {
        Ok(answers) => answers
            .into_iter()
            .map(said)
            .collect::<Vec<_>>()
            .join(" / "),
        Err(error) => word(error),
    }
}

fn said(answer: dns::Answer) -> String {
    match answer {
        dns::Answer::Records(mut records) => {
            records.sort();
            records.join(" ")
        }
        dns::Answer::NoName => "no-name".to_owned(),
        dns::Answer::NoData => "no-data".to_owned(),
        dns::Answer::Failed => "failed".to_owned(),
        dns::Answer::Late => "late".to_owned(),
    }
}

fn word(error: Error) -> String {
    match error {
        Error::NotGranted => "not-granted",
        Error::NotNow => "not-now",
        Error::Limit => "limit",
        Error::Unavailable => "unavailable",
        Error::Invalid => "invalid",
    }
    .to_owned()
}

export!(Reacher);
