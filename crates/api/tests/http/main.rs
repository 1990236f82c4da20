//! The interface as its users see it, on both databases: requests go through every room, without a
//! socket.

#![expect(
    clippy::unwrap_used,
    reason = "what every test here awaits may fail, and a failure ends the test"
)]

mod examples;
mod files;
mod fixture;
mod matrix;
mod mutations;
mod nas_groups;
mod operations;
mod plans;
mod registry;
mod rules;
mod snapshot;
mod strangers;
mod work;
