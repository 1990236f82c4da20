//! The machine: clock, randomness, the data directory, the key ring and the directory snapshot.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use domain::time::Timestamp;
use nix::unistd::{AccessFlags, access};
use rand::TryRng as _;
use rand::rngs::SysRng;
use storage::snapshot::{SnapshotError, SnapshotSummary};

use super::Check;
use crate::app::{App, SNAPSHOT_STALE_SECONDS};
use crate::disk::Room;
use crate::exit::ErrorChain;

/// What the kernel calls enough (`random(4)`).
const ENTROPY_BITS_MIN: u32 = 128;

pub(super) fn check(app: &App, checks: &mut Vec<Check>) {
    checks.push(clock(app.now(), built_at()));
    checks.push(entropy());
    let data_dir = &app.config.data_dir;
    match std::fs::metadata(data_dir) {
        Ok(metadata) => {
            checks.push(directory(data_dir, &metadata));
            checks.push(disk(Room::of(data_dir)));
            checks.push(key_ring(app));
            checks.extend(snapshot(app));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => checks.push(Check::warn(
            "data directory",
            format!("{} is not there yet", data_dir.display()),
            format!(
                "start the server once: lastmile serve --data-dir {}",
                data_dir.display()
            ),
        )),
        Err(error) => checks.push(Check::fail(
            "data directory",
            format!("{}: {error}", data_dir.display()),
            "run this as the user of the server, or correct data_dir",
        )),
    }
}

/// When this program was built or installed; no correct clock is earlier.
fn built_at() -> Option<Timestamp> {
    let modified = std::env::current_exe().ok()?.metadata().ok()?.modified();
    let since = modified.ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_seconds(
        i64::try_from(since.as_secs()).ok()?,
    ))
}

fn clock(now: Timestamp, built_at: Option<Timestamp>) -> Check {
    const NAME: &str = "clock";
    match built_at {
        Some(built_at) if now < built_at => Check::fail(
            NAME,
            format!("it is {now} here, which is before this program was installed ({built_at})"),
            "set the clock and keep it right: timedatectl set-ntp true",
        ),
        _ => Check::ok(NAME, now.to_string()),
    }
}

fn entropy() -> Check {
    const NAME: &str = "entropy";
    if let Err(error) = SysRng.try_next_u64() {
        return Check::fail(
            NAME,
            format!("the system gives no random numbers: {error}"),
            "check that the kernel's getrandom is allowed in this sandbox",
        );
    }
    let bits = std::fs::read_to_string("/proc/sys/kernel/random/entropy_avail")
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok());
    match bits {
        Some(bits) if bits < ENTROPY_BITS_MIN => Check::warn(
            NAME,
            format!("{bits} bits only"),
            "give a virtual machine a virtio-rng device, or install haveged",
        ),
        _ => Check::ok(NAME, "the system gives random numbers"),
    }
}

fn directory(path: &Path, metadata: &Metadata) -> Check {
    const NAME: &str = "data directory";
    let shown = path.display();
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_dir() {
        return Check::fail(
            NAME,
            format!("{shown} is not a directory"),
            "correct data_dir",
        );
    }
    if access(path, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        return Check::fail(
            NAME,
            format!("{shown} cannot be written by this user"),
            format!("run this as the user of the server, or: chown -R USER {shown}"),
        );
    }
    if mode & 0o077 != 0 {
        return Check::warn(
            NAME,
            format!("{shown} can be entered by others (mode {mode:04o})"),
            format!("chmod 700 {shown}"),
        );
    }
    Check::ok(NAME, format!("{shown} is private and writable"))
}

/// By the floors that `/readyz` goes by.
fn disk(room: Result<Room, String>) -> Check {
    const NAME: &str = "disk space";
    const REMEDY: &str = "free some space, or move data_dir to a larger disk";
    let room = match room {
        Ok(room) => room,
        Err(problem) => return Check::warn(NAME, format!("it cannot be read: {problem}"), REMEDY),
    };
    let found = format!("{} MiB free", room.free_bytes >> 20);
    if room.is_short() {
        Check::fail(NAME, found, REMEDY)
    } else if room.is_low() {
        Check::warn(NAME, found, REMEDY)
    } else {
        Check::ok(NAME, found)
    }
}

fn key_ring(app: &App) -> Check {
    const NAME: &str = "key ring";
    let path = app.key_ring_path();
    let shown = path.display();
    match app.load_keys() {
        Ok(ring) => Check::ok(NAME, format!("{shown}, keys: {}", ring.keys_len())),
        Err(storage::key_ring::KeyRingError::Missing { .. }) => Check::warn(
            NAME,
            format!("{shown} is not there"),
            "the first `lastmile serve` makes it; if there was one, restore it from the backup",
        ),
        Err(error) => Check::fail(
            NAME,
            error.to_string(),
            "without its key ring a database cannot be read: restore it, and keep it private",
        ),
    }
}

/// What a start without the database would answer from; without a key ring there is none.
fn snapshot(app: &App) -> Option<Check> {
    let file = app.snapshot_file().ok()?;
    Some(examined(app.now(), file.examine()))
}

fn examined(now: Timestamp, summary: Result<SnapshotSummary, SnapshotError>) -> Check {
    const NAME: &str = "directory snapshot";
    const REMEDY: &str = "a running server writes it within a minute: look at its log, and at radius_snapshot_failures_total";
    let summary = match summary {
        Ok(summary) => summary,
        Err(SnapshotError::Missing { .. }) => {
            return Check::ok(NAME, "none yet: a running server writes it");
        }
        Err(problem) => return Check::warn(NAME, ErrorChain(&problem).to_string(), REMEDY),
    };
    let SnapshotSummary {
        about, subscribers, ..
    } = summary;
    let found = format!("of {}, subscribers: {subscribers}", about.as_of);
    if SNAPSHOT_STALE_SECONDS < now.seconds_since(about.written_at) {
        Check::warn(NAME, format!("{found}, which is long ago"), REMEDY)
    } else {
        Check::ok(NAME, found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Health;
    use super::*;

    #[test]
    fn a_clock_before_the_program_was_installed_is_wrong() {
        let early = Timestamp::from_seconds(1_000);
        let late = Timestamp::from_seconds(2_000);
        assert_eq!(clock(early, Some(late)).status, Health::Fail);
        assert_eq!(clock(late, Some(early)).status, Health::Ok);
        assert_eq!(clock(early, None).status, Health::Ok);
    }

    #[test]
    fn a_disk_that_makes_the_server_unready_has_failed() {
        let check = |free_bytes, expected| {
            let room = Room {
                free_bytes,
                total_bytes: 1 << 40,
            };
            assert_eq!(disk(Ok(room)).status, expected, "{free_bytes}");
        };
        check(63 << 20, Health::Fail);
        check(64 << 20, Health::Warn);
        check(1 << 30, Health::Ok);
        let unknown = disk(Err("it does not answer".to_owned()));
        assert_eq!(unknown.status, Health::Warn);
    }

    #[test]
    fn a_directory_that_others_can_enter_is_told() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let check_mode = |mode, expected| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.path(), permissions).expect("it is ours");
            let metadata = dir.path().metadata().expect("it is there");
            assert_eq!(directory(dir.path(), &metadata).status, expected);
        };
        check_mode(0o700, Health::Ok);
        check_mode(0o755, Health::Warn);
    }
}
