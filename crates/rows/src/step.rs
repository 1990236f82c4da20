//! What happened to a request on its way through the rows, for whoever explains a decision.

use smallvec::SmallVec;

/// The steps of one evaluation, in order.
pub type Steps = SmallVec<[Step; 8]>;

/// Whose rows were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The user's own.
    User,
    /// Those of the user's group of this place, counted from 0 in the order of priority.
    Group(u16),
    /// Those of the group of this place of the user's profile.
    Profile(u16),
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The user has no row in `radcheck`, so `radreply` is not read.
    NoCheckRows,
    /// Every check matched, and what is assigned was assigned.
    Matched(Whose),
    /// A check did not match; here is its row.
    Mismatched(Whose, i64),
    /// The reply says `Fall-Through = No`, or says nothing and is a group's, so no further group is asked.
    Stopped(Whose),
    /// The reply says `Fall-Through = Yes`.
    FellThrough(Whose),
    /// The groups of `User-Profile` are asked.
    ProfileAsked,
    /// `User-Profile` names somebody who is in no group.
    ProfileUnknown,
    /// A row ended the evaluation.
    Failed(Whose, i64),
}
