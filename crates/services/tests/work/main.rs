//! Operations and schedules, carried out between both databases and workers that come and go.

#![expect(
    clippy::unwrap_used,
    reason = "what every test here awaits may fail, and a failure ends the test"
)]

mod operations;
mod reconcilers;
mod rows;
mod schedules;
mod site;
