//! The first owner: made when nobody can sign in yet, with a password for one sign-in in a file that
//! only the user of the server reads.

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::id::TenantId;
use domain::secret::Secret;
use services::operator::{self, OperatorError};
use services::password::Passwords;
use storage::error::StoreError;
use storage::store::Store;
use tracing::{info, warn};

/// Where the password is in the data directory.
const FILE: &str = "first-owner-password";

/// How often it is looked whether the password was changed, while there is a file.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why there is no first owner.
#[derive(Debug, thiserror::Error)]
enum FirstOwnerError {
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error("{} cannot be written", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Makes the first owner, unless there is any operator. AAA does not depend on it, so a failure is told
/// and is no reason to stop.
pub(crate) async fn ensure(data_dir: &Path, store: &Store) {
    let path = data_dir.join(FILE);
    match make(&path, store).await {
        Ok(true) => info!(
            path = %path.display(),
            "Operator {} can sign in with the password in {}, and changes it then",
            operator::first_name(),
            path.display()
        ),
        Ok(false) => {}
        Err(problem) => warn!(
            error = &problem as &dyn Error,
            "No first operator could be made: run `lastmile operator add NAME --role owner`"
        ),
    }
}

/// Removes the file as soon as the password in it holds no longer, whoever changed it and wherever, and
/// rests then.
pub(crate) async fn keep(data_dir: &Path, store: &Store) {
    let path = data_dir.join(FILE);
    while path.exists() {
        match is_used(store).await {
            Ok(true) => remove(&path),
            Ok(false) => {}
            Err(problem) => warn!(
                error = &problem as &dyn Error,
                "It could not be looked whether the first password was changed"
            ),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    std::future::pending().await
}

async fn is_used(store: &Store) -> Result<bool, StoreError> {
    let owner = store
        .operator_find(TenantId::DEFAULT, &operator::first_name())
        .await?;
    Ok(owner.is_none_or(|owner| !owner.must_change_password))
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => info!("Removed {}: the password was changed", path.display()),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
        Err(problem) => warn!(
            error = &problem as &dyn Error,
            "{} could not be removed: remove it",
            path.display()
        ),
    }
}

/// Of processes that begin at once the one that makes the owner writes the file.
async fn make(path: &Path, store: &Store) -> Result<bool, FirstOwnerError> {
    let made = operator::create_first(store, &Passwords::default()).await?;
    let Some(password) = made.and_then(|made| made.one_time) else {
        return Ok(false);
    };
    write(path, &password).map_err(|source| FirstOwnerError::Io {
        path: path.to_owned(),
        source,
    })?;
    Ok(true)
}

fn write(path: &Path, password: &Secret) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{:016x}", rand::random::<u64>()));
    let draft = PathBuf::from(draft);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(password.expose())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn only_its_owner_reads_the_file_and_a_stale_one_is_replaced() {
        let directory = tempfile::tempdir().expect("a directory is made");
        let path = directory.path().join(FILE);
        for password in ["first", "second"] {
            write(&path, &Secret::from(password)).expect("the directory is ours");
            let text = fs::read_to_string(&path).expect("it is there");
            assert_eq!(text, format!("{password}\n"));
            let mode = fs::metadata(&path).expect("it is there").mode() & 0o777;
            assert_eq!(mode, 0o600);
        }
        let files = fs::read_dir(directory.path()).expect("it is there").count();
        assert_eq!(files, 1, "the drafts are gone");
    }
}
