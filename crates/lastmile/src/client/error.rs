//! Why a request came to nothing.

use reqwest::StatusCode;

use super::problem::Problem;
use super::trust::TrustError;
use crate::app::StartError;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The local database could not be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The interface said no.
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("{place} cannot be reached")]
    Unreachable {
        place: String,
        #[source]
        source: reqwest::Error,
    },
    #[error(
        "{place} shows a certificate that is not believed: give --ca-file with its authority, or --fingerprint with the SHA-256 that the server logs"
    )]
    Untrusted {
        place: String,
        #[source]
        source: rustls::Error,
    },
    #[error(
        "{place} answered {status}, but not as lastmile does: is it the address of a lastmile server?"
    )]
    Strange { place: String, status: StatusCode },
    #[error("{place} sends its visitors to {to}: give that address with --server")]
    Moved { place: String, to: String },
    #[error("{place} answered more than {most} octets")]
    TooLarge { place: String, most: usize },
    #[error(
        "{place} answered something else than expected: is it of the same version as this program?"
    )]
    Unreadable {
        place: String,
        #[source]
        source: serde_json::Error,
    },
}
