//! What wit-bindgen makes of the contract: one module for the permissions, one per stage world, so that a filter
//! exports just the stages it has. All share the types of the permissions world.
#![allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    rustdoc::all,
    reason = "generated; documented in wit/"
)]

pub mod permissions {
    wit_bindgen::generate!({
        path: "wit",
        world: "permissions",
        additional_derives: [PartialEq],
    });
}

/// A stage world; `$shared` are the interfaces it takes from the permissions world.
macro_rules! world {
    ($module:ident, $world:literal, $path:literal $(, $shared:literal)?) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "wit",
                world: $world,
                pub_export_macro: true,
                default_bindings_module: $path,
                $(with: { $shared: crate::bindings::permissions::lazaret::filter::types },)?
            });
        }
    };
}

world!(
    configure,
    "configure",
    "lazaret_filter::bindings::configure"
);
world!(
    connect,
    "stage-connect",
    "lazaret_filter::bindings::connect",
    "lazaret:filter/types@0.1.0"
);
world!(
    hello,
    "stage-hello",
    "lazaret_filter::bindings::hello",
    "lazaret:filter/types@0.1.0"
);
world!(
    auth,
    "stage-auth",
    "lazaret_filter::bindings::auth",
    "lazaret:filter/types@0.1.0"
);
world!(
    mail,
    "stage-mail",
    "lazaret_filter::bindings::mail",
    "lazaret:filter/types@0.1.0"
);
world!(
    rcpt,
    "stage-rcpt",
    "lazaret_filter::bindings::rcpt",
    "lazaret:filter/types@0.1.0"
);
world!(
    headers,
    "stage-headers",
    "lazaret_filter::bindings::headers",
    "lazaret:filter/types@0.1.0"
);
world!(
    message,
    "stage-message",
    "lazaret_filter::bindings::message",
    "lazaret:filter/types@0.1.0"
);
world!(
    outcome,
    "stage-outcome",
    "lazaret_filter::bindings::outcome"
);
world!(
    disconnect,
    "stage-disconnect",
    "lazaret_filter::bindings::disconnect"
);
