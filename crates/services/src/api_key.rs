//! API keys: made, shown once, and recognised by their hashes.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::id::TenantId;
use domain::name::Name;
use domain::permission::{Role, Scopes};
use domain::secret::Secret;
use domain::time::Timestamp;
use ipnet::IpNet;
use sha2::{Digest as _, Sha256};
use storage::api_key::{ApiKeyPatch, ApiKeySummary, NewApiKey};
use storage::error::{Resource, StoreError};
use storage::operator::permitted;
use storage::store::Store;

use crate::reach::{self, BeyondReach};

/// Every key begins with it, so that a key in the wrong place is recognised.
const PREFIX: &str = "lm_";

/// Random octets of a key.
const RANDOM_LEN: usize = 32;

/// How much of a key its list shows.
const HINT_LEN: usize = PREFIX.len() + 6;

/// A key as it is shown once, and what is stored of it.
#[derive(Debug)]
pub struct FreshKey {
    pub text: Secret,
    pub hash: [u8; 32],
    pub hint: String,
}

/// What a key that was shown comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    Good(Box<ApiKeySummary>),
    /// No key is, or it has expired.
    Unknown,
    /// It may not be used from there.
    WrongNetwork,
}

/// A key to be made, as somebody wants it.
#[derive(Clone, Debug)]
pub struct Draft {
    pub tenant: TenantId,
    pub name: Name,
    pub role: Option<Role>,
    pub scopes: Scopes,
    pub networks: Vec<IpNet>,
    pub expires_at: Option<Timestamp>,
}

/// A key with its text, which is shown once.
#[derive(Clone, Debug)]
pub struct WithText {
    pub key: ApiKeySummary,
    pub text: Secret,
}

/// Why something about a key was not done.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Beyond(#[from] BeyondReach),
}

/// Makes a key that permits no more than who asks may do.
pub async fn create(store: &Store, by: &Scopes, draft: Draft) -> Result<WithText, ApiKeyError> {
    reach::check(by, &permitted(draft.role, &draft.scopes))?;
    let fresh = make();
    let key = store
        .api_key_insert(NewApiKey {
            tenant: draft.tenant,
            name: draft.name,
            hash: fresh.hash,
            hint: fresh.hint,
            role: draft.role,
            scopes: draft.scopes,
            networks: draft.networks,
            expires_at: draft.expires_at,
        })
        .await?;
    Ok(WithText {
        key,
        text: fresh.text,
    })
}

/// Changes what a key permits, within what who asks may do.
pub async fn update(
    store: &Store,
    by: &Scopes,
    (tenant, name): (TenantId, &Name),
    patch: ApiKeyPatch,
) -> Result<ApiKeySummary, ApiKeyError> {
    let before = within_reach(store, by, (tenant, name)).await?;
    let role = patch.role.unwrap_or(before.role);
    let scopes = patch.scopes.as_ref().unwrap_or(&before.scopes);
    reach::check(by, &permitted(role, scopes))?;
    Ok(store.api_key_update(tenant, name, patch).await?)
}

/// Puts a new text in the place of a key's, which holds beside it for a while.
pub async fn rotate(
    store: &Store,
    by: &Scopes,
    (tenant, name): (TenantId, &Name),
    overlap_seconds: u32,
) -> Result<WithText, ApiKeyError> {
    within_reach(store, by, (tenant, name)).await?;
    let fresh = make();
    let key = store
        .api_key_rotate(tenant, name, (fresh.hash, &fresh.hint), overlap_seconds)
        .await?;
    Ok(WithText {
        key,
        text: fresh.text,
    })
}

/// The key, unless it permits more than who asks may do.
async fn within_reach(
    store: &Store,
    by: &Scopes,
    (tenant, name): (TenantId, &Name),
) -> Result<ApiKeySummary, ApiKeyError> {
    let key = store.api_key_named(tenant, name).await?;
    let key = key.ok_or_else(|| StoreError::NotFound {
        what: Resource::ApiKey,
        name: name.to_string(),
    })?;
    reach::check(by, &key.permitted())?;
    Ok(key)
}

/// Makes a key.
pub fn make() -> FreshKey {
    let random = rand::random::<[u8; RANDOM_LEN]>();
    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    FreshKey {
        hash: hash(&text),
        hint: text[..HINT_LEN].to_owned(),
        text: Secret::new(text.as_bytes()),
    }
}

/// Recognises a key, and writes down that it was used.
pub async fn recognise(
    store: &Store,
    text: &str,
    from: Option<IpAddr>,
    now: Timestamp,
) -> Result<Shown, StoreError> {
    let Some(key) = store.api_key_find(&hash(text)).await? else {
        return Ok(Shown::Unknown);
    };
    if key.expires_at.is_some_and(|end| end <= now) {
        return Ok(Shown::Unknown);
    }
    let is_within = |from: IpAddr| key.networks.iter().any(|network| network.contains(&from));
    if !key.networks.is_empty() && !from.is_some_and(is_within) {
        return Ok(Shown::WrongNetwork);
    }
    let place = from.map(|from| from.to_string()).unwrap_or_default();
    // A key works also while nothing can be written.
    if let Err(problem) = store.api_key_used(&key, &place).await {
        tracing::warn!(
            error = &problem as &dyn std::error::Error,
            "The use of API key {} could not be written down",
            key.name
        );
    }
    Ok(Shown::Good(Box::new(key)))
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_show_only_their_beginning() {
        let (one, other) = (make(), make());
        assert_ne!(one.hash, other.hash);
        let text = String::from_utf8_lossy(one.text.expose()).into_owned();
        assert!(text.starts_with(&one.hint) && HINT_LEN < text.len());
        assert_eq!(hash(&text), one.hash);
        assert!(!format!("{one:?}").contains(&text));
    }
}
