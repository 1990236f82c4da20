//! Asking the program why somebody cannot get on, and what would be answered to a login.

use std::net::IpAddr;

use domain::id::TenantId;
use domain::secret::Secret;
use domain::time::Timestamp;
use storage::error::StoreError;

/// Why somebody cannot get on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    pub tenant: TenantId,
    /// As the person types it.
    pub user_name: String,
    /// The moment that is asked about; now when it is absent.
    pub at: Option<Timestamp>,
}

/// What a router would be answered.
#[derive(Debug)]
pub struct Login {
    pub tenant: TenantId,
    /// As the router would send it.
    pub user_name: String,
    pub nas: NasReference,
    /// Attributes of the request, each as `NAME=VALUE`.
    pub attributes: Vec<String>,
    /// Taken as given when it is absent.
    pub password: Option<Secret>,
    pub at: Option<Timestamp>,
}

/// The router that would ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NasReference {
    Name(String),
    Address(IpAddr),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum InquiryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was asked cannot be, and which part of it.
    #[error("{field}: {detail}")]
    Invalid { field: &'static str, detail: String },
    /// As many are asked about as can be at a time.
    #[error("too many are asked about at once; try again in a moment")]
    Busy,
    #[error("the database cannot be reached now")]
    NoDatabase,
    /// The log of the program says why.
    #[error("the decision could not be tried out")]
    Failed,
}
