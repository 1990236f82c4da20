//! Why rows stay rows.

use std::fmt;

use crate::cause::Problem;

/// What keeps rows from being a subscriber on a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The name is none that a subscriber can have.
    Name,
    /// FreeRADIUS cannot read a row.
    Row(Problem),
    /// A check that depends on the request, by its attribute.
    Comparison(String),
    /// A value that is put together from the request.
    Expansion,
    /// `Auth-Type` says something else than `Reject`.
    AuthType,
    /// `User-Password` in a check.
    UserPassword,
    /// Hours or counters, by the attribute.
    Limit(String),
    /// No row has a password.
    NoPassword,
    /// More than one password would do.
    SeveralPasswords,
    /// A kind of password that subscribers do not have, by its attribute.
    PasswordKind(&'static str),
    /// Something that no plan says, by the attribute of the reply.
    Reply(String),
    /// A value that plans and subscribers do not have, by the attribute.
    Value(String),
}

impl Obstacle {
    /// Its name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Row(_) => "unreadable_row",
            Self::Comparison(_) => "comparison",
            Self::Expansion => "expansion",
            Self::AuthType => "auth_type",
            Self::UserPassword => "user_password",
            Self::Limit(_) => "limit",
            Self::NoPassword => "no_password",
            Self::SeveralPasswords => "several_passwords",
            Self::PasswordKind(_) => "password_kind",
            Self::Reply(_) => "reply_attribute",
            Self::Value(_) => "value",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => {
                formatter.write_str("the name has other characters than a subscriber's may have")
            }
            Self::Row(problem) => write!(formatter, "FreeRADIUS cannot read a row: {problem}"),
            Self::Comparison(attribute) => {
                write!(formatter, "{attribute} is compared with the request")
            }
            Self::Expansion => formatter.write_str("a value in back quotes depends on the request"),
            Self::AuthType => formatter.write_str("Auth-Type chooses a method, or needs no proof"),
            Self::UserPassword => formatter.write_str("User-Password is no known-good password"),
            Self::Limit(attribute) => write!(formatter, "{attribute} limits hours or usage"),
            Self::NoPassword => formatter.write_str("no row has a password"),
            Self::SeveralPasswords => formatter.write_str("more than one password is stored"),
            Self::PasswordKind(attribute) => {
                write!(
                    formatter,
                    "{attribute} has a hash that subscribers do not have"
                )
            }
            Self::Reply(attribute) => write!(formatter, "no plan sends {attribute}"),
            Self::Value(attribute) => {
                write!(formatter, "{attribute} has a value that plans do not have")
            }
        }
    }
}
