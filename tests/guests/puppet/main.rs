//! Does at each stage what its `[config]` says (see `lazaret_test_guests`), and answers with what it saw.
#![cfg(target_family = "wasm")]

mod actions;
mod facts;

wit_bindgen::generate!({
    inline: "
        package lazaret:puppet;
        world puppet {
            include lazaret:filter/permissions@0.1.0;
            include lazaret:filter/configure@0.1.0;
            include lazaret:filter/stage-connect@0.1.0;
            include lazaret:filter/stage-hello@0.1.0;
            include lazaret:filter/stage-auth@0.1.0;
            include lazaret:filter/stage-mail@0.1.0;
            include lazaret:filter/stage-rcpt@0.1.0;
            include lazaret:filter/stage-headers@0.1.0;
            include lazaret:filter/stage-message@0.1.0;
            include lazaret:filter/stage-outcome@0.1.0;
            include lazaret:filter/stage-disconnect@0.1.0;
        }
    ",
    path: "../../wit",
    world: "lazaret:puppet/puppet",
    generate_all,
});

use std::cell::{Cell, RefCell};

use exports::lazaret::filter::on_outcome::ResultOfTransaction;
use exports::lazaret::filter::{
    on_auth, on_connect, on_disconnect, on_headers, on_hello, on_mail, on_message, on_outcome,
    on_rcpt,
};
use lazaret::filter::types::{Address, Reply, Verdict};
use lazaret_test_guests::{Script, Step, fill};

/// What this sandbox remembers between its stages. A fresh sandbox has a fresh one.
#[derive(Default)]
struct Memory {
    script: RefCell<Script>,
    /// how often any stage of this sandbox was asked
    calls: Cell<u32>,
    /// what the calls to the host returned, in order
    results: RefCell<Vec<String>>,
    /// kept by the action `remember`
    remembered: RefCell<String>,
}

thread_local!(static MEMORY: Memory = Memory::default());

struct Puppet;

/// Runs the step of `stage`: actions, then the verdict.
fn stage(name: &str, argument: &str) -> Verdict {
    MEMORY.with(|memory| {
        memory.calls.set(memory.calls.get() + 1);
        let script = memory.script.borrow();
        let part = script.part(lazaret::filter::session::listener);
        let step = part.and_then(|part| part.step(name, argument, facts::sender));
        let Some(step) = step else {
            return Verdict::Continue;
        };
        let text = |text: &str| fill(text, |key| facts::value(memory, argument, key));
        for (action, with) in step.actions() {
            let result = actions::run(memory, action, with, &text);
            memory.results.borrow_mut().extend(result);
        }
        verdict(step, text)
    })
}

fn verdict(step: Step<'_>, fill: impl Fn(&str) -> String) -> Verdict {
    let reply = |text: &str| Reply {
        code: step.code(),
        enhanced: step.text("enhanced").map(str::to_owned),
        text: fill(text),
    };
    if let Some(text) = step.text("reject") {
        Verdict::Reject(reply(text))
    } else if let Some(text) = step.text("defer") {
        Verdict::Defer(reply(text))
    } else if let Some(text) = step.text("disconnect") {
        Verdict::Disconnect(reply(text))
    } else if let Some(reason) = step.text("quarantine") {
        Verdict::Quarantine(fill(reason))
    } else if step.says("discard") {
        Verdict::Discard
    } else if step.says("accept") {
        Verdict::Accept
    } else {
        Verdict::Continue
    }
}

impl Guest for Puppet {
    fn configure(config: String) -> Result<(), String> {
        let script = Script::parse(&config)?;
        if let Some(step) = script.configure() {
            MEMORY.with(|memory| {
                for (action, with) in step.actions() {
                    let result = actions::run(memory, action, with, &str::to_owned);
                    memory.results.borrow_mut().extend(result);
                }
            });
            if let Some(error) = step.text("error") {
                return Err(error.to_owned());
            }
        }
        MEMORY.with(|memory| memory.script.replace(script));
        Ok(())
    }
}

impl on_connect::Guest for Puppet {
    fn connect() -> Verdict {
        stage("connect", "")
    }
}

impl on_hello::Guest for Puppet {
    fn hello(name: String) -> Verdict {
        stage("hello", &name)
    }
}

impl on_auth::Guest for Puppet {
    fn auth(mechanism: String, _name: Option<String>) -> Verdict {
        stage("auth", &mechanism)
    }
}

impl on_mail::Guest for Puppet {
    fn mail(sender: Address) -> Verdict {
        stage("mail", &sender.mailbox)
    }
}

impl on_rcpt::Guest for Puppet {
    fn rcpt(recipient: Address) -> Verdict {
        stage("rcpt", &recipient.mailbox)
    }
}

impl on_headers::Guest for Puppet {
    fn headers() -> Verdict {
        stage("headers", "")
    }
}

impl on_message::Guest for Puppet {
    fn message() -> Verdict {
        stage("message", "")
    }
}

impl on_outcome::Guest for Puppet {
    fn outcome(transaction: ResultOfTransaction) {
        let by = transaction.decided_by.unwrap_or_default();
        let queued = transaction.queue_id.unwrap_or_default();
        let argument = format!(
            "{} {} by={by} queued={queued}",
            transaction.code, transaction.text
        );
        stage("outcome", &argument);
    }
}

impl on_disconnect::Guest for Puppet {
    fn disconnect(reason: String) {
        stage("disconnect", &reason);
    }
}

export!(Puppet);
