//! The AAA node: answers Access-Requests from memory and acknowledges accounting once it is durable.
//!
//! [`node`] puts the pieces together. [`engine`] is the protocol as a value without sockets or
//! clocks; [`worker`] gives one engine its sockets. What the node needs from the outside is in
//! [`port`].

pub mod accounting;
pub mod announcement;
mod arrivals;
pub mod auth_log;
pub mod claims;
pub mod directory;
pub mod duplicate;
pub mod dynamic_authorization;
pub mod encode;
pub mod engine;
pub mod follow;
pub mod guard;
pub mod inbox;
pub mod journal;
mod knock;
pub mod limits;
pub mod mac_login;
pub mod metrics;
pub mod nas_table;
pub mod neighbours;
pub mod node;
mod outbox;
mod overload;
pub mod policy_table;
pub mod port;
pub mod proof;
pub mod relay;
pub mod reply;
pub mod request;
mod row_login;
pub mod row_table;
pub mod session_table;
mod signing;
pub mod snapshot;
pub mod socket;
pub mod spooling;
pub mod stale;
mod subscriber_table;
mod tally;
pub mod trouble;
pub mod verifier;
pub mod worker;
