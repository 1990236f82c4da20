//! Chores of the repository, as functions that tests can call.

pub mod tidy;
