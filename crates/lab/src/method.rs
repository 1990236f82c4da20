//! How a subscriber proves the password.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// An authentication method that access routers use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The password itself, hidden (RFC 2865 §5.2).
    #[default]
    Pap,
    /// CHAP with MD5 (RFC 2865 §5.3).
    Chap,
    /// MS-CHAP version 1 (RFC 2433, RFC 2548 §2.1).
    MsChapV1,
    /// MS-CHAP version 2 (RFC 2759, RFC 2548 §2.3).
    MsChapV2,
}

/// A text that names no method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not a method: write pap, chap, mschapv1 or mschapv2")]
pub struct MethodError {
    raw: String,
}

impl Method {
    /// Every method, in the order they are shown.
    pub const ALL: [Self; 4] = [Self::Pap, Self::Chap, Self::MsChapV1, Self::MsChapV2];

    /// The name that [`FromStr`] takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pap => "pap",
            Self::Chap => "chap",
            Self::MsChapV1 => "mschapv1",
            Self::MsChapV2 => "mschapv2",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Method {
    type Err = MethodError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match raw.to_ascii_lowercase().as_str() {
            "pap" => Ok(Self::Pap),
            "chap" => Ok(Self::Chap),
            "mschap" | "mschapv1" => Ok(Self::MsChapV1),
            "mschapv2" => Ok(Self::MsChapV2),
            _ => Err(MethodError { raw: raw.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_reads_what_it_prints() {
        for method in Method::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.name());
        }
    }

    #[test]
    fn method_names_what_it_accepts() {
        let error = "eap".parse::<Method>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "'eap' is not a method: write pap, chap, mschapv1 or mschapv2"
        );
    }
}
