//! RADIUS as values: bytes, time and randomness in, bytes and decisions out; no socket, no clock, no global state.

pub mod attribute;
pub mod authenticator;
pub mod avp;
pub mod client;
pub mod code;
pub mod data_type;
pub mod dictionary;
mod digest;
pub mod dynamic_authorization;
pub mod packet;
pub mod password;
pub mod secret;
pub mod signer;
pub mod tunnel_password;
pub mod value;
pub mod verifier;
pub mod writer;

/// The example of `README.md`, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
