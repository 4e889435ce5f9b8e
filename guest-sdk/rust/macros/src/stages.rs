//! What the trait `Filter` has: one row a method.

/// A stage of the contract and its method.
pub struct Stage {
    /// also the name of its bindings module
    pub method: &'static str,
    /// arguments after `&mut self`: name, type as written in a filter
    pub arguments: &'static [Argument],
    /// the method returns a `Verdict`; observers return nothing
    pub judges: bool,
}

/// An argument of a stage.
pub struct Argument {
    /// as in the contract
    pub name: &'static str,
    /// as a filter writes it
    pub written: &'static str,
    /// how the owned value that the bindings hand out is lent
    pub lend: Lend,
}

/// From the owned value to the argument.
pub enum Lend {
    /// `&value`
    Reference,
    /// `value.as_deref()`
    Inner,
}

const fn argument(name: &'static str, written: &'static str) -> Argument {
    Argument {
        name,
        written,
        lend: Lend::Reference,
    }
}

const fn judge(method: &'static str, arguments: &'static [Argument]) -> Stage {
    Stage {
        method,
        arguments,
        judges: true,
    }
}

const fn observe(method: &'static str, arguments: &'static [Argument]) -> Stage {
    Stage {
        method,
        arguments,
        judges: false,
    }
}

/// In the order of a session.
pub const STAGES: [Stage; 9] = [
    judge("connect", &[]),
    judge("hello", &[argument("name", "&str")]),
    judge(
        "auth",
        &[
            argument("mechanism", "&str"),
            Argument {
                name: "name",
                written: "Option<&str>",
                lend: Lend::Inner,
            },
        ],
    ),
    judge("mail", &[argument("sender", "&Address")]),
    judge("rcpt", &[argument("recipient", "&Address")]),
    judge("headers", &[]),
    judge("message", &[]),
    observe("outcome", &[argument("transaction", "&TransactionResult")]),
    observe("disconnect", &[argument("reason", "&str")]),
];

/// The method that is no stage.
pub const CONFIGURE: &str = "configure";

impl Stage {
    /// By method name.
    pub fn find(method: &str) -> Option<&'static Stage> {
        STAGES.iter().find(|stage| stage.method == method)
    }

    /// As a filter writes it.
    pub fn signature(&self) -> String {
        let arguments: String = self
            .arguments
            .iter()
            .map(|a| format!(", {}: {}", a.name, a.written))
            .collect();
        let returns = if self.judges { " -> Verdict" } else { "" };
        format!("fn {}(&mut self{arguments}){returns}", self.method)
    }
}
