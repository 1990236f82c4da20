//! Reads dictionary files and the files they include, through a reader that the caller supplies.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::Dictionary;
use super::oid::Oid;
use super::parser::{Place, State, Step};

/// Most `$INCLUDE`s inside each other.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// Most files read by one [`Dictionary::load_file`].
pub const FILES_MAX: usize = 1_024;
/// Most octets read by one [`Dictionary::load_file`].
pub const OCTETS_MAX: usize = 16 * 1024 * 1024;

/// A dictionary file that was refused; the dictionary is unchanged.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {kind}", path.display())]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; 0 when it is the file as a whole.
    pub line: usize,
    /// What is wrong.
    #[source]
    pub kind: LoadErrorKind,
}

/// What is wrong with a line of a dictionary file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadErrorKind {
    /// The file cannot be read.
    #[error("cannot read the file ({0}): correct the path, or write $INCLUDE- if it may be absent")]
    Read(io::Error),
    /// The file includes itself.
    #[error("the file includes itself: remove this $INCLUDE")]
    Cycle,
    /// More than [`INCLUDE_DEPTH_MAX`] files inside each other.
    #[error(
        "more than {INCLUDE_DEPTH_MAX} $INCLUDEs inside each other: include the files from one place"
    )]
    IncludeDepth,
    /// More than [`FILES_MAX`] files.
    #[error("more than {FILES_MAX} files: include only the vendors you need")]
    TooManyFiles,
    /// More than [`OCTETS_MAX`] octets.
    #[error("more than {OCTETS_MAX} octets: include only the vendors you need")]
    TooLarge,
    /// The first word is no keyword.
    #[error(
        "unknown keyword `{keyword}`: a line begins with ATTRIBUTE, VALUE, VENDOR, BEGIN-VENDOR, END-VENDOR, \
         BEGIN-TLV, END-TLV, ALIAS, FLAGS or $INCLUDE"
    )]
    UnknownKeyword {
        /// The word.
        keyword: String,
    },
    /// Words are missing.
    #[error("the line is incomplete: write `{expected}`")]
    Incomplete {
        /// The form of the line.
        expected: &'static str,
    },
    /// Not an attribute or vendor name.
    #[error("`{name}` is not a name: use at most 128 letters, digits and - _ . / + :")]
    BadName {
        /// The word.
        name: String,
    },
    /// Not a number.
    #[error(
        "`{text}` is not a number here: write decimal or 0x-hexadecimal, for a TLV joined with dots"
    )]
    BadNumber {
        /// The word.
        text: String,
    },
    /// No such type.
    #[error(
        "unknown type `{name}`: use string, octets, octets[N], integer, integer64, byte, short, signed, date, ipaddr, \
         ipv4prefix, ipv6addr, ipv6prefix, combo-ip, ifid, ether, abinary, tlv, extended, long-extended, evs or vsa"
    )]
    UnknownType {
        /// The word.
        name: String,
    },
    /// No such flag.
    #[error(
        "unknown flag `{flag}`: use has_tag, encrypt=1, encrypt=2, encrypt=3, concat, array, internal, secret or virtual"
    )]
    UnknownFlag {
        /// The word.
        flag: String,
    },
    /// Not a layout of vendor attributes.
    #[error(
        "`{text}` is not a vendor layout: write format=T,L with T one of 1, 2, 4 and L one of 0, 1, 2, or format=1,1,c"
    )]
    BadVendorFormat {
        /// The word.
        text: String,
    },
    /// The vendor has no VENDOR line.
    #[error("unknown vendor `{name}`: put `VENDOR {name} NUMBER` before this line")]
    UnknownVendor {
        /// The word.
        name: String,
    },
    /// The attribute has no ATTRIBUTE line.
    #[error("unknown attribute `{name}`: correct the name, or include the file that defines it")]
    UnknownAttribute {
        /// The word.
        name: String,
    },
    /// The containing attribute has no ATTRIBUTE line.
    #[error(
        "attribute {oid} is inside {parent}, which is not defined: put its ATTRIBUTE line, of type tlv, before this one"
    )]
    UnknownParent {
        /// The attribute.
        oid: Oid,
        /// What contains it.
        parent: Oid,
    },
    /// The containing attribute is of another type.
    #[error("`{name}` contains no attributes: give it the type tlv")]
    NotATlv {
        /// The attribute.
        name: String,
    },
    /// The parent of BEGIN-VENDOR is of another type.
    #[error(
        "`{name}` holds no vendor attributes: name an attribute of type evs or vsa, such as Extended-Vendor-Specific-1"
    )]
    NotAVendorSpace {
        /// The word.
        name: String,
    },
    /// An END line without its BEGIN line.
    #[error(
        "`{name}` is not the block that is open: close blocks in the reverse order they were opened"
    )]
    BlockNotOpen {
        /// The word.
        name: String,
    },
    /// A BEGIN line without its END line.
    #[error(
        "the block `{name}` is still open at the end of the file: close it with END-VENDOR or END-TLV"
    )]
    BlockOpen {
        /// The block.
        name: String,
    },
    /// Attributes or blocks too deep inside each other.
    #[error("too many attributes inside each other: at most 8 numbers make an attribute number")]
    TooDeep,
    /// A file of another protocol.
    #[error("protocol `{name}` is not RADIUS: do not include this file")]
    OtherProtocol {
        /// The word.
        name: String,
    },
}

/// Reads the octets of a file for the loader.
pub type Read<'r> = dyn FnMut(&Path) -> io::Result<Vec<u8>> + 'r;

impl Dictionary {
    /// Adds a dictionary file in FreeRADIUS' syntax and the files it includes, paths taken relative to the including file.
    ///
    /// `read` supplies the octets of a file; octets that are not UTF-8 are tolerated in comments. Types of FreeRADIUS 3
    /// and 4 are known; `struct`, `group` and floating point types are kept as octets, STRUCT and MEMBER lines are
    /// skipped. An unknown type, flag or keyword is an error.
    ///
    /// # Errors
    /// Names file, line and remedy. The dictionary is then unchanged.
    pub fn load_file(&mut self, path: &Path, read: &mut Read<'_>) -> Result<(), LoadError> {
        let mut load = Load {
            dictionary: self.clone(),
            state: State::default(),
            open: Vec::new(),
            files: 0,
            octets: 0,
            read,
        };
        load.file(path, false)
            .map_err(|(path, line, kind)| LoadError { path, line, kind })?;
        let Load {
            mut dictionary,
            state,
            ..
        } = load;
        state
            .finish(&mut dictionary)
            .map_err(|(Place { path, line }, kind)| LoadError {
                path: path.into(),
                line,
                kind,
            })?;
        *self = dictionary;
        Ok(())
    }

    /// Adds a dictionary given as text, which includes no files.
    ///
    /// # Errors
    /// Names `name`, line and remedy. The dictionary is then unchanged.
    pub fn load_text(&mut self, name: &str, text: &str) -> Result<(), LoadError> {
        self.load_file(Path::new(name), &mut |path| {
            if path == Path::new(name) {
                Ok(text.as_bytes().to_vec())
            } else {
                Err(io::Error::from(io::ErrorKind::NotFound))
            }
        })
    }
}

type Failure = (PathBuf, usize, LoadErrorKind);

struct Load<'r, 'f> {
    dictionary: Dictionary,
    state: State,
    open: Vec<PathBuf>,
    files: usize,
    octets: usize,
    read: &'r mut Read<'f>,
}

impl Load<'_, '_> {
    fn file(&mut self, path: &Path, is_optional: bool) -> Result<(), Failure> {
        let path = normalized(path);
        let Some(text) = self
            .text(&path, is_optional)
            .map_err(|kind| (path.clone(), 0, kind))?
        else {
            return Ok(());
        };
        self.open.push(path.clone());
        let depth = self.state.depth();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let place = || Place {
                path: path.display().to_string(),
                line: number,
            };
            let step = self.state.line(&mut self.dictionary, line, &place);
            match step.map_err(|kind| (path.clone(), number, kind))? {
                Step::Done => {}
                Step::Include {
                    path: included,
                    is_optional,
                } => {
                    let included = path
                        .parent()
                        .unwrap_or_else(|| Path::new(""))
                        .join(included);
                    self.check_include(&included)
                        .map_err(|kind| (path.clone(), number, kind))?;
                    self.file(&included, is_optional)
                        .map_err(|failure| at_include(failure, &included, &path, number))?;
                }
            }
        }
        self.state
            .close_file(depth)
            .map_err(|kind| (path.clone(), 0, kind))?;
        self.open.pop();
        Ok(())
    }

    fn check_include(&self, path: &Path) -> Result<(), LoadErrorKind> {
        if self.open.contains(&normalized(path)) {
            return Err(LoadErrorKind::Cycle);
        }
        if INCLUDE_DEPTH_MAX < self.open.len() {
            return Err(LoadErrorKind::IncludeDepth);
        }
        if FILES_MAX <= self.files {
            return Err(LoadErrorKind::TooManyFiles);
        }
        Ok(())
    }

    fn text(&mut self, path: &Path, is_optional: bool) -> Result<Option<String>, LoadErrorKind> {
        self.files += 1;
        let octets = match (self.read)(path) {
            Ok(octets) => octets,
            Err(error) if is_optional && error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(LoadErrorKind::Read(error)),
        };
        self.octets += octets.len();
        if OCTETS_MAX < self.octets {
            return Err(LoadErrorKind::TooLarge);
        }
        Ok(Some(String::from_utf8_lossy(&octets).into_owned()))
    }
}

/// An included file that cannot be read is the fault of the line that includes it.
fn at_include(failure: Failure, included: &Path, path: &Path, number: usize) -> Failure {
    match failure {
        (_, 0, LoadErrorKind::Read(error)) => {
            let error = io::Error::new(error.kind(), format!("{}: {error}", included.display()));
            (path.to_owned(), number, LoadErrorKind::Read(error))
        }
        other => other,
    }
}

/// Removes `.` and resolves `..` by name, so that one file has one path.
fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(result.components().next_back(), Some(Component::Normal(_))) =>
            {
                result.pop();
            }
            Component::Prefix(_)
            | Component::RootDir
            | Component::ParentDir
            | Component::Normal(_) => {
                result.push(component);
            }
        }
    }
    result
}
