//! The other side of the wire: a NAS with one subscriber's life, probes, load, and a reconnect storm.

pub mod auth;
pub mod concentrator;
mod cpu;
pub mod credentials;
pub mod echo;
mod exchange;
pub mod fault;
pub mod line;
pub mod listeners;
pub mod load;
pub mod method;
pub mod nas;
pub mod probe;
mod random;
pub mod reply;
pub mod request;
pub mod responder;
pub mod router;
pub mod storm;
