//! The room that is left on the disk of the data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

/// With less than this, or than a hundredth of a small disk, the next write may be the last.
const SHORT_BYTES: u64 = 64 << 20;
const SHORT_PARTS: u64 = 100;

/// With less than this, or than a tenth of a small disk, it will not last for long.
const LOW_BYTES: u64 = 1 << 30;
const LOW_PARTS: u64 = 10;

/// A disk that takes longer to say how full it is does not work.
const PATIENCE: Duration = Duration::from_secs(2);

/// The disk of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    directory: Arc<PathBuf>,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) free_bytes: u64,
    pub(crate) total_bytes: u64,
}

impl Disk {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: Arc::new(directory.to_owned()),
        }
    }

    /// The room that is left, or why nobody knows. A disk that hangs holds up nobody but who asks.
    pub(crate) async fn room(&self) -> Result<Room, String> {
        let directory = Arc::clone(&self.directory);
        let asked = tokio::task::spawn_blocking(move || Room::of(&directory));
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(room)) => room,
            Ok(Err(problem)) => Err(problem.to_string()),
            Err(_) => Err(format!("{} does not answer", self.directory.display())),
        }
    }

    /// `None` while there is enough room, otherwise what to do.
    pub(crate) async fn trouble(&self) -> Option<String> {
        let room = match self.room().await {
            Ok(room) if !room.is_short() => return None,
            Ok(room) => room,
            Err(problem) => return Some(problem),
        };
        Some(format!(
            "{} KiB of {} MiB free on the disk of {}: free some space on it",
            room.free_bytes >> 10,
            room.total_bytes >> 20,
            self.directory.display()
        ))
    }
}

impl Room {
    /// That of a directory's disk, or why nobody knows. It may wait for the disk.
    pub(crate) fn of(directory: &Path) -> Result<Self, String> {
        let system =
            statvfs(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(system.fragment_size());
        Ok(Self {
            free_bytes: bytes(system.blocks_available()),
            total_bytes: bytes(system.blocks()),
        })
    }

    /// Whether the server counts as not ready for want of room.
    pub(crate) const fn is_short(self) -> bool {
        self.is_below(SHORT_BYTES, SHORT_PARTS)
    }

    /// Whether somebody should look after it.
    pub(crate) const fn is_low(self) -> bool {
        self.is_below(LOW_BYTES, LOW_PARTS)
    }

    const fn is_below(self, bytes: u64, parts: u64) -> bool {
        self.free_bytes < bytes && self.free_bytes < self.total_bytes / parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_judged_by_what_is_left_and_by_its_part() {
        let check = |free_bytes, total_bytes, is_low: bool, is_short: bool| {
            let room = Room {
                free_bytes,
                total_bytes,
            };
            let found = (room.is_low(), room.is_short());
            assert_eq!(found, (is_low, is_short), "{room:?}");
        };
        check(1 << 30, 1 << 40, false, false);
        check(1 << 29, 1 << 40, true, false);
        check(64 << 20, 1 << 40, true, false);
        check(63 << 20, 1 << 40, true, true);
        check(7 << 20, 64 << 20, false, false);
        check(1 << 20, 64 << 20, true, false);
        check(0, 64 << 20, true, true);
    }
}
