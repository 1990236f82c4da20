//! The room that is left on the disk of the data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

/// With less than this, or than a hundredth of a small disk, the next write may be the last.
const FLOOR_BYTES: u64 = 64 << 20;
const FLOOR_PARTS: u64 = 100;

/// A disk that takes longer to say how full it is does not work.
const PATIENCE: Duration = Duration::from_secs(2);

/// The disk of a directory.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    directory: Arc<PathBuf>,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) free_bytes: u64,
    pub(super) total_bytes: u64,
}

impl Disk {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: Arc::new(directory.to_owned()),
        }
    }

    /// The room that is left, or why nobody knows. A disk that hangs holds up nobody but who asks.
    pub(super) async fn room(&self) -> Result<Room, String> {
        let directory = Arc::clone(&self.directory);
        let asked = tokio::task::spawn_blocking(move || look(&directory));
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(room)) => room,
            Ok(Err(problem)) => Err(problem.to_string()),
            Err(_) => Err(format!("{} does not answer", self.directory.display())),
        }
    }

    /// `None` while there is enough room, otherwise what to do.
    pub(super) async fn trouble(&self) -> Option<String> {
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
    const fn is_short(self) -> bool {
        self.free_bytes < FLOOR_BYTES && self.free_bytes < self.total_bytes / FLOOR_PARTS
    }
}

fn look(directory: &Path) -> Result<Room, String> {
    let system = statvfs(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let bytes = |blocks: u64| blocks.saturating_mul(system.fragment_size());
    Ok(Room {
        free_bytes: bytes(system.blocks_available()),
        total_bytes: bytes(system.blocks()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_short_below_a_hundredth_and_64_mib() {
        let check = |free_bytes, total_bytes, is_short: bool| {
            let room = Room {
                free_bytes,
                total_bytes,
            };
            assert_eq!(room.is_short(), is_short, "{room:?}");
        };
        check(64 << 20, 1 << 40, false);
        check(63 << 20, 1 << 40, true);
        check(1 << 20, 64 << 20, false);
        check(0, 64 << 20, true);
    }
}
