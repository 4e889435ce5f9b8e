//! Native: no WebAssembly, no host. The transcripts in `guest-sdk/reference` show the component.

use super::*;

const CONFIG: &str = "domains = ['bulk.example.com']";

fn transaction() -> testing::Transaction {
    testing::Transaction::new().to("anna@example.org")
}

fn said(session: &testing::Transaction) -> String {
    session.run::<Reference>(CONFIG).verdict().to_string()
}

fn problem(config: &str) -> String {
    let problem = testing::configure::<Reference>(config).err();
    problem.unwrap_or_default()
}

#[test]
fn obeys_names_and_fields() {
    assert_eq!(
        said(&transaction().helo("try-defer.example.net")),
        "defer told to defer"
    );
    assert_eq!(
        said(&transaction().from("try-coded@example.net")),
        "reject 554 5.7.26 told to use codes"
    );
    let message = transaction().message("X-Try: headers continue\nX-Try: message discard\n\n");
    assert_eq!(said(&message), "discard");
    assert_eq!(
        said(&transaction().to("try-what@example.org")),
        "reject unknown command what"
    );
}

#[test]
fn scores_senders_of_the_listed_domains() {
    let report = transaction()
        .from("a@Bulk.Example.com")
        .run::<Reference>(CONFIG);
    assert_eq!(report.symbols(), ["LISTED"]);
    let denied = transaction().from("a@bulk.example.com").deny("score");
    let report = denied.run::<Reference>(CONFIG);
    assert!(
        report
            .log()
            .contains(&"warn: score: not-granted".to_owned())
    );
}

#[test]
fn configure_names_the_key_that_is_wrong() {
    assert!(problem("points = 1").contains("domains"));
    assert!(problem("domains = []").contains("domains"));
    assert!(problem("domains = 'one'").contains("domains"));
    assert!(problem("domains = ['a']\npoints = 'many'").contains("points"));
    assert!(problem("domains = ['a']\npints = 2").contains("pints"));
}

#[test]
fn edits_and_reports() {
    let report = transaction()
        .message("Subject: hi\nX-Remove: a\nX-Try: message edits\nX-Try: message report\n\nbody\n")
        .run::<Reference>(CONFIG);
    assert_eq!(
        report.edits()[..4],
        [
            "add X-Reference: added at message",
            "replace Subject 0: [message] hi",
            "remove X-Remove",
            "add X-Removed: 1",
        ]
    );
    assert!(report.message().contains("X-Reference-Text: body\r\n"));
}
