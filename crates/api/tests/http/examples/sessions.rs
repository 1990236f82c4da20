//! Sessions, locks, and how it all stands.

use domain::access::{Method, RejectReason, Trace};
use domain::accounting::{AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord};
use domain::auth_log::shorthand::TraceText;
use domain::auth_log::{AuthLogEntry, AuthOutcome};
use domain::credential::Credential;
use domain::guard::{GuardKey, GuardLock, GuardSubject};
use domain::id::{AuthId, NasId, SubscriberId, TenantId};
use domain::nas::{NasSettings, parse_source};
use domain::plan::PlanTerms;
use domain::secret::Secret;
use domain::subscriber::{StaticAddresses, SubscriberStatus};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use serde_json::{Value as Json, json};
use storage::nas::NewNas;
use storage::plan::NewPlan;
use storage::store::Store;
use storage::subscriber::NewSubscriber;
use testkit::database::TestClock;

use super::{Example, example, post};

const START: Timestamp = TestClock::START;

/// Acct-Session-Ids and user names of open sessions.
const SESSIONS: [&str; 5] = ["of-kick", "of-rate", "of-show", "of-many", "of-many-rate"];

/// A decision that is in the log.
pub(crate) const DECISION: &str = "01a31d63-1000-7000-8000-00000000000a";

/// Somebody on a plan with a quota, at a router.
pub(crate) struct Online {
    pub(crate) nas: NasId,
    pub(crate) subscriber: SubscriberId,
}

/// What routers report.
pub(crate) async fn furnish(store: &Store) {
    let Online { nas, .. } = online(store).await;
    let records: Vec<_> = (1..)
        .zip(SESSIONS)
        .map(|(number, name)| record(nas, (number, name), SessionEvent::Start, (0, 0)))
        .collect();
    store.accounting_commit(&records).await.unwrap();
    let entry = decision(nas, DECISION.parse().unwrap(), AuthOutcome::Accepted);
    store.auth_log_append(&[&entry], &[]).await.unwrap();
    let lock = GuardLock {
        key: GuardKey {
            subject: GuardSubject::User,
            name: "of-lock".to_owned(),
        },
        since: START,
        until: START.plus_seconds(3_600),
        strikes: 2,
    };
    store.guard_exchange(&[], &[lock]).await.unwrap();
}

pub(crate) fn all() -> Vec<Example> {
    let rate = || json!({ "upload_bps": 5_000_000, "download_bps": 10_000_000 });
    vec![
        example("session_kick").at("session", "of-kick"),
        example("session_set_rate")
            .at("session", "of-rate")
            .body(rate()),
        example("session_kick_many").body(json!({ "user": "of-many" })),
        example("session_set_rate_many")
            .body(json!({ "sessions": { "user": "of-many-rate" }, "rate": rate() })),
        example("lock_clear").body(json!({ "name": "of-lock" })),
        example("directory_reload"),
        example("settings_set_time_zone").body(json!({ "time_zone": "Africa/Nairobi" })),
        example("settings_set_language").body(json!({ "language": "sw" })),
        example("settings_set_default_garden").body(json!({ "garden": null })),
    ]
}

pub(super) fn looks() -> Vec<Example> {
    vec![
        example("usage_show").at("subscriber", "of-session"),
        example("auth_log_show").at("decision", DECISION),
        example("session_command_show")
            .after("asked", post("/api/v1/sessions/of-show/kick", Json::Null))
            .at("command", "<asked.id>"),
    ]
}

/// Puts a subscriber there, with a plan and a router.
pub(crate) async fn online(store: &Store) -> Online {
    let terms = PlanTerms {
        limits: Some(Box::new(domain::limit::Limits {
            quotas: "10G/month".parse().unwrap(),
            ..domain::limit::Limits::default()
        })),
        ..PlanTerms::default()
    };
    let plan = NewPlan {
        tenant: TenantId::DEFAULT,
        name: "of-session".parse().unwrap(),
        terms,
    };
    let plan = store.plan_insert(plan).await.unwrap().id;
    let nas = NewNas {
        tenant: TenantId::DEFAULT,
        name: "of-session".parse().unwrap(),
        source: parse_source("192.0.2.78").unwrap(),
        secret: Secret::from("correct horse battery"),
        settings: NasSettings::default(),
    };
    let nas = store.nas_insert(nas).await.unwrap().id;
    let subscriber = NewSubscriber {
        tenant: TenantId::DEFAULT,
        username: "of-session".parse().unwrap(),
        credential: Credential::Cleartext(Secret::from("kookaburra")),
        plan,
        status: SubscriberStatus::Active,
        starts_at: None,
        expires_at: None,
        addresses: StaticAddresses::default(),
        sessions: Default::default(),
    };
    let subscriber = store.subscriber_insert(subscriber).await.unwrap().id;
    Online { nas, subscriber }
}

/// What a router says `seconds` after the start about a session that has moved so many megabytes.
pub(crate) fn record(
    nas: NasId,
    (number, name): (u8, &str),
    event: SessionEvent,
    (seconds, megabytes): (i64, u64),
) -> AccountingRecord {
    AccountingRecord::Session(SessionRecord {
        event,
        tenant: TenantId::DEFAULT,
        nas,
        key: SessionKey([number; 16]),
        auth: None,
        terms: None,
        subscriber: None,
        username: name.into(),
        at: START.plus_seconds(seconds),
        total: UsageAmount {
            upload_bytes: megabytes * 1_000_000,
            download_bytes: 2 * megabytes * 1_000_000,
            session_seconds: seconds.unsigned_abs(),
        },
        terminate_cause: None,
        place: SessionPlace {
            acct_session_id: name.into(),
            framed_ipv4: Some([100, 64, 0, number].into()),
            calling_station: Some(format!("02-00-5E-00-00-{number:02X}").into()),
            ..SessionPlace::default()
        },
    })
}

pub(crate) fn decision(nas: NasId, id: AuthId, outcome: AuthOutcome) -> AuthLogEntry {
    let is_known = outcome != AuthOutcome::Rejected(RejectReason::UnknownUser);
    AuthLogEntry {
        id,
        at: START,
        tenant: TenantId::DEFAULT,
        nas,
        subscriber: None,
        username: is_known.then(|| "of-session".into()),
        method: Method::Pap,
        outcome,
        trace: TraceText::of(&Trace::new()),
        calling_station: Some("02-00-5E-00-00-01".into()),
        called_station: None,
        count: 1,
        last_at: START,
    }
}
