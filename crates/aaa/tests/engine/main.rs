//! The protocol of one worker, played without sockets and without waiting.

mod accounting;
mod allocations;
mod clock;
mod duplicates;
mod follow;
mod hostile;
mod limits;
mod login;
mod ms_chap;
mod overload;
mod protection;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/request.rs"]
mod request;
mod script;
mod slow_hash;
mod status;
mod variant;
