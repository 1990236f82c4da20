//! Accounting in lanes: commits at the same time, each with sessions of its own, end as if each
//! record had come alone.

use domain::accounting::{AccountingRecord, Origin, SourceId};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use storage::page::Page;
use storage::session::SessionFilter;
use storage::store::Store;
use storage::usage::UsageGrain;
use testkit::database::Database;
use tokio::task::JoinSet;

use crate::accounting::{any_record, shown};
use crate::fixture::{TENANT, username};

testkit::test_on_both_databases!(lanes_end_as_one_record_after_the_other);

const LANES: usize = 4;
const TURNS: usize = 4;

/// The lanes of one node: what they number their records with.
struct Lanes {
    store: Store,
    next: [u64; LANES],
}

impl Lanes {
    /// Commits what is between two restarts: every lane by itself, in parts, and some parts twice,
    /// as when nobody saw the end of the first time.
    async fn commit(&mut self, records: &[AccountingRecord], part_len: usize) {
        let mut lanes = JoinSet::new();
        for lane in 0..LANES {
            let of_lane: Vec<AccountingRecord> = records
                .iter()
                .filter(|record| lane_of(record) == lane)
                .cloned()
                .collect();
            let origin = self.origin(lane);
            self.next[lane] += of_lane.len() as u64;
            let store = self.store.clone();
            lanes.spawn(async move {
                for (index, part) in of_lane.chunks(part_len).enumerate() {
                    let origin = origin.plus((index * part_len) as u64);
                    let once = store.accounting_commit_numbered(origin, part, &[]);
                    let again = store.accounting_commit_numbered(origin, part, &[]);
                    if index % 2 == 0 {
                        once.await.unwrap();
                    } else {
                        let (once, again) = tokio::join!(once, again);
                        once.unwrap();
                        again.unwrap();
                    }
                }
            });
        }
        lanes.join_all().await;
    }

    async fn restart(&mut self, record: &AccountingRecord) {
        let origin = self.origin(0);
        self.next[0] += 1;
        let record = std::slice::from_ref(record);
        let done = self.store.accounting_commit_numbered(origin, record, &[]);
        done.await.unwrap();
    }

    fn origin(&self, lane: usize) -> Origin {
        Origin {
            source: SourceId([u8::try_from(lane).unwrap(); 16]),
            first: self.next[lane],
        }
    }
}

fn lane_of(record: &AccountingRecord) -> usize {
    match record {
        AccountingRecord::Session(record) => record.key.lane(LANES),
        AccountingRecord::NasRestart(_) => 0,
    }
}

/// Every session without its id, and the usage.
async fn state(store: &Store) -> (Vec<String>, Vec<u64>) {
    let page = Page::first(1_000);
    let filter = SessionFilter::default();
    let rows = store.session_list(TENANT, &filter, &page);
    let mut sessions: Vec<String> = rows
        .await
        .unwrap()
        .iter()
        .map(|row| {
            let total = UsageAmount {
                upload_bytes: row.upload_bytes,
                download_bytes: row.download_bytes,
                session_seconds: row.session_seconds,
            };
            let life = shown(row.started_at, row.stopped_at, total, row.terminate_cause);
            format!("{} {life}", row.nas_id)
        })
        .collect();
    sessions.sort();
    let (from, to) = (Timestamp::default(), Timestamp::from_micros(i64::MAX));
    let user = username("ana");
    let hours = store.usage_list(TENANT, &user, UsageGrain::Hour, from, to, 1_000);
    let hours = hours.await.unwrap();
    let uploads = hours.iter().map(|hour| hour.amount.upload_bytes);
    (sessions, uploads.collect())
}

async fn lanes_end_as_one_record_after_the_other(database: Database) {
    let alone = Database::migrated(database.kind()).await;
    let alone = alone.store().await;
    let mut lanes = Lanes {
        store: database.store().await,
        next: [1; LANES],
    };
    let mut runner = TestRunner::deterministic();
    for turn in 0..TURNS {
        let records = prop::collection::vec(any_record(), 60..90)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let is_session =
                |record: &&AccountingRecord| matches!(record, AccountingRecord::Session(_));
            let (sessions, after) = rest.split_at(rest.iter().take_while(is_session).count());
            lanes.commit(sessions, 1 + turn).await;
            if let Some(restart) = after.first() {
                lanes.restart(restart).await;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        for record in &records {
            let record = std::slice::from_ref(record);
            alone.accounting_commit(record).await.unwrap();
        }
        assert_eq!(
            state(&lanes.store).await,
            state(&alone).await,
            "{records:#?}"
        );
    }
}
