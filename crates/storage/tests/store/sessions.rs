//! Reading sessions.

use domain::accounting::{
    AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord, TerminateCause,
};
use domain::id::NasId;
use domain::session::SessionState;
use domain::session_match::SessionMatch;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::page::Page;
use storage::session::{SessionFilter, SessionRow};
use storage::store::Store;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, name, new_nas, username};

testkit::test_on_both_databases!(
    a_session_is_listed_with_all_that_is_known,
    sessions_are_filtered,
    pages_have_every_session_once,
    a_session_is_found_by_either_id,
    open_sessions_are_found_by_name,
    open_sessions_are_matched_by_what_routers_say,
    all_that_is_said_must_hold,
);

const START: Timestamp = TestClock::START;

pub(crate) fn record(number: u8, event: SessionEvent, nas: NasId, user: &str) -> AccountingRecord {
    let seconds = match event {
        SessionEvent::Start => 0,
        SessionEvent::Interim | SessionEvent::Stop | SessionEvent::Silence => 600,
    };
    AccountingRecord::Session(SessionRecord {
        event,
        tenant: TENANT,
        nas,
        key: SessionKey([number; 16]),
        auth: None,
        terms: None,
        subscriber: None,
        username: user.into(),
        at: START.plus_seconds(i64::from(number) * 1_000 + seconds),
        total: UsageAmount {
            upload_bytes: 10,
            download_bytes: 20,
            session_seconds: seconds.unsigned_abs(),
        },
        terminate_cause: Some(TerminateCause::Reported(1)),
        place: SessionPlace {
            acct_session_id: format!("8100{number:04}").into(),
            user_name: None,
            nas_address: Some("192.0.2.1".parse().unwrap()),
            nas_port: Some("2147483649".into()),
            framed_ipv4: Some([100, 64, 0, number].into()),
            framed_ipv6_prefix: Some("2001:db8:1::/64".parse().unwrap()),
            delegated_ipv6_prefix: Some("2001:db8:8000::/56".parse().unwrap()),
            calling_station: Some("aabbccddee0f".into()),
            called_station: Some("pop-1".into()),
        },
    })
}

/// Sessions 1 to 6: odd ones are ana's on pop-1, even ones eva's on pop-2; 1 to 4 have ended.
async fn six_sessions(store: &Store) {
    let mut nas = Vec::new();
    for (name, source) in [("pop-2", "10.0.0.2"), ("pop-1", "10.0.0.1")] {
        nas.push(store.nas_insert(new_nas(name, source)).await.unwrap().id);
    }
    for number in 1..=6_u8 {
        let (nas, user) = [(nas[0], "eva"), (nas[1], "ana")][usize::from(number % 2)];
        let mut life = vec![record(number, SessionEvent::Start, nas, user)];
        if number <= 4 {
            life.push(record(number, SessionEvent::Stop, nas, user));
        }
        store.accounting_commit(&life).await.unwrap();
    }
}

async fn numbers(store: &Store, filter: &SessionFilter) -> Vec<u8> {
    let rows = store
        .session_list(TENANT, filter, &Page::first(100))
        .await
        .unwrap();
    rows.iter().map(number).collect()
}

fn number(row: &SessionRow) -> u8 {
    row.session_id[4..].parse().unwrap()
}

async fn a_session_is_listed_with_all_that_is_known(database: Database) {
    let store = database.store().await;
    six_sessions(&store).await;
    let found = store.session_find(TENANT, "81000003").await.unwrap();
    let found = found.unwrap();
    assert_eq!(found.nas, "pop-1");
    assert_eq!(found.user_name, "ana");
    assert_eq!(found.state, SessionState::Closed);
    assert_eq!(found.started_at, START.plus_seconds(3_000));
    assert_eq!(found.stopped_at, Some(START.plus_seconds(3_600)));
    assert_eq!(found.terminate_cause, Some(TerminateCause::Reported(1)));
    assert_eq!((found.upload_bytes, found.download_bytes), (10, 20));
    assert_eq!(found.session_seconds, 600);
    assert_eq!(found.framed_ipv4, Some([100, 64, 0, 3].into()));
    assert_eq!(found.nas_port.as_deref(), Some("2147483649"));
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["terminate_cause"], "User-Request");
    assert_eq!(json["state"], "closed");
    assert_eq!(json["delegated_ipv6_prefix"], "2001:db8:8000::/56");

    let open = store.session_open_list_all(None, 100).await.unwrap();
    assert_eq!(open.len(), 2);
    let address = open[0].session.place.nas_address;
    assert_eq!(address, Some("192.0.2.1".parse().unwrap()));
    store.nas_delete(TENANT, &name("pop-1")).await.unwrap();
    let found = store.session_find(TENANT, "81000003").await.unwrap();
    assert_eq!(found.unwrap().nas, "pop-1", "a name outlives its router");
}

async fn sessions_are_filtered(database: Database) {
    let store = database.store().await;
    six_sessions(&store).await;
    let all = SessionFilter::default();
    let open = SessionFilter {
        state: Some(SessionState::Open),
        ..SessionFilter::default()
    };
    let ana = SessionFilter {
        username: Some(username("Ana")),
        ..SessionFilter::default()
    };
    let closed_on_second = SessionFilter {
        state: Some(SessionState::Closed),
        nas: Some(name("POP-2")),
        ..SessionFilter::default()
    };
    let recent = SessionFilter {
        since: Some(START.plus_seconds(3_600)),
        ..SessionFilter::default()
    };
    for (filter, expected) in [
        (all, vec![6, 5, 4, 3, 2, 1]),
        (open, vec![6, 5]),
        (ana, vec![5, 3, 1]),
        (closed_on_second, vec![4, 2]),
        (recent, vec![6, 5, 4, 3]),
    ] {
        assert_eq!(numbers(&store, &filter).await, expected, "{filter:?}");
    }
}

async fn pages_have_every_session_once(database: Database) {
    let store = database.store().await;
    six_sessions(&store).await;
    let filter = SessionFilter::default();
    for limit in 1..=6 {
        let mut seen = Vec::new();
        let mut page = Page::first(limit);
        loop {
            let rows = store.session_list(TENANT, &filter, &page).await.unwrap();
            let Some(last) = rows.last() else { break };
            page = Page::after(last.id, limit);
            seen.extend(rows.iter().map(number));
        }
        assert_eq!(seen, [6, 5, 4, 3, 2, 1], "{limit} in a page");
    }
}

async fn a_session_is_found_by_either_id(database: Database) {
    let store = database.store().await;
    six_sessions(&store).await;
    let filter = SessionFilter::default();
    let rows = store
        .session_list(TENANT, &filter, &Page::first(10))
        .await
        .unwrap();
    for row in &rows {
        for id in [row.id.to_string(), row.session_id.to_string()] {
            let found = store.session_find(TENANT, &id).await.unwrap();
            assert_eq!(found.as_ref(), Some(row));
        }
    }
    for absent in ["", "8100", "\0", "01900000-0000-7000-8000-000000000000"] {
        assert_eq!(store.session_find(TENANT, absent).await.unwrap(), None);
    }
}

async fn open_sessions_are_found_by_name(database: Database) {
    let store = database.store().await;
    six_sessions(&store).await;
    let names = ["ana".to_owned(), "nobody".to_owned()];
    let found = store.directory_sessions_named(&names).await.unwrap();
    let keys: Vec<_> = found.iter().map(|live| live.session.key).collect();
    assert_eq!(keys, [SessionKey([5; 16])]);
}

/// The open sessions that are meant: of sessions 5 (ana) and 6 (eva).
async fn matching(store: &Store, wanted: &SessionMatch) -> Vec<u8> {
    let found = store.session_open_matching(wanted, 65).await.unwrap();
    let ids = found.iter().map(|session| &session.place.acct_session_id);
    ids.map(|id| id[4..].parse().unwrap()).collect()
}

async fn open_sessions_are_matched_by_what_routers_say(database: Database) {
    let store = database.store().await;
    six_sessions(&store).await;
    let none = SessionMatch::default;
    let ana = SessionMatch {
        username: Some("ana".into()),
        ..none()
    };
    assert_eq!(matching(&store, &ana).await, [5]);
    for (id, expected) in [("81000006", vec![6]), ("81000003", vec![])] {
        let by_id = SessionMatch {
            acct_session_id: Some(id.into()),
            ..none()
        };
        assert_eq!(matching(&store, &by_id).await, expected, "{id}");
    }
    let at_address = SessionMatch {
        framed_ipv4: Some([100, 64, 0, 5].into()),
        ..none()
    };
    assert_eq!(matching(&store, &at_address).await, [5]);
    let notations = ["AA:BB:CC:DD:EE:0F", "aabb.ccdd.ee0f", "aabbccddee0f"];
    for station in notations.into_iter().chain(["no such"]) {
        let of_device = SessionMatch {
            calling_station: Some(station.into()),
            ..none()
        };
        let expected = if station == "no such" {
            vec![]
        } else {
            vec![5, 6]
        };
        assert_eq!(matching(&store, &of_device).await, expected, "{station}");
    }
}

async fn all_that_is_said_must_hold(database: Database) {
    let store = database.store().await;
    six_sessions(&store).await;
    let mut wanted = SessionMatch {
        framed_ipv6_prefix: "2001:db8:1::/64".parse().ok(),
        called_station: Some("pop-1".into()),
        nas_port: Some("2147483649".into()),
        ..SessionMatch::default()
    };
    assert_eq!(matching(&store, &wanted).await, [5, 6]);
    wanted.username = Some("eva".into());
    assert_eq!(matching(&store, &wanted).await, [6]);
    wanted.username = Some("ian".into());
    assert_eq!(matching(&store, &wanted).await, [0_u8; 0]);
    let everything = SessionMatch::default();
    let first = store.session_open_matching(&everything, 1).await.unwrap();
    assert_eq!(first.len(), 1, "there is a limit");
}
