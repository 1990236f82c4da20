//! The spool: what is appended survives, in order, and damage is noticed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use domain::accounting::{
    AccountingRecord, Origin, SessionEvent, SessionKey, SessionPlace, SessionRecord, SourceId,
};
use domain::id::NasId;
use domain::usage::UsageAmount;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use storage::spool::{Parcel, Spool, SpoolError, SpoolLimits};
use testkit::database::{TestClock, scratch};

use crate::fixture::TENANT;

const NOW: domain::time::Timestamp = TestClock::START;

fn records(count: u64) -> Vec<AccountingRecord> {
    let record = |number| {
        AccountingRecord::Session(SessionRecord {
            event: SessionEvent::Interim,
            tenant: TENANT,
            nas: NasId::new(NOW, [1; 10]),
            key: SessionKey([7; 16]),
            auth: None,
            terms: None,
            subscriber: None,
            username: "ana".into(),
            at: NOW,
            total: UsageAmount {
                session_seconds: number,
                ..UsageAmount::default()
            },
            terminate_cause: None,
            place: SessionPlace::default(),
        })
    };
    (0..count).map(record).collect()
}

fn origin(first: u64) -> Origin {
    Origin {
        source: SourceId([1; 16]),
        first,
    }
}

async fn open(directory: &Path) -> Spool {
    let spool = Spool::open(directory, SpoolLimits::DEFAULT, NOW).await;
    spool.unwrap()
}

/// Appends parcels of these sizes.
async fn fill(spool: &Spool, sizes: &[u64]) {
    let mut first = 1;
    for size in sizes {
        spool.append(origin(first), &records(*size)).await.unwrap();
        first += size;
    }
}

fn numbers(parcels: &[Parcel]) -> Vec<u64> {
    parcels.iter().map(|parcel| parcel.origin.first).collect()
}

async fn execute(directory: &Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(directory.join("spool.db"));
    let mut connection = options.connect().await.unwrap();
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn parcels_survive_and_leave_in_their_order() {
    let directory = scratch();
    let spool = open(directory.path()).await;
    assert_eq!((spool.depth(), spool.peek(10).await.unwrap()), (0, vec![]));
    fill(&spool, &[3, 1, 2]).await;
    // As after a crash: the file is not closed.
    let spool = open(directory.path()).await;
    assert_eq!(spool.depth(), 6);
    let parcels = spool.peek(100).await.unwrap();
    assert_eq!(numbers(&parcels), [1, 4, 5]);
    assert_eq!(parcels[0].records, records(3));
    assert_eq!(parcels[0].origin, origin(1));
    spool.remove(parcels[1].position).await.unwrap();
    assert_eq!(spool.depth(), 2);
    let left = spool.peek(100).await.unwrap();
    assert_eq!(left, parcels[2..]);
    // Positions are never used again.
    spool.remove(left[0].position).await.unwrap();
    spool.append(origin(7), &records(1)).await.unwrap();
    let next = spool.peek(100).await.unwrap();
    assert!(left[0].position < next[0].position);
}

#[tokio::test]
async fn a_look_takes_no_more_than_it_must() {
    let directory = scratch();
    let spool = open(directory.path()).await;
    fill(&spool, &[3, 3, 3, 3]).await;
    for (records_max, expected) in [(1, 1), (3, 1), (4, 2), (12, 4), (100, 4)] {
        let parcels = spool.peek(records_max).await.unwrap();
        assert_eq!(parcels.len(), expected, "{records_max}");
    }
}

#[tokio::test]
async fn a_full_spool_says_so_and_takes_again_when_it_has_room() {
    let bytes = u64::MAX;
    let rows = [
        SpoolLimits { records: 5, bytes },
        SpoolLimits {
            records: u64::MAX,
            bytes: 600,
        },
    ];
    for limits in rows {
        let directory = scratch();
        let spool = Spool::open(directory.path(), limits, NOW).await.unwrap();
        fill(&spool, &[2, 2]).await;
        let full = spool.append(origin(5), &records(4)).await;
        assert!(matches!(full, Err(SpoolError::Full { records: 4, .. })));
        let parcels = spool.peek(100).await.unwrap();
        spool.remove(parcels[1].position).await.unwrap();
        spool.append(origin(5), &records(4)).await.unwrap();
        assert_eq!(spool.depth(), 4);
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_moved_away() {
    let directory = scratch();
    fs::write(directory.path().join("spool.db"), [b'x'; 8_192]).unwrap();
    let spool = open(directory.path()).await;
    fill(&spool, &[1]).await;
    assert_eq!(spool.depth(), 1);
    let kept = format!("spool.db.damaged-{}", NOW.as_micros());
    let kept = fs::read(directory.path().join(kept)).unwrap();
    assert_eq!(kept, [b'x'; 8_192]);
}

#[tokio::test]
async fn a_damaged_parcel_is_set_aside_and_the_others_are_given() {
    let directory = scratch();
    let spool = open(directory.path()).await;
    fill(&spool, &[2, 2, 2]).await;
    let damage = "UPDATE parcel SET payload = zeroblob(40) WHERE position = 2";
    execute(directory.path(), damage).await;
    assert_eq!(numbers(&spool.peek(100).await.unwrap()), [1, 5]);
    assert_eq!(
        (spool.depth(), spool.set_aside_count().await.unwrap()),
        (4, 1)
    );
    execute(directory.path(), "UPDATE parcel SET payload = X'00'").await;
    assert_eq!(spool.peek(100).await.unwrap(), []);
    assert_eq!(
        (spool.depth(), spool.set_aside_count().await.unwrap()),
        (0, 3)
    );
}

#[tokio::test]
async fn a_refused_record_is_kept_aside() {
    let directory = scratch();
    let spool = open(directory.path()).await;
    spool.set_aside(origin(1), &records(1)[0]).await.unwrap();
    let spool = open(directory.path()).await;
    assert_eq!(spool.set_aside_count().await.unwrap(), 1);
    assert_eq!(spool.depth(), 0);
}

#[tokio::test]
async fn a_spool_of_a_newer_program_is_refused_and_left_alone() {
    let directory = scratch();
    drop(open(directory.path()).await);
    execute(directory.path(), "PRAGMA user_version = 3").await;
    let refused = Spool::open(directory.path(), SpoolLimits::DEFAULT, NOW).await;
    assert!(matches!(refused, Err(SpoolError::Newer { found: 3, .. })));
}

#[tokio::test]
async fn only_the_owner_reads_the_spool() {
    let directory = scratch();
    let spool = open(directory.path()).await;
    fill(&spool, &[1]).await;
    for name in ["spool.db", "spool.db-wal"] {
        let metadata = fs::metadata(directory.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn an_empty_spool_gives_its_room_back() {
    let directory = scratch();
    let spool = open(directory.path()).await;
    let size = || {
        let metadata = fs::metadata(directory.path().join("spool.db"));
        metadata.unwrap().len()
    };
    fill(&spool, &[20_000; 12]).await;
    assert!((8 << 20) < size());
    let mut last = 0;
    for parcel in spool.peek(usize::MAX).await.unwrap() {
        last = parcel.position;
    }
    spool.remove(last).await.unwrap();
    spool.close().await;
    assert!(size() < 1 << 20, "{}", size());
}
