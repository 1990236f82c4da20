//! wpa_supplicant's RADIUS client for EAP: a device and its router in one program.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::debian;
use crate::process::{self, Outcome};

const LIMIT: Duration = Duration::from_secs(60);

/// How long it waits for an answer, in seconds.
const TIMEOUT_SECONDS: &str = "20";

/// A device as it is configured.
#[derive(Clone, Copy, Debug)]
pub struct Device<'a> {
    /// Who it says it is.
    pub identity: &'a str,
    /// What it answers with.
    pub password: &'a str,
    /// The only method of EAP that it does, as wpa_supplicant names it: `MD5`.
    pub method: &'a str,
}

/// Logs a device in by EAP, and gives whether it was accepted.
///
/// Panics when the conversation does not come to an end that the device understands.
#[track_caller]
pub fn log_in(server: SocketAddr, secret: &str, device: Device<'_>) -> bool {
    let outcome = talk(server, secret, device);
    let last = outcome.stdout.lines().last().unwrap_or_default();
    match (outcome.code, last) {
        (Some(0), "SUCCESS") => true,
        (Some(REJECTED), "FAILURE") => false,
        _ => panic!("{device:?} is at no end: {outcome:#?}"),
    }
}

/// Its exit code after an Access-Reject.
const REJECTED: i32 = 253;

fn talk(server: SocketAddr, secret: &str, device: Device<'_>) -> Outcome {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("device.conf");
    fs::write(&path, network(device)).expect("the temporary directory is writable");
    let mut command: Command = debian("eapol_test", "eapoltest");
    // Without -n it wants the keys that EAP-MD5 does not have.
    command.args(["-n", "-t", TIMEOUT_SECONDS, "-c"]).arg(&path);
    command.args(["-a", &server.ip().to_string(), "-s", secret]);
    command.args(["-p", &server.port().to_string()]);
    process::run(&mut command, b"", LIMIT)
}

/// The network of a device in the configuration of wpa_supplicant.
pub(crate) fn network(device: Device<'_>) -> String {
    let Device {
        identity,
        password,
        method,
    } = device;
    format!(
        "network={{\n\tkey_mgmt=IEEE8021X\n\teapol_flags=0\n\teap={method}\n\
         \tidentity=\"{identity}\"\n\tpassword=\"{password}\"\n}}\n"
    )
}
