//! The key ring: the keys that seal secrets in the database, in a file of their own.
//!
//! One key a line: its id, 32 octets in base64, and when it was made. The last line seals; every
//! line unseals. Without this file the sealed columns are lost, so it belongs into every backup.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit;
use domain::time::Timestamp;
use zeroize::Zeroizing;

/// A ring longer than this was not written by us.
const FILE_LEN_MAX: u64 = 64 * 1024;
const KEYS_MAX: usize = 256;
const KEY_LEN: usize = 32;

/// The keys, newest last; cheap to clone. `Debug` shows ids only.
#[derive(Clone)]
pub struct KeyRing {
    path: Arc<Path>,
    keys: Arc<[Key]>,
}

/// Number of a key in its ring; drawn at random, so that two rings do not share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyId(pub(crate) u32);

struct Key {
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

/// Why a key ring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    #[error("there is no key ring {}: restore it from the backup of this database", path.display())]
    Missing { path: PathBuf },
    #[error("the key ring {} can be read by others (mode {mode:04o}): run `chmod 600 {}`", path.display(), path.display())]
    TooOpen { path: PathBuf, mode: u32 },
    #[error("line {line} of the key ring {} is malformed: expected an id, a key of 32 octets in base64, and a time", path.display())]
    Malformed { path: PathBuf, line: usize },
    #[error("the key ring {} has no key in it: restore it from the backup of this database", path.display())]
    Empty { path: PathBuf },
    #[error("the key ring {} cannot be read or written", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("sealed with key {id}, which is not in the key ring {}: use the key ring that belongs to this database", path.display())]
    UnknownKey { id: u32, path: PathBuf },
    #[error("key {id} of the key ring {} does not open what was sealed with it: use the key ring that belongs to this database", path.display())]
    WrongKey { id: u32, path: PathBuf },
    #[error("the sealed value is cut short")]
    Truncated,
}

impl KeyRing {
    /// Reads the ring; it must be a file that only its owner can read.
    pub fn load(path: &Path) -> Result<Self, KeyRingError> {
        Self::load_unless_open(path, 0o077)
    }

    /// Reads a key ring that systemd handed over in its credentials directory. The service may
    /// read it through an access list, which shows as a mode of 0440.
    pub fn load_credential(path: &Path) -> Result<Self, KeyRingError> {
        Self::load_unless_open(path, 0o037)
    }

    fn load_unless_open(path: &Path, refused: u32) -> Result<Self, KeyRingError> {
        let text = read_private(path, refused)?;
        let keys = parse(path, &text)?;
        Ok(Self {
            path: path.into(),
            keys: keys.into(),
        })
    }

    /// Reads the ring, or makes one with a fresh key when there is no file yet. When several
    /// processes do so at once they end up with the same ring.
    pub fn load_or_create(path: &Path, now: Timestamp) -> Result<Self, KeyRingError> {
        match Self::load(path) {
            Err(KeyRingError::Missing { .. }) => {
                create(path, now).map_err(|source| KeyRingError::Io {
                    path: path.into(),
                    source,
                })?;
                Self::load(path)
            }
            other => other,
        }
    }

    /// Where the ring was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many keys are in it.
    pub fn keys_len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn newest(&self) -> (KeyId, &XChaCha20Poly1305) {
        let key = self.keys.last().expect("a ring is loaded with a key");
        (key.id, &key.cipher)
    }

    pub(crate) fn find(&self, id: KeyId) -> Option<&XChaCha20Poly1305> {
        self.keys
            .iter()
            .find(|key| key.id == id)
            .map(|key| &key.cipher)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<u32> = self.keys.iter().map(|key| key.id.0).collect();
        formatter
            .debug_struct("KeyRing")
            .field("path", &self.path)
            .field("ids", &ids)
            .finish_non_exhaustive()
    }
}

fn read_private(path: &Path, refused: u32) -> Result<Zeroizing<String>, KeyRingError> {
    let wrap = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            KeyRingError::Missing { path: path.into() }
        } else {
            KeyRingError::Io {
                path: path.into(),
                source,
            }
        }
    };
    let file = fs::File::open(path).map_err(wrap)?;
    let metadata = file.metadata().map_err(wrap)?;
    let mode = metadata.mode() & 0o777;
    if mode & refused != 0 {
        return Err(KeyRingError::TooOpen {
            path: path.into(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(FILE_LEN_MAX as usize));
    file.take(FILE_LEN_MAX)
        .read_to_string(&mut text)
        .map_err(wrap)?;
    Ok(text)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Key>, KeyRingError> {
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = parse_key(line).filter(|_| keys.len() < KEYS_MAX);
        keys.push(key.ok_or_else(|| KeyRingError::Malformed {
            path: path.into(),
            line: index + 1,
        })?);
    }
    if keys.is_empty() {
        return Err(KeyRingError::Empty { path: path.into() });
    }
    Ok(keys)
}

fn parse_key(line: &str) -> Option<Key> {
    let mut fields = line.split_ascii_whitespace();
    let id = fields.next()?.parse().ok()?;
    let octets = Zeroizing::new(STANDARD.decode(fields.next()?).ok()?);
    fields.next()?.parse::<Timestamp>().ok()?;
    if fields.next().is_some() || octets.len() != KEY_LEN {
        return None;
    }
    Some(Key {
        id: KeyId(id),
        cipher: XChaCha20Poly1305::new_from_slice(&octets).ok()?,
    })
}

/// Writes a ring of one key beside its place and links it there, so that nobody sees half a file
/// and an existing one is never replaced.
fn create(path: &Path, now: Timestamp) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
    }
    let octets = Zeroizing::new(rand::random::<[u8; KEY_LEN]>());
    let encoded = Zeroizing::new(STANDARD.encode(*octets));
    let id = rand::random_range(1..=999_999_999_u32);
    let line = Zeroizing::new(format!("{id} {} {now}\n", *encoded));

    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{:016x}", rand::random::<u64>()));
    let draft = PathBuf::from(draft);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let written = file
        .set_permissions(fs::Permissions::from_mode(0o600))
        .and_then(|()| file.write_all(line.as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
    fs::remove_file(&draft)?;
    written?;
    match directory {
        Some(directory) => fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
