//! What the attribute rows of FreeRADIUS mean: compiled when they change, evaluated when a request comes, and linted.
//!
//! A [`compiler::Compiler`] turns the rows of a user or a group into a program; nothing is parsed when a packet comes.
//! [`authorize::authorize`] runs the programs of a user and their groups against a request, as rlm_sql of FreeRADIUS 3.2
//! does, and gives an [`access::Access`]: the known-good passwords, the limits, and the reply attributes.

pub mod access;
pub mod attribute;
pub mod authorize;
pub mod cause;
mod check;
mod compare;
pub mod compiler;
pub mod conversion;
mod expand;
mod fill;
pub mod interim;
pub mod limit;
pub mod lint;
mod merge;
pub mod name;
pub mod operator;
pub mod password;
mod pattern;
pub mod program;
mod quote;
pub mod request;
pub mod row;
pub mod step;
mod value;
