//! The lab against a small RADIUS server on the loopback interface.

mod load;
mod login;
mod nas;
mod responder;
mod storm;
