//! The catalogue: every kind of event that there is, and what its data holds.

use domain::deed::Action;
use domain::event::{EventKind, Topics};
use serde_json::{Map, Value as Json, json};
use storage::error::Resource;
use storage::event::actions;

/// One kind of event.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub kind: String,
    /// When it happens.
    pub about: String,
    fields: &'static [Field],
}

/// One member of the data of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    name: &'static str,
    shape: Shape,
    /// It may be `null`.
    is_nullable: bool,
    /// It may be absent.
    is_optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Id,
    Text,
    Time,
    Count,
    Texts,
    /// Whatever the thing has, without its secrets.
    Thing,
}

/// A topic that nothing ever matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' matches no kind of event: the interface's document lists them under webhooks")]
pub struct UnknownTopic(String);

const fn field(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        is_nullable: false,
        is_optional: false,
    }
}

const fn maybe(name: &'static str, shape: Shape) -> Field {
    Field {
        is_nullable: true,
        ..field(name, shape)
    }
}

/// Of everything that is done to the registry.
const DEED: &[Field] = &[
    maybe("id", Shape::Id),
    field("name", Shape::Text),
    field("actor", Shape::Text),
    Field {
        is_optional: true,
        ..field("changed", Shape::Texts)
    },
    field("object", Shape::Thing),
];

const STARTED: &[Field] = &[
    field("session_id", Shape::Id),
    field("username", Shape::Text),
    maybe("subscriber_id", Shape::Id),
    field("nas_id", Shape::Id),
    field("acct_session_id", Shape::Text),
    maybe("nas_port", Shape::Text),
    maybe("ipv4", Shape::Text),
    maybe("ipv6_prefix", Shape::Text),
    maybe("delegated_ipv6_prefix", Shape::Text),
    maybe("calling_station", Shape::Text),
    maybe("called_station", Shape::Text),
    field("started_at", Shape::Time),
];

const STOPPED: &[Field] = &[
    field("session_id", Shape::Id),
    field("username", Shape::Text),
    maybe("subscriber_id", Shape::Id),
    field("nas_id", Shape::Id),
    field("acct_session_id", Shape::Text),
    maybe("nas_port", Shape::Text),
    maybe("ipv4", Shape::Text),
    maybe("ipv6_prefix", Shape::Text),
    maybe("delegated_ipv6_prefix", Shape::Text),
    maybe("calling_station", Shape::Text),
    maybe("called_station", Shape::Text),
    field("started_at", Shape::Time),
    field("stopped_at", Shape::Time),
    maybe("cause", Shape::Text),
    field("upload_bytes", Shape::Count),
    field("download_bytes", Shape::Count),
    field("session_seconds", Shape::Count),
];

const LIMIT_CROSSED: &[Field] = &[
    field("subscriber_id", Shape::Id),
    field("username", Shape::Text),
    field("nas_id", Shape::Id),
    field("crossed_at", Shape::Time),
    field("consequence", Shape::Text),
    field("reason", Shape::Text),
];

const NAS_RESTARTED: &[Field] = &[
    field("nas_id", Shape::Id),
    maybe("source", Shape::Text),
    field("restarted_at", Shape::Time),
    field("sessions_closed", Shape::Count),
];

const KNOCKING: &[Field] = &[
    field("source", Shape::Text),
    field("packets", Shape::Count),
    field("last_at", Shape::Time),
];

const REJECTED: &[Field] = &[
    maybe("subscriber_id", Shape::Id),
    maybe("username", Shape::Text),
    field("nas_id", Shape::Id),
    field("method", Shape::Text),
    field("code", Shape::Text),
    field("reason", Shape::Text),
    maybe("calling_station", Shape::Text),
    field("count", Shape::Count),
    field("last_at", Shape::Time),
];

const COMMAND: &[Field] = &[
    field("session_id", Shape::Id),
    field("nas_id", Shape::Id),
    maybe("subscriber_id", Shape::Id),
    field("username", Shape::Text),
    field("wish", Shape::Text),
    maybe("detail", Shape::Text),
    field("actor", Shape::Text),
    field("verdict", Shape::Text),
];

const DEVICE_BOUND: &[Field] = &[
    field("subscriber_id", Shape::Id),
    field("username", Shape::Text),
    field("mac", Shape::Text),
    field("actor", Shape::Text),
];

const OPERATION: &[Field] = &[
    field("id", Shape::Id),
    field("kind", Shape::Text),
    field("state", Shape::Text),
    maybe("total", Shape::Count),
    field("done", Shape::Count),
    field("failed", Shape::Count),
    maybe("error", Shape::Text),
];

const LOST: &[Field] = &[field("count", Shape::Count)];

const WEBHOOK_DISABLED: &[Field] = &[
    field("name", Shape::Text),
    field("url", Shape::Text),
    field("reason", Shape::Text),
];

const WEBHOOK_TEST: &[Field] = &[field("name", Shape::Text)];

/// Every kind of event, those of the registry first.
pub fn entries() -> Vec<Entry> {
    let deeds = Resource::ALL.into_iter().flat_map(|what| {
        actions(what).map(move |action| Entry {
            kind: format!("{}.{}", what.as_str(), action.as_str()),
            about: deed_about(what, action),
            fields: DEED,
        })
    });
    let others = EventKind::ALL.into_iter().map(|kind| {
        let (about, fields) = of_kind(kind);
        Entry {
            kind: kind.as_str().to_owned(),
            about: about.to_owned(),
            fields,
        }
    });
    deeds.chain(others).collect()
}

/// Refuses topics that match nothing, which are most likely misspelt.
pub fn check(topics: &Topics) -> Result<(), UnknownTopic> {
    let entries = entries();
    let is_unknown =
        |topic: &&domain::event::Topic| !entries.iter().any(|entry| topic.matches(&entry.kind));
    match topics.iter().find(is_unknown) {
        Some(topic) => Err(UnknownTopic(topic.to_string())),
        None => Ok(()),
    }
}

impl Entry {
    /// The JSON Schema of the data.
    pub fn schema(&self) -> Json {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in self.fields {
            properties.insert(field.name.into(), field.schema());
            if !field.is_optional {
                required.push(field.name);
            }
        }
        json!({ "type": "object", "properties": properties, "required": required })
    }
}

impl Field {
    fn schema(self) -> Json {
        let mut schema = match self.shape {
            Shape::Id => json!({ "type": "string", "format": "uuid" }),
            Shape::Text => json!({ "type": "string" }),
            Shape::Time => json!({ "type": "string", "format": "date-time" }),
            Shape::Count => json!({ "type": "integer", "minimum": 0 }),
            Shape::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Shape::Thing => json!({ "type": "object" }),
        };
        if self.is_nullable {
            schema["type"] = json!([schema["type"], "null"]);
        }
        schema
    }
}

fn deed_about(what: Resource, action: Action) -> String {
    let verb = match action {
        Action::Created => "was made",
        Action::Changed => "was changed",
        Action::Removed => "was removed",
        Action::Revealed => "had its secret shown",
        Action::Imported => "was brought in with others",
        Action::SignedIn => "signed in",
        Action::SignInFailed => "could not sign in",
        Action::SignedOut => "signed out",
        Action::LockedOut => "is kept from signing in for a while",
        Action::Rotated => "got a new secret",
        Action::Tested => "was tried out",
        Action::Redelivered => "was sent again what it was sent before",
    };
    format!("A {what} {verb}")
}

const fn of_kind(kind: EventKind) -> (&'static str, &'static [Field]) {
    match kind {
        EventKind::SessionStarted => ("A session began", STARTED),
        EventKind::SessionStopped => ("A session ended", STOPPED),
        EventKind::SessionLimitCrossed => (
            "A session goes on although a limit is reached, and has to end or to change",
            LIMIT_CROSSED,
        ),
        EventKind::NasRestarted => (
            "A router began anew, which ended its sessions",
            NAS_RESTARTED,
        ),
        EventKind::NasKnocking => ("An address asks that is no registered router", KNOCKING),
        EventKind::AuthRejected => (
            "Logins were refused; those that are alike come together, at most once a minute",
            REJECTED,
        ),
        EventKind::SessionCommandConfirmed => {
            ("What was asked of a router about a session is so", COMMAND)
        }
        EventKind::SessionCommandFailed => (
            "What was asked of a router about a session will not be",
            COMMAND,
        ),
        EventKind::DeviceBound => ("A login bound a new device", DEVICE_BOUND),
        EventKind::OperationStarted => ("Long work began", OPERATION),
        EventKind::OperationProgressed => (
            "Long work has come further; told once a second at most",
            OPERATION,
        ),
        EventKind::OperationFinished => ("Long work is over, however it ended", OPERATION),
        EventKind::EventsLost => ("Events came faster than they could be stored", LOST),
        EventKind::WebhookDisabled => (
            "A webhook failed for too long, or its endpoint is gone",
            WEBHOOK_DISABLED,
        ),
        EventKind::WebhookTest => ("Somebody tries a webhook; it alone is told", WEBHOOK_TEST),
    }
}

#[cfg(test)]
mod tests;
