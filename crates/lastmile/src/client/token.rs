//! The token that a server is shown.

use std::fmt;

use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The longest token.
const LEN_MAX: usize = 512;

/// A token. It shows itself nowhere but to the server, and in the file of its user.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Token(Zeroizing<String>);

/// A text that is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is 1 to {LEN_MAX} visible ASCII characters, as `lastmile token create` prints it")]
pub(crate) struct TokenError;

impl Token {
    pub(crate) fn parse(text: &str) -> Result<Self, TokenError> {
        let is_good = (1..=LEN_MAX).contains(&text.len())
            && text.bytes().all(|octet| octet.is_ascii_graphic());
        if is_good {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(TokenError)
        }
    }

    /// What the header `Authorization` says.
    pub(super) fn header(&self) -> HeaderValue {
        let text = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        let mut value = HeaderValue::from_str(&text).expect("it is visible ASCII");
        value.set_sensitive(true);
        value
    }
}

impl TryFrom<String> for Token {
    type Error = TokenError;

    fn try_from(text: String) -> Result<Self, TokenError> {
        Self::parse(&Zeroizing::new(text))
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0.to_string()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}
