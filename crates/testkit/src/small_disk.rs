//! A small disk that a test may fill: a tmpfs in a mount namespace of its own.
//!
//! The machine's own disks are not touched, and nobody else sees the mount. It goes with the
//! process that holds the namespace, which ends with the test, however the test ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use crate::database::scratch;
use crate::process;

const REMEDY: &str = "a test that fills a disk needs a mount namespace of its own: run it as root, \
     or allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, \
     kernel.apparmor_restrict_unprivileged_userns), or give the container CAP_SYS_ADMIN";

/// Mounts, says so, and holds the namespace until its input is closed.
const HOLD: &str =
    r#"mount -t tmpfs -o "size=$1,mode=0755" lastmile-test "$2" && echo mounted && exec cat"#;

const FILLER: &str = "filler";

/// A tmpfs of a few MiB. It disappears with the value.
#[derive(Debug)]
pub struct SmallDisk {
    mount: TempDir,
    entry: Entry,
    holder: Child,
    /// Closed when the value goes, or the process: then the holder ends.
    _held: Option<ChildStdin>,
}

/// How a namespace is made and entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// As root.
    Privileged,
    /// With a user namespace around it, in which this user stays who they are.
    Unprivileged,
}

impl SmallDisk {
    /// Makes one. Panics with the remedy where that is not allowed.
    pub fn new(mebibytes: u32) -> Self {
        let mount = scratch();
        let size = format!("{mebibytes}m");
        let mut refusals = Vec::new();
        for entry in [Entry::Privileged, Entry::Unprivileged] {
            match hold(entry, &size, mount.path()) {
                Ok(mut holder) => {
                    return Self {
                        mount,
                        entry,
                        _held: holder.stdin.take(),
                        holder,
                    };
                }
                Err(refusal) => refusals.push(refusal),
            }
        }
        panic!("{REMEDY}: {}", refusals.join("; "));
    }

    /// Where it is mounted, for programs that run [`Self::inside`].
    pub fn path(&self) -> &Path {
        self.mount.path()
    }

    /// The same place as this process sees it. Links are not to be followed from here.
    pub fn seen_from_outside(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        let path = self
            .path()
            .strip_prefix("/")
            .unwrap_or_else(|_| self.path());
        root.join(path)
    }

    /// What to write before a command so that it sees the disk; it stays one process.
    pub fn inside(&self) -> Vec<OsString> {
        let mut words = vec![
            "nsenter".to_owned(),
            format!("--target={}", self.holder.id()),
            "--mount".to_owned(),
        ];
        if self.entry == Entry::Unprivileged {
            words.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
        }
        words.push("--".to_owned());
        words.into_iter().map(OsString::from).collect()
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let path = self.seen_from_outside().join(FILLER);
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("the disk is mounted");
        let mut block = vec![0_u8; 1 << 20];
        while !block.is_empty() {
            match filler.write(&block) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    // Down to the last page, and then nothing.
                    block.truncate(if 4_096 < block.len() { 4_096 } else { 0 });
                }
                Err(error) => panic!("the disk cannot be filled: {error}"),
            }
        }
    }

    /// Gives back what [`Self::fill`] took.
    pub fn free(&self) {
        let path = self.seen_from_outside().join(FILLER);
        fs::remove_file(path).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        process::end(&mut self.holder);
    }
}

fn hold(entry: Entry, size: &str, mount: &Path) -> Result<Child, String> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation=private"]);
    if entry == Entry::Unprivileged {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    command
        .args(["--", "sh", "-c", HOLD, "sh", size])
        .arg(mount)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut holder = command
        .spawn()
        .map_err(|error| format!("unshare cannot be started: {error}"))?;
    let mut answer = String::new();
    let stdout = holder.stdout.take().expect("it is piped");
    let read = BufReader::new(stdout).read_line(&mut answer);
    if read.is_ok() && answer.trim() == "mounted" {
        return Ok(holder);
    }
    process::end(&mut holder);
    let mut said = String::new();
    if let Some(mut stderr) = holder.stderr.take() {
        // What it said before it ended is all there is.
        drop(stderr.read_to_string(&mut said));
    }
    Err(said.trim().to_owned())
}
