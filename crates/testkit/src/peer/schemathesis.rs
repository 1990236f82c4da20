//! schemathesis: asks everything that an OpenAPI document allows and much that it does not, and checks
//! the answers against it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::python;
use crate::process::{self, Outcome};

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
        .args(["--checks", "all", "--suppress-health-check", "all"])
        .args(["--max-examples", &effort.examples.to_string()])
        .arg("--continue-on-failure")
        .env("LASTMILE_TOKEN", token)
        // It keeps examples beside where it runs.
        .current_dir(std::env::temp_dir());
    process::run(&mut command, &[], effort.patience)
}
