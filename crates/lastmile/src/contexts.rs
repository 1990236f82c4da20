//! Servers that commands are sent to, by name: a file of the user's own, because it has tokens.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use domain::name::Name;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::certificate::fingerprint::Fingerprint;
use crate::client::remote::RemoteOptions;
use crate::client::token::Token;
use crate::client::trust::Trust;
use crate::private_file;

/// Below the directory of the user's configuration.
const FILE: &str = "lastmile/contexts.json";

/// The name of this machine, which needs no entry.
pub(crate) const LOCAL: &str = "local";

const FILE_OCTETS_MAX: u64 = 1 << 20;
const CONTEXTS_MAX: usize = 1_000;

/// What is stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// Which one is used when none is named; absent for this machine.
    #[serde(default)]
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, StoredContext>,
}

/// One server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredContext {
    server: String,
    token: Token,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
}

/// Why contexts cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContextsError {
    #[error(
        "there is no place for contexts: set HOME or XDG_CONFIG_HOME, or give --server and --token"
    )]
    NoPlace,
    #[error("{} cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{} has tokens and can be read by others: chmod 600 {}", path.display(), path.display()
    )]
    TooOpen { path: PathBuf },
    #[error("{} is not as it was written: mend it, or remove it and add the contexts again", path.display())]
    Malformed {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{} cannot be written", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there is no context '{name}': `lastmile context list` shows them")]
    Unknown { name: String },
    #[error("NAME: '{LOCAL}' is this machine: choose another name")]
    IsLocal,
    #[error("NAME: there is a context '{name}': choose another, or remove that one")]
    Taken { name: String },
    #[error("{CONTEXTS_MAX} contexts are kept at most: remove one")]
    TooMany,
    #[error("context '{name}' cannot be used as it is stored: remove it and add it again")]
    Unusable { name: String },
}

/// Where contexts are stored.
#[derive(Clone, Debug)]
pub(crate) struct ContextsFile(PathBuf);

impl ContextsFile {
    /// In the directory of the user's configuration.
    pub(crate) fn new(user_directory: Option<&Path>) -> Result<Self, ContextsError> {
        let directory = user_directory.ok_or(ContextsError::NoPlace)?;
        Ok(Self(directory.join(FILE)))
    }

    /// Reads what is stored; nothing if there is no file yet.
    pub(crate) fn read(&self) -> Result<Contexts, ContextsError> {
        let path = &self.0;
        let unreadable = |source| ContextsError::Unreadable {
            path: path.clone(),
            source,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contexts::default()),
            Err(error) => return Err(unreadable(error)),
        };
        if file.metadata().map_err(unreadable)?.mode() & 0o077 != 0 {
            return Err(ContextsError::TooOpen { path: path.clone() });
        }
        let mut text = zeroize::Zeroizing::new(Vec::new());
        file.take(FILE_OCTETS_MAX)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        serde_json::from_slice(&text).map_err(|source| ContextsError::Malformed {
            path: path.clone(),
            source,
        })
    }

    /// Writes all of them, for the user alone.
    pub(crate) fn write(&self, contexts: &Contexts) -> Result<(), ContextsError> {
        let text = zeroize::Zeroizing::new(written(contexts));
        private_file::write(&self.0, &text).map_err(|source| ContextsError::Unwritable {
            path: self.0.clone(),
            source,
        })
    }
}

impl Contexts {
    /// The one that is used when none is named; `None` for this machine.
    pub(crate) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &StoredContext)> {
        self.contexts
            .iter()
            .map(|(name, context)| (name.as_str(), context))
    }

    pub(crate) fn find(&self, name: &str) -> Result<&StoredContext, ContextsError> {
        self.contexts.get(name).ok_or_else(|| unknown(name))
    }

    pub(crate) fn add(&mut self, name: &Name, options: RemoteOptions) -> Result<(), ContextsError> {
        let name = name.to_string();
        if name == LOCAL {
            return Err(ContextsError::IsLocal);
        }
        if self.contexts.contains_key(&name) {
            return Err(ContextsError::Taken { name });
        }
        if CONTEXTS_MAX <= self.contexts.len() {
            return Err(ContextsError::TooMany);
        }
        self.contexts.insert(name, StoredContext::from(options));
        Ok(())
    }

    /// Uses a context from now on; `local` is this machine.
    pub(crate) fn choose(&mut self, name: &str) -> Result<(), ContextsError> {
        if name == LOCAL {
            self.current = None;
            return Ok(());
        }
        self.find(name)?;
        self.current = Some(name.to_owned());
        Ok(())
    }

    /// Forgets a context. Commands work on this machine again if it was in use.
    pub(crate) fn remove(&mut self, name: &str) -> Result<StoredContext, ContextsError> {
        let removed = self.contexts.remove(name).ok_or_else(|| unknown(name))?;
        if self.current.as_deref() == Some(name) {
            self.current = None;
        }
        Ok(removed)
    }
}

impl StoredContext {
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Where it is, and how to speak with it.
    pub(crate) fn options(&self, name: &str) -> Result<RemoteOptions, ContextsError> {
        let unusable = || ContextsError::Unusable {
            name: name.to_owned(),
        };
        let trust = match (&self.fingerprint, &self.ca_file) {
            (Some(fingerprint), _) => {
                let fingerprint: Result<Fingerprint, _> = fingerprint.parse();
                Trust::Pinned(fingerprint.map_err(|_| unusable())?)
            }
            (None, Some(path)) => Trust::Authorities(path.clone()),
            (None, None) => Trust::System,
        };
        Ok(RemoteOptions {
            server: Url::parse(&self.server).map_err(|_| unusable())?,
            token: self.token.clone(),
            trust,
        })
    }
}

impl From<RemoteOptions> for StoredContext {
    fn from(options: RemoteOptions) -> Self {
        let (ca_file, fingerprint) = match options.trust {
            Trust::System => (None, None),
            Trust::Authorities(path) => (Some(path), None),
            Trust::Pinned(fingerprint) => (None, Some(fingerprint.to_string())),
        };
        Self {
            server: options.server.to_string(),
            token: options.token,
            ca_file,
            fingerprint,
        }
    }
}

fn unknown(name: &str) -> ContextsError {
    ContextsError::Unknown {
        name: name.to_owned(),
    }
}

fn written(contexts: &Contexts) -> Vec<u8> {
    serde_json::to_vec_pretty(contexts).expect("they are made of texts")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn options(trust: Trust) -> RemoteOptions {
        RemoteOptions {
            server: "https://isp.example/".parse().unwrap(),
            token: Token::parse("kookaburra").unwrap(),
            trust,
        }
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn contexts_are_kept_for_their_user_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = ContextsFile::new(Some(directory.path())).unwrap();
        let mut contexts = file.read().unwrap();
        assert_eq!(contexts.all().count(), 0);
        let pinned = Trust::Pinned("ab".repeat(32).parse().unwrap());
        contexts
            .add(&name("pinned"), options(pinned.clone()))
            .unwrap();
        contexts
            .add(&name("usual"), options(Trust::System))
            .unwrap();
        contexts.choose("pinned").unwrap();
        file.write(&contexts).unwrap();
        assert!(!format!("{contexts:?}").contains("kookaburra"));

        let path = directory.path().join(FILE);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let read = file.read().unwrap();
        assert_eq!(read.current(), Some("pinned"));
        let known = read.find("pinned").unwrap().options("pinned").unwrap();
        assert_eq!(known.trust, pinned);
        assert_eq!(read.find("usual").unwrap().server(), "https://isp.example/");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = file.read().unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn what_is_removed_is_not_in_use_any_more() {
        let mut contexts = Contexts::default();
        contexts.add(&name("pop"), options(Trust::System)).unwrap();
        contexts.choose("pop").unwrap();
        let again = contexts.add(&name("pop"), options(Trust::System));
        assert!(matches!(again, Err(ContextsError::Taken { .. })));
        let local = contexts.add(&name("local"), options(Trust::System));
        assert!(matches!(local, Err(ContextsError::IsLocal)));
        contexts.remove("pop").unwrap();
        assert_eq!(contexts.current(), None);
        assert!(matches!(
            contexts.choose("pop"),
            Err(ContextsError::Unknown { .. })
        ));
        contexts.choose("local").unwrap();
    }
}
