//! Sessions that come to nothing are ended: errors, and what is no error and endless all the same.

mod kit;

use kit::{Answer, Play};
use lazaret_smtp::{CloseReason, Event, Reply, ServerConfig};

#[test]
fn commands_that_lead_to_no_message_end_the_session_and_a_message_forgives_them() {
    let play = Play {
        config: ServerConfig {
            max_errors: 2,
            max_junk: 3,
            ..kit::config()
        },
        judge: |event| match event {
            Event::Mail(path) if path.address.is_null() => {
                Some(Answer::Reply(Reply::sender_not_ascii()))
            }
            _ => None,
        },
        ..Play::default()
    };
    // EHLO was the first; the third of these is over the limit and counts as the first error.
    let free =
        "C: NOOP\nS: 250 2.0.0 ...\nC: VRFY a\nS: 252 2.5.2 ...\nC: RSET\nS: 250 2.0.0 ...\n";
    let message = "C: MAIL FROM:<a@example.net>\nS: 250 2.1.0 ...\nC: RCPT TO:<b@example.org>\nS: 250 2.1.5 ...\n\
                   C: DATA\nS: 354 ...\nC: .\nS: 250 2.0.0 ...\n";
    let refused = "C: MAIL FROM:<>\nS: 550 5.6.7 ...\n";
    let end = "C: NOOP\nC: NOOP\nS: 421 4.7.0 Too many commands without a message, closing";
    let played = play.check_hello(&format!("{free}{message}{free}{}{end}", refused.repeat(3)));
    assert_eq!(played.closed, Some(CloseReason::TooMuchJunk));
}

/// Whoever looks for addresses is sent away; what is refused for now is no such thing.
#[test]
fn recipients_that_are_refused_for_good_lead_to_no_message() {
    let play = Play {
        config: ServerConfig {
            max_errors: 1,
            max_junk: 3,
            ..kit::config()
        },
        judge: |event| match event {
            Event::Rcpt(path) if path.address.to_string().contains("later@") => {
                Some(Answer::Reply(Reply::local_error()))
            }
            Event::Rcpt(_) => Some(Answer::Reply(Reply::sender_not_ascii())),
            _ => None,
        },
        ..Play::default()
    };
    let begin = "C: MAIL FROM:<a@example.net>\nS: 250 2.1.0 ...\n";
    let later = "C: RCPT TO:<later@example.org>\nS: 451 ...\n";
    let refused = "C: RCPT TO:<b@example.org>\nS: 550 ...\n";
    let end =
        "C: RCPT TO:<b@example.org>\nS: 421 4.7.0 Too many commands without a message, closing";
    let script = format!("{begin}{}{}{end}", later.repeat(9), refused.repeat(4));
    let played = play.check_hello(&script);
    assert_eq!(played.closed, Some(CloseReason::TooMuchJunk));
}

#[test]
fn errors_end_the_session_and_a_message_forgives_them() {
    let play = Play {
        config: ServerConfig {
            max_errors: 2,
            ..kit::config()
        },
        ..Play::default()
    };
    let errors = "C: FOO\nS: 500 5.5.1 ...\nC: FOO\nS: 500 5.5.1 ...\n";
    let message = format!(
        "{}C: DATA\nS: 354 ...\nC: .\nS: 250 2.0.0 Ok\n",
        kit::ENVELOPE
    );
    let end = "C: FOO\nC: NOOP\nS: 421 4.7.0 Too many errors, closing\nC: NOOP";
    let played = play.check_hello(&format!("{errors}{message}{errors}{end}"));
    assert_eq!(played.closed, Some(CloseReason::TooManyErrors));
}

/// Of a line with a fault so much is swallowed as of any other, however long a line may be.
#[test]
fn a_fault_far_behind_in_a_long_line() {
    let play = Play {
        config: ServerConfig {
            max_command: 128 << 10,
            ..kit::config()
        },
        ..Play::default()
    };
    play.check_hello(&format!(
        "C: NOOP {}\\nNOOP\nS: 500 5.5.2 ...\nC: NOOP\nS: 250 2.0.0 Ok",
        "x".repeat(60_000)
    ));
    let far = format!(
        "C| NOOP {}\\nNOOP\\r\\nNOOP\\r\nS: 500 5.5.2 ...\nS: 421 4.7.0 ...",
        "x".repeat(66_000)
    );
    assert_eq!(play.check_hello(&far).closed, Some(CloseReason::LongLine));
}
