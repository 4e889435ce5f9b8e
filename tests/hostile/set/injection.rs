//! Filters that try to say more than one line, one field, one reply: to the client, to the backend, to the log.

use crate::hostile::attack::{Attack, Expected, JUDGES, Kind, Point};

/// Where replies are built in different ways: the greeting, a command, the end of data.
const ANSWERING: [Point; 3] = [Point::Connect, Point::Rcpt, Point::Message];
const EDITING: [Point; 2] = [Point::Headers, Point::Message];

/// Texts, as a TOML string has them, and what they are called.
const TEXTS: [(&str, &str); 16] = [
    ("CR LF", r"no\r\n250 2.0.0 ok"),
    ("LF", r"no\n250 2.0.0 ok"),
    ("CR", r"no\r250 2.0.0 ok"),
    ("NUL", r"no\u0000way"),
    (
        "a dot alone",
        r"no\r\n.\r\nMAIL FROM:<injected@example.com>",
    ),
    ("a dot", "."),
    ("escape", r"no\u001b[2J\u001b]0;owned\u0007"),
    ("DEL", r"no\u007f"),
    ("C1 controls", r"no\u0085\u009b2J"),
    ("8-bit", "nicht möglich, 不行"),
    ("turned around", r"no\u202e)021( ko 052"),
    ("line separators", r"no\u2028250 ok\u2029250 ok"),
    ("blanks alone", "      "),
    ("nothing", ""),
    (
        "many lines",
        r"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n21\n22\n23\n24\n25\n26\n27\n28\n29\n30\n31\n32\n33\n34\n35\n36\n37\n38\n39\n40",
    ),
    ("a code", "250 2.0.0 ok"),
];

pub(super) fn attacks() -> Vec<Attack> {
    [replies(), reasons(), names(), values(), words()].concat()
}

fn replies() -> Vec<Attack> {
    let mut all = Vec::new();
    for (named, text) in TEXTS {
        let name = kind("reply with", named);
        let says = |verdict: &str| format!("{verdict} = \"{text}\"");
        all.extend(Kind::told(name, says("reject"), Expected::Reply("reject")).at(&ANSWERING));
        let name = kind("deferral with", named);
        all.extend(Kind::told(name, says("defer"), Expected::Reply("defer")).at(&[Point::Rcpt]));
        let name = kind("farewell with", named);
        let farewell = Kind::told(name, says("disconnect"), Expected::Reply("disconnect"));
        all.extend(
            farewell
                .under("verdicts = [\"disconnect\"]")
                .at(&[Point::Mail]),
        );
    }
    let enhanced = [
        ("CR LF", r"5.7.1\r\n250 ok"),
        ("another class", "2.0.0"),
        ("too many digits", "5.12345.99999"),
        ("NUL", r"5.7.\u0000"),
        ("words", "five seven one"),
    ];
    for (named, text) in enhanced {
        let step = format!("reject = \"no\", enhanced = \"{text}\"");
        let name = kind("enhanced code with", named);
        all.extend(Kind::told(name, step, Expected::Reply("reject")).at(&ANSWERING));
    }
    all
}

fn reasons() -> Vec<Attack> {
    let quarantine = |(named, text): (&'static str, &str)| {
        let step = format!("quarantine = \"{text}\"");
        Kind::told(
            kind("reason with", named),
            step,
            Expected::Reply("quarantine"),
        )
        .under("verdicts = [\"quarantine\"]")
        .at(&[Point::Message])
    };
    TEXTS.into_iter().flat_map(quarantine).collect()
}

fn names() -> Vec<Attack> {
    let names = [
        ("CR LF", r"X-Bad: 1\r\nBcc"),
        ("LF", r"X-Bad\nBcc"),
        ("NUL", r"X-\u0000Bad"),
        ("a colon", "X-Bad: more"),
        ("a blank", "X Bad"),
        ("a blank first", " X-Bad"),
        ("8-bit", "X-Schön"),
        ("DEL", r"X-\u007f"),
        ("nothing", ""),
        ("a dot alone", r"X-A\r\n.\r\n"),
        ("100 letters", &"X".repeat(100)),
    ];
    let mut all = Vec::new();
    for (named, text) in names {
        let name = kind("field name with", named);
        let step = format!(
            "do = [{{ add = [\"{text}\", \"1\"] }}, {{ replace = [\"{text}\", 0, \"1\"] }}, {{ remove = [\"{text}\"] }}]"
        );
        all.extend(Kind::told(name, step, Expected::Nothing).at(&EDITING));
    }
    let not_granted = "do = [{ add = [\"Bcc\", \"eve@example.com\"] }, { replace = [\"Subject\", 0, \"changed\"] }, { remove = [\"From\"] }, { add = [\"Received\", \"from nowhere\"] }]";
    all.extend(
        Kind::told(
            "fields that are not granted",
            not_granted,
            Expected::Nothing,
        )
        .at(&EDITING),
    );
    let too_early = "do = [{ add = [\"X-Early\", \"1\"] }]";
    all.extend(Kind::told("fields too early", too_early, Expected::Nothing).at(&JUDGES[..4]));
    all
}

fn values() -> Vec<Attack> {
    let refused = [
        ("CR LF", r"1\r\nBcc: eve@example.com"),
        ("folding", r"1\r\n 2"),
        ("LF", r"1\nBcc: eve@example.com"),
        ("CR", r"1\rBcc: eve@example.com"),
        ("NUL", r"1\u00002"),
        ("the end of the message", r"1\r\n\r\n.\r\nQUIT\r\n"),
        ("escape", r"\u001b[2J"),
    ];
    let written = [
        ("a dot", "."),
        ("a dot first", "..."),
        ("8-bit", "schön, 不行"),
        ("2000 words", "{huge:40} {huge:200} {huge:900}"),
        ("nothing", ""),
        ("blanks alone", "    "),
    ];
    let mut all = Vec::new();
    for (named, text) in refused {
        let step = format!("do = [{{ add = [\"X-Value\", \"{text}\"] }}]");
        all.extend(
            Kind::told(kind("field value with", named), step, Expected::Nothing).at(&EDITING),
        );
    }
    for (named, text) in written {
        let step = format!("do = [{{ add = [\"X-Value\", \"{text}\"] }}]");
        let expected = Expected::Fields(&["X-Value"]);
        all.extend(Kind::told(kind("field value with", named), step, expected).at(&EDITING));
    }
    all
}

/// Notes, scores and log lines go into the log and to other filters.
fn words() -> Vec<Attack> {
    let mut all = Vec::new();
    for (named, text) in TEXTS {
        let step = format!(
            "do = [{{ note = [\"connection\", \"{text}\", \"1\"] }}, {{ note = [\"connection\", \"key\", \"{text}\"] }},
                {{ score = [\"{text}\", 0.1, \"why\"] }}, {{ score = [\"SYMBOL\", 0.1, \"{text}\"] }},
                {{ log = [\"error\", \"{text}\"] }}]"
        )
        .replace('\n', " ");
        all.extend(
            Kind::told(
                kind("notes and scores with", named),
                step,
                Expected::Nothing,
            )
            .at(&ANSWERING),
        );
    }
    let numbers = "do = [{ score = [\"S\", \"nan\", \"\"] }, { score = [\"S\", \"inf\", \"\"] }, { score = [\"S\", 1e308, \"\"] }, { score = [\"S\", 1e308, \"\"] }, { score = [\"S\", -1e308, \"\"] }]";
    all.extend(Kind::told("scores that are no numbers", numbers, Expected::Nothing).at(&JUDGES));
    all
}

/// The set is made once for a process: its names may stay.
fn kind(what: &str, named: &str) -> &'static str {
    Box::leak(format!("{what} {named}").into_boxed_str())
}
