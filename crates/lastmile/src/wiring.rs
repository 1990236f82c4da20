//! Joins the node's ports to the store.

use std::sync::Arc;
use std::time::Instant;

use ::rows::row::{GroupRows, UserRows};
use aaa::port::{
    AccountingStore, AuthLogStore, ChangeFeed, Clock, CommandDesk, Committed, DeviceStore,
    GuardBoard, LimitQuestion, LimitRow, LimitStore, Named, Parcel, PortError, Registry,
    SessionBoard, Spool, Stored,
};
use domain::access::Claim;
use domain::accounting::{AccountingRecord, Origin, SessionKey};
use domain::auth_log::{AuthLogEntry, Knock};
use domain::change::Change;
use domain::guard::{GuardKey, GuardLock};
use domain::id::{PlanId, SessionId, SubscriberId};
use domain::limit::{LimitNews, Meter};
use domain::mac::Mac;
use domain::nas::Nas;
use domain::plan::Plan;
use domain::session::{LiveSession, Session};
use domain::session_command::NewCommand;
use domain::session_match::SessionMatch;
use domain::session_news::SessionNews;
use domain::subscriber::Subscriber;
use domain::tenant::TenantPolicy;
use domain::time::Timestamp;
use services::event::news::{News as TellerNews, Rejection};
use services::event::telling::Teller;
use storage::accounting::RecordOutcome;
use storage::error::StoreError;
use storage::session_command::Asked;
use storage::session_news::SessionNewsFeed;
use storage::spool::SpoolError;
use storage::store::Store;
use tokio::sync::Mutex;

use crate::late_store::LateStore;

pub(crate) mod lint;
pub(crate) mod routers;
pub(crate) mod rows;
pub mod snapshot;
pub(crate) mod webhooks;

/// The store as the node sees it. Until it has come, the database is away.
#[derive(Clone)]
pub struct NodeStore {
    store: LateStore,
    accounting_lanes: usize,
    news: Arc<Mutex<News>>,
    /// Where is told what happens to sessions and logins.
    teller: Teller,
}

/// How news of sessions are read.
enum News {
    /// Not yet. What a snapshot said is not what the database says, so after a start from one
    /// everything is loaded.
    Unopened {
        is_late: bool,
    },
    Open(SessionNewsFeed),
    /// There is one node.
    Alone,
}

/// The server was started without its database, and has not had it since.
#[derive(Debug, thiserror::Error)]
#[error("the database has not been reached since the start")]
struct NotReached;

impl NodeStore {
    /// The same store for a task that reads no news of sessions.
    pub(crate) fn beside(store: &LateStore, accounting_lanes: usize) -> Self {
        Self {
            store: store.clone(),
            accounting_lanes,
            news: Arc::new(Mutex::new(News::Alone)),
            teller: Teller::default(),
        }
    }

    fn open(&self) -> Result<&Store, PortError> {
        let store = self.store.find();
        store.ok_or_else(|| PortError::outage("using the database", NotReached))
    }
}

/// The spool as the node sees it.
pub struct NodeSpool(pub Arc<storage::spool::Spool>);

/// The change feed as the node sees it.
pub struct NodeFeed {
    store: LateStore,
    /// Absent until the store has come.
    feed: Option<storage::change_feed::ChangeFeed>,
}

impl NodeFeed {
    /// A feed that was opened before anything was loaded.
    pub fn opened(store: &LateStore, feed: storage::change_feed::ChangeFeed) -> Self {
        Self {
            store: store.clone(),
            feed: Some(feed),
        }
    }

    /// A feed that is opened when the store comes, and begins with everything.
    pub fn late(store: &LateStore) -> Self {
        Self {
            store: store.clone(),
            feed: None,
        }
    }
}

/// The program's wall clock and the system's monotonic one.
pub struct NodeClock(pub storage::clock::Clock);

impl Clock for NodeClock {
    fn timestamp(&self) -> Timestamp {
        (self.0)()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

impl Registry for NodeStore {
    async fn nas_all(&self) -> Result<Vec<Nas>, PortError> {
        let all = self.open()?.directory_nas_all().await;
        all.map_err(|error| fail("reading the NAS registry", error))
    }

    async fn plan_all(&self) -> Result<Vec<Plan>, PortError> {
        let all = self.open()?.directory_plan_all().await;
        all.map_err(|error| fail("reading the plans", error))
    }

    async fn subscriber_page(
        &self,
        after: Option<SubscriberId>,
        limit: u32,
    ) -> Result<Vec<Subscriber>, PortError> {
        let page = self.open()?.directory_subscriber_page(after, limit).await;
        page.map_err(|error| fail("reading the subscribers", error))
    }

    async fn session_page(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<LiveSession>, PortError> {
        let page = self.open()?.session_open_list_all(after, limit).await;
        page.map_err(|error| fail("reading the open sessions", error))
    }

    async fn policy_all(&self) -> Result<Vec<TenantPolicy>, PortError> {
        let all = self.open()?.tenant_policy_all().await;
        all.map_err(|error| fail("reading what tenants have set", error))
    }

    async fn plan_many(&self, ids: &[PlanId]) -> Result<Vec<Plan>, PortError> {
        let found = self.open()?.directory_plans(ids).await;
        found.map_err(|error| fail("reading changed plans", error))
    }

    async fn subscriber_many(&self, ids: &[SubscriberId]) -> Result<Vec<Subscriber>, PortError> {
        let found = self.open()?.directory_subscribers(ids).await;
        found.map_err(|error| fail("reading changed subscribers", error))
    }

    async fn row_user_page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Named<UserRows>>, PortError> {
        let page = self.open()?.row_user_page(after, limit).await;
        let page = page.map_err(|error| fail("reading the rows of users", error))?;
        Ok(page.into_iter().map(rows::user).collect())
    }

    async fn row_group_page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Named<GroupRows>>, PortError> {
        let page = self.open()?.row_group_page(after, limit).await;
        let page = page.map_err(|error| fail("reading the rows of groups", error))?;
        Ok(page.into_iter().map(rows::group).collect())
    }

    async fn row_user_many(&self, names: &[&str]) -> Result<Vec<Named<UserRows>>, PortError> {
        let found = self.open()?.row_users(names).await;
        let found = found.map_err(|error| fail("reading changed rows of users", error))?;
        Ok(found.into_iter().map(rows::user).collect())
    }

    async fn row_group_many(&self, names: &[&str]) -> Result<Vec<Named<GroupRows>>, PortError> {
        let found = self.open()?.row_groups(names).await;
        let found = found.map_err(|error| fail("reading changed rows of groups", error))?;
        Ok(found.into_iter().map(rows::group).collect())
    }
}

const READING_NEWS: &str = "reading news of sessions";

impl SessionBoard for NodeStore {
    async fn session_many(&self, keys: &[SessionKey]) -> Result<Vec<LiveSession>, PortError> {
        let found = self.open()?.session_open_many(keys).await;
        found.map_err(|error| fail("reading sessions", error))
    }

    async fn session_match(
        &self,
        wanted: &SessionMatch,
        limit: u32,
    ) -> Result<Vec<Session>, PortError> {
        let found = self.open()?.session_open_matching(wanted, limit).await;
        found.map_err(|error| fail("looking for open sessions", error))
    }

    async fn session_news_open(&self) -> Result<(), PortError> {
        let mut news = self.news.lock().await;
        let store = self.open()?;
        if let News::Unopened { .. } = &*news {
            *news = store.session_news_feed().map_or(News::Alone, News::Open);
        }
        match &mut *news {
            News::Open(feed) => feed.open().await.map_err(|error| fail(READING_NEWS, error)),
            News::Alone | News::Unopened { .. } => Ok(()),
        }
    }

    async fn session_news(&self) -> Result<Vec<SessionNews>, PortError> {
        let store = self.store.wait().await;
        let mut news = self.news.lock().await;
        if let News::Unopened { is_late } = *news {
            *news = store.session_news_feed().map_or(News::Alone, News::Open);
            if is_late {
                return Ok(vec![SessionNews::Everything]);
            }
        }
        match &mut *news {
            News::Open(feed) => feed.next().await.map_err(|error| fail(READING_NEWS, error)),
            News::Alone | News::Unopened { .. } => std::future::pending().await,
        }
    }

    fn has_session_readers(&self) -> bool {
        self.store.find().is_some_and(Store::has_session_readers)
    }

    async fn announce(&self, news: &[SessionNews]) -> Result<(), PortError> {
        let done = self.open()?.session_news_append(news).await;
        done.map_err(|error| fail("storing news of sessions", error))
    }
}

impl CommandDesk for NodeStore {
    async fn ask(&self, commands: &[NewCommand]) -> Result<usize, PortError> {
        let asked = self.open()?.session_command_ask(commands).await;
        let asked = asked.map_err(|error| fail("storing what is to be asked of routers", error))?;
        let is_new = |asked: &&Asked| matches!(asked, Asked::Now(_));
        Ok(asked.iter().filter(is_new).count())
    }
}

impl GuardBoard for NodeStore {
    async fn guard_exchange(
        &self,
        shown: &[GuardKey],
        locks: &[GuardLock],
    ) -> Result<Vec<GuardKey>, PortError> {
        let gone = self.open()?.guard_exchange(shown, locks).await;
        gone.map_err(|error| fail("showing who is locked", error))
    }
}

impl DeviceStore for NodeStore {
    async fn claim(
        &self,
        subscriber: SubscriberId,
        mac: Mac,
        actor: &str,
    ) -> Result<Claim, PortError> {
        let done = self.open()?.device_claim(subscriber, mac, actor).await;
        done.map_err(|error| fail("binding a device", error))
    }
}

impl ChangeFeed for NodeFeed {
    async fn next(&mut self) -> Result<Vec<Change>, PortError> {
        const DOING: &str = "reading the change feed";
        let Some(feed) = &mut self.feed else {
            let opened = self.store.wait().await.change_feed().await;
            self.feed = Some(opened.map_err(|error| fail(DOING, error))?);
            // Loaded after the feed was opened, so that no change falls between the two.
            return Ok(vec![Change::Everything]);
        };
        feed.next().await.map_err(|error| fail(DOING, error))
    }
}

impl AccountingStore for NodeStore {
    fn lanes(&self) -> usize {
        self.accounting_lanes
    }

    async fn commit(
        &self,
        origin: Origin,
        records: &[AccountingRecord],
        meters: &[(usize, Meter)],
    ) -> Result<Committed, PortError> {
        let committed = self
            .open()?
            .accounting_commit_numbered(origin, records, meters)
            .await;
        let committed = committed.map_err(|error| fail("storing accounting", error))?;
        let storage::accounting::Committed {
            outcomes,
            counted,
            turns,
        } = committed;
        let turns = turns.into_iter().map(TellerNews::Session);
        self.teller.tell(turns.chain(restarts(records, &outcomes)));
        Ok(Committed {
            stored: outcomes.into_iter().map(stored).collect(),
            counted,
        })
    }
}

impl LimitStore for NodeStore {
    async fn limit_page(
        &self,
        after: Option<LimitNews>,
        limit: u32,
    ) -> Result<Vec<LimitRow>, PortError> {
        let page = self.open()?.limit_list_all(after, limit).await;
        let page = page.map_err(|error| fail("reading what counts for limits", error))?;
        Ok(page.into_iter().map(limit_row).collect())
    }

    async fn limit_since(&self, since: Timestamp, limit: u32) -> Result<Vec<LimitRow>, PortError> {
        let rows = self.open()?.limit_list_since(since, limit).await;
        let rows = rows.map_err(|error| fail("reading what was counted for limits", error))?;
        Ok(rows.into_iter().map(limit_row).collect())
    }

    async fn limit_sums(&self, questions: &[LimitQuestion]) -> Result<Vec<LimitNews>, PortError> {
        let questions: Vec<_> = questions.iter().map(limit_question).collect();
        let sums = self.open()?.limit_sums(&questions).await;
        sums.map_err(|error| fail("adding up usage for limits", error))
    }

    async fn limit_note_first_use(
        &self,
        uses: &[(SubscriberId, Timestamp)],
    ) -> Result<(), PortError> {
        let done = self.open()?.limit_note_first_use(uses).await;
        done.map_err(|error| fail("storing first uses", error))
    }
}

impl Spool for NodeSpool {
    async fn append(&self, origin: Origin, records: &[AccountingRecord]) -> Result<(), PortError> {
        let done = self.0.append(origin, records).await;
        done.map_err(|error| fail_spool("spooling accounting", error))
    }

    async fn peek(&self, records_max: usize) -> Result<Vec<Parcel>, PortError> {
        let parcels = self.0.peek(records_max).await;
        let parcels = parcels.map_err(|error| fail_spool("reading the spool", error))?;
        Ok(parcels.into_iter().map(parcel).collect())
    }

    async fn remove(&self, through: u64) -> Result<(), PortError> {
        let done = self.0.remove(through).await;
        done.map_err(|error| fail_spool("removing from the spool", error))
    }

    async fn set_aside(&self, origin: Origin, record: &AccountingRecord) -> Result<(), PortError> {
        let done = self.0.set_aside(origin, record).await;
        done.map_err(|error| fail_spool("setting a record aside", error))
    }

    fn depth(&self) -> u64 {
        self.0.depth()
    }
}

impl AuthLogStore for NodeStore {
    async fn append(&self, entries: &[&AuthLogEntry], knocks: &[Knock]) -> Result<(), PortError> {
        let done = self.open()?.auth_log_append(entries, knocks).await;
        done.map_err(|error| fail("writing the authentication log", error))?;
        let rejections = entries.iter().filter_map(|entry| Rejection::find(entry));
        let knocks = knocks.iter().copied().map(TellerNews::Knocked);
        self.teller
            .tell(rejections.map(TellerNews::Rejected).chain(knocks));
        Ok(())
    }
}

/// All ports of a node over one store and one spool.
pub fn ports(
    store: &LateStore,
    spool: &Arc<storage::spool::Spool>,
    feed: NodeFeed,
    clock: &storage::clock::Clock,
    (accounting_lanes, teller): (usize, &Teller),
) -> aaa::node::Ports<NodeStore, NodeStore, NodeSpool, NodeStore, NodeFeed> {
    let store = Arc::new(NodeStore {
        store: store.clone(),
        accounting_lanes,
        news: Arc::new(Mutex::new(News::Unopened {
            is_late: feed.feed.is_none(),
        })),
        teller: teller.clone(),
    });
    aaa::node::Ports {
        registry: Arc::clone(&store),
        accounting: Arc::clone(&store),
        spool: Arc::new(NodeSpool(Arc::clone(spool))),
        log: store,
        feed,
        clock: Arc::new(NodeClock(Arc::clone(clock))),
    }
}

/// Routers that began anew while they had sessions.
fn restarts<'a>(
    records: &'a [AccountingRecord],
    outcomes: &'a [RecordOutcome],
) -> impl Iterator<Item = TellerNews> + 'a {
    records.iter().zip(outcomes).filter_map(|pair| match pair {
        (AccountingRecord::NasRestart(restart), RecordOutcome::NasRestart { closed })
            if *closed != 0 =>
        {
            Some(TellerNews::NasRestarted {
                tenant: restart.tenant,
                nas: restart.nas,
                source: restart.source,
                at: restart.at,
                sessions_closed: *closed,
            })
        }
        (AccountingRecord::NasRestart(_) | AccountingRecord::Session(_), _) => None,
    })
}

fn stored(outcome: RecordOutcome) -> Stored {
    match outcome {
        RecordOutcome::Session { outcome, is_open } => Stored::Session { outcome, is_open },
        RecordOutcome::NasRestart { closed } => Stored::NasRestart { closed },
        RecordOutcome::StoredBefore => Stored::Before,
    }
}

fn limit_row(row: storage::limit::LimitRow) -> LimitRow {
    let storage::limit::LimitRow { news, updated_at } = row;
    LimitRow { news, updated_at }
}

pub(crate) fn limit_question(question: &LimitQuestion) -> storage::limit::LimitQuestion {
    let LimitQuestion {
        tenant,
        username,
        meter,
    } = question;
    storage::limit::LimitQuestion {
        tenant: *tenant,
        username: username.to_string(),
        meter: *meter,
    }
}

fn parcel(parcel: storage::spool::Parcel) -> Parcel {
    let storage::spool::Parcel {
        position,
        origin,
        records,
    } = parcel;
    Parcel {
        position,
        origin,
        records,
    }
}

fn fail(doing: &str, error: StoreError) -> PortError {
    if error.is_disk_full() {
        // The rest follows by itself.
        let doing = format!("{doing}: the disk of the database is full, free some space on it");
        PortError::outage(doing, error)
    } else if error.is_outage() {
        PortError::outage(doing, error)
    } else {
        PortError::new(doing, error)
    }
}

fn fail_spool(doing: &str, error: SpoolError) -> PortError {
    PortError::outage(doing, error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::session_news::SessionNews;
    use storage::spool::SpoolLimits;
    use testkit::database::{Database, DatabaseKind};

    use super::*;

    /// The first news after a start, if there are any at once.
    async fn check_first_news(kind: DatabaseKind) {
        let database = Database::migrated(kind).await;
        let clock = database.clock();
        let spool =
            storage::spool::Spool::open(database.data_dir(), SpoolLimits::DEFAULT, clock.now());
        let spool = Arc::new(spool.await.expect("the directory is writable"));
        let store = database.store().await;
        let feed = store.change_feed().await.expect("the database answers");
        let late = LateStore::present(store);
        // The store is there, and what the node has loaded is of the snapshot all the same.
        for (feed, expected) in [
            (NodeFeed::late(&late), Some(vec![SessionNews::Everything])),
            (NodeFeed::opened(&late, feed), None),
        ] {
            let board = ports(&late, &spool, feed, &clock.lend(), (1, &Teller::default())).registry;
            let first = tokio::time::timeout(Duration::from_millis(20), board.session_news());
            let first = first.await.ok().map(|news| news.expect("it is read"));
            assert_eq!(first, expected);
        }
        late.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_start_from_a_snapshot_loads_the_sessions_of_sqlite() {
        check_first_news(DatabaseKind::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_start_from_a_snapshot_loads_the_sessions_of_postgres() {
        check_first_news(DatabaseKind::Postgres).await;
    }
}
