//! Where a page ended: the key of its last row, in a text that means nothing to others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Direction, ListError, ListQuery};

const FINGERPRINT_LEN: usize = 8;
const ID_LEN: usize = 16;

/// A value by which rows are sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Number(i64),
    Text(String),
}

/// The key of a row, and its id among rows with the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) key: Key,
    pub(crate) id: Uuid,
}

impl Key {
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

/// What a list is known by: its conditions and its order.
pub(crate) fn fingerprint(
    query: &ListQuery,
    (order, direction): (&str, Direction),
) -> [u8; FINGERPRINT_LEN] {
    let asked = format!(
        "{:?} {:?} {order} {direction:?}",
        query.conditions, query.search
    );
    let hash: [u8; 32] = Sha256::digest(asked.as_bytes()).into();
    hash.first_chunk().copied().unwrap_or_default()
}

impl Place {
    /// The place in a list, for whoever wants the next page.
    pub(crate) fn to_token(&self, list: [u8; FINGERPRINT_LEN]) -> String {
        let mut octets = list.to_vec();
        octets.extend(self.id.as_bytes());
        match &self.key {
            Key::Number(number) => {
                octets.push(0);
                octets.extend(number.to_be_bytes());
            }
            Key::Text(text) => {
                octets.push(1);
                octets.extend(text.as_bytes());
            }
        }
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// The place that a text names, if it is one of this list.
    pub(crate) fn from_token(token: &str, list: [u8; FINGERPRINT_LEN]) -> Result<Self, ListError> {
        let octets = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| ListError::Cursor)?;
        let (of, rest) = octets
            .split_first_chunk::<FINGERPRINT_LEN>()
            .ok_or(ListError::Cursor)?;
        let (id, rest) = rest
            .split_first_chunk::<ID_LEN>()
            .ok_or(ListError::Cursor)?;
        if *of != list {
            return Err(ListError::Cursor);
        }
        let key = match rest.split_first() {
            Some((0, number)) => number
                .try_into()
                .ok()
                .map(|octets| Key::Number(i64::from_be_bytes(octets))),
            // PostgreSQL takes no NUL, and no text of ours has one.
            Some((1, text)) if !text.contains(&0) => {
                String::from_utf8(text.to_vec()).ok().map(Key::Text)
            }
            Some(_) | None => None,
        };
        Ok(Self {
            key: key.ok_or(ListError::Cursor)?,
            id: Uuid::from_bytes(*id),
        })
    }
}
