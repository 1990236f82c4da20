//! The program around its parts: the configuration in force, the clock, the store.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use domain::time::Timestamp;
use nix::unistd::{AccessFlags, access};
use storage::clock::Clock;
use storage::error::{MigrateError, OpenError};
use storage::key_ring::{KeyRing, KeyRingError};
use storage::migration::{self, MigrateReport, SchemaStatus};
use storage::snapshot::SnapshotFile;
use storage::store::{OpenOptions, Store, StoreOptions};

use crate::config::Config;
use crate::first_owner;

const KEY_RING_FILE: &str = "keyring";

/// What a directory snapshot says may be wrong when it is older.
pub const SNAPSHOT_STALE_SECONDS: i64 = 30 * 24 * 3_600;

/// What every part of the program is given.
#[derive(Clone)]
pub struct App {
    /// The configuration in force.
    pub config: Config,
    /// The only clock; everything else is told the time.
    pub clock: Clock,
}

/// Whether a database was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// It was empty, and has been prepared now.
    First,
    /// It was there; the migrations that were missing, if any, have been applied.
    Again,
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory could not be made.
    #[error(
        "the data directory {} cannot be made: choose another with --data-dir",
        path.display()
    )]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The data directory cannot be written.
    #[error(
        "the data directory {} cannot be written by this user: give it write access, or choose another with --data-dir",
        path.display()
    )]
    ReadOnly {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A command that only reads was run before anything was written.
    #[error(
        "nothing here yet: run `lastmile serve --data-dir {}` or add something first",
        data_dir.display()
    )]
    Nothing {
        /// The directory looked at.
        data_dir: PathBuf,
    },
    /// The database refused.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The schema could not be brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The key ring is missing or unusable.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// The database came back without anything in it.
    #[error(
        "the database {place} is empty: restore it from a backup; to begin anew with it, stop the server and start it again"
    )]
    Emptied {
        /// The database, without user and password.
        place: String,
    },
}

impl StartError {
    /// Whether the database is away or does not work now, and may come back as it was.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Open(error) => error.is_outage(),
            Self::Migrate(error) => error.is_outage(),
            Self::DataDir { .. }
            | Self::ReadOnly { .. }
            | Self::Nothing { .. }
            | Self::KeyRing(_)
            | Self::Emptied { .. } => false,
        }
    }
}

impl App {
    /// The program with the clock of the system.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            clock: Arc::new(system_now),
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Opens the store for a server: makes what is missing and applies pending migrations.
    pub async fn store_prepare(&self) -> Result<(Store, Beginning), StartError> {
        self.make_data_dir()?;
        let beginning = self.beginning().await?;
        Ok((self.store_migrated(beginning).await?, beginning))
    }

    /// Opens the store for a server that was started without it, with all the checks of a start.
    /// A database that is empty now is not the one that was away.
    pub async fn store_reopen(&self) -> Result<Store, StartError> {
        let status = self.schema_status().await?;
        if status.found == 0 {
            let place = status.place;
            return Err(StartError::Emptied { place });
        }
        self.store_migrated(Beginning::Again).await
    }

    async fn store_migrated(&self, beginning: Beginning) -> Result<Store, StartError> {
        let keys = self.keys_for(beginning)?;
        let report = self.migrate().await?;
        let store = Store::open(self.store_options(keys)).await?;
        first_owner::ensure(&self.config.data_dir, &store).await;
        if !report.applied.is_empty() {
            tracing::info!(
                schema.from = report.from,
                schema.to = report.to,
                "Migrated the database from version {} to {}",
                report.from,
                report.to
            );
        }
        Ok(store)
    }

    /// Opens the store for a command that writes: the first one makes what is missing, a later
    /// one leaves the schema to the server.
    pub async fn store_write(&self) -> Result<Store, StartError> {
        self.make_data_dir()?;
        let beginning = self.beginning().await?;
        let keys = self.keys_for(beginning)?;
        if beginning == Beginning::First {
            self.migrate().await?;
        }
        let store = Store::open(self.store_options(keys)).await?;
        if beginning == Beginning::First {
            first_owner::ensure(&self.config.data_dir, &store).await;
        }
        Ok(store)
    }

    /// Opens the store for a command that only reads: nothing is made.
    pub async fn store_read(&self) -> Result<Store, StartError> {
        if self.beginning().await? == Beginning::First {
            return Err(StartError::Nothing {
                data_dir: self.config.data_dir.clone(),
            });
        }
        let keys = self.load_keys()?;
        Ok(Store::open(self.store_options(keys)).await?)
    }

    /// Applies what is pending.
    pub async fn migrate(&self) -> Result<MigrateReport, StartError> {
        self.make_data_dir()?;
        Ok(migration::migrate(&self.open_options()).await?)
    }

    /// How the schema stands, without changing it.
    pub async fn schema_status(&self) -> Result<SchemaStatus, OpenError> {
        migration::schema_status(&self.open_options()).await
    }

    /// Where the key ring is: handed over by systemd, or in the data directory.
    pub fn key_ring_path(&self) -> PathBuf {
        self.credential_path()
            .unwrap_or_else(|| self.config.data_dir.join(KEY_RING_FILE))
    }

    /// Reads the key ring that is in force.
    pub fn load_keys(&self) -> Result<KeyRing, KeyRingError> {
        match self.credential_path() {
            Some(path) => KeyRing::load_credential(&path),
            None => KeyRing::load(&self.key_ring_path()),
        }
    }

    /// The directory snapshot of this node.
    pub fn snapshot_file(&self) -> Result<SnapshotFile, KeyRingError> {
        Ok(SnapshotFile::new(&self.config.data_dir, self.load_keys()?))
    }

    /// The database, without user and password, whether it can be reached or not.
    pub fn database_place(&self) -> Result<String, OpenError> {
        self.open_options().place()
    }

    /// How many commits of accounting at a time the database is for.
    pub fn accounting_lanes(&self) -> Result<usize, OpenError> {
        self.open_options().accounting_lanes()
    }

    fn credential_path(&self) -> Option<PathBuf> {
        self.config
            .service
            .credentials_dir
            .as_ref()
            .map(|dir| dir.join(KEY_RING_FILE))
            .filter(|path| path.is_file())
    }

    async fn beginning(&self) -> Result<Beginning, StartError> {
        Ok(match self.schema_status().await?.found {
            0 => Beginning::First,
            _ => Beginning::Again,
        })
    }

    fn open_options(&self) -> OpenOptions {
        OpenOptions {
            url: self.config.database_url.expose().to_owned(),
            data_dir: self.config.data_dir.clone(),
            clock: Arc::clone(&self.clock),
        }
    }

    fn store_options(&self, keys: KeyRing) -> StoreOptions {
        let OpenOptions {
            url,
            data_dir,
            clock,
        } = self.open_options();
        StoreOptions {
            url,
            data_dir,
            clock,
            keys,
        }
    }

    fn keys_for(&self, beginning: Beginning) -> Result<KeyRing, StartError> {
        Ok(match beginning {
            Beginning::First if self.credential_path().is_none() => {
                KeyRing::load_or_create(&self.key_ring_path(), self.now())?
            }
            // A new key ring beside an old database would open none of its secrets.
            Beginning::First | Beginning::Again => self.load_keys()?,
        })
    }

    fn make_data_dir(&self) -> Result<(), StartError> {
        let path = &self.config.data_dir;
        make_private_dir(path).map_err(|source| StartError::DataDir {
            path: path.clone(),
            source,
        })?;
        access(path, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| StartError::ReadOnly {
            path: path.clone(),
            source: error.into(),
        })
    }
}

/// Makes a directory that only this user can enter; its parents are made as usual.
fn make_private_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if path.exists() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if let Some(parent) = path.parent()
        && !parent.as_os_str().is_empty()
    {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock of the system"
)]
fn system_now() -> Timestamp {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros())
            .unwrap_or(i64::MAX)
            .saturating_neg(),
    };
    Timestamp::from_micros(micros)
}
