//! Rows made at random, and what two servers make of them: one is FreeRADIUS, the other ours.
//!
//! A case is one user with groups of its own and some questions, so that it means the same alone as
//! among thousands, and a difference can be made small by leaving out one row after the other.

pub mod ask;
pub mod case;
pub mod classics;
pub mod contest;
pub mod generate;
pub mod names;
mod password;
pub mod settings;
mod vocabulary;
