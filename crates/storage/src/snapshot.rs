//! The directory snapshot: what the node answers from, sealed in one file on local disk, so that a
//! start without the database still serves.
//!
//! It is `directory.snapshot` in the data directory: routers with their secrets, subscribers with
//! their credentials, plans, and the sessions that were open. It is written whole beside its place
//! and exchanged in one step, so there is always an old one or a new one.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use domain::accounting::SessionKey;
use domain::id::{AuthId, NasId, SubscriberId};
use domain::nas::Nas;
use domain::plan::Plan;
use domain::subscriber::Subscriber;
use domain::tenant::TenantPolicy;
use domain::terms::TermsMark;
use domain::time::Timestamp;

use crate::key_ring::{KeyRing, KeyRingError};
use crate::rows::{GroupRows, UserRows};
use crate::snapshot::entry::Unreadable;
use crate::snapshot::sealed::{SealedReader, SealedWriter};

mod entry;
mod sealed;

const FILE: &str = "directory.snapshot";
const DRAFT: &str = "directory.snapshot.new";

/// What is written is handed to the disk in parts of this size, so that the commits of accounting
/// never wait for a whole snapshot.
const SYNC_BYTES: usize = 8 << 20;

/// The place of a snapshot, and the keys that seal it; cheap to clone.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    draft: PathBuf,
    directory: PathBuf,
    keys: KeyRing,
}

/// One thing that a snapshot holds. NAS come first, then plans, policies, subscribers, the groups and
/// the users of FreeRADIUS' tables, and sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotEntry {
    Nas(Nas),
    Plan(Plan),
    Subscriber(Subscriber),
    RowGroup(GroupRows),
    RowUser(UserRows),
    Session(SnapshotSession),
    Policy(TenantPolicy),
}

/// An open session, as far as a plan's session limit must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSession {
    pub subscriber: SubscriberId,
    pub key: SessionKey,
    pub nas: NasId,
    pub nas_address: Option<std::net::IpAddr>,
    pub calling_station: Option<String>,
    pub started_at: Timestamp,
    /// Another session took its place, and it has to end.
    pub is_replaced: bool,
    pub username: String,
    pub auth: Option<AuthId>,
    pub terms: Option<TermsMark>,
}

/// When a snapshot was true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotAbout {
    /// When the directory was last followed from the database.
    pub as_of: Timestamp,
    pub written_at: Timestamp,
}

/// What a snapshot holds, after all of it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotSummary {
    pub about: SnapshotAbout,
    pub nas: u64,
    pub plans: u64,
    pub subscribers: u64,
    pub row_groups: u64,
    pub row_users: u64,
    pub sessions: u64,
}

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("there is no directory snapshot {}", path.display())]
    Missing { path: PathBuf },
    #[error(
        "the directory snapshot {} is of version {found} and this program knows {known}: it is left out until the server writes a new one",
        path.display()
    )]
    OtherVersion {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    #[error("the directory snapshot {} cannot be opened with this key ring", path.display())]
    KeyRing {
        path: PathBuf,
        #[source]
        source: KeyRingError,
    },
    #[error(
        "the directory snapshot {} is damaged, or of another key ring: the server writes a new one when it has the database",
        path.display()
    )]
    Damaged { path: PathBuf },
    #[error("the directory snapshot {} cannot be read or written", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl SnapshotFile {
    /// The snapshot of a data directory.
    pub fn new(data_dir: &Path, keys: KeyRing) -> Self {
        Self {
            path: data_dir.join(FILE),
            draft: data_dir.join(DRAFT),
            directory: data_dir.into(),
            keys,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a new snapshot. The one that is there stays until [`SnapshotWriter::finish`].
    pub fn create(&self, about: SnapshotAbout) -> Result<SnapshotWriter, SnapshotError> {
        let draft = Draft::create(&self.draft).map_err(|source| self.failed(source))?;
        let mut writer = SnapshotWriter {
            sealed: SealedWriter::new(draft, &self.keys),
            file: self.clone(),
        };
        writer.write(&entry::Entry::from(&about))?;
        Ok(writer)
    }

    /// Opens the snapshot at its beginning.
    pub fn open(&self) -> Result<SnapshotReader, SnapshotError> {
        let file = File::open(&self.path).map_err(|source| self.failed(source))?;
        let sealed = SealedReader::new(BufReader::with_capacity(1 << 16, file), &self.keys);
        let mut reader = SnapshotReader {
            sealed: sealed.map_err(|source| self.unsealed(source))?,
            path: self.path.clone(),
            about: SnapshotAbout {
                as_of: Timestamp::default(),
                written_at: Timestamp::default(),
            },
            at: 0,
        };
        reader.about = reader.read_about()?;
        Ok(reader)
    }

    /// Reads all of the snapshot and says what is in it. What this accepts can be loaded.
    pub fn examine(&self) -> Result<SnapshotSummary, SnapshotError> {
        let mut reader = self.open()?;
        let mut summary = SnapshotSummary {
            about: reader.about(),
            nas: 0,
            plans: 0,
            subscribers: 0,
            row_groups: 0,
            row_users: 0,
            sessions: 0,
        };
        while let Some(entry) = reader.next_entry()? {
            match entry {
                SnapshotEntry::Nas(_) => summary.nas += 1,
                SnapshotEntry::Plan(_) => summary.plans += 1,
                SnapshotEntry::Subscriber(_) => summary.subscribers += 1,
                SnapshotEntry::RowGroup(_) => summary.row_groups += 1,
                SnapshotEntry::RowUser(_) => summary.row_users += 1,
                SnapshotEntry::Session(_) => summary.sessions += 1,
                // One a tenant.
                SnapshotEntry::Policy(_) => {}
            }
        }
        Ok(summary)
    }

    fn failed(&self, source: io::Error) -> SnapshotError {
        failed(&self.path, source)
    }

    fn unsealed(&self, source: sealed::Refusal) -> SnapshotError {
        unsealed(&self.path, source)
    }
}

/// A snapshot that is being written. Dropped before its end, it leaves nothing.
#[derive(Debug)]
pub struct SnapshotWriter {
    sealed: SealedWriter<Draft>,
    file: SnapshotFile,
}

impl SnapshotWriter {
    pub fn add_nas(&mut self, nas: &Nas) -> Result<(), SnapshotError> {
        self.write(&entry::Entry::from(nas))
    }

    pub fn add_plan(&mut self, plan: &Plan) -> Result<(), SnapshotError> {
        let rate = plan.terms.rate.map(|rate| rate.to_string());
        self.write(&entry::Entry::of_plan(plan, rate.as_deref()))
    }

    pub fn add_policy(&mut self, policy: &TenantPolicy) -> Result<(), SnapshotError> {
        self.write(&entry::Entry::from(policy))
    }

    pub fn add_subscriber(&mut self, subscriber: &Subscriber) -> Result<(), SnapshotError> {
        self.write(&entry::Entry::from(subscriber))
    }

    pub fn add_row_group(&mut self, rows: &GroupRows) -> Result<(), SnapshotError> {
        self.write(&entry::Entry::RowGroup(rows.into()))
    }

    pub fn add_row_user(&mut self, rows: &UserRows) -> Result<(), SnapshotError> {
        self.write(&entry::Entry::RowUser(rows.into()))
    }

    pub fn add_session(&mut self, session: &SnapshotSession) -> Result<(), SnapshotError> {
        self.write(&entry::Entry::from(session))
    }

    /// Puts the snapshot in the place of the old one; when this returns, it is on the disk.
    pub fn finish(self) -> Result<(), SnapshotError> {
        let Self { sealed, file } = self;
        let exchange = || {
            let draft = sealed.finish()?;
            draft.put_at(&file.path)?;
            File::open(&file.directory)?.sync_all()
        };
        exchange().map_err(|source| file.failed(source))
    }

    fn write(&mut self, entry: &entry::Entry<'_>) -> Result<(), SnapshotError> {
        let written = self.sealed.write(entry);
        written.map_err(|source| self.file.failed(source))
    }
}

/// Reads a snapshot from its beginning to its end.
pub struct SnapshotReader {
    sealed: SealedReader<BufReader<File>>,
    path: PathBuf,
    about: SnapshotAbout,
    /// Where the next entry begins in the chunk.
    at: usize,
}

impl SnapshotReader {
    pub fn about(&self) -> SnapshotAbout {
        self.about
    }

    /// The next entry; none at the end, which is the true end and not where a file was cut.
    pub fn next_entry(&mut self) -> Result<Option<SnapshotEntry>, SnapshotError> {
        while self.sealed.chunk().len() <= self.at {
            self.at = 0;
            let is_there = self.sealed.advance();
            if !is_there.map_err(|source| unsealed(&self.path, source))? {
                return Ok(None);
            }
        }
        let rest = &self.sealed.chunk()[self.at..];
        let taken = entry::take(rest).and_then(|(entry, left)| {
            self.at += rest.len() - left;
            entry.into_domain()
        });
        taken.map(Some).map_err(|Unreadable| self.damaged())
    }

    fn read_about(&mut self) -> Result<SnapshotAbout, SnapshotError> {
        let is_there = self.sealed.advance();
        is_there.map_err(|source| unsealed(&self.path, source))?;
        let chunk = self.sealed.chunk();
        let taken = entry::take(chunk).and_then(|(entry, left)| {
            self.at = chunk.len() - left;
            entry.into_about()
        });
        taken.map_err(|Unreadable| self.damaged())
    }

    fn damaged(&self) -> SnapshotError {
        SnapshotError::Damaged {
            path: self.path.clone(),
        }
    }
}

impl std::fmt::Debug for SnapshotReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SnapshotReader")
            .field("path", &self.path)
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}

/// The file that is to become the snapshot. It is removed unless it does.
#[derive(Debug)]
struct Draft {
    file: File,
    path: PathBuf,
    unsynced: usize,
    is_in_place: bool,
}

impl Draft {
    fn create(path: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        let draft = Self {
            file,
            path: path.into(),
            unsynced: 0,
            is_in_place: false,
        };
        // What a crash left may have had another mode.
        draft
            .file
            .set_permissions(fs::Permissions::from_mode(0o600))?;
        Ok(draft)
    }

    fn put_at(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)?;
        self.is_in_place = true;
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let count = self.file.write(octets)?;
        self.unsynced += count;
        if SYNC_BYTES <= self.unsynced {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_in_place {
            // The next one overwrites what cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn failed(path: &Path, source: io::Error) -> SnapshotError {
    let path = path.into();
    if source.kind() == io::ErrorKind::NotFound {
        SnapshotError::Missing { path }
    } else {
        SnapshotError::Io { path, source }
    }
}

fn unsealed(path: &Path, refusal: sealed::Refusal) -> SnapshotError {
    let path = path.into();
    match refusal {
        sealed::Refusal::Version(found) => SnapshotError::OtherVersion {
            path,
            found,
            known: sealed::VERSION,
        },
        sealed::Refusal::KeyRing(source) => SnapshotError::KeyRing { path, source },
        sealed::Refusal::Damaged => SnapshotError::Damaged { path },
        sealed::Refusal::Io(source) => SnapshotError::Io { path, source },
    }
}

#[cfg(test)]
mod tests;
