//! `docs/crowd.md`: what the last whole run came to.

use std::fmt::Write;

use super::{BUSY, ENOUGH, Group, Seen, TIMES, TRIES, percentiles};

const HEAD: &str = "\
# A good client in a crowd

Written by `cargo xtask crowd`. The program runs as a process of its own. A good client sends a message every 100 ms, each over a connection of
its own, and is timed from connecting to QUIT: first alone, then while all the others are connected. **each** is what the resident memory
of the program grew by, divided by the connections that were opened meanwhile.

| the others | wanted | open at the end | each | at most |
| --- | ---: | ---: | ---: | ---: |
";

/// The whole page.
pub fn page(seen: &Seen) -> String {
    let mut text = HEAD.to_owned();
    text.extend(seen.groups.iter().map(line_of));
    text.push_str("\n| the good client | messages | accepted | p50 | p99 |\n| --- | ---: | ---: | ---: | ---: |\n");
    for (when, samples) in [("alone", &seen.quiet), ("in the crowd", &seen.crowded)] {
        let [half, most] = percentiles(samples);
        let (sent, accepted) = (seen.messages, samples.len());
        let _ = writeln!(
            text,
            "| {when} | {sent} | {accepted} | {half:.1} ms | {most:.1} ms |"
        );
    }
    let _ = write!(
        text,
        "\n{} connections, opened in {:.1} s. It is wrong if one of the others is closed, if one message of the good client is not accepted, if its p99 in the\n\
         crowd is more than {TIMES} times that alone, if one of {ENOUGH} or more of the others takes more memory than **at most**, or if\n\
         descriptors are not given back within ten seconds after the crowd has left. No milliseconds are allowed on top of the {TIMES} times. Where nothing\n\
         but that p99 is wrong it is looked at again, up to {TRIES} times: a machine that is shared is slow by itself. So it is alone while its p99 is over\n\
         {} ms, of which nothing would follow: then the machine was busy, and that is wrong as well. Looks taken: {} alone, {} in the crowd; there it took\n\
         {:.2} times as long.\n",
        seen.open(),
        seen.opening.as_secs_f64(),
        BUSY.as_millis(),
        seen.quiet_looks,
        seen.looks,
        seen.factor(),
    );
    match seen.faults.is_empty() {
        true => text.push_str("\nNothing was wrong.\n"),
        false => text.extend(
            seen.faults
                .iter()
                .map(|fault| format!("\n* **wrong**: {fault}\n")),
        ),
    }
    text
}

fn line_of(group: &Group) -> String {
    format!(
        "| {} | {} | {} | {:.1} KiB | {} KiB |\n",
        group.posture.name(),
        group.wanted,
        group.open,
        group.kibibytes(),
        group.posture.most() >> 10
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Posture;
    use super::*;

    #[test]
    fn each_posture_and_the_good_client_have_a_line() {
        let group = |posture, open| Group {
            posture,
            wanted: 100,
            open,
            resident: 5120,
        };
        let mut seen = Seen {
            groups: vec![group(Posture::Idle, 100), group(Posture::Handshake, 99)],
            messages: 3,
            quiet: vec![Duration::from_millis(4); 3],
            crowded: vec![Duration::from_millis(6); 2],
            ..Seen::default()
        };
        let told = page(&seen);
        for line in [
            "| idle after the greeting | 100 | 100 | 5.0 KiB | 14 KiB |",
            "| stalled TLS handshake | 100 | 99 | 5.0 KiB | 24 KiB |",
            "| in the crowd | 3 | 2 | 6.0 ms | 6.0 ms |",
            "1.50 times as long.",
            "Nothing was wrong.",
        ] {
            assert!(told.lines().any(|it| it == line), "no {line} in\n{told}");
        }
        seen.faults.push("one was closed".to_owned());
        assert!(page(&seen).ends_with("\n* **wrong**: one was closed\n"));
    }
}
