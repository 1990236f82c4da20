//! The protocol of one worker, played without sockets and without waiting.

mod access;
mod accounting;
mod allocations;
mod clock;
mod devices;
mod duplicates;
mod follow;
mod guarding;
mod hostile;
mod limits;
mod login;
mod mac_login;
mod ms_chap;
mod overload;
mod protection;
mod realms;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/request.rs"]
mod request;
mod rights;
mod rights_play;
mod rows;
mod script;
mod slow_hash;
mod status;
mod variant;
