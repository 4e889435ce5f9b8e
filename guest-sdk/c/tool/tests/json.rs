//! `src/json.c` of the SDK, built by the C compiler of this machine.

use std::path::Path;
use std::process::Command;

#[test]
fn texts_of_the_config_are_read_and_take_what_they_need() {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("json");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c17", "-Wall", "-Wextra", "-Werror", "-I"]);
    compiler.arg(sdk.join("include"));
    compiler
        .arg(sdk.join("tests/json.c"))
        .arg("-o")
        .arg(&program);
    let built = compiler.status().expect("there is a C compiler");
    assert!(built.success(), "tests/json.c does not compile");
    let output = Command::new(&program).output().expect("it was just built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {said}", output.status);
}
