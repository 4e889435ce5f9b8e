//! What a program says of itself that it holds: with no client there must be nothing of it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Of `/metrics`, without the labels that tell listeners and addresses apart. All are 0 while nobody is there.
pub const GAUGES: [&str; 8] = [
    "lazaret_sessions_open",
    "lazaret_clients",
    "lazaret_in_flight_bytes",
    "lazaret_spool_memory_bytes",
    "lazaret_spool_files",
    "lazaret_backend_in_use",
    "lazaret_sandboxes_idle",
    "lazaret_sandboxes{state=\"used\"}",
];

/// What `/metrics` tells now.
pub fn metrics(admin: SocketAddr) -> io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&admin, Duration::from_secs(5))?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    socket.read_to_string(&mut text)?;
    Ok(text)
}

/// The lines of those that are not at 0, and those that are not told at all.
pub fn raised(metrics: &str) -> Vec<String> {
    let told = |gauge: &'static str| {
        let series = metrics.lines().filter(move |line| is_of(line, gauge));
        let all: Vec<_> = series.collect();
        match all.is_empty() {
            true => vec![format!("{gauge} is not told")],
            false => all.into_iter().filter_map(above_zero).collect(),
        }
    };
    GAUGES.into_iter().flat_map(told).collect()
}

fn is_of(line: &str, gauge: &str) -> bool {
    let rest = line.strip_prefix(gauge);
    rest.is_some_and(|rest| rest.starts_with([' ', '{']))
}

fn above_zero(line: &str) -> Option<String> {
    let (series, value) = line.rsplit_once(' ')?;
    let is_zero = value.parse() == Ok(0.0);
    (!is_zero).then(|| format!("{series} is {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sessions: u32, used: &str) -> String {
        let zero = |gauge: &str| format!("{gauge} 0\n");
        let rest: String = GAUGES[1..7].iter().map(|gauge| zero(gauge)).collect();
        format!(
            "# TYPE lazaret_sessions_open gauge\nlazaret_sessions_open{{listener=\"a\"}} 0\n\
             lazaret_sessions_open{{listener=\"b\"}} {sessions}\nlazaret_clients_limit 100\n{rest}\
             lazaret_sandboxes{{state=\"free\"}} 9.0\n{used}"
        )
    }

    #[test]
    fn a_gauge_that_is_not_at_zero_or_not_told_is_named() {
        let used = "lazaret_sandboxes{state=\"used\"} 0.0\n";
        assert_eq!(raised(&told(0, used)), [""; 0]);
        assert_eq!(
            raised(&told(1, "")),
            [
                "lazaret_sessions_open{listener=\"b\"} is 1",
                "lazaret_sandboxes{state=\"used\"} is not told"
            ]
        );
    }
}
