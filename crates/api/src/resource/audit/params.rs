//! What can be asked of the audit log.

use serde::Deserialize;
use storage::audit::AuditFilter;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::body::Fields;
use crate::listing::ListParams;
use crate::problem::Problem;

/// Which lines are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Where the page before this one ended: its `next_page_token`.
    #[serde(default)]
    #[param(max_length = 2048)]
    page_token: Option<String>,
    /// Only these members of each entry, separated by commas.
    #[serde(default)]
    fields: Option<String>,
    /// What it was about: `subscriber`, `plan`, `operator`.
    #[serde(default)]
    resource: Option<String>,
    /// One thing.
    #[serde(default)]
    resource_id: Option<Uuid>,
    /// Id of an operator or a token, or `system`, `command_line`, `operator` or `api_key`.
    #[serde(default)]
    actor: Option<String>,
    /// `created`, `changed`, `removed`, `revealed`, `imported`, `signed_in`, `sign_in_failed`,
    /// `signed_out`, `locked_out`, `rotated`, `tested` or `redelivered`.
    #[serde(default)]
    action: Option<String>,
    /// From this instant on.
    #[serde(default, rename = "at.gte")]
    since: Option<String>,
    /// Before this instant.
    #[serde(default, rename = "at.lt")]
    until: Option<String>,
}

impl AuditParams {
    /// How much of the list is wanted.
    pub(super) fn list(self) -> ListParams {
        ListParams {
            limit: self.limit,
            page_token: self.page_token,
            fields: self.fields,
        }
    }

    /// Which lines.
    pub(super) fn filter(&self) -> Result<AuditFilter, Problem> {
        let mut fields = Fields::default();
        let (mut actor_id, mut actor_kind) = (None, None);
        if let Some(raw) = &self.actor {
            match Uuid::try_parse(raw) {
                Ok(id) => actor_id = Some(id),
                Err(_) => actor_kind = fields.parse("actor", raw),
            }
        }
        let is_kind = |raw: &&String| {
            raw.bytes()
                .all(|octet| octet.is_ascii_lowercase() || octet == b'_')
        };
        if self.resource.as_ref().is_some_and(|raw| !is_kind(&raw)) {
            fields.wrong(
                "resource",
                "a kind of thing is written like subscriber or nas_group",
            );
        }
        let action = self.action.as_ref();
        let filter = AuditFilter {
            resource: self.resource.clone(),
            resource_id: self.resource_id,
            actor_id,
            actor_kind,
            action: action.and_then(|raw| fields.parse("action", raw)),
            since: self
                .since
                .as_ref()
                .and_then(|raw| fields.parse("at.gte", raw)),
            until: self
                .until
                .as_ref()
                .and_then(|raw| fields.parse("at.lt", raw)),
        };
        fields.check()?;
        Ok(filter)
    }
}
