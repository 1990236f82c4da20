//! The document in the repository is the one that is served, so that a change of the interface is seen.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

/// Levels of the document that are written line by line.
const LEVELS: u32 = 3;

/// `make openapi` writes the document instead of comparing it.
const WRITE: &str = "LASTMILE_WRITE_OPENAPI";

#[test]
fn the_document_in_the_repository_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let document = api::router::document();
    let mut served = String::new();
    write(&mut served, &document, LEVELS);
    served.push('\n');
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &served).expect("the repository can be written");
        return;
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let differs = known
        .lines()
        .zip(served.lines())
        .find(|(known, served)| known != served);
    assert!(
        known == served,
        "docs/openapi.json is not what is served: run `make openapi` and look at the difference: {differs:?}"
    );
}

/// JSON with each member of the upper levels in a line of its own, so that differences can be read and
/// the file stays small.
fn write(text: &mut String, value: &Json, levels: u32) {
    let Some(members) = value.as_object().filter(|_| 0 < levels) else {
        text.push_str(&value.to_string());
        return;
    };
    text.push('{');
    for (index, (name, value)) in members.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&Json::from(name.as_str()).to_string());
        text.push(':');
        write(text, value, levels - 1);
    }
    text.push_str("\n}");
}
