//! Operators and their sessions as commands show them.

use domain::operator::OperatorStatus;
use domain::permission::Role;
use domain::time::Timestamp;
use serde::Serialize;
use storage::operator::OperatorSummary;
use storage::operator::session::OperatorSession;

use crate::output::Record;

#[derive(Clone, Debug, Serialize)]
pub(super) struct OperatorRecord {
    name: String,
    status: OperatorStatus,
    role: Option<&'static str>,
    scopes: Vec<String>,
    must_change_password: bool,
    has_second_factor: bool,
    password_set_at: Timestamp,
    signed_in_at: Option<Timestamp>,
    signed_in_from: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    id: String,
}

/// An operator in the answer to the command that made a password, and nowhere else.
#[derive(Clone, Serialize)]
pub(super) struct WithPasswordRecord {
    #[serde(flatten)]
    pub(super) operator: OperatorRecord,
    pub(super) one_time_password: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct SessionRecord {
    id: String,
    created_at: Timestamp,
    seen_at: Timestamp,
    ends_at: Timestamp,
    address: String,
    agent: String,
}

impl Record for OperatorRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "status",
        "role",
        "scopes",
        "must_change_password",
        "has_second_factor",
        "password_set_at",
        "signed_in_at",
        "signed_in_from",
        "created_at",
        "updated_at",
        "id",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "status",
        "role",
        "scopes",
        "has_second_factor",
        "signed_in_at",
    ];
}

impl Record for WithPasswordRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "status",
        "role",
        "scopes",
        "must_change_password",
        "has_second_factor",
        "password_set_at",
        "signed_in_at",
        "signed_in_from",
        "created_at",
        "updated_at",
        "id",
        "one_time_password",
    ];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl Record for SessionRecord {
    const FIELDS: &'static [&'static str] =
        &["id", "created_at", "seen_at", "ends_at", "address", "agent"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl From<OperatorSummary> for OperatorRecord {
    fn from(operator: OperatorSummary) -> Self {
        Self {
            name: operator.name.to_string(),
            status: operator.status,
            role: operator.role.map(Role::as_str),
            scopes: operator
                .scopes
                .iter()
                .map(|scope| scope.to_string())
                .collect(),
            must_change_password: operator.must_change_password,
            has_second_factor: operator.has_second_factor,
            password_set_at: operator.password_set_at,
            signed_in_at: operator.signed_in_at,
            signed_in_from: operator.signed_in_from,
            created_at: operator.created_at,
            updated_at: operator.updated_at,
            id: operator.id.to_string(),
        }
    }
}

impl From<OperatorSession> for SessionRecord {
    fn from(session: OperatorSession) -> Self {
        Self {
            id: session.id.to_string(),
            created_at: session.created_at,
            seen_at: session.seen_at,
            ends_at: session.ends_at,
            address: session.address,
            agent: session.agent,
        }
    }
}
