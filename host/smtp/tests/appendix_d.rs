//! The scenarios of RFC 5321 appendix D, with names from the example domains.

mod kit;

use kit::{Answer, Play, check};
use lazaret_smtp::{CloseReason, Code, Enhanced, Event, Reply};

fn no_such_user() -> Reply {
    Reply::new(Code::REFUSED, Enhanced::new(5, 1, 1), "No such user here")
}

fn green_is_unknown() -> Play {
    Play {
        judge: |event| match event {
            Event::Rcpt(path) if path.address.local_part() == "Green" => {
                Some(Answer::Reply(no_such_user()))
            }
            _ => None,
        },
        ..Play::default()
    }
}

/// D.1: a typical transaction with one unknown recipient.
#[test]
fn a_typical_transaction() {
    let played = green_is_unknown().check_hello(
        "C: MAIL FROM:<Smith@bar.example.com>
         S: 250 2.1.0 Sender ok
         C: RCPT TO:<Jones@foo.example.org>
         S: 250 2.1.5 Recipient ok
         C: RCPT TO:<Green@foo.example.org>
         S: 550 5.1.1 No such user here
         C: RCPT TO:<Brown@foo.example.org>
         S: 250 2.1.5 Recipient ok
         C: DATA
         S: 354 End with <CR><LF>.<CR><LF>
         C: Blah blah blah...
         C: ...etc. etc. etc.
         C: .
         S: 250 2.0.0 Ok
         C: QUIT
         S: 221 2.0.0 Bye",
    );
    // The second line starts with dots: the client above forgot to stuff, so one is gone.
    assert_eq!(
        played.message(),
        b"Blah blah blah...\r\n..etc. etc. etc.\r\n"
    );
    assert_eq!(played.closed, Some(CloseReason::Quit));
}

/// D.2: aborted by RSET.
#[test]
fn an_aborted_transaction() {
    let played = green_is_unknown().check_hello(
        "C: MAIL FROM:<Smith@bar.example.com>
         S: 250 2.1.0 Sender ok
         C: RCPT TO:<Jones@foo.example.org>
         S: 250 2.1.5 Recipient ok
         C: RCPT TO:<Green@foo.example.org>
         S: 550 5.1.1 No such user here
         C: RSET
         S: 250 2.0.0 Ok
         C: QUIT
         S: 221 2.0.0 Bye",
    );
    assert_eq!((played.resets, played.messages.len()), (1, 0));
}

/// D.3: relayed; the second hop is the first step of this one, with the source route of old.
#[test]
fn a_relayed_message() {
    let played = check(&format!(
        "{}{}",
        kit::HELLO,
        "C: MAIL FROM:<JQP@bar.example.com>
         S: 250 2.1.0 Sender ok
         C: RCPT TO:<@foo.example.org,@gate.example.org:Jones@XYZ.example.org>
         S: 250 2.1.5 Recipient ok
         C: DATA
         S: 354 End with <CR><LF>.<CR><LF>
         C: Received: from bar.example.com by foo.example.org; Thu, 21 May 1998
         C:     05:33:29 -0700
         C: Date: Thu, 21 May 1998 05:33:22 -0700
         C: From: John Q. Public <JQP@bar.example.com>
         C: Subject: The Next Meeting of the Board
         C: To: Jones@xyz.example.org
         C:\x20
         C: Bill:
         C: The next meeting of the board of directors will be on Tuesday.
         C: .
         S: 250 2.0.0 Ok
         C: QUIT
         S: 221 2.0.0 Bye"
    ));
    assert_eq!(
        played.recipients[0].address.mailbox(),
        "Jones@XYZ.example.org"
    );
    assert!(
        played
            .message()
            .starts_with(b"Received: from bar.example.com by")
    );
}

/// D.4: VRFY before sending. We never tell (section 7.3), and take the message all the same.
#[test]
fn verifying_and_sending() {
    let played = green_is_unknown().check_hello(
        "C: VRFY Jones
         S: 252 2.5.2 Cannot verify; try to deliver
         C: MAIL FROM:<Smith@bar.example.com>
         S: 250 2.1.0 Sender ok
         C: RCPT TO:<Jones@foo.example.org>
         S: 250 2.1.5 Recipient ok
         C: RCPT TO:<Green@foo.example.org>
         S: 550 5.1.1 No such user here
         C: DATA
         S: 354 ...
         C: Blah blah blah...
         C: .
         S: 250 2.0.0 Ok
         C: QUIT
         S: 221 2.0.0 Bye",
    );
    assert_eq!(played.message(), b"Blah blah blah...\r\n");
}
