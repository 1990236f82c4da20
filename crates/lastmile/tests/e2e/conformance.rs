//! The interface is what its document says: schemathesis asks everything that the document allows and
//! much that it does not, with all checks on.

use std::time::Duration;

use testkit::database::DatabaseKind;
use testkit::peer::schemathesis::{Effort, schemathesis};

use crate::site::{Site, on_both_databases};

on_both_databases!(the_interface_is_what_its_document_says);

/// Requests made up for each operation and phase; `make fuzz-api` asks for more.
const EXAMPLES: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(290);
const LONG_PATIENCE: Duration = Duration::from_secs(4 * 3_600);

fn the_interface_is_what_its_document_says(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let token = site
        .program
        .json(&["token", "create", "tester", "--role", "owner"]);
    let token = token["token"].as_str().expect("a token is shown once");
    let http = server.http.expect("the listener has its port");
    let outcome = schemathesis(http, token, effort());
    let report: Vec<&str> = outcome.stdout.lines().collect();
    assert!(outcome.is_success(), "{report:#?} {}", outcome.stderr);
    let log = server.terminate().log;
    let errors: Vec<_> = log.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no configuration, and who wants more has to say so somewhere"
)]
fn effort() -> Effort {
    let asked = std::env::var("LASTMILE_API_EXAMPLES").ok();
    match asked.and_then(|text| text.parse().ok()) {
        Some(examples) => Effort {
            examples,
            patience: LONG_PATIENCE,
        },
        None => Effort {
            examples: EXAMPLES,
            patience: PATIENCE,
        },
    }
}
