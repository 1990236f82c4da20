//! The interface as its users see it, on both databases: requests go through every room, without a
//! socket.

#![expect(
    clippy::unwrap_used,
    reason = "what every test here awaits may fail, and a failure ends the test"
)]

mod audit;
mod customers;
mod events;
mod examples;
mod files;
mod fixture;
mod matrix;
mod mutations;
mod nas_groups;
mod operations;
mod operators;
mod plans;
mod program;
mod registry;
mod rules;
mod secrets;
mod sessions;
mod sign_in;
mod snapshot;
mod standing;
mod strangers;
mod subscribers;
mod tenants;
mod tokens;
mod webhooks;
mod work;
