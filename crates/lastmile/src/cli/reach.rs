//! Where each command can work.

use super::Command;

/// Where a command can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Here and elsewhere.
    Anywhere,
    /// On the database of its machine, beside its server.
    Database,
    /// On its machine, whatever database is meant.
    Machine,
    /// It has a meaning of its own for the options that name a server.
    Itself,
}

impl Command {
    /// Where the command can work.
    pub(super) const fn reach(&self) -> Reach {
        match self {
            Self::Nas(_)
            | Self::Plan(_)
            | Self::Garden(_)
            | Self::Realm(_)
            | Self::Operation(_) => Reach::Anywhere,
            Self::Tenant(_)
            | Self::Customer(_)
            | Self::Subscriber(_)
            | Self::Search(_)
            | Self::Rows(_)
            | Self::Message(_)
            | Self::Token(_)
            | Self::Directory(_)
            | Self::Session(_)
            | Self::Usage(_)
            | Self::Log(_)
            | Self::Why(_)
            | Self::Explain(_)
            | Self::Guard(_)
            | Self::Import(_)
            | Self::Schedule(_)
            | Self::Reconciler(_)
            | Self::Job(_)
            | Self::Operator(_)
            | Self::Audit(_)
            | Self::Secret(_)
            | Self::Events(_)
            | Self::Webhook(_) => Reach::Database,
            Self::Serve(_)
            | Self::Migrate(_)
            | Self::Config(_)
            | Self::Relay(_)
            | Self::Retention(_)
            | Self::Doctor(_)
            | Self::Completions { .. } => Reach::Machine,
            Self::Lab(command) => command.reach(),
            Self::Context(_) | Self::TestAuth(_) => Reach::Itself,
        }
    }
}
