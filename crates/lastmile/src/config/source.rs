//! Where values come from: the file, the environment, the flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use zeroize::Zeroizing;

use super::{ConfigError, Overrides, ServiceManager};

const PREFIX: &str = "LASTMILE_";
const FILE_VARIABLE: &str = "LASTMILE_CONFIG";
/// Variables that say which server commands are sent to; they are no keys of the configuration.
const SERVER_VARIABLE: &str = "LASTMILE_SERVER";
const TOKEN_VARIABLE: &str = "LASTMILE_TOKEN";
const CONTEXT_VARIABLE: &str = "LASTMILE_CONTEXT";
const FILE_NAME: &str = "lastmile.toml";
const SYSTEM_FILE: &str = "/etc/lastmile/lastmile.toml";
const NO_KEYS: [&str; 4] = [
    FILE_VARIABLE,
    SERVER_VARIABLE,
    TOKEN_VARIABLE,
    CONTEXT_VARIABLE,
];
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// The environment as it was when the program started.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

/// Which server commands are sent to, as the environment has it.
#[derive(Clone, Default)]
pub struct RemoteVariables {
    /// Its address.
    pub server: Option<String>,
    /// What it is shown.
    pub token: Option<Zeroizing<String>>,
    /// The name of a stored context.
    pub context: Option<String>,
}

/// A value that a source offers; for each key the strongest source only.
pub(super) struct Candidate {
    pub(super) key: String,
    pub(super) text: String,
    pub(super) origin: String,
}

/// The sources put on top of each other.
pub(super) struct Layers {
    file: Option<Layer>,
    environment: Layer,
    flags: Layer,
}

/// One source: what it is called and what it says.
#[derive(Clone)]
struct Layer {
    name: &'static str,
    values: Dict,
    /// The variable, flag or file that each key came from.
    origins: BTreeMap<String, String>,
}

impl Environment {
    /// Copies the environment of this process.
    pub fn capture() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
        )
    }

    /// An environment made of these variables.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
        )
    }

    /// Whether the user asks for output without colour (<https://no-color.org>).
    pub fn is_colour_refused(&self) -> bool {
        self.0
            .get("NO_COLOR")
            .is_some_and(|value| !value.is_empty())
    }

    /// Which server commands are sent to.
    pub fn remote(&self) -> RemoteVariables {
        RemoteVariables {
            server: self.text(SERVER_VARIABLE),
            token: self.text(TOKEN_VARIABLE).map(Zeroizing::new),
            context: self.text(CONTEXT_VARIABLE),
        }
    }

    /// Where the user's own configuration is kept (XDG Base Directory Specification).
    pub fn user_directory(&self) -> Option<PathBuf> {
        let path = |name| self.text(name).map(PathBuf::from);
        let own = path("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        own.or_else(|| path("HOME").map(|home| home.join(".config")))
    }

    /// A variable that is not empty.
    fn text(&self, name: &str) -> Option<String> {
        let text = self.0.get(name)?.to_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    pub(super) fn service_manager(&self) -> ServiceManager {
        let path = |name: &str| {
            self.0
                .get(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        ServiceManager {
            notify_socket: path("NOTIFY_SOCKET"),
            watchdog: self
                .0
                .get("WATCHDOG_USEC")
                .and_then(|value| value.to_str()?.parse().ok())
                .map(Duration::from_micros),
            credentials_dir: path("CREDENTIALS_DIRECTORY"),
        }
    }

    fn settings(&self) -> impl Iterator<Item = (&String, &OsString)> {
        self.0
            .iter()
            .filter(|(name, _)| name.starts_with(PREFIX) && !NO_KEYS.contains(&name.as_str()))
    }
}

impl Layers {
    pub(super) fn new(
        environment: &Environment,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            file: None,
            environment: environment_layer(environment)?,
            flags: flag_layer(overrides),
        })
    }

    pub(super) fn above_file(self, path: &Path, text: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            file: Some(file_layer(path, text)?),
            ..self
        })
    }

    /// The text of one key, before every key is checked.
    pub(super) fn text_of(&self, key: &str, default: &str) -> String {
        self.merged()
            .find_value(key)
            .map_or_else(|_| default.to_owned(), |value| text_of(&value))
    }

    /// Every key that is set, with the strongest value.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let merged = self.merged();
        let data = merged.data().expect("the layers are values already");
        let mut leaves = Vec::new();
        for dict in data.values() {
            collect_leaves("", dict, &mut leaves);
        }
        leaves
            .into_iter()
            .map(|(key, value)| Candidate {
                origin: self.origin_of(&merged, &key, &value),
                text: text_of(&value),
                key,
            })
            .collect()
    }

    fn merged(&self) -> Figment {
        let base = match &self.file {
            Some(file) => Figment::from(file.clone()),
            None => Figment::new(),
        };
        base.merge(self.environment.clone())
            .merge(self.flags.clone())
    }

    fn origin_of(&self, merged: &Figment, key: &str, value: &Value) -> String {
        let name = merged
            .get_metadata(value.tag())
            .map_or("", |metadata| metadata.name.as_ref());
        [
            self.file.as_ref(),
            Some(&self.environment),
            Some(&self.flags),
        ]
        .into_iter()
        .flatten()
        .find(|layer| layer.name == name)
        .and_then(|layer| {
            let of_key = layer.origins.get(key);
            of_key.or_else(|| layer.origins.get(""))
        })
        .cloned()
        .unwrap_or_default()
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn environment_layer(environment: &Environment) -> Result<Layer, ConfigError> {
    let mut layer = Layer::named("environment");
    for (name, value) in environment.settings() {
        let text = value.to_str().ok_or_else(|| ConfigError::NotText {
            variable: name.clone(),
        })?;
        let key = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
        layer.set(key, text, format!("environment variable {name}"));
    }
    Ok(layer)
}

fn flag_layer(overrides: &Overrides) -> Layer {
    let mut layer = Layer::named("flags");
    for given in &overrides.values {
        layer.set(given.key.clone(), &given.value, given.flag.to_owned());
    }
    layer
}

fn file_layer(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    let data = Toml::string(text)
        .data()
        .map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            message: one_line(&error.to_string()),
        })?;
    let mut layer = Layer::named("file");
    for (_, values) in data {
        layer.values = values;
    }
    layer
        .origins
        .insert(String::new(), path.display().to_string());
    Ok(layer)
}

impl Layer {
    fn named(name: &'static str) -> Self {
        Self {
            name,
            values: Dict::new(),
            origins: BTreeMap::new(),
        }
    }

    fn set(&mut self, key: String, text: &str, origin: String) {
        insert(&mut self.values, &key, text);
        self.origins.insert(key, origin);
    }
}

/// Puts a value under a dotted key.
fn insert(dict: &mut Dict, key: &str, text: &str) {
    let Some((section, rest)) = key.split_once('.') else {
        dict.insert(key.to_owned(), Value::from(text));
        return;
    };
    let inner = dict
        .entry(section.to_owned())
        .or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, text);
    } else {
        // A section that is also a value: the unknown key is reported under its whole name.
        dict.insert(key.to_owned(), Value::from(text));
    }
}

fn collect_leaves(prefix: &str, dict: &Dict, leaves: &mut Vec<(String, Value)>) {
    for (name, value) in dict {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Dict(_, inner) => collect_leaves(&key, inner, leaves),
            Value::String(..)
            | Value::Char(..)
            | Value::Bool(..)
            | Value::Num(..)
            | Value::Empty(..)
            | Value::Array(..) => leaves.push((key, value.clone())),
        }
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Char(_, char) => char.to_string(),
        Value::Bool(_, bool) => bool.to_string(),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_f64().map(|number| number.to_string()))
            .unwrap_or_default(),
        Value::Empty(..) | Value::Dict(..) => String::new(),
        Value::Array(_, values) => {
            let texts: Vec<String> = values.iter().map(text_of).collect();
            texts.join(",")
        }
    }
}

/// The first file that exists, and what is in it. A file that was named must exist.
pub(super) fn find_file(
    environment: &Environment,
    overrides: &Overrides,
    data_dir: &Path,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let from_variable = environment.0.get(FILE_VARIABLE).map(PathBuf::from);
    if let Some(path) = overrides.file.clone().or(from_variable) {
        let text = read(&path).map_err(|source| ConfigError::Unreadable {
            path: path.clone(),
            source,
        })?;
        return Ok(Some((path, text)));
    }
    let usual = [
        PathBuf::from(FILE_NAME),
        data_dir.join(FILE_NAME),
        PathBuf::from(SYSTEM_FILE),
    ];
    for path in usual {
        match read(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error) if is_absent(&error) => {}
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        }
    }
    Ok(None)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn read(path: &Path) -> io::Result<String> {
    if FILE_OCTETS_MAX < std::fs::metadata(path)?.len() {
        return Err(io::Error::other(format!(
            "it is larger than {FILE_OCTETS_MAX} octets"
        )));
    }
    std::fs::read_to_string(path)
}

/// Joins a message of several lines, dropping the drawing around the wrong place. The drawing
/// repeats the line of the file, which may hold a password.
fn one_line(message: &str) -> String {
    let words: Vec<&str> = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains('|'))
        .collect();
    words.join(": ")
}
