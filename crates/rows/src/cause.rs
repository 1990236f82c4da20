//! Why rows end in a refusal before any password is looked at.

use std::fmt;
use std::sync::Arc;

/// The table that a row is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// `radcheck`.
    Check,
    /// `radreply`.
    Reply,
    /// `radgroupcheck`.
    GroupCheck,
    /// `radgroupreply`.
    GroupReply,
    /// `radusergroup`.
    UserGroup,
}

/// A row, and what about it ends in a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Where the row is.
    pub table: Table,
    /// Its primary key.
    pub row: i64,
    /// The name of its attribute, as stored.
    pub attribute: Arc<str>,
    /// What is wrong.
    pub problem: Problem,
}

/// What about a row ends in a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The attribute has no name.
    NoAttribute,
    /// The dictionary has no attribute of that name.
    UnknownAttribute,
    /// What follows the colon is no tag.
    BadTag,
    /// The operator is none.
    BadOperator,
    /// The value is none of the attribute's type; here is what the type accepts.
    BadValue {
        /// What is accepted.
        expected: &'static str,
    },
    /// The regular expression cannot be compiled, or needs what is not supported.
    BadPattern {
        /// What is wrong with it.
        reason: PatternProblem,
    },
    /// The back-quoted text asks for an expansion that is not supported.
    BadExpansion,
    /// Strict only: a check of the user does not match.
    CheckMismatch,
    /// Strict only: the operator makes the password one that is never compared.
    PasswordOperator,
    /// Strict only: `User-Password` is no known-good password.
    PasswordAttribute,
}

/// What is wrong with a regular expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternProblem {
    /// It looks ahead or behind, which is not supported.
    LookAround,
    /// It refers back to a group, which is not supported.
    BackReference,
    /// Compiled, it is too large.
    TooLarge,
    /// It has another feature of PCRE that is not supported.
    Unsupported,
}

impl Table {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Check => "radcheck",
            Self::Reply => "radreply",
            Self::GroupCheck => "radgroupcheck",
            Self::GroupReply => "radgroupreply",
            Self::UserGroup => "radusergroup",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One sentence, without the value, which may be a secret.
impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "row {} of {} ('{}'): {}",
            self.row, self.table, self.attribute, self.problem
        )
    }
}

impl Problem {
    /// A stable name for logs and scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoAttribute => "no_attribute",
            Self::UnknownAttribute => "unknown_attribute",
            Self::BadTag => "bad_tag",
            Self::BadOperator => "bad_operator",
            Self::BadValue { .. } => "bad_value",
            Self::BadPattern { .. } => "bad_pattern",
            Self::BadExpansion => "bad_expansion",
            Self::CheckMismatch => "check_mismatch",
            Self::PasswordOperator => "password_operator",
            Self::PasswordAttribute => "password_attribute",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAttribute => formatter.write_str("the attribute has no name"),
            Self::UnknownAttribute => {
                formatter.write_str("the dictionary has no attribute of this name")
            }
            Self::BadTag => formatter.write_str("behind the colon there is no tag from 0 to 31"),
            Self::BadOperator => formatter.write_str("the operator is none of FreeRADIUS'"),
            Self::BadValue { expected } => write!(formatter, "the value is not {expected}"),
            Self::BadPattern { reason } => write!(formatter, "the regular expression {reason}"),
            Self::BadExpansion => formatter
                .write_str("the text in back quotes asks for an expansion that is not supported"),
            Self::CheckMismatch => formatter.write_str("the check does not match the request"),
            Self::PasswordOperator => {
                formatter.write_str("the operator makes this a password that is never compared")
            }
            Self::PasswordAttribute => formatter
                .write_str("User-Password is no known-good password: use Cleartext-Password"),
        }
    }
}

impl fmt::Display for PatternProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::LookAround => "looks ahead or behind, which is not supported",
            Self::BackReference => "refers back to a group, which is not supported",
            Self::TooLarge => "is too large",
            Self::Unsupported => "has a feature of PCRE that is not supported",
        })
    }
}
