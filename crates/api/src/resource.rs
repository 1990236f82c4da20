//! What can be asked for, one room a noun.

pub(crate) mod audit;
pub(crate) mod nas_group;
pub(crate) mod operator;
pub(crate) mod secret;
pub(crate) mod sign_in;
pub(crate) mod tenant;
pub(crate) mod token;
