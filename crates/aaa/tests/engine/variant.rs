//! What only scripts do to a request.

use aaa::engine::Role;
use radius::attribute::{kind, vendor};

use crate::request::Request;

impl Request {
    pub(crate) fn with_vendor(self, kind: u8, value: &[u8]) -> Self {
        let mut payload = vendor::MICROSOFT.to_be_bytes().to_vec();
        payload.push(kind);
        payload.push(u8::try_from(value.len() + 2).expect("it fits"));
        payload.extend_from_slice(value);
        self.with(kind::VENDOR_SPECIFIC, &payload)
    }

    /// Signs with another secret.
    pub(crate) fn secret(self, secret: &'static [u8]) -> Self {
        Self { secret, ..self }
    }

    /// Goes to the port of another role.
    pub(crate) fn to(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// Leaves Message-Authenticator out, or puts it in where it is not usual.
    pub(crate) fn protected(self, is_protected: bool) -> Self {
        Self {
            is_protected,
            ..self
        }
    }
}
