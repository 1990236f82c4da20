//! What is told has the shape that the catalogue says.

use std::collections::BTreeSet;

use domain::access::{Method, RejectReason};
use domain::accounting::{SessionKey, SessionPlace, TerminateCause};
use domain::auth_log::Knock;
use domain::id::{NasId, SessionId, SubscriberId, TenantId};
use domain::session::{ClosedSession, Session};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::accounting::SessionTurn;

use super::*;
use crate::event::news::{Consequence, LimitCrossing, News, Rejection};

const TENANT: TenantId = TenantId::DEFAULT;

fn session() -> Session {
    Session {
        id: SessionId::from_bytes([1; 16]),
        key: SessionKey([1; 16]),
        tenant: TENANT,
        nas: NasId::from_bytes([2; 16]),
        auth: None,
        subscriber: Some(SubscriberId::from_bytes([3; 16])),
        username: "ana".into(),
        started_at: Timestamp::from_seconds(1),
        updated_at: Timestamp::from_seconds(2),
        total: UsageAmount::default(),
        place: SessionPlace::default(),
        terms: None,
    }
}

#[track_caller]
fn check_data(news: &News) {
    let event = news.event();
    let entries = entries();
    let entry = entries
        .iter()
        .find(|entry| entry.kind == event.kind.as_str());
    let entry = entry.expect("the kind is in the catalogue");
    let data = event.data.as_object().expect("data is an object");
    let told: BTreeSet<&str> = data.keys().map(String::as_str).collect();
    let listed: BTreeSet<&str> = entry.fields.iter().map(|field| field.name).collect();
    assert_eq!(told, listed, "{}", entry.kind);
    for field in entry.fields {
        let value = &data[field.name];
        let has_shape = match (value, field.shape) {
            (Json::Null, _) => field.is_nullable,
            (Json::String(_), Shape::Id | Shape::Text | Shape::Time)
            | (Json::Number(_), Shape::Count) => true,
            _ => false,
        };
        assert!(has_shape, "{} of {} is {value}", field.name, entry.kind);
    }
}

#[test]
fn news_have_the_shape_that_the_catalogue_says() {
    check_data(&News::Session(SessionTurn::Began(session())));
    check_data(&News::Session(SessionTurn::Ended(ClosedSession {
        session: session(),
        stopped_at: Timestamp::from_seconds(3),
        cause: Some(TerminateCause::NasReboot),
    })));
    check_data(&News::NasRestarted {
        tenant: TENANT,
        nas: NasId::from_bytes([2; 16]),
        source: None,
        at: Timestamp::from_seconds(1),
        sessions_closed: 7,
    });
    check_data(&News::LimitCrossed(LimitCrossing {
        tenant: TENANT,
        subscriber: SubscriberId::from_bytes([3; 16]),
        username: "ana".into(),
        nas: NasId::from_bytes([2; 16]),
        at: Timestamp::from_seconds(1),
        consequence: Consequence::End,
        reason: "the quota is used up".into(),
    }));
    check_data(&News::Rejected(Rejection {
        tenant: TENANT,
        nas: NasId::from_bytes([2; 16]),
        subscriber: None,
        username: None,
        method: Method::Pap,
        reason: RejectReason::UnknownUser,
        calling_station: None,
        count: 3,
        last_at: Timestamp::from_seconds(1),
    }));
    check_data(&News::Knocked(Knock {
        source: [192, 0, 2, 1].into(),
        last_at: Timestamp::from_seconds(1),
        packets: 3,
    }));
    check_data(&News::Lost {
        tenant: TENANT,
        count: 3,
    });
}

#[test]
fn every_kind_is_listed_once_and_is_a_topic() {
    let entries = entries();
    let kinds: BTreeSet<&str> = entries.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds.len(), entries.len());
    for kind in kinds {
        let topics: Topics = kind.parse().expect("a kind is NOUN.VERB");
        assert_eq!(check(&topics), Ok(()));
    }
}

#[test]
fn topics_that_match_nothing_are_refused() {
    for (topics, unknown) in [
        ("plan.*", None),
        ("*", None),
        ("plans.*", Some("plans.*")),
        ("plan.created,session.begun", Some("session.begun")),
    ] {
        let topics: Topics = topics.parse().unwrap();
        let expected = unknown.map_or(Ok(()), |topic| Err(UnknownTopic(topic.to_owned())));
        assert_eq!(check(&topics), expected);
    }
}
