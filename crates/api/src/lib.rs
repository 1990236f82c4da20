//! The HTTP interface: what can be asked, who may ask it, and how it is answered.
//!
//! A request goes through these rooms in this order: [`request`] gives it a name, [`authenticate`]
//! says who asks, [`pace`] how often they may, [`authorize`] whether they may, [`repeat`] whether it
//! was asked before, and then a room of `resource` answers it.

pub mod authenticate;
mod authorize;
mod body;
mod caller;
mod choice;
mod cookie;
mod event;
mod listing;
mod openapi;
mod pace;
mod path;
pub mod principal;
mod problem;
mod reference;
mod repeat;
mod request;
mod resource;
pub mod router;
mod secret_text;
mod series;
pub mod state;
mod tagged;
