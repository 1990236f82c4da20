//! Builds the requests that a NAS would send.

use aaa::engine::Role;
use radius::attribute::kind;
use radius::code::Code;
use radius::password::pap;
use radius::writer::PacketWriter;

use crate::registry::SECRET;

/// A request before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) code: Code,
    pub(crate) role: Role,
    pub(crate) identifier: u8,
    pub(crate) authenticator: [u8; 16],
    pub(crate) secret: &'static [u8],
    pub(crate) is_protected: bool,
    pub(crate) attributes: Vec<(u8, Vec<u8>)>,
}

impl Request {
    pub(crate) fn access(user_name: impl AsRef<[u8]>) -> Self {
        Self::new(Code::AccessRequest, Role::Authentication)
            .with(kind::USER_NAME, user_name.as_ref())
    }

    pub(crate) fn accounting(status: u32, session: &str) -> Self {
        Self::new(Code::AccountingRequest, Role::Accounting)
            .with(kind::ACCT_STATUS_TYPE, &status.to_be_bytes())
            .with(kind::ACCT_SESSION_ID, session.as_bytes())
    }

    pub(crate) fn new(code: Code, role: Role) -> Self {
        Self {
            code,
            role,
            identifier: 7,
            authenticator: [0x5a; 16],
            secret: SECRET,
            is_protected: code != Code::AccountingRequest,
            attributes: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, kind: u8, value: &[u8]) -> Self {
        self.attributes.push((kind, value.to_vec()));
        self
    }

    /// Adds User-Password for the authenticator as it is now.
    pub(crate) fn pap(self, password: &str) -> Self {
        let mut out = [0; pap::PASSWORD_LENGTH_MAX];
        let value = pap::encrypt(
            password.as_bytes(),
            self.secret,
            &self.authenticator,
            &mut out,
        );
        let value = value.expect("it fits").to_vec();
        self.with(kind::USER_PASSWORD, &value)
    }

    pub(crate) fn identifier(self, identifier: u8) -> Self {
        Self { identifier, ..self }
    }

    /// Comes before [`Self::pap`], which depends on it.
    pub(crate) fn authenticator(self, seed: u8) -> Self {
        let authenticator = [seed; 16];
        Self {
            authenticator,
            ..self
        }
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        let mut writer = PacketWriter::new(&mut buffer, self.code, self.identifier);
        if self.is_protected {
            writer.push_message_authenticator().expect("it fits");
        }
        for (kind, value) in &self.attributes {
            writer.push(*kind, value).expect("it fits");
        }
        if self.code == Code::AccountingRequest {
            writer.finish_accounting_request(self.secret);
        } else {
            writer.finish_access_request(&self.authenticator, self.secret);
        }
        buffer
    }
}
