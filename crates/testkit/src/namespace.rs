//! A network of a test's own: namespaces with interfaces that nobody else sees.

use std::ffi::{OsStr, OsString};
use std::process::Command;
use std::time::Duration;

use crate::holder::{Entry, Holder};
use crate::process;

const REMEDY: &str = "a test with a network of its own needs network namespaces: run it as root, \
     or allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, \
     kernel.apparmor_restrict_unprivileged_userns), or give the container CAP_SYS_ADMIN and CAP_NET_ADMIN";

/// Says that it is there, and holds the namespace until its input is closed.
const HOLD: &str = "ip link set lo up && echo held && exec cat";

/// How long a command that changes the network may take.
const COMMAND_TIME: Duration = Duration::from_secs(30);

/// A network namespace; its loopback interface is up. It disappears with the value.
#[derive(Debug)]
pub struct Namespace(Holder);

impl Namespace {
    /// Makes one. Panics with the remedy where that is not allowed.
    pub fn new() -> Self {
        Self(Holder::new(REMEDY, |entry| {
            let mut command = Command::new("unshare");
            if entry == Entry::Unprivileged {
                // In it this user is root.
                command.args(["--user", "--map-root-user"]);
            }
            held(command)
        }))
    }

    /// Another one that this one may hand interfaces to.
    pub fn neighbour(&self) -> Self {
        let command = held(self.command("unshare"));
        let holder = Holder::start(command, self.0.entry());
        Self(holder.unwrap_or_else(|refusal| panic!("{REMEDY}: {refusal}")))
    }

    /// What to write before a command so that it runs in it; it stays one process.
    pub fn inside(&self) -> Vec<OsString> {
        self.0.inside("--net")
    }

    /// A command that runs in it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let words = self.inside();
        let (first, rest) = words.split_first().expect("there is at least nsenter");
        let mut command = Command::new(first);
        command.args(rest).arg(program);
        command
    }

    /// Joins the two by a cable, with an interface of this name at either end.
    pub fn connect(&self, name: &str, other: &Self, other_name: &str) {
        let other_process = other.0.id().to_string();
        let peer = ["peer", "name", other_name, "netns", &other_process];
        let add = [&["link", "add", name, "type", "veth"][..], &peer].concat();
        self.ip(&add);
        self.ip(&["link", "set", name, "up"]);
        other.ip(&["link", "set", other_name, "up"]);
    }

    #[track_caller]
    fn ip(&self, arguments: &[&str]) {
        let mut command = self.command("ip");
        let outcome = process::run(command.args(arguments), b"", COMMAND_TIME);
        assert!(
            outcome.is_success(),
            "ip {}: {outcome:?}",
            arguments.join(" ")
        );
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

/// Completes the command that makes a namespace.
fn held(mut command: Command) -> Command {
    command.args(["--net", "--", "sh", "-c", HOLD]);
    command
}
