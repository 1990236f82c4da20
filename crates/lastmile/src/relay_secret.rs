//! The secret that local tools share with the relay, in a file of its own that only its owner reads.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use domain::secret::Secret;
use rand::RngExt as _;
use zeroize::Zeroizing;

/// Where it is in the data directory, unless the configuration says otherwise.
pub const FILE: &str = "relay.secret";

const GENERATED_CHARS: usize = 32;
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const OCTETS_MAX: usize = 128;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum RelaySecretError {
    /// The file could not be read or written.
    #[error("the secret of the relay in {} cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others can read it.
    #[error("the secret of the relay in {} can be read by others (mode {mode:04o}): run `chmod 600 {}`", path.display(), path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It cannot be a secret.
    #[error("the secret of the relay in {} must be one line of 1 to {OCTETS_MAX} octets", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the secret; `None` when there is no file.
pub fn find(path: &Path) -> Result<Option<Secret>, RelaySecretError> {
    let wrap = |source| RelaySecretError::Io {
        path: path.into(),
        source,
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrap(error)),
    };
    let mode = file.metadata().map_err(wrap)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.into();
        return Err(RelaySecretError::TooOpen { path, mode });
    }
    let mut text = Zeroizing::new(String::new());
    let limit = u64::try_from(OCTETS_MAX).unwrap_or(0) + 2;
    file.take(limit).read_to_string(&mut text).map_err(wrap)?;
    let line = text.trim_end_matches(['\n', '\r']);
    if line.is_empty() || OCTETS_MAX < line.len() || line.contains('\n') {
        return Err(RelaySecretError::Malformed { path: path.into() });
    }
    Ok(Some(Secret::from(line)))
}

/// Reads the secret, or makes one when there is no file. Processes that do so at once end up with
/// the same one.
pub fn find_or_create(path: &Path) -> Result<Secret, RelaySecretError> {
    if let Some(secret) = find(path)? {
        return Ok(secret);
    }
    create(path).map_err(|source| RelaySecretError::Io {
        path: path.into(),
        source,
    })?;
    find(path)?.ok_or_else(|| RelaySecretError::Malformed { path: path.into() })
}

/// Writes the file beside its place and links it there, so that nobody sees half of it and another
/// one is not replaced.
fn create(path: &Path) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{:016x}", rand::random::<u64>()));
    let draft = PathBuf::from(draft);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let text = generate();
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
    fs::remove_file(&draft)?;
    written
}

fn generate() -> Zeroizing<String> {
    let mut rng = rand::rng();
    let mut letter = || char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]);
    let mut text = Zeroizing::new(String::with_capacity(GENERATED_CHARS + 1));
    for _ in 0..GENERATED_CHARS {
        text.push(letter());
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        assert_eq!(find(&path).unwrap(), None);
        let secret = find_or_create(&path).unwrap();
        assert_eq!(secret.len(), GENERATED_CHARS);
        assert_eq!(find_or_create(&path).unwrap(), secret);
        let mode = fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let files = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, 1, "the draft is gone");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = find_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_file_of_somebody_is_read_as_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("kookaburra\r\n");
        assert_eq!(find(&path).unwrap(), Some(Secret::from("kookaburra")));
        for text in ["", "\n", "two\nlines\n", &"x".repeat(129)] {
            write(text);
            let found = find(&path);
            assert!(
                matches!(found, Err(RelaySecretError::Malformed { .. })),
                "{text}"
            );
        }
    }
}
