//! The admin port, read as an operator's machines read it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use lazaret_tests::ports::free_port;
use lazaret_tests::proxy::Builder;
use serde_json::Value;

/// Where `/status`, `/metrics` and `/healthz` are.
#[derive(Clone, Copy, Debug)]
pub struct Admin(SocketAddr);

impl Admin {
    /// The configuration with an admin port.
    pub fn of(builder: Builder) -> (Self, Builder) {
        let address = free_port();
        let listen = format!("[admin]\nlisten = [\"{address}\"]\n");
        (Self(address), builder.set(&listen))
    }

    /// `/healthz`: the code and what it says.
    pub fn health(self) -> (u16, String) {
        self.get("/healthz")
    }

    /// `/status`.
    pub fn status(self) -> Value {
        let (code, body) = self.get("/status");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// `/metrics`.
    pub fn figures(self) -> Figures {
        let (code, body) = self.get("/metrics");
        assert_eq!(code, 200, "{body}");
        Figures::parse(&body)
    }

    fn get(self, path: &str) -> (u16, String) {
        let mut tcp = TcpStream::connect(self.0).expect("the admin port");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        tcp.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (code.expect("a status"), body.to_owned())
    }
}

/// One scrape: the value of each series by its name, its labels as written.
#[derive(Debug)]
pub struct Figures {
    series: BTreeMap<String, f64>,
    /// names of metrics as `# TYPE` has them, with their kinds
    pub kinds: BTreeMap<String, String>,
}

impl Figures {
    fn parse(text: &str) -> Self {
        let (mut series, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(told) = line.strip_prefix("# TYPE ") {
                let (name, kind) = told.split_once(' ').expect("a name and a kind");
                kinds.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').expect("a series and its value");
                series.insert(name.to_owned(), value.parse().expect("a number"));
            }
        }
        Self { series, kinds }
    }

    /// That of this series, e.g. `sessions_total{listener="plain"}`: the prefix of all names is left out.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.series.get(&format!("lazaret_{series}")).copied()
    }

    /// The labels of a metric, those of all its series together.
    pub fn labels(&self, metric: &str) -> Vec<String> {
        let part = |name: &str| {
            let rest = name.strip_prefix(metric)?;
            let end = ["_bucket", "_sum", "_count"];
            let bare = end.iter().find_map(|end| rest.strip_prefix(end));
            Some(bare.unwrap_or(rest).to_owned()).filter(|it| it.is_empty() || it.starts_with('{'))
        };
        let written = self.series.keys().filter_map(|name| part(name));
        let mut labels: Vec<String> = written.flat_map(|it| labels_of(&it)).collect();
        labels.sort();
        labels.dedup();
        labels.retain(|label| label != "le");
        labels
    }
}

/// `a` and `b` of `{a="x",b="y"}`; values here hold no quotes.
fn labels_of(written: &str) -> Vec<String> {
    let pairs = written.trim_matches(['{', '}']).split("\",");
    let names = pairs.filter_map(|pair| pair.split_once("=\""));
    names.map(|(name, _)| name.to_owned()).collect()
}
