//! Leaving a FreeRADIUS: its database in, and the same answers out.

#![expect(
    clippy::unwrap_used,
    reason = "what every test here reads may be missing, and that ends the test"
)]

mod answers;
mod history;
mod interruption;
mod population;
mod preview;
mod site;
