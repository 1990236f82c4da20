//! A small disk that a test may fill: a tmpfs in a mount namespace of its own.
//!
//! The machine's own disks are not touched, and nobody else sees the mount. It goes with the
//! process that holds the namespace, which ends with the test, however the test ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::database::scratch;
use crate::holder::{Entry, Holder};

const REMEDY: &str = "a test that fills a disk needs a mount namespace of its own: run it as root, \
     or allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, \
     kernel.apparmor_restrict_unprivileged_userns), or give the container CAP_SYS_ADMIN";

/// Mounts, says so, and holds the namespace until its input is closed.
const HOLD: &str =
    r#"mount -t tmpfs -o "size=$1,mode=0755" lastmile-test "$2" && echo held && exec cat"#;

const FILLER: &str = "filler";

/// A tmpfs of a few MiB. It disappears with the value.
#[derive(Debug)]
pub struct SmallDisk {
    /// Goes before the directory on which it mounted.
    holder: Holder,
    mount: TempDir,
}

impl SmallDisk {
    /// Makes one. Panics with the remedy where that is not allowed.
    pub fn new(mebibytes: u32) -> Self {
        let mount = scratch();
        let size = format!("{mebibytes}m");
        let holder = Holder::new(REMEDY, |entry| {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation=private"]);
            if entry == Entry::Unprivileged {
                // In it this user stays who they are.
                command.args(["--user", "--map-current-user", "--keep-caps"]);
            }
            command
                .args(["--", "sh", "-c", HOLD, "sh", &size])
                .arg(mount.path());
            command
        });
        Self { holder, mount }
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
        self.holder.inside("--mount")
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
