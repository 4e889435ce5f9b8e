//! What the operator grants and denies, seen from inside a guest.
#![allow(clippy::unwrap_used)]

mod kit;

use kit::{all_granted, ask_connect, ask_message, at_connect, at_message};
use lazaret_mail::{Grant, Policy, Scope, Verdict};

/// Answers `discard` if the octet at this address has this value, else `continue`.
fn discard_if(address: u32, octet: u32) -> String {
    format!(
        "(if (i32.eq (i32.load8_u (i32.const {address})) (i32.const {octet})) (then (return (i32.const 256))))"
    )
}

const DISCARD: &str = r#"(data (i32.const 256) "\04")"#;
const NOT_GRANTED: u32 = 0;
const NOT_NOW: u32 = 1;

/// One call that leaves its result at 32: a result whose error is at `error`.
struct Call {
    interface: &'static str,
    function: &'static str,
    signature: &'static str,
    arguments: &'static str,
    error: u32,
}

/// Each function of each permission that can be denied.
const DENIABLE: [Call; 12] = [
    Call {
        interface: "body",
        function: "read",
        signature: "i32 i32 i32",
        arguments: "(i32.const 0) (i32.const 1)",
        error: 36,
    },
    Call {
        interface: "parts",
        function: "all",
        signature: "i32",
        arguments: "",
        error: 36,
    },
    Call {
        interface: "parts",
        function: "read",
        signature: "i32 i32 i32 i32",
        arguments: "(i32.const 0) (i32.const 0) (i32.const 1)",
        error: 36,
    },
    Call {
        interface: "parts",
        function: "text",
        signature: "i32 i32",
        arguments: "(i32.const 0)",
        error: 36,
    },
    Call {
        interface: "edit-headers",
        function: "add",
        signature: "i32 i32 i32 i32 i32",
        arguments: "(i32.const 512) (i32.const 3) (i32.const 512) (i32.const 3)",
        error: 33,
    },
    Call {
        interface: "edit-headers",
        function: "replace",
        signature: "i32 i32 i32 i32 i32 i32",
        arguments: "(i32.const 512) (i32.const 3) (i32.const 0) (i32.const 512) (i32.const 3)",
        error: 33,
    },
    Call {
        interface: "edit-headers",
        function: "remove",
        signature: "i32 i32 i32 i32 i32",
        arguments: "(i32.const 512) (i32.const 3) (i32.const 0) (i32.const 0)",
        error: 36,
    },
    Call {
        interface: "score",
        function: "add",
        signature: "i32 i32 f64 i32 i32 i32",
        arguments: "(i32.const 512) (i32.const 3) (f64.const 1) (i32.const 512) (i32.const 3)",
        error: 33,
    },
    Call {
        interface: "score",
        function: "total",
        signature: "i32",
        arguments: "",
        error: 40,
    },
    Call {
        interface: "notes",
        function: "get",
        signature: "i32 i32 i32 i32 i32",
        arguments: "(i32.const 512) (i32.const 3) (i32.const 512) (i32.const 3)",
        error: 36,
    },
    Call {
        interface: "notes",
        function: "set",
        signature: "i32 i32 i32 i32 i32 i32",
        arguments: "(i32.const 0) (i32.const 512) (i32.const 3) (i32.const 512) (i32.const 3)",
        error: 33,
    },
    Call {
        interface: "pace",
        function: "hold",
        signature: "i32 i32",
        arguments: "(i32.const 10)",
        error: 33,
    },
];

impl Call {
    /// (imports of the world, module, body) of a guest that makes this call and discards if the error is `expected`.
    fn guest(&self, expected: u32) -> (String, String, String) {
        let Call {
            interface,
            function,
            signature,
            arguments,
            error,
        } = self;
        let imports = format!("import lazaret:filter/{interface}@0.1.0;");
        let module = format!(
            r#"(import "lazaret:filter/{interface}@0.1.0" "{function}" (func $f (param {signature}))) {DISCARD}
            (data (i32.const 512) "X-A") (data (i32.const 32) "\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff")"#
        );
        let is_error = "(if (i32.ne (i32.load8_u (i32.const 32)) (i32.const 1)) (then (return (i32.const 16))))";
        let body = format!(
            "(call $f {arguments} (i32.const 32)) {is_error} {}",
            discard_if(*error, expected)
        );
        (imports, module, body)
    }
}

#[tokio::test]
async fn every_denied_function_answers_not_granted() {
    for call in &DENIABLE {
        let (imports, module, body) = call.guest(NOT_GRANTED);
        let policy = Policy {
            deny: vec![call.interface.into()],
            ..Policy::default()
        };
        let answer = ask_message(&at_message(&imports, &module, &body), policy)
            .await
            .unwrap();
        assert_eq!(
            answer.verdict,
            Verdict::Discard,
            "{}.{}",
            call.interface,
            call.function
        );
    }
}

#[tokio::test]
async fn what_needs_a_message_is_not_now_at_connect() {
    let needs = ["body", "parts", "edit-headers"];
    let calls = DENIABLE
        .iter()
        .filter(|call| needs.contains(&call.interface));
    for call in calls {
        let (imports, module, body) = call.guest(NOT_NOW);
        let answer = ask_connect(&at_connect(&imports, &module, &body), all_granted())
            .await
            .unwrap();
        assert_eq!(
            answer.verdict,
            Verdict::Discard,
            "{}.{}",
            call.interface,
            call.function
        );
    }
}

const ADD: &str = r#"(import "lazaret:filter/edit-headers@0.1.0" "add" (func $add (param i32 i32 i32 i32 i32)))
    (data (i32.const 512) "X-A") (data (i32.const 520) "Subject")"#;
const ADD_X_A: &str =
    "(call $add (i32.const 512) (i32.const 3) (i32.const 512) (i32.const 3) (i32.const 32))";

#[tokio::test]
async fn an_edit_comes_back_with_the_verdict() {
    let wasm = at_message("import lazaret:filter/edit-headers@0.1.0;", ADD, ADD_X_A);
    let answer = ask_message(&wasm, all_granted()).await.unwrap();
    let edits: Vec<_> = answer
        .effects
        .edits
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(edits, ["add X-A: X-A"]);
}

#[tokio::test]
async fn an_edit_is_lost_with_a_failure() {
    let body = format!("{ADD_X_A} unreachable");
    let wasm = at_message("import lazaret:filter/edit-headers@0.1.0;", ADD, &body);
    assert!(ask_message(&wasm, all_granted()).await.is_err());
}

#[tokio::test]
async fn an_edit_outside_the_grant_is_not_granted() {
    let call =
        "(call $add (i32.const 520) (i32.const 7) (i32.const 512) (i32.const 3) (i32.const 32))";
    let body = format!("{call} {}", discard_if(33, NOT_GRANTED));
    let module = format!("{ADD} {DISCARD}");
    let wasm = at_message("import lazaret:filter/edit-headers@0.1.0;", &module, &body);
    let answer = ask_message(&wasm, all_granted()).await.unwrap();
    assert_eq!(answer.verdict, Verdict::Discard);
    assert!(answer.effects.edits.is_empty());
}

#[tokio::test]
async fn scores_stay_within_their_grant() {
    let module = format!(
        r#"(import "lazaret:filter/score@0.1.0" "add" (func $add (param i32 i32 f64 i32 i32 i32))) {DISCARD}
        (data (i32.const 512) "X-A")"#
    );
    let add = |points: f64| {
        format!(
            "(call $add (i32.const 512) (i32.const 3) (f64.const {points}) (i32.const 512) (i32.const 3) (i32.const 32))"
        )
    };
    let body = format!("{} {} {}", add(4.0), add(4.0), discard_if(33, NOT_GRANTED));
    let wasm = at_message("import lazaret:filter/score@0.1.0;", &module, &body);
    let policy = Policy {
        grant: vec![Grant::Score(-5.0, 5.0)],
        ..Policy::default()
    };
    let answer = ask_message(&wasm, policy).await.unwrap();
    assert_eq!(answer.verdict, Verdict::Discard);
    assert_eq!(
        answer.effects.scores,
        [("X-A".to_owned(), 4.0, "X-A".to_owned())]
    );
}

#[tokio::test]
async fn a_note_comes_back_with_its_scope() {
    let module = r#"(import "lazaret:filter/notes@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32 i32)))
        (data (i32.const 512) "X-A")"#;
    let body = "(call $set (i32.const 0) (i32.const 512) (i32.const 3) (i32.const 512) (i32.const 3) (i32.const 32))";
    let wasm = at_connect("import lazaret:filter/notes@0.1.0;", module, body);
    let answer = ask_connect(&wasm, all_granted()).await.unwrap();
    assert_eq!(
        answer.effects.notes,
        [(Scope::Connection, "X-A".to_owned(), "X-A".to_owned())]
    );
}

#[tokio::test]
async fn the_session_is_empty_in_configure_and_there_at_connect() {
    let module = format!(
        r#"(import "lazaret:filter/session@0.1.0" "id" (func $id (param i32))) {DISCARD}
        (func (export "configure") (param i32 i32) (result i32)
            (call $id (i32.const 32))
            ;; an id here would be an error: the answer's first octet is the length
            (i32.const 36))
        (func (export "lazaret:filter/on-connect@0.1.0#connect") (result i32)
            (call $id (i32.const 32)) {} (i32.const 16))"#,
        discard_if(36, 2)
    );
    let world = "import lazaret:filter/session@0.1.0; export lazaret:filter/on-connect@0.1.0;
        export configure: func(config: string) -> result<_, string>;";
    let answer = ask_connect(&kit::component(world, &module), all_granted())
        .await
        .unwrap();
    assert_eq!(
        answer.verdict,
        Verdict::Discard,
        "at connect the id is `s1`"
    );
}
