//! The crate carries a copy of the contract, so that it can be packaged alone.

use std::fs;
use std::path::Path;

#[test]
fn the_copy_of_the_contract_is_the_contract() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contract = root.join("../../wit");
    if !contract.exists() {
        return; // packaged: there is only the copy
    }
    let mut compared = 0;
    for entry in fs::read_dir(&contract).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "wit") {
            continue;
        }
        let name = path.file_name().unwrap();
        let copy = fs::read_to_string(root.join("wit").join(name)).unwrap_or_default();
        assert_eq!(
            copy,
            fs::read_to_string(&path).unwrap(),
            "copy wit/*.wit to guest-sdk/rust/wit/"
        );
        compared += 1;
    }
    assert_eq!(compared, fs::read_dir(root.join("wit")).unwrap().count());
}
