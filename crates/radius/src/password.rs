//! Password methods: what proves a password inside an Access-Request, and the session keys that follow from it.

pub mod chap;
pub mod mppe;
pub mod mschap;
pub mod pap;

pub(crate) mod salted;
