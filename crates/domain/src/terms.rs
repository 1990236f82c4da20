//! On which terms a session goes on, so far as it can be compared with the terms that are due.

/// A part of what was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// Speeds.
    Rate,
    /// Session-Timeout, Idle-Timeout, volumes: by which rules they are made, not what is left.
    Limits,
    /// The address list or filter.
    Filter,
    /// Addresses, prefixes, pools and routes.
    Address,
    /// Where the browser is sent.
    Redirect,
    /// Everything else that was granted.
    Other,
}
