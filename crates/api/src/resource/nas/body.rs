//! What is sent about a router.

use domain::id::TenantId;
use domain::nas::{
    MacAuthentication, MessageAuthenticatorPolicy, NasSettings, NasSharing, OctetView, Vendor,
    parse_source,
};
use domain::session_identity::{IdentityError, IdentityTemplate};
use serde::Deserialize;
use storage::nas::{NasPatch, NewNas};
use utoipa::ToSchema;

use super::{chosen_secret, made_secret};
use crate::body::{Fields, given, present};
use crate::choice;
use crate::problem::Problem;

const IDENTIFIER_OCTETS_MAX: usize = 253;

/// A router to be registered.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNasBody {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Where its packets come from: an address, or a prefix for several routers.
    address: String,
    /// Made when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 128)]
    secret: Option<String>,
    /// `mikrotik` when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::vendor)]
    vendor: Option<Vendor>,
    /// Requests with another NAS-Identifier are refused.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 253)]
    identifier: Option<String>,
    /// `required` when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::message_authenticator)]
    message_authenticator: Option<MessageAuthenticatorPolicy>,
    /// `nas` when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::octet_view)]
    octet_view: Option<OctetView>,
    /// 3799 when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u16, required = false, minimum = 1, maximum = 65535)]
    coa_port: Option<u16>,
    /// `off` when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::mac_authentication)]
    mac_authentication: Option<MacAuthentication>,
    /// `own` when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::sharing)]
    sharing: Option<NasSharing>,
    /// Attributes with `,` between them, sets of them with `;`, tried in order.
    #[serde(default)]
    coa_identity: Option<String>,
}

/// What to change of a router.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NasPatchBody {
    #[serde(deserialize_with = "given")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    name: Option<String>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    address: Option<String>,
    #[serde(deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::vendor)]
    vendor: Option<Vendor>,
    /// `null` accepts every NAS-Identifier.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 253)]
    identifier: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::message_authenticator)]
    message_authenticator: Option<MessageAuthenticatorPolicy>,
    #[serde(deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::octet_view)]
    octet_view: Option<OctetView>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = u16, required = false, minimum = 1, maximum = 65535)]
    coa_port: Option<u16>,
    #[serde(deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::mac_authentication)]
    mac_authentication: Option<MacAuthentication>,
    #[serde(deserialize_with = "given")]
    #[schema(required = false, schema_with = choice::sharing)]
    sharing: Option<NasSharing>,
    /// `null` goes back to the usual way of the vendor.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    coa_identity: Option<Option<String>>,
}

impl NewNasBody {
    /// The router, and its secret if it was made here.
    pub(super) fn resolve(self, tenant: TenantId) -> Result<(NewNas, Option<String>), Problem> {
        let mut fields = Fields::default();
        let name = fields.parse("name", &self.name);
        let source = fields.take("address", Some(self.address), |text| parse_source(&text));
        let secret = chosen_secret(&mut fields, self.secret.as_deref());
        let usual = NasSettings::default();
        let settings = NasSettings {
            vendor: self.vendor.unwrap_or(usual.vendor),
            identifier: fields.take("identifier", self.identifier, identifier),
            message_authenticator: self
                .message_authenticator
                .unwrap_or(usual.message_authenticator),
            octet_view: self.octet_view.unwrap_or(usual.octet_view),
            coa_port: fields
                .take("coa_port", self.coa_port, port)
                .unwrap_or(usual.coa_port),
            mac_authentication: self.mac_authentication.unwrap_or(usual.mac_authentication),
            sharing: self.sharing.unwrap_or(usual.sharing),
            coa_identity: fields.take("coa_identity", self.coa_identity, identity),
        };
        fields.check()?;
        let (Some(name), Some(source)) = (name, source) else {
            return Err(Problem::internal());
        };
        let (secret, made) = secret.unwrap_or_else(made_secret);
        let new = NewNas {
            tenant,
            name,
            source,
            secret,
            settings,
        };
        Ok((new, made))
    }
}

impl NasPatchBody {
    pub(super) fn resolve(self) -> Result<NasPatch, Problem> {
        let mut fields = Fields::default();
        let patch = NasPatch {
            name: fields.take("name", self.name, |name: String| name.parse()),
            source: fields.take("address", self.address, |text: String| parse_source(&text)),
            secret: None,
            vendor: self.vendor,
            identifier: fields.take_nested("identifier", self.identifier, identifier),
            message_authenticator: self.message_authenticator,
            octet_view: self.octet_view,
            coa_port: fields.take("coa_port", self.coa_port, port),
            mac_authentication: self.mac_authentication,
            sharing: self.sharing,
            coa_identity: fields.take_nested("coa_identity", self.coa_identity, identity),
        };
        fields.check()?;
        Ok(patch)
    }
}

fn identifier(text: String) -> Result<String, &'static str> {
    let fits = (1..=IDENTIFIER_OCTETS_MAX).contains(&text.len());
    match fits && !text.chars().any(char::is_control) {
        true => Ok(text),
        false => Err("a NAS-Identifier has 1 to 253 octets without control characters"),
    }
}

const fn port(port: u16) -> Result<u16, &'static str> {
    match port {
        0 => Err("a port is 1 to 65535"),
        port => Ok(port),
    }
}

fn identity(text: String) -> Result<IdentityTemplate, IdentityError> {
    text.parse()
}
