//! A router as FreeRADIUS' table `nas` describes it, and the NAS that it is for us.

use crate::id::{NasId, TenantId};
use crate::name::Name;
use crate::nas::{MessageAuthenticatorPolicy, Nas, NasSettings, SourceError, Vendor, parse_source};
use crate::secret::Secret;

/// The ids of these routers begin so (RFC 9562 §5.8) and end with the number of the row.
const ID_PREFIX: u128 = 0x7261_646e_6173_8000_8000_0000_0000_0000;

/// Octets that a shared secret has at most.
const SECRET_LEN_MAX: usize = 128;

/// What a row has when nobody gave it a secret.
const SECRET_OF_THE_TABLE: &[u8] = b"secret";

/// A row of `nas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowNas {
    pub id: i64,
    /// An address, a prefix or a host name.
    pub nasname: String,
    pub shortname: Option<String>,
    /// FreeRADIUS' word for the kind of router.
    pub kind: Option<String>,
    pub secret: Secret,
}

/// Why a row is no router here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowNasError {
    #[error(
        "nasname: host names are not looked up, and a router is found by the address of its packets"
    )]
    Source(#[source] SourceError),
    #[error("secret: it is empty")]
    SecretEmpty,
    #[error(
        "secret: it is the default of the table, which everybody knows: set one for this router"
    )]
    SecretOfTheTable,
    #[error("secret: {octets} octets are too many, routers take {SECRET_LEN_MAX} at most")]
    SecretTooLong { octets: usize },
}

impl RowNas {
    /// The router that the row describes, in the default tenant. FreeRADIUS demands no
    /// Message-Authenticator, so one is demanded here from the first request that had one.
    pub fn to_nas(&self) -> Result<Nas, RowNasError> {
        let source = parse_source(self.nasname.trim()).map_err(RowNasError::Source)?;
        let secret = self.secret.expose();
        if secret.is_empty() {
            return Err(RowNasError::SecretEmpty);
        }
        if secret == SECRET_OF_THE_TABLE {
            return Err(RowNasError::SecretOfTheTable);
        }
        if SECRET_LEN_MAX < secret.len() {
            return Err(RowNasError::SecretTooLong {
                octets: secret.len(),
            });
        }
        Ok(Nas {
            id: self.nas_id(),
            tenant: TenantId::DEFAULT,
            name: self.name(),
            source,
            secret: self.secret.clone(),
            settings: NasSettings {
                vendor: self.vendor(),
                message_authenticator: MessageAuthenticatorPolicy::Auto,
                ..NasSettings::default()
            },
            groups: Vec::new(),
        })
    }

    /// The same for the same row at every start.
    fn nas_id(&self) -> NasId {
        let number = u128::from(self.id.cast_unsigned()) & 0x3fff_ffff_ffff_ffff;
        NasId::from_bytes((ID_PREFIX | number).to_be_bytes())
    }

    fn name(&self) -> Name {
        let shortname = self.shortname.as_deref().map(str::trim);
        let names = [shortname.unwrap_or_default(), self.nasname.trim()];
        let name = names.iter().find_map(|name| name.parse().ok());
        name.unwrap_or_else(|| {
            let number = format!("nas-{}", self.id);
            number.parse().expect("a word and a number are a name")
        })
    }

    fn vendor(&self) -> Vendor {
        let kind = self.kind.as_deref().unwrap_or_default().trim();
        // `coova`, `CoovaChilli-AP`, `chillispot`: panels write it as they like.
        let lower = kind.to_ascii_lowercase();
        if lower.starts_with("coova") || lower.starts_with("chilli") {
            return Vendor::Coova;
        }
        let known = [Vendor::Mikrotik, Vendor::Cisco];
        let vendor = known
            .into_iter()
            .find(|vendor| vendor.as_str().eq_ignore_ascii_case(kind));
        vendor.unwrap_or(Vendor::Generic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(nasname: &str, shortname: &str, secret: &str) -> RowNas {
        RowNas {
            id: 7,
            nasname: nasname.to_owned(),
            shortname: Some(shortname.to_owned()),
            kind: Some("MikroTik".to_owned()),
            secret: Secret::from(secret),
        }
    }

    #[test]
    fn a_row_with_an_address_or_a_prefix_is_a_router() {
        for (nasname, shortname, name, source) in [
            ("192.0.2.1", "pop", "pop", "192.0.2.1/32"),
            ("10.8.1.0/16", " ", "10.8.1.0/16", "10.8.0.0/16"),
            (" 2001:db8::1 ", "six", "six", "2001:db8::1/128"),
        ] {
            let nas = row(nasname, shortname, "testing123").to_nas();
            let nas = nas.expect("a good row");
            assert_eq!(nas.name.as_str(), name);
            assert_eq!(nas.source.to_string(), source);
            assert_eq!(nas.settings.vendor, Vendor::Mikrotik);
            let policy = nas.settings.message_authenticator;
            assert_eq!(policy, MessageAuthenticatorPolicy::Auto);
            assert_eq!(nas.id.to_string(), "7261646e-6173-8000-8000-000000000007");
        }
    }

    #[test]
    fn a_row_that_is_no_router_says_why() {
        let long = "x".repeat(129);
        for (nasname, secret, expected) in [
            ("pop.example", "testing123", "nasname: "),
            ("0.0.0.0/0", "testing123", "nasname: "),
            ("", "testing123", "nasname: "),
            ("192.0.2.1", "", "secret: it is empty"),
            ("192.0.2.1", "secret", "secret: it is the default"),
            ("192.0.2.1", long.as_str(), "secret: 129 octets"),
        ] {
            let error = row(nasname, "pop", secret).to_nas();
            let error = error.expect_err("a bad row").to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
