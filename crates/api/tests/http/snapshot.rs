//! The document in the repository is the one that is served, so that a change of the interface is seen.

use std::fs;
use std::path::Path;

/// `make openapi` writes the document instead of comparing it.
const WRITE: &str = "LASTMILE_WRITE_OPENAPI";

#[test]
fn the_document_in_the_repository_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let document = api::router::document();
    let mut served = serde_json::to_string_pretty(&document).expect("a document is JSON");
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
