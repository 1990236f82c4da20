//! Events as they go over the wire, and the ways in which they are told.

use domain::event::Topics;
use serde::{Deserialize, Serialize};
use services::event::catalogue;
use services::event::reader::SubscribeError;
use storage::event::Event;
use utoipa::{IntoParams, ToSchema};

use crate::listing::ListParams;
use crate::problem::Problem;

pub(crate) mod document;
pub(crate) mod socket;
pub(crate) mod stream;

/// Something that happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Its place among the events of the tenant: they grow by one. 0 in a message that is only a test.
    #[schema(minimum = 0)]
    pub(crate) seq: i64,
    #[schema(value_type = String, format = DateTime)]
    at: String,
    /// As `webhooks` of this document lists them.
    #[serde(rename = "type")]
    kind: String,
    /// What it is about.
    #[schema(value_type = Option<Uuid>)]
    resource_id: Option<uuid::Uuid>,
    /// What its kind says.
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

/// Which events are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// Entries of a page.
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
    /// Only events behind this number.
    #[serde(default)]
    #[param(minimum = 0)]
    since: Option<i64>,
    /// `*`, or up to 32 topics separated by commas: `plan.*,session.started`.
    #[serde(default)]
    #[param(default = "*")]
    topics: Option<String>,
}

/// Which events are wanted by whoever listens.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WantedParams {
    /// Only events behind this number.
    #[serde(default)]
    #[param(minimum = 0)]
    since: Option<i64>,
    /// `*`, or up to 32 topics separated by commas: `plan.*,session.started`.
    #[serde(default)]
    #[param(default = "*")]
    topics: Option<String>,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self {
            seq: event.seq,
            at: event.at.to_string(),
            kind: event.kind,
            resource_id: event.resource,
            data: event.data,
        }
    }
}

impl EventParams {
    /// How much is asked for, and which of it.
    pub(crate) fn split(self) -> (ListParams, WantedParams) {
        let list = ListParams {
            limit: self.limit,
            page_token: self.page_token,
            fields: self.fields,
        };
        let wanted = WantedParams {
            since: self.since,
            topics: self.topics,
        };
        (list, wanted)
    }
}

impl WantedParams {
    /// The event behind which they begin.
    pub(crate) fn since(&self) -> Result<Option<i64>, Problem> {
        match self.since {
            Some(..0) => Err(Problem::field(
                "since",
                "it is the number of an event, from 0",
            )),
            since => Ok(since),
        }
    }

    /// The topics that are wanted; everything when none is named.
    pub(crate) fn topics(&self) -> Result<Topics, Problem> {
        let Some(raw) = &self.topics else {
            return Ok(Topics::everything());
        };
        parse_topics(raw).map_err(|detail| Problem::field("topics", detail))
    }
}

/// Topics that match something.
pub(crate) fn parse_topics(raw: &str) -> Result<Topics, String> {
    let topics: Topics = raw.parse().map_err(|error| format!("{error}"))?;
    catalogue::check(&topics).map_err(|error| error.to_string())?;
    Ok(topics)
}

/// Why nobody listens.
pub(crate) fn refusal(error: SubscribeError) -> Problem {
    use axum::http::StatusCode;
    let told = error.to_string();
    match error {
        SubscribeError::TooMany => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_readers", told)
        }
        SubscribeError::Gone { .. } => Problem::new(StatusCode::GONE, "events_gone", told),
        SubscribeError::Ahead { .. } => Problem::field("since", told),
        SubscribeError::Store(error) => error.into(),
    }
}
