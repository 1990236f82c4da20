//! schemathesis: asks everything that an OpenAPI document allows and much that it does not, and checks
//! the answers against it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::python;
use crate::process::{self, Outcome};

/// What every answer has to be, whatever was asked. That all that a schema forbids is refused, and all
/// that it allows taken, is not among it.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,missing_required_header,ignored_auth,\
    unsupported_method";

/// How far it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Requests made up for each operation and phase.
    pub examples: u32,
    pub patience: Duration,
}

/// Goes over the interface at this address, all checks on.
pub fn schemathesis(http: SocketAddr, token: &str, effort: Effort) -> Outcome {
    let configuration = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../scripts/schemathesis.toml"
    );
    let mut command = Command::new(python().with_file_name("schemathesis"));
    command
        .args(["--config-file", configuration, "--no-color", "run"])
        .arg(format!("http://{http}/api/openapi.json"))
        .args(["--checks", CHECKS, "--suppress-health-check", "all"])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", &effort.examples.to_string()])
        .arg("--continue-on-failure")
        .env("LASTMILE_TOKEN", token)
        // It keeps examples beside where it runs.
        .current_dir(std::env::temp_dir());
    process::run(&mut command, &[], effort.patience)
}
