//! Tokens as commands show them.

use domain::permission::Role;
use domain::time::Timestamp;
use serde::Serialize;
use services::api_key::WithText;
use storage::api_key::ApiKeySummary;

use crate::output::Record;

/// A token that was made, with the token itself.
#[derive(Clone, Serialize)]
pub(super) struct FreshRecord {
    token: String,
    name: String,
    role: Option<&'static str>,
    scopes: Vec<String>,
    networks: Vec<String>,
    expires_at: Option<Timestamp>,
    old_until: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct TokenRecord {
    name: String,
    hint: String,
    role: Option<&'static str>,
    scopes: Vec<String>,
    networks: Vec<String>,
    expires_at: Option<Timestamp>,
    old_until: Option<Timestamp>,
    used_at: Option<Timestamp>,
    used_from: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    id: String,
}

impl Record for FreshRecord {
    const FIELDS: &'static [&'static str] = &[
        "token",
        "name",
        "role",
        "scopes",
        "networks",
        "expires_at",
        "old_until",
    ];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl Record for TokenRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "hint",
        "role",
        "scopes",
        "networks",
        "expires_at",
        "old_until",
        "used_at",
        "used_from",
        "created_at",
        "updated_at",
        "id",
    ];
    const COLUMNS: &'static [&'static str] =
        &["name", "hint", "role", "scopes", "expires_at", "used_at"];
}

impl From<WithText> for FreshRecord {
    fn from(fresh: WithText) -> Self {
        let shown = TokenRecord::from(fresh.key);
        Self {
            token: String::from_utf8_lossy(fresh.text.expose()).into_owned(),
            name: shown.name,
            role: shown.role,
            scopes: shown.scopes,
            networks: shown.networks,
            expires_at: shown.expires_at,
            old_until: shown.old_until,
        }
    }
}

impl From<ApiKeySummary> for TokenRecord {
    fn from(key: ApiKeySummary) -> Self {
        Self {
            name: key.name.to_string(),
            hint: key.hint,
            role: key.role.map(Role::as_str),
            scopes: key.scopes.iter().map(|scope| scope.to_string()).collect(),
            networks: key.networks.iter().map(ToString::to_string).collect(),
            expires_at: key.expires_at,
            old_until: key.old_until,
            used_at: key.used_at,
            used_from: key.used_from,
            created_at: key.created_at,
            updated_at: key.updated_at,
            id: key.id.to_string(),
        }
    }
}
