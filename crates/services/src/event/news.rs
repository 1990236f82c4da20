//! What happens beside the registry, as it becomes an event.

use std::net::IpAddr;

use compact_str::CompactString;
use domain::access::{Method, RejectReason};
use domain::auth_log::{AuthLogEntry, AuthOutcome, Knock};
use domain::event::EventKind;
use domain::id::{NasId, SubscriberId, TenantId};
use domain::session::{ClosedSession, Session};
use domain::time::Timestamp;
use serde_json::{Map, Value as Json, json};
use storage::accounting::SessionTurn;
use storage::deed::NewEvent;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are about sessions, and none is kept for long"
)]
pub enum News {
    Session(SessionTurn),
    NasRestarted {
        tenant: TenantId,
        nas: NasId,
        /// Which of its routers, when it stands for several.
        source: Option<IpAddr>,
        at: Timestamp,
        sessions_closed: u64,
    },
    LimitCrossed(LimitCrossing),
    Rejected(Rejection),
    Knocked(Knock),
    /// So many events of a tenant could not be stored.
    Lost {
        tenant: TenantId,
        count: u64,
    },
}

/// A session that goes on although a limit is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitCrossing {
    pub tenant: TenantId,
    pub subscriber: SubscriberId,
    pub username: CompactString,
    pub nas: NasId,
    pub at: Timestamp,
    pub consequence: Consequence,
    /// Which limit, in words.
    pub reason: String,
}

/// What has to become of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    End,
    Change,
}

/// Logins that were refused alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub tenant: TenantId,
    pub nas: NasId,
    pub subscriber: Option<SubscriberId>,
    /// Absent when they were several users.
    pub username: Option<CompactString>,
    pub method: Method,
    pub reason: RejectReason,
    pub calling_station: Option<CompactString>,
    pub count: u64,
    pub last_at: Timestamp,
}

impl Rejection {
    /// What an entry of the authentication log says, if it refuses somebody.
    pub fn find(entry: &AuthLogEntry) -> Option<Self> {
        let reason = match entry.outcome {
            AuthOutcome::Rejected(reason) => reason,
            AuthOutcome::Accepted => return None,
        };
        Some(Self {
            tenant: entry.tenant,
            nas: entry.nas,
            subscriber: entry.subscriber,
            username: entry.username.clone(),
            method: entry.method,
            reason,
            calling_station: entry.calling_station.clone(),
            count: entry.count,
            last_at: entry.last_at,
        })
    }
}

impl Consequence {
    const fn as_str(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Change => "change",
        }
    }
}

impl News {
    /// Whose event it is. Unknown senders are nobody's, so those who run the program hear of them.
    pub(super) const fn tenant(&self) -> TenantId {
        match self {
            Self::Session(SessionTurn::Began(session)) => session.tenant,
            Self::Session(SessionTurn::Ended(closed)) => closed.session.tenant,
            Self::NasRestarted { tenant, .. } | Self::Lost { tenant, .. } => *tenant,
            Self::LimitCrossed(crossing) => crossing.tenant,
            Self::Rejected(rejection) => rejection.tenant,
            Self::Knocked(_) => TenantId::DEFAULT,
        }
    }

    /// The event that is stored.
    pub(super) fn event(&self) -> NewEvent {
        match self {
            Self::Session(SessionTurn::Began(session)) => NewEvent {
                kind: EventKind::SessionStarted,
                resource: Some(session.id.as_uuid()),
                data: Json::Object(started(session)),
            },
            Self::Session(SessionTurn::Ended(closed)) => NewEvent {
                kind: EventKind::SessionStopped,
                resource: Some(closed.session.id.as_uuid()),
                data: Json::Object(stopped(closed)),
            },
            Self::NasRestarted {
                nas,
                source,
                at,
                sessions_closed,
                ..
            } => NewEvent {
                kind: EventKind::NasRestarted,
                resource: Some(nas.as_uuid()),
                data: json!({
                    "nas_id": nas,
                    "source": source,
                    "restarted_at": at,
                    "sessions_closed": sessions_closed,
                }),
            },
            Self::LimitCrossed(crossing) => crossed(crossing),
            Self::Rejected(rejection) => rejected(rejection),
            Self::Knocked(knock) => NewEvent {
                kind: EventKind::NasKnocking,
                resource: None,
                data: json!({
                    "source": knock.source,
                    "packets": knock.packets,
                    "last_at": knock.last_at,
                }),
            },
            Self::Lost { count, .. } => NewEvent {
                kind: EventKind::EventsLost,
                resource: None,
                data: json!({ "count": count }),
            },
        }
    }
}

fn started(session: &Session) -> Map<String, Json> {
    let place = &session.place;
    let data = json!({
        "session_id": session.id,
        "username": session.username,
        "subscriber_id": session.subscriber,
        "nas_id": session.nas,
        "acct_session_id": place.acct_session_id,
        "nas_port": place.nas_port,
        "ipv4": place.framed_ipv4,
        "ipv6_prefix": place.framed_ipv6_prefix,
        "delegated_ipv6_prefix": place.delegated_ipv6_prefix,
        "calling_station": place.calling_station,
        "called_station": place.called_station,
        "started_at": session.started_at,
    });
    match data {
        Json::Object(data) => data,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Map::new()
        }
    }
}

fn stopped(closed: &ClosedSession) -> Map<String, Json> {
    let mut data = started(&closed.session);
    let total = closed.session.total;
    let cause = closed.cause.map(|cause| cause.to_string());
    data.insert("stopped_at".into(), json!(closed.stopped_at));
    data.insert("cause".into(), json!(cause));
    data.insert("upload_bytes".into(), json!(total.upload_bytes));
    data.insert("download_bytes".into(), json!(total.download_bytes));
    data.insert("session_seconds".into(), json!(total.session_seconds));
    data
}

fn crossed(crossing: &LimitCrossing) -> NewEvent {
    NewEvent {
        kind: EventKind::SessionLimitCrossed,
        resource: Some(crossing.subscriber.as_uuid()),
        data: json!({
            "subscriber_id": crossing.subscriber,
            "username": crossing.username,
            "nas_id": crossing.nas,
            "crossed_at": crossing.at,
            "consequence": crossing.consequence.as_str(),
            "reason": crossing.reason,
        }),
    }
}

fn rejected(rejection: &Rejection) -> NewEvent {
    NewEvent {
        kind: EventKind::AuthRejected,
        resource: rejection.subscriber.map(|id| id.as_uuid()),
        data: json!({
            "subscriber_id": rejection.subscriber,
            "username": rejection.username,
            "nas_id": rejection.nas,
            "method": rejection.method.as_str(),
            "code": rejection.reason.code(),
            "reason": rejection.reason.to_string(),
            "calling_station": rejection.calling_station,
            "count": rejection.count,
            "last_at": rejection.last_at,
        }),
    }
}
