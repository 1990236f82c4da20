//! Programs that nobody here wrote, at the other end of the wire.

use std::path::PathBuf;
use std::process::Command;

pub mod eapol;
pub mod pyrad;
pub mod radclient;
pub mod relay;
pub mod rough_line;
pub mod schemathesis;
pub mod sqlite3;
pub mod tshark;
pub mod wired;

/// A reply as a peer understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Name of the code: `Access-Accept`.
    pub code: String,
    /// Names and values in the order they came, as the peer shows them.
    pub attributes: Vec<(String, String)>,
}

impl Answer {
    /// The first value of an attribute.
    pub fn find(&self, name: &str) -> Option<&str> {
        let mut found = self
            .attributes
            .iter()
            .filter(|(present, _)| present == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// Names of the attributes, in order.
    pub fn names(&self) -> Vec<&str> {
        self.attributes
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// The interpreter that has the packages of `scripts/requirements.txt`.
fn python() -> PathBuf {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/venv/bin/python");
    let path = PathBuf::from(path);
    assert!(
        path.exists(),
        "{} is missing: run `scripts/venv.sh` (`make test` does)",
        path.display()
    );
    path
}

/// A command from a Debian package.
fn debian(command: &str, package: &str) -> Command {
    let dirs = ["/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin"];
    let found = dirs
        .iter()
        .map(|dir| PathBuf::from(dir).join(command))
        .find(|path| path.exists());
    let path = found.unwrap_or_else(|| {
        panic!("{command} is missing: run `apt-get install {package}` (`make test` does)")
    });
    Command::new(path)
}
