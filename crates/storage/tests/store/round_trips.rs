//! How often a batch of accounting waits for the PostgreSQL server.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::accounting::{
    AccountingRecord, Origin, SessionEvent, SessionKey, SessionPlace, SessionRecord, SourceId,
};
use domain::id::{NasId, SubscriberId};
use domain::limit::{LimitFact, Meter, PeriodCounted, Span};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::store::{Store, StoreOptions};
use testkit::database::{Database, DatabaseKind, TestClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::fixture::TENANT;

const START: Timestamp = TestClock::START;
const HOUR: i64 = 3_600;
/// A batch of the journal.
const BATCH: u16 = 1_024;

/// Stands between a store and its server, and counts how often the store waits for an answer.
struct Wire {
    port: u16,
    turns: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Wire {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let turns = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&turns);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut wires = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                    .await
                    .unwrap();
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = server.into_split();
                wires.spawn(pass(from_client, to_server, Arc::clone(&counted)));
                wires.spawn(async move {
                    let _ = copy(&mut from_server, &mut to_client).await;
                });
            }
        });
        Self {
            port: own_port,
            turns,
            _tasks: tasks,
        }
    }

    fn turns(&self) -> u64 {
        self.turns.load(Ordering::SeqCst)
    }
}

/// Hands messages on until the connection ends. A `Sync` or a `Query` asks for an answer; the first
/// message has no type (PostgreSQL, Frontend/Backend Protocol, "Message Formats").
async fn pass(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, turns: Arc<AtomicU64>) {
    let mut is_first = true;
    loop {
        let mut kind = [0; 1];
        if !is_first && client.read_exact(&mut kind).await.is_err() {
            return;
        }
        let Ok(len) = client.read_u32().await else {
            return;
        };
        let mut body = vec![0; len as usize - 4];
        if client.read_exact(&mut body).await.is_err() {
            return;
        }
        let mut message = Vec::with_capacity(body.len() + 5);
        if !is_first {
            message.extend(kind);
        }
        message.extend(len.to_be_bytes());
        message.extend(body);
        if b"SQ".contains(&kind[0]) {
            turns.fetch_add(1, Ordering::SeqCst);
        }
        if server.write_all(&message).await.is_err() {
            return;
        }
        is_first = false;
    }
}

fn subscriber(number: u16) -> SubscriberId {
    let [high, low] = number.to_be_bytes();
    let made_at = START.plus_seconds(-86_400);
    SubscriberId::new(made_at, [0, 0, 0, 0, 0, 0, 0, 0, high, low])
}

fn interim(number: u16, minutes: i64, octets: u64) -> AccountingRecord {
    let [high, low] = number.to_be_bytes();
    let mut key = [0; 16];
    key[..2].copy_from_slice(&[high, low]);
    AccountingRecord::Session(SessionRecord {
        event: SessionEvent::Interim,
        tenant: TENANT,
        nas: NasId::new(START, [7; 10]),
        key: SessionKey(key),
        auth: None,
        terms: None,
        subscriber: Some(subscriber(number)),
        username: format!("user{number}").as_str().into(),
        at: START.plus_seconds(60 * minutes),
        total: UsageAmount {
            upload_bytes: octets,
            download_bytes: 0,
            session_seconds: 60 * minutes.unsigned_abs(),
        },
        terminate_cause: None,
        place: SessionPlace {
            acct_session_id: format!("s{number}").as_str().into(),
            ..SessionPlace::default()
        },
    })
}

/// At midnight everybody's day begins in the same batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_at_the_begin_of_a_period_takes_few_round_trips() {
    let database = Database::migrated(DatabaseKind::Postgres).await;
    let store = database.store().await;
    let total = |number: u16| 1_000_000 + u64::from(number);
    let before: Vec<_> = (0..BATCH)
        .map(|number| interim(number, 10, total(number) - 7))
        .collect();
    store.accounting_commit(&before).await.unwrap();
    store.close().await;

    let (_, server) = database.url().rsplit_once(':').unwrap();
    let (port, name) = server.split_once('/').unwrap();
    let wire = Wire::to(port.parse().unwrap()).await;
    let options = StoreOptions {
        url: format!(
            "postgres://postgres:unchecked@127.0.0.1:{}/{name}?sslmode=disable",
            wire.port
        ),
        ..database.store_options()
    };
    let store = Store::open(options).await.unwrap();
    let span = Span {
        starts_at: START,
        ends_at: START.plus_seconds(24 * HOUR),
    };
    let after: Vec<_> = (0..BATCH)
        .map(|number| interim(number, 20, total(number)))
        .collect();
    let meters: Vec<_> = (0..BATCH)
        .map(|number| {
            let meter = Meter {
                subscriber: subscriber(number),
                period: PeriodCounted::Day,
                span,
                allowed: None,
            };
            (usize::from(number), meter)
        })
        .collect();
    let origin = Origin {
        source: SourceId([1; 16]),
        first: 1,
    };
    let before = wire.turns();
    let commit = store.accounting_commit_numbered(origin, &after, &meters);
    let counted = commit.await.unwrap().counted;
    let turns = wire.turns() - before;
    assert!((1..50).contains(&turns), "{turns}");
    // Each began with what its own hours say.
    assert_eq!(counted.len(), usize::from(BATCH));
    for (number, news) in (0..BATCH).zip(counted) {
        let LimitFact::Counted { counter, .. } = news.fact else {
            panic!("{news:?}");
        };
        assert_eq!(news.subscriber, subscriber(number));
        assert_eq!(counter.used.upload_bytes, total(number));
        assert_eq!(counter.used.session_seconds, 1_200);
    }
}
