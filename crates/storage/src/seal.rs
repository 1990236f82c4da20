//! Sealed columns: XChaCha20-Poly1305 with the row as associated data.
//!
//! A sealed value is the key id (four octets, big endian), a random nonce of 24 octets, and the
//! ciphertext with its tag. The associated data is `table.column:row`, so that a value copied to
//! another row or column does not open.

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use domain::secret::Secret;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::key_ring::{KeyId, KeyRing, KeyRingError};

const NONCE_LEN: usize = 24;
const HEAD_LEN: usize = 4 + NONCE_LEN;

/// A column that holds sealed values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealedColumn {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
}

/// Of the table `router`, which had another name when the first secrets were sealed.
pub(crate) const NAS_SECRET: SealedColumn = SealedColumn {
    table: "nas",
    column: "secret",
};
pub(crate) const SUBSCRIBER_CREDENTIAL: SealedColumn = SealedColumn {
    table: "subscriber",
    column: "credential",
};
pub(crate) const OPERATOR_PASSWORD: SealedColumn = SealedColumn {
    table: "operator",
    column: "password",
};
pub(crate) const TOTP_SECRET: SealedColumn = SealedColumn {
    table: "operator",
    column: "totp_secret",
};
/// Of both secrets of a webhook, the one before as well.
pub(crate) const WEBHOOK_SECRET: SealedColumn = SealedColumn {
    table: "webhook",
    column: "secret",
};
pub(crate) const ANSWER: SealedColumn = SealedColumn {
    table: "idempotency",
    column: "answer",
};
pub(crate) const OPERATION_PART: SealedColumn = SealedColumn {
    table: "operation_part",
    column: "sealed",
};
pub(crate) const KEY_CHECK: SealedColumn = SealedColumn {
    table: "key_check",
    column: "sealed",
};

impl SealedColumn {
    pub(crate) fn seal(self, keys: &KeyRing, row: Uuid, plain: &[u8]) -> Vec<u8> {
        let (id, cipher) = keys.newest();
        let nonce = rand::random::<[u8; NONCE_LEN]>();
        let context = self.context(row);
        let payload = Payload {
            msg: plain,
            aad: context.as_bytes(),
        };
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("secrets are far shorter than 256 GiB");
        let mut stored = Vec::with_capacity(HEAD_LEN + sealed.len());
        stored.extend_from_slice(&id.0.to_be_bytes());
        stored.extend_from_slice(&nonce);
        stored.extend_from_slice(&sealed);
        stored
    }

    pub(crate) fn unseal(
        self,
        keys: &KeyRing,
        row: Uuid,
        stored: &[u8],
    ) -> Result<Secret, StoreError> {
        self.open(keys, row, stored)
            .map_err(|source| StoreError::Sealed {
                table: self.table,
                column: self.column,
                row: row.to_string(),
                source,
            })
    }

    pub(crate) fn open(
        self,
        keys: &KeyRing,
        row: Uuid,
        stored: &[u8],
    ) -> Result<Secret, KeyRingError> {
        let (head, sealed) = stored
            .split_at_checked(HEAD_LEN)
            .ok_or(KeyRingError::Truncated)?;
        let (id, nonce) = head.split_first_chunk().ok_or(KeyRingError::Truncated)?;
        let id = KeyId(u32::from_be_bytes(*id));
        let nonce = <[u8; NONCE_LEN]>::try_from(nonce).map_err(|_| KeyRingError::Truncated)?;
        let cipher = keys.find(id).ok_or_else(|| KeyRingError::UnknownKey {
            id: id.0,
            path: keys.path().into(),
        })?;
        let context = self.context(row);
        let payload = Payload {
            msg: sealed,
            aad: context.as_bytes(),
        };
        let plain = cipher
            .decrypt(&XNonce::from(nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| KeyRingError::WrongKey {
                id: id.0,
                path: keys.path().into(),
            })?;
        Ok(Secret::new(plain.as_slice()))
    }

    fn context(self, row: Uuid) -> String {
        let mut text = Uuid::encode_buffer();
        let row: &str = row.hyphenated().encode_lower(&mut text);
        [self.table, ".", self.column, ":", row].concat()
    }
}
