//! The schema: made, found up to date, refused, and made by several at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use domain::access::{Method, RejectReason, TraceStep};
use domain::auth_log::shorthand::Logged;
use domain::credential::HashScheme;
use domain::id::{AuthId, Id};
use domain::plan::PlanTerms;
use domain::session::SessionState;
use domain::subscriber::SubscriberStatus;
use domain::time::Timestamp;
use storage::auth_log::list::AuthLogFilter;
use storage::error::OpenError;
use storage::listing::ListQuery;
use storage::migration::{migrate, migrate_through, schema_status};
use storage::page::Page;
use storage::search::hit::HitKind;
use storage::session::SessionFilter;
use storage::store::{OpenOptions, Store, StoreOptions};
use storage::usage::UsageGrain;
use testkit::database::{Database, DatabaseKind, TestClock};
use tokio::task::JoinSet;

use crate::fixture::{TENANT, name, username};

async fn check_first_and_second(kind: DatabaseKind) {
    let database = Database::empty(kind).await;
    let options = database.open_options();
    let status = schema_status(&options).await.unwrap();
    assert_eq!(
        (status.found, status.pending.len()),
        (0, status.known as usize)
    );
    let opened = Store::open(database.store_options()).await;
    assert!(matches!(
        opened,
        Err(OpenError::NotMigrated { found: 0, .. })
    ));

    let report = migrate(&options).await.unwrap();
    assert_eq!((report.from, report.to), (0, status.known));
    assert_eq!(report.applied, status.pending);
    let report = migrate(&options).await.unwrap();
    assert_eq!(report.from, status.known);
    assert!(report.applied.is_empty());
    let status = schema_status(&options).await.unwrap();
    assert!(status.pending.is_empty());
    database.store().await.ping().await.unwrap();
}

async fn check_newer(kind: DatabaseKind) {
    let database = Database::migrated(kind).await;
    database
        .execute("INSERT INTO schema_version (version, name, applied_at) VALUES (900, 'm0900', 0)")
        .await;
    let error = Store::open(database.store_options()).await.unwrap_err();
    let is_newer = matches!(error, OpenError::NewerSchema { found: 900, .. });
    assert!(is_newer, "{error:?}");
    let message = migrate(&database.open_options())
        .await
        .unwrap_err()
        .to_string();
    assert!(message.contains("run the newer lastmile"), "{message}");
    assert!(!message.contains("unchecked"), "{message}");
}

async fn check_many_at_once(kind: DatabaseKind) {
    let database = Database::empty(kind).await;
    let mut nodes = JoinSet::new();
    for _ in 0..6 {
        let options = database.open_options();
        nodes.spawn(async move { migrate(&options).await.unwrap() });
    }
    let reports = nodes.join_all().await;
    let workers = reports
        .iter()
        .filter(|report| !report.applied.is_empty())
        .count();
    assert_eq!(workers, 1);
    database.store().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_schema_is_made_once() {
    check_first_and_second(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_schema_is_made_once() {
    check_first_and_second(DatabaseKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_schema_of_a_newer_program_is_refused() {
    check_newer(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_schema_of_a_newer_program_is_refused() {
    check_newer(DatabaseKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_is_migrated_by_one_of_many_that_start_at_once() {
    check_many_at_once(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_migrated_by_one_of_many_that_start_at_once() {
    check_many_at_once(DatabaseKind::Postgres).await;
}

/// Rows of the authentication log as version 5 wrote them: reason and trace.
const OLD_LOG_ROWS: [(Option<&str>, &str); 7] = [
    (
        None,
        r#"[{"rule":"subscriber_found"},{"rule":"password_verified","method":"ms_chap_v1"},{"rule":"subscriber_active"},{"rule":"not_expired"},{"rule":"no_expiry"},{"rule":"nas_identifier_matches"},{"rule":"within_session_limit","open":1,"limit":5},{"rule":"no_session_limit"},{"rule":"session_timeout_until_expiry","seconds":90},{"rule":"granted"}]"#,
    ),
    (None, "[]"),
    (
        Some(r#"{"reason":"unknown_user"}"#),
        r#"[{"rule":"refused","reason":"unknown_user"}]"#,
    ),
    (
        Some(r#"{"reason":"expired","at":"2027-01-15T08:00:00Z"}"#),
        r#"[{"rule":"subscriber_found"},{"rule":"refused","reason":"expired","at":"2027-01-15T08:00:00Z"}]"#,
    ),
    (
        Some(r#"{"reason":"wrong_password","method":"ms_chap_v2"}"#),
        r#"[{"rule":"subscriber_found"},{"rule":"refused","reason":"wrong_password","method":"ms_chap_v2"}]"#,
    ),
    (
        Some(r#"{"reason":"method_needs_cleartext","method":"chap","stored":"sha256-crypt"}"#),
        r#"[{"rule":"subscriber_found"},{"rule":"refused","reason":"method_needs_cleartext","method":"chap","stored":"sha256-crypt"}]"#,
    ),
    (
        Some(r#"{"reason":"session_limit","open":3,"limit":2}"#),
        r#"[{"rule":"subscriber_found"},{"rule":"refused","reason":"session_limit","open":3,"limit":2}]"#,
    ),
];

fn new_log_rows() -> Vec<(Option<RejectReason>, Vec<TraceStep>)> {
    let refused = |reason| {
        let trace = vec![TraceStep::SubscriberFound, TraceStep::Refused(reason)];
        (Some(reason), trace)
    };
    let unknown = RejectReason::UnknownUser;
    vec![
        (
            None,
            vec![
                TraceStep::SubscriberFound,
                TraceStep::PasswordVerified {
                    method: Method::MsChapV1,
                },
                TraceStep::SubscriberActive,
                TraceStep::NotExpired,
                TraceStep::NoExpiry,
                TraceStep::NasIdentifierMatches,
                TraceStep::WithinSessionLimit { open: 1, limit: 5 },
                TraceStep::NoSessionLimit,
                TraceStep::SessionTimeoutUntilExpiry { seconds: 90 },
                TraceStep::Granted,
            ],
        ),
        (None, Vec::new()),
        (Some(unknown), vec![TraceStep::Refused(unknown)]),
        refused(RejectReason::Expired {
            at: TestClock::START,
        }),
        refused(RejectReason::WrongPassword {
            method: Method::MsChapV2,
        }),
        refused(RejectReason::MethodNeedsCleartext {
            method: Method::Chap,
            stored: HashScheme::Sha256Crypt,
        }),
        refused(RejectReason::SessionLimit { open: 3, limit: 2 }),
    ]
}

async fn check_old_log_rows(kind: DatabaseKind) {
    let database = Database::empty(kind).await;
    let options = database.open_options();
    migrate_through(&options, 5).await.unwrap();
    let tenant = literal(kind, &TENANT.as_uuid());
    for (number, (reason, trace)) in (0..).zip(OLD_LOG_ROWS) {
        let at = TestClock::START.plus_seconds(number);
        let octet = u8::try_from(number).unwrap();
        let id = literal(kind, &AuthId::new(at, [octet; 10]).as_uuid());
        let reason = reason.map_or_else(|| "NULL".to_owned(), |text| format!("'{text}'"));
        let at = at.as_micros();
        database
            .execute(&format!(
                "INSERT INTO auth_log (id, at, tenant, nas, subscriber, username, username_key, \
                 method, is_accepted, reason, trace, calling_station, called_station) VALUES \
                 ({id}, {at}, {tenant}, {tenant}, NULL, 'Ana', 'ana', 'mschapv2', 1, {reason}, \
                 '{trace}', 'aa:bb', NULL)"
            ))
            .await;
    }
    migrate(&options).await.unwrap();
    let store = database.store().await;
    let filter = AuthLogFilter {
        usernames: vec!["ana".to_owned()],
        ..AuthLogFilter::default()
    };
    let page = Page::first(100);
    let mut rows = store.auth_log_list(TENANT, &filter, &page).await.unwrap();
    rows.reverse();
    let expected = new_log_rows();
    assert_eq!(rows.len(), expected.len());
    for (number, (row, (reason, trace))) in (0..).zip(rows.iter().zip(expected)) {
        let at = TestClock::START.plus_seconds(number);
        assert_eq!((row.at, row.last_at, row.count), (at, at, 1));
        assert_eq!(row.username.as_deref(), Some("Ana"));
        assert_eq!(row.calling_station.as_deref(), Some("aa:bb"));
        assert_eq!(row.method, Logged::Known(Method::MsChapV2));
        assert_eq!(row.reason, reason.map(Logged::Known));
        let trace: Vec<_> = trace.into_iter().map(Logged::Known).collect();
        assert_eq!(row.trace, trace);
    }
}

/// Of an account that nobody has changed it is known since when it stands so.
async fn check_beginnings_of_states(kind: DatabaseKind) {
    let database = Database::empty(kind).await;
    let options = database.open_options();
    migrate_through(&options, 12).await.unwrap();
    let literal = |number: u128| literal(kind, &uuid::Uuid::from_u128(number));
    let tenant = self::literal(kind, &TENANT.as_uuid());
    let octets = match kind {
        DatabaseKind::Sqlite => "X'00'",
        DatabaseKind::Postgres => "'\\x00'",
    };
    let plan = literal(1);
    let mut sql = format!(
        "INSERT INTO plan (id, tenant, name, name_key, interim_seconds, created_at, updated_at) \
         VALUES ({plan}, {tenant}, 'Home', 'home', 300, 1, 1);"
    );
    for (id, name, updated_at) in [(2, "ana", 5), (3, "fay", 6)] {
        let id = literal(id);
        sql.push_str(&format!(
            "INSERT INTO subscriber (id, tenant, username, credential_kind, credential, plan, \
             status, created_at, updated_at) VALUES ({id}, {tenant}, '{name}', 'cleartext', \
             {octets}, {plan}, 'active', 5, {updated_at});"
        ));
    }
    database.execute(&sql).await;
    migrate(&options).await.unwrap();
    let store = database.store().await;
    for (name, expected) in [("ana", Some(5)), ("fay", None)] {
        let found = store
            .subscriber_find(TENANT, &username(name))
            .await
            .unwrap();
        let since = found.unwrap().status_at;
        assert_eq!(since.map(|at| at.as_micros()), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_states_of_an_earlier_version_have_a_beginning() {
    check_beginnings_of_states(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_states_of_an_earlier_version_have_a_beginning() {
    check_beginnings_of_states(DatabaseKind::Postgres).await;
}

/// A plan of an earlier version is its own first version.
async fn check_first_versions_of_plans(kind: DatabaseKind) {
    let database = Database::empty(kind).await;
    let options = database.open_options();
    migrate_through(&options, 20).await.unwrap();
    let plan = uuid::Uuid::from_u128(1);
    let (id, tenant) = (literal(kind, &plan), literal(kind, &TENANT.as_uuid()));
    let sql = format!(
        "INSERT INTO plan (id, tenant, name, name_key, rate, interim_seconds, quotas, \
         created_at, updated_at) VALUES ({id}, {tenant}, 'Home', 'home', '1M/2M', 300, \
         '5G/day', 1, 2)"
    );
    database.execute(&sql).await;
    migrate(&options).await.unwrap();
    let store = database.store().await;
    let (plan, page) = (Id::from_uuid(plan), Page::first(10));
    let versions = store.plan_version_list(TENANT, plan, &page).await.unwrap();
    let now = store
        .plan_find(TENANT, &name("home"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((versions.len(), versions[0].number), (1, 1));
    assert_eq!(versions[0].plan.terms, now.terms);
    assert_eq!(versions[0].at.as_micros(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_plans_of_an_earlier_version_have_a_first_version() {
    check_first_versions_of_plans(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_plans_of_an_earlier_version_have_a_first_version() {
    check_first_versions_of_plans(DatabaseKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_log_of_an_earlier_version_is_kept() {
    check_old_log_rows(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_log_of_an_earlier_version_is_kept() {
    check_old_log_rows(DatabaseKind::Postgres).await;
}

/// One row of each table that the seventh migration touches, as the version before wrote them.
async fn check_history_before_the_journal(kind: DatabaseKind) {
    let database = Database::empty(kind).await;
    let options = database.open_options();
    migrate_through(&options, 6).await.unwrap();
    let tenant = literal(kind, &TENANT.as_uuid());
    let one = literal(kind, &uuid::Uuid::from_u128(1));
    let session = "(id, key, tenant, nas, username, started_at, updated_at, upload_bytes, \
                   download_bytes, session_seconds, acct_session_id";
    let values = format!("({one}, {one}, {tenant}, {one}, 'ana', 1, 2, 3, 4, 5, '81000001'");
    let rows = format!(
        "INSERT INTO session_open {session}) VALUES {values}); \
         INSERT INTO session_closed {session}, stopped_at) VALUES {values}, 6); \
         INSERT INTO usage_hourly VALUES ({tenant}, 'ana', 0, 3, 4, 5); \
         INSERT INTO usage_daily VALUES ({tenant}, 'ana', 0, 3, 4, 5)"
    );
    database.execute(&rows).await;
    migrate(&options).await.unwrap();
    let store = database.store().await;
    let filter = SessionFilter::default();
    let page = Page::first(10);
    let sessions = store.session_list(TENANT, &filter, &page).await.unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].session_id, "81000001");
    let filter = SessionFilter {
        state: Some(SessionState::Open),
        ..SessionFilter::default()
    };
    let open = store.session_list(TENANT, &filter, &page).await.unwrap();
    assert_eq!(open.len(), 1);
    // A day is the sum of its hours, which are there.
    let (from, until) = (Timestamp::default(), Timestamp::from_seconds(86_400));
    for grain in [UsageGrain::Hour, UsageGrain::Day] {
        let ana = username("ana");
        let usage = store.usage_list(TENANT, &ana, grain, from, until, 10);
        let usage = usage.await.unwrap();
        assert_eq!(usage.len(), 1, "{grain:?}");
        assert_eq!(usage[0].amount.upload_bytes, 3, "{grain:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_history_of_an_earlier_version_is_kept() {
    check_history_before_the_journal(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_history_of_an_earlier_version_is_kept() {
    check_history_before_the_journal(DatabaseKind::Postgres).await;
}

/// A plan and its subscribers, as the version before access states wrote them.
async fn check_subscribers_before_access_states(kind: DatabaseKind) {
    let database = Database::empty(kind).await;
    let options = database.open_options();
    migrate_through(&options, 11).await.unwrap();
    let tenant = literal(kind, &TENANT.as_uuid());
    let [one, two] = [1, 2].map(|number| literal(kind, &uuid::Uuid::from_u128(number)));
    let octets = match kind {
        DatabaseKind::Sqlite => "X'00'",
        DatabaseKind::Postgres => "'\\x00'::BYTEA",
    };
    let rows = format!(
        "INSERT INTO plan (id, tenant, name, name_key, interim_seconds, created_at, updated_at) \
         VALUES ({one}, {tenant}, 'Home', 'home', 300, 1, 1); \
         INSERT INTO subscriber (id, tenant, username, credential_kind, credential, plan, status, \
         created_at, updated_at) \
         VALUES ({one}, {tenant}, 'ana', 'cleartext', {octets}, {one}, 'active', 1, 1), \
         ({two}, {tenant}, 'fay', 'cleartext', {octets}, {one}, 'disabled', 1, 1)"
    );
    database.execute(&rows).await;
    migrate(&options).await.unwrap();
    let store = database.store().await;
    let plan = store.plan_find(TENANT, &name("home")).await.unwrap();
    assert_eq!(plan.unwrap().terms, PlanTerms::default());
    let hits = store.search(TENANT, "fay", &[HitKind::Subscriber], 10);
    let labels: Vec<String> = hits
        .await
        .unwrap()
        .into_iter()
        .map(|hit| hit.label)
        .collect();
    assert_eq!(labels, ["fay"]);
    let query = ListQuery::first(10);
    let subscribers = store.subscriber_list(TENANT, &query);
    let found: Vec<_> = subscribers
        .await
        .unwrap()
        .rows
        .into_iter()
        .map(|subscriber| (subscriber.username.to_string(), subscriber.status))
        .collect();
    let expected = [
        ("ana".to_owned(), SubscriberStatus::Active),
        ("fay".to_owned(), SubscriberStatus::Disabled),
    ];
    assert_eq!(found, expected);
    let policy = store.tenant_policy(TENANT).await.unwrap();
    assert_eq!(policy.language.as_str(), "en");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_subscribers_of_an_earlier_version_are_kept() {
    check_subscribers_before_access_states(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_subscribers_of_an_earlier_version_are_kept() {
    check_subscribers_before_access_states(DatabaseKind::Postgres).await;
}

/// An id as SQL has it.
fn literal(kind: DatabaseKind, id: &uuid::Uuid) -> String {
    match kind {
        DatabaseKind::Sqlite => format!("X'{}'", id.simple()),
        DatabaseKind::Postgres => format!("'{id}'"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_file_and_its_journal_are_private() {
    let database = Database::migrated(DatabaseKind::Sqlite).await;
    let _store = database.store().await;
    for entry in fs::read_dir(database.data_dir()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_is_one_file_after_the_store_was_closed() {
    let database = Database::migrated(DatabaseKind::Sqlite).await;
    let store = database.store().await;
    let feed = store.change_feed().await.unwrap();
    store
        .nas_insert(crate::fixture::new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    drop(feed);
    store.close().await;
    assert!(store.ping().await.is_err());
    let journal = database.data_dir().join("lastmile.db-wal");
    let left = fs::metadata(&journal).map_or(0, |metadata| metadata.len());
    assert_eq!(left, 0);
    let store = database.store().await;
    assert_eq!(store.directory_nas_all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_one_clear_line() {
    let database = Database::empty(DatabaseKind::Sqlite).await;
    fs::write(database.data_dir().join("lastmile.db"), [b'x'; 4_096]).unwrap();
    let message = migrate(&database.open_options())
        .await
        .unwrap_err()
        .to_string();
    assert!(message.contains("lastmile.db"), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_one_clear_line() {
    let database = Database::empty(DatabaseKind::Sqlite).await;
    let options = OpenOptions {
        data_dir: "/proc/self/lastmile".into(),
        ..database.open_options()
    };
    let message = migrate(&options).await.unwrap_err().to_string();
    assert!(
        message.starts_with("/proc/self/lastmile/lastmile.db cannot be written: "),
        "{message}"
    );
}

#[tokio::test]
async fn an_unreachable_server_is_one_clear_line_without_the_password() {
    let database = Database::empty(DatabaseKind::Sqlite).await;
    let options = StoreOptions {
        // Port 1 has no listener.
        url: "postgres://ana:planted@127.0.0.1:1/isp".into(),
        ..database.store_options()
    };
    let error = Store::open(options.clone()).await.unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("postgres://127.0.0.1:1/isp"));
    let shown = format!("{error} {error:?} {options:?}");
    assert!(!shown.contains("planted"), "{shown}");
}
