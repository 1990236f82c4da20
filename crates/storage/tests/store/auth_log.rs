//! The authentication log and the knocks.

use std::net::{IpAddr, Ipv4Addr};

use domain::access::{Method, RejectReason, Trace, TraceStep};
use domain::auth_log::shorthand::{Logged, TraceText};
use domain::auth_log::{AuthLogEntry, AuthOutcome, Knock};
use domain::credential::HashScheme;
use domain::id::{AuthId, NasId, SubscriberId, TenantId};
use domain::time::Timestamp;
use storage::auth_log::list::{AuthLogFilter, AuthLogRow};
use storage::nas::NasPatch;
use storage::page::Page;
use storage::statistic::{Range, Step};
use storage::store::Store;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, name, new_nas};

testkit::test_on_both_databases!(
    entries_are_listed_as_they_were_appended,
    entries_are_filtered_and_paged,
    entries_are_appended_once_and_pruned,
    an_entry_for_several_decisions_keeps_their_count,
    a_row_of_a_later_version_can_be_read,
    a_user_is_found_however_many_rows_there_are,
    a_log_ends_at_an_instant_and_has_several_names,
    what_the_log_forgets_leaves_the_last_decisions,
    knocks_add_up_and_are_bounded,
    a_registered_router_does_not_knock,
    decisions_are_counted_by_the_hour_and_once,
    decisions_are_found_by_reason_device_and_id,
    a_page_goes_on_where_the_last_one_ended,
);

const START: Timestamp = TestClock::START;

fn entry(number: u8, user: &str, nas: NasId, outcome: AuthOutcome) -> AuthLogEntry {
    let at = START.plus_seconds(i64::from(number));
    let mut trace = Trace::new();
    trace.push(TraceStep::SubscriberFound);
    if let AuthOutcome::Rejected(reason) = outcome {
        trace.push(TraceStep::Refused(reason));
    }
    AuthLogEntry {
        id: AuthId::new(at, [number; 10]),
        at,
        tenant: TENANT,
        nas,
        subscriber: None,
        username: Some(user.into()),
        method: Method::MsChapV2,
        outcome,
        trace: TraceText::of(&trace),
        calling_station: Some("aabbccddee0f".into()),
        called_station: None,
        count: 1,
        last_at: at,
    }
}

async fn append(store: &Store, entries: &[AuthLogEntry]) {
    let entries: Vec<&AuthLogEntry> = entries.iter().collect();
    store.auth_log_append(&entries, &[]).await.unwrap();
}

async fn list(store: &Store, filter: &AuthLogFilter) -> Vec<AuthLogRow> {
    let page = Page::first(100);
    store.auth_log_list(TENANT, filter, &page).await.unwrap()
}

async fn entries_are_listed_as_they_were_appended(database: Database) {
    let store = database.store().await;
    let nas = store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    let reasons = [
        RejectReason::UnknownUser,
        RejectReason::Expired { at: START },
        RejectReason::MethodNeedsCleartext {
            method: Method::Chap,
            stored: HashScheme::Bcrypt,
        },
        RejectReason::SessionLimit { open: 3, limit: 2 },
    ];
    let entries: Vec<AuthLogEntry> = (0..)
        .zip(reasons)
        .map(|(number, reason)| entry(number, "Ana", nas.id, AuthOutcome::Rejected(reason)))
        .chain([entry(9, "b\0c", nas.id, AuthOutcome::Accepted)])
        .collect();
    append(&store, &entries).await;
    store.nas_delete(TENANT, &nas.name).await.unwrap();
    let rows = list(&store, &AuthLogFilter::default()).await;
    assert_eq!(rows.len(), entries.len());
    for (row, entry) in rows.iter().zip(entries.iter().rev()) {
        assert_eq!(row.id, entry.id);
        assert_eq!(row.at, entry.at);
        assert_eq!(row.nas, "pop-1", "a name outlives its router");
        let reason = match entry.outcome {
            AuthOutcome::Accepted => None,
            AuthOutcome::Rejected(reason) => Some(Logged::Known(reason)),
        };
        assert_eq!(row.trace, entry.trace.steps(reason.as_ref()));
        assert_eq!(row.reason, reason);
        assert_eq!(row.method, Logged::Known(entry.method));
        let username = entry.username.as_ref();
        assert_eq!(
            row.username,
            username.map(|name| name.replace('\0', "\u{fffd}"))
        );
        assert_eq!((row.count, row.last_at), (entry.count, entry.last_at));
        assert_eq!(row.calling_station, entry.calling_station);
    }
}

async fn entries_are_filtered_and_paged(database: Database) {
    let store = database.store().await;
    let mut nas = Vec::new();
    for (name, source) in [("pop-1", "10.0.0.1"), ("pop-2", "10.0.0.2")] {
        nas.push(store.nas_insert(new_nas(name, source)).await.unwrap().id);
    }
    let rejected = AuthOutcome::Rejected(RejectReason::UnknownUser);
    let entries = [
        entry(1, "Ana", nas[0], AuthOutcome::Accepted),
        entry(2, "ana", nas[1], rejected),
        entry(3, "eva", nas[0], rejected),
        entry(4, "eva", nas[1], AuthOutcome::Accepted),
    ];
    append(&store, &entries).await;
    let ana = AuthLogFilter {
        usernames: vec!["ANA".to_owned()],
        ..AuthLogFilter::default()
    };
    let second = AuthLogFilter {
        nas: Some(name("POP-2")),
        ..AuthLogFilter::default()
    };
    let refused = AuthLogFilter {
        is_accepted: Some(false),
        ..AuthLogFilter::default()
    };
    let recent = AuthLogFilter {
        is_accepted: Some(true),
        since: Some(START.plus_seconds(3)),
        ..AuthLogFilter::default()
    };
    for (filter, expected) in [
        (AuthLogFilter::default(), vec![4, 3, 2, 1]),
        (ana, vec![2, 1]),
        (second, vec![4, 2]),
        (refused, vec![3, 2]),
        (recent, vec![4]),
    ] {
        let mut seen = Vec::new();
        let mut page = Page::first(1);
        loop {
            let rows = store.auth_log_list(TENANT, &filter, &page).await.unwrap();
            let Some(last) = rows.last() else { break };
            page = Page::after(last.place, 1);
            seen.push(last.at.seconds_since(START));
        }
        assert_eq!(seen, expected, "{filter:?}");
    }
}

async fn entries_are_appended_once_and_pruned(database: Database) {
    let store = database.store().await;
    let nas = NasId::new(START, [1; 10]);
    let entries: Vec<AuthLogEntry> = (0..9)
        .map(|number| entry(number, "ana", nas, AuthOutcome::Accepted))
        .collect();
    for _ in 0..2 {
        append(&store, &entries).await;
    }
    let before = START.plus_seconds(5);
    let mut removed = Vec::new();
    for _ in 0..3 {
        removed.push(store.auth_log_prune(before, 3).await.unwrap());
    }
    assert_eq!(removed, [3, 2, 0]);
    let rows = list(&store, &AuthLogFilter::default()).await;
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0].nas, nas.to_string());
}

async fn an_entry_for_several_decisions_keeps_their_count(database: Database) {
    let store = database.store().await;
    let nas = NasId::new(START, [1; 10]);
    let entries = [
        AuthLogEntry {
            count: 7,
            last_at: START.plus_seconds(60),
            ..entry(1, "ana", nas, AuthOutcome::Accepted)
        },
        AuthLogEntry {
            username: None,
            count: u64::MAX,
            ..entry(2, "", nas, AuthOutcome::Accepted)
        },
    ];
    append(&store, &entries).await;
    let rows = list(&store, &AuthLogFilter::default()).await;
    assert_eq!((rows[1].count, rows[1].last_at), (7, entries[0].last_at));
    assert_eq!(rows[0].username, None);
    assert_eq!(rows[0].count, i64::MAX.unsigned_abs());
    assert_eq!(
        store.auth_log_latest().await.unwrap(),
        Some(START.plus_seconds(2))
    );
}

async fn a_row_of_a_later_version_can_be_read(database: Database) {
    let store = database.store().await;
    let nas = NasId::new(START, [1; 10]);
    append(&store, &[entry(1, "ana", nas, AuthOutcome::Accepted)]).await;
    database
        .execute("UPDATE auth_log SET method = 'pace', reason = 'quota_used 7', trace = 'f q7 r'")
        .await;
    let rows = list(&store, &AuthLogFilter::default()).await;
    assert_eq!(rows[0].method, Logged::Unknown("pace".into()));
    let reason = Some(Logged::Unknown("quota_used 7".into()));
    assert_eq!(rows[0].reason, reason);
    assert_eq!(
        rows[0].trace,
        [
            Logged::Known(TraceStep::SubscriberFound),
            Logged::Unknown("q7".into()),
            Logged::Unknown("quota_used 7".into()),
        ]
    );
}

/// Rows that are stored far apart: a user is looked up in each block of 65,536 rows.
async fn a_user_is_found_however_many_rows_there_are(database: Database) {
    const APART: i64 = 50_000;
    let store = database.store().await;
    let nas = NasId::new(START, [1; 10]);
    let entries: Vec<AuthLogEntry> = (0..250)
        .map(|number| {
            let user = if number % 25 == 0 { "Ana" } else { "eva" };
            entry(number, user, nas, AuthOutcome::Accepted)
        })
        .collect();
    append(&store, &entries).await;
    // From the far end, so that no two rows meet on the way.
    database
        .execute(&format!(
            "UPDATE auth_log SET number = -number; \
             UPDATE auth_log SET number = -number * {APART};"
        ))
        .await;
    let filter = AuthLogFilter {
        usernames: vec!["ana".to_owned()],
        ..AuthLogFilter::default()
    };
    for limit in [1, 3, 100] {
        let mut seen = Vec::new();
        let mut page = Page::first(limit);
        loop {
            let rows = store.auth_log_list(TENANT, &filter, &page).await.unwrap();
            let Some(last) = rows.last() else { break };
            page = Page::after(last.place, limit);
            seen.extend(rows.iter().map(|row| row.at.seconds_since(START)));
        }
        assert_eq!(seen, [225, 200, 175, 150, 125, 100, 75, 50, 25, 0]);
    }
    let recent = AuthLogFilter {
        since: Some(START.plus_seconds(200)),
        ..filter
    };
    assert_eq!(list(&store, &recent).await.len(), 2);
    let future = AuthLogFilter {
        since: Some(START.plus_seconds(900)),
        ..AuthLogFilter::default()
    };
    assert!(list(&store, &future).await.is_empty());
}

async fn a_log_ends_at_an_instant_and_has_several_names(database: Database) {
    let store = database.store().await;
    let nas = NasId::new(START, [1; 10]);
    let names = ["ana", "Ana@isp", "eva", "ana ", "ana"];
    let entries: Vec<AuthLogEntry> = (1..)
        .zip(names)
        .map(|(number, name)| entry(number, name, nas, AuthOutcome::Accepted))
        .collect();
    append(&store, &entries).await;
    let seconds = async |names: &[&str], until: Option<i64>| {
        let filter = AuthLogFilter {
            usernames: names.iter().map(|name| (*name).to_owned()).collect(),
            until: until.map(|seconds| START.plus_seconds(seconds)),
            ..AuthLogFilter::default()
        };
        let rows = list(&store, &filter).await;
        let seconds = rows.iter().map(|row| row.at.seconds_since(START));
        seconds.collect::<Vec<_>>()
    };
    assert_eq!(seconds(&["ana", "ana@ISP"], None).await, [5, 2, 1]);
    assert_eq!(seconds(&["ana", "ana@isp"], Some(4)).await, [2, 1]);
    assert_eq!(seconds(&["ana "], None).await, [4]);
    assert_eq!(seconds(&[], Some(3)).await, [3, 2, 1]);
    assert_eq!(seconds(&["ana"], Some(0)).await, [0; 0]);
}

fn of_ana(number: u8, nas: NasId, outcome: AuthOutcome) -> AuthLogEntry {
    AuthLogEntry {
        subscriber: Some(SubscriberId::new(START, [7; 10])),
        ..entry(number, "Ana", nas, outcome)
    }
}

/// Nine decisions about ana, about rob, who has rows, and about others.
fn known_and_strangers() -> [AuthLogEntry; 9] {
    let nas = NasId::new(START, [1; 10]);
    let wrong = AuthOutcome::Rejected(RejectReason::WrongPassword {
        method: Method::MsChapV2,
    });
    let differs = AuthOutcome::Rejected(RejectReason::RowsDoNotMatch);
    let unknown = AuthOutcome::Rejected(RejectReason::UnknownUser);
    let of_ana = |number, outcome| of_ana(number, nas, outcome);
    let mut of_rows = Trace::new();
    of_rows.push(TraceStep::RowsFound);
    [
        of_ana(1, AuthOutcome::Accepted),
        of_ana(2, wrong),
        of_ana(3, AuthOutcome::Accepted),
        AuthLogEntry {
            trace: TraceText::of(&of_rows),
            ..entry(4, "rob", nas, differs)
        },
        entry(5, "stranger", nas, unknown),
        entry(6, "rob", nas, AuthOutcome::Accepted),
        AuthLogEntry {
            username: None,
            ..entry(7, "", nas, AuthOutcome::Accepted)
        },
        of_ana(8, wrong),
        of_ana(9, AuthOutcome::Accepted),
    ]
}

async fn what_the_log_forgets_leaves_the_last_decisions(database: Database) {
    let store = database.store().await;
    let entries = known_and_strangers();
    append(&store, &entries).await;
    let names = ["ANA", "rob", "stranger", ""].map(str::to_owned);
    let kept = async || {
        let rows = store.auth_last_list(TENANT, &names).await.unwrap();
        let shown = rows.iter().map(|row| {
            let name = row.username.clone().unwrap_or_default();
            (name, row.at.seconds_since(START), row.reason.is_none())
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(kept().await, []);
    // Piece by piece, as retention does it, and the last one of each stays.
    while 0 < store
        .auth_log_prune(START.plus_seconds(9), 2)
        .await
        .unwrap()
    {}
    let expected = [
        ("ana", 8, false),
        ("rob", 6, true),
        ("rob", 4, false),
        ("ana", 3, true),
    ];
    assert_eq!(
        kept().await,
        expected.map(|(name, at, is)| (name.to_owned(), at, is))
    );
    let rows = store.auth_last_list(TENANT, &names).await.unwrap();
    assert_eq!(rows[0].id, entries[7].id);
    assert_eq!(rows[0].trace.len(), 2, "the trace with its reason");
    assert_eq!(rows[0].calling_station, entries[7].calling_station);
    // What is removed later is newer, unless a clock was set back.
    assert_eq!(
        store
            .auth_log_prune(START.plus_seconds(10), 9)
            .await
            .unwrap(),
        1
    );
    let old = of_ana(2, entries[0].nas, AuthOutcome::Accepted);
    append(
        &store,
        &[AuthLogEntry {
            id: AuthId::new(old.at, [99; 10]),
            ..old
        }],
    )
    .await;
    store
        .auth_log_prune(START.plus_seconds(10), 9)
        .await
        .unwrap();
    assert_eq!(kept().await[0], ("ana".to_owned(), 9, true));
    let gone = store.auth_last_prune(START.plus_seconds(8)).await.unwrap();
    assert_eq!(gone, 2);
    assert_eq!(kept().await.len(), 2);
}

fn knock(number: u32, seconds: i64, packets: u64) -> Knock {
    Knock {
        source: IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)),
        last_at: START.plus_seconds(seconds),
        packets,
    }
}

async fn knocks_add_up_and_are_bounded(database: Database) {
    let store = database.store().await;
    let batch = [knock(1, 10, 3), knock(1, 5, 4), knock(2, 1, u64::MAX)];
    store.auth_log_append(&[], &batch).await.unwrap();
    let batch = [knock(1, 20, 1), knock(2, 2, u64::MAX)];
    store.auth_log_append(&[], &batch).await.unwrap();
    let rows = store.knock_list(10).await.unwrap();
    assert_eq!(rows[0].packets, 8);
    assert_eq!(rows[0].first_at, START.plus_seconds(10));
    assert_eq!(rows[0].last_at, START.plus_seconds(20));
    assert_eq!(rows[1].packets, i64::MAX.unsigned_abs());

    let flood: Vec<Knock> = (100..2_600).map(|number| knock(number, 30, 1)).collect();
    store.auth_log_append(&[], &flood).await.unwrap();
    let batch = [knock(5_000, 40, 1)];
    store.auth_log_append(&[], &batch).await.unwrap();
    let rows = store.knock_list(u32::MAX).await.unwrap();
    assert_eq!(rows.len(), 1_000);
    assert_eq!(rows[0].source, batch[0].source);
}

async fn a_registered_router_does_not_knock(database: Database) {
    let store = database.store().await;
    let mut batch = vec![knock(1, 1, 1), knock(2, 2, 1), knock(0x1_0000, 3, 1)];
    batch.push(Knock {
        source: "2001:db8::1".parse().unwrap(),
        ..batch[0]
    });
    store.auth_log_append(&[], &batch).await.unwrap();
    store
        .nas_insert(new_nas("pop-1", "10.0.0.0/24"))
        .await
        .unwrap();
    assert_eq!(knocking(&store).await, ["10.1.0.0", "2001:db8::1"]);
    let patch = NasPatch {
        source: Some("10.1.0.0/16".parse().unwrap()),
        ..NasPatch::default()
    };
    let moved = store.nas_update(TENANT, &name("pop-1"), patch).await;
    moved.unwrap();
    assert_eq!(knocking(&store).await, ["2001:db8::1"]);
}

async fn knocking(store: &Store) -> Vec<String> {
    let rows = store.knock_list(10).await.unwrap();
    rows.iter().map(|knock| knock.source.to_string()).collect()
}

async fn decisions_are_counted_by_the_hour_and_once(database: Database) {
    let store = database.store().await;
    let nas = NasId::new(START, [1; 10]);
    let other = NasId::new(START, [2; 10]);
    let refused = AuthOutcome::Rejected(RejectReason::UnknownUser);
    let later = START.plus_seconds(3_600);
    let entries = [
        entry(1, "ana", nas, AuthOutcome::Accepted),
        AuthLogEntry {
            count: 7,
            ..entry(2, "eva", nas, refused)
        },
        entry(3, "eva", other, refused),
        AuthLogEntry {
            at: later,
            id: AuthId::new(later, [4; 10]),
            ..entry(4, "ana", nas, AuthOutcome::Accepted)
        },
    ];
    append(&store, &entries[..2]).await;
    // Who does not know what became of it appends again, together with what came since.
    append(&store, &entries).await;
    let range = Range {
        from: START.hour_start(),
        until: START.plus_seconds(7_200),
    };
    let counts = async |nas, step| {
        let found = store.auth_counts(TENANT, nas, step, range).await.unwrap();
        let found = found.into_iter();
        found.map(|one| (one.reason, one.count)).collect::<Vec<_>>()
    };
    let unknown = Some("unknown_user".to_owned());
    let all = [(None, 1), (unknown.clone(), 8), (None, 1)];
    assert_eq!(counts(None, Step::Hour).await, all);
    assert_eq!(
        counts(None, Step::Day).await,
        [(None, 2), (unknown.clone(), 8)]
    );
    assert_eq!(counts(Some(other), Step::Hour).await, [(unknown, 1)]);
}

async fn decisions_are_found_by_reason_device_and_id(database: Database) {
    let store = database.store().await;
    let nas = NasId::new(START, [1; 10]);
    let limit = RejectReason::SessionLimit { open: 2, limit: 2 };
    let entries = [
        entry(1, "ana", nas, AuthOutcome::Accepted),
        entry(2, "eva", nas, AuthOutcome::Rejected(limit)),
        AuthLogEntry {
            calling_station: Some("02-00-5E-00-00-01".into()),
            ..entry(
                3,
                "eva",
                nas,
                AuthOutcome::Rejected(RejectReason::UnknownUser),
            )
        },
    ];
    append(&store, &entries).await;
    let because = |code: &str| AuthLogFilter {
        reason: Some(code.to_owned()),
        ..AuthLogFilter::default()
    };
    let device = AuthLogFilter {
        calling_stations: vec!["x".to_owned(), "02-00-5E-00-00-01".to_owned()],
        ..AuthLogFilter::default()
    };
    let rows = [
        (because("session_limit"), vec![2]),
        (because("unknown_user"), vec![3]),
        (because("session"), vec![]),
        (because("session-limit"), vec![]),
        (device, vec![3]),
    ];
    for (filter, expected) in rows {
        let found = list(&store, &filter).await;
        let found: Vec<_> = found
            .iter()
            .map(|row| row.at.seconds_since(START))
            .collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let found = store.auth_log_find(TENANT, entries[1].id).await.unwrap();
    let reason = found.and_then(|row| row.reason);
    assert_eq!(reason.as_ref().map(Logged::code), Some("session_limit"));
    let other = TenantId::from_bytes([9; 16]);
    assert_eq!(
        store.auth_log_find(other, entries[1].id).await.unwrap(),
        None
    );
}

/// However sparse what is wanted is, a page looks at a part of the log, and the next one goes on.
async fn a_page_goes_on_where_the_last_one_ended(database: Database) {
    let store = database.store().await;
    let nas = NasId::new(START, [1; 10]);
    let entries: Vec<_> = (1..=5)
        .map(|number| entry(number, "ana", nas, AuthOutcome::Accepted))
        .collect();
    append(&store, &entries).await;
    // As if so much had been stored in between.
    database
        .execute("UPDATE auth_log SET number = number + 120000 WHERE number > 2")
        .await;
    let rejected = AuthLogFilter {
        is_accepted: Some(false),
        ..AuthLogFilter::default()
    };
    for (filter, expected, pages) in [(AuthLogFilter::default(), 5, 5), (rejected, 0, 3)] {
        let (mut seen, mut looks) = (0, 0);
        let mut page = Page::first(2);
        loop {
            let found = store.auth_log_page(TENANT, &filter, &page).await.unwrap();
            looks += 1;
            seen += found.rows.len();
            let Some(next) = found.next else { break };
            page = Page::after(next, 2);
        }
        assert_eq!((seen, looks), (expected, pages), "{filter:?}");
    }
}
