//! Hands the message to a server and refuses it with what the server says; continues if it says nothing.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    inline: "package lazaret:scanner; world scanner {
        include lazaret:filter/stage-message@0.1.0;
        include lazaret:filter/configure@0.1.0;
        import lazaret:filter/http@0.1.0;
    }",
    path: "../../wit",
    world: "lazaret:scanner/scanner",
    generate_all,
});

use std::sync::OnceLock;

use exports::lazaret::filter::on_message::{Guest as OnMessage, Verdict};
use lazaret::filter::http;
use lazaret::filter::types::Reply;
use serde_json::Value;

struct Scanner;

static SERVER: OnceLock<String> = OnceLock::new();

impl Guest for Scanner {
    /// `server = "http://127.0.0.1:1/"`
    fn configure(config: String) -> Result<(), String> {
        let config: Value = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        let server = config["server"].as_str().ok_or("server: where is it?")?;
        SERVER
            .set(server.to_owned())
            .map_err(|_| "configured twice".to_owned())
    }
}

impl OnMessage for Scanner {
    fn message() -> Verdict {
        let request = http::Request {
            verb: "GET".to_owned(),
            url: SERVER.get().cloned().unwrap_or_default(),
            fields: Vec::new(),
            content: http::Content::None,
        };
        match http::fetch(&request) {
            Ok(response) if response.content.is_empty() => Verdict::Continue,
            Ok(response) => Verdict::Reject(Reply {
                code: None,
                enhanced: None,
                text: String::from_utf8_lossy(&response.content).into_owned(),
            }),
            Err(error) => Verdict::Defer(Reply {
                code: None,
                enhanced: None,
                text: error.name().to_owned(),
            }),
        }
    }
}

export!(Scanner);
