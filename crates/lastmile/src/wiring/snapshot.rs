//! Joins the node to the directory snapshot: as the place of its copies, and as a registry to start
//! from.

use std::cmp::Ordering;
use std::sync::Mutex;

use ::rows::row::{GroupRows, UserRows};
use aaa::port::{Named, PortError, Registry, SnapshotDraft, SnapshotStore};
use aaa::session_table::OpenSession;
use domain::accounting::SessionPlace;
use domain::id::{PlanId, SessionId, SubscriberId};
use domain::nas::Nas;
use domain::plan::Plan;
use domain::session::{LiveSession, Session};
use domain::subscriber::Subscriber;
use domain::tenant::TenantPolicy;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::clock::Clock;
use storage::snapshot::{
    SnapshotAbout, SnapshotEntry, SnapshotError, SnapshotFile, SnapshotReader, SnapshotSession,
    SnapshotWriter,
};

use super::rows;

/// The snapshot as the node sees it: a place to write copies to.
pub struct NodeSnapshot {
    pub file: SnapshotFile,
    pub clock: Clock,
}

/// A copy that is being written.
pub struct NodeDraft(SnapshotWriter);

impl SnapshotStore for NodeSnapshot {
    type Draft = NodeDraft;

    fn begin(&self, as_of: Timestamp) -> Result<NodeDraft, PortError> {
        let about = SnapshotAbout {
            as_of,
            written_at: (self.clock)(),
        };
        let writer = self.file.create(about);
        writer.map(NodeDraft).map_err(fail_to_write)
    }
}

impl SnapshotDraft for NodeDraft {
    fn add_nas(&mut self, nas: &Nas) -> Result<(), PortError> {
        self.0.add_nas(nas).map_err(fail_to_write)
    }

    fn add_plan(&mut self, plan: &Plan) -> Result<(), PortError> {
        self.0.add_plan(plan).map_err(fail_to_write)
    }

    fn add_policy(&mut self, policy: &TenantPolicy) -> Result<(), PortError> {
        self.0.add_policy(policy).map_err(fail_to_write)
    }

    fn add_subscriber(&mut self, subscriber: &Subscriber) -> Result<(), PortError> {
        self.0.add_subscriber(subscriber).map_err(fail_to_write)
    }

    fn add_row_group(&mut self, group: Named<GroupRows>) -> Result<(), PortError> {
        let rows = rows::stored_group(group);
        self.0.add_row_group(&rows).map_err(fail_to_write)
    }

    fn add_row_user(&mut self, user: Named<UserRows>) -> Result<(), PortError> {
        let rows = rows::stored_user(user);
        self.0.add_row_user(&rows).map_err(fail_to_write)
    }

    fn add_session(
        &mut self,
        subscriber: SubscriberId,
        session: &OpenSession,
    ) -> Result<(), PortError> {
        let session = SnapshotSession {
            subscriber,
            key: session.key,
            nas: session.nas,
            nas_address: session.nas_address,
            calling_station: session
                .device
                .as_ref()
                .map(|device| device.to_text().into()),
            started_at: session.started_at,
            is_replaced: session.is_replaced,
            username: session.username.as_str().to_owned(),
            auth: session.auth,
            terms: session.terms,
        };
        self.0.add_session(&session).map_err(fail_to_write)
    }

    fn finish(self) -> Result<(), PortError> {
        self.0.finish().map_err(fail_to_write)
    }
}

/// A snapshot as a registry to load from, page after page. A page is in the order of the file, and
/// the next one begins where the one before it ended.
pub struct SnapshotRegistry {
    file: SnapshotFile,
    reading: Mutex<Option<Reading>>,
}

/// How far a snapshot has been read.
struct Reading {
    reader: SnapshotReader,
    /// The first entry of its kind, read when the kind before it came to its end.
    held: Option<SnapshotEntry>,
}

/// The kinds of entries, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Nas,
    Plan,
    Policy,
    Subscriber,
    RowGroup,
    RowUser,
    Session,
}

impl Kind {
    const fn of(entry: &SnapshotEntry) -> Self {
        match entry {
            SnapshotEntry::Nas(_) => Self::Nas,
            SnapshotEntry::Plan(_) => Self::Plan,
            SnapshotEntry::Policy(_) => Self::Policy,
            SnapshotEntry::Subscriber(_) => Self::Subscriber,
            SnapshotEntry::RowGroup(_) => Self::RowGroup,
            SnapshotEntry::RowUser(_) => Self::RowUser,
            SnapshotEntry::Session(_) => Self::Session,
        }
    }
}

/// Which page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    First,
    Next,
}

impl Part {
    fn after<T>(last: Option<T>) -> Self {
        last.map_or(Self::First, |_| Self::Next)
    }
}

const READING: &str = "reading the directory snapshot";

impl SnapshotRegistry {
    pub fn new(file: SnapshotFile) -> Self {
        Self {
            file,
            reading: Mutex::new(None),
        }
    }

    /// The next entries of one kind, at most `limit`.
    async fn page(
        &self,
        kind: Kind,
        part: Part,
        limit: usize,
    ) -> Result<Vec<SnapshotEntry>, PortError> {
        let known = self.reading.lock().expect("no reader panics").take();
        let file = self.file.clone();
        let work = move || {
            let mut reading = match known {
                Some(known) if part == Part::Next || known.is_before(kind) => known,
                Some(_) | None => Reading::begin(&file)?,
            };
            let page = reading.page(kind, limit)?;
            Ok::<_, SnapshotError>((page, reading))
        };
        let (page, reading) = tokio::task::spawn_blocking(work)
            .await
            .map_err(|panic| PortError::new(READING, panic))?
            .map_err(|problem| PortError::new(READING, problem))?;
        *self.reading.lock().expect("no reader panics") = Some(reading);
        Ok(page)
    }
}

impl Reading {
    fn begin(file: &SnapshotFile) -> Result<Self, SnapshotError> {
        Ok(Self {
            reader: file.open()?,
            held: None,
        })
    }

    /// Whether the first entry of a kind comes next.
    fn is_before(&self, kind: Kind) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| Kind::of(held) == kind)
    }

    fn page(&mut self, kind: Kind, limit: usize) -> Result<Vec<SnapshotEntry>, SnapshotError> {
        let mut page = Vec::new();
        while page.len() < limit {
            let next = match self.held.take() {
                Some(held) => Some(held),
                None => self.reader.next_entry()?,
            };
            let Some(entry) = next else { break };
            match Kind::of(&entry).cmp(&kind) {
                Ordering::Less => {}
                Ordering::Equal => page.push(entry),
                Ordering::Greater => {
                    self.held = Some(entry);
                    break;
                }
            }
        }
        Ok(page)
    }
}

impl Registry for SnapshotRegistry {
    async fn nas_all(&self) -> Result<Vec<Nas>, PortError> {
        let all = self.page(Kind::Nas, Part::First, usize::MAX).await?;
        Ok(all.into_iter().filter_map(nas).collect())
    }

    async fn plan_all(&self) -> Result<Vec<Plan>, PortError> {
        let all = self.page(Kind::Plan, Part::First, usize::MAX).await?;
        Ok(all.into_iter().filter_map(plan).collect())
    }

    async fn subscriber_page(
        &self,
        after: Option<SubscriberId>,
        limit: u32,
    ) -> Result<Vec<Subscriber>, PortError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let page = self.page(Kind::Subscriber, Part::after(after), limit);
        Ok(page.await?.into_iter().filter_map(subscriber).collect())
    }

    async fn session_page(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<LiveSession>, PortError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let page = self.page(Kind::Session, Part::after(after), limit);
        Ok(page.await?.into_iter().filter_map(session).collect())
    }

    async fn row_group_page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Named<GroupRows>>, PortError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let page = self.page(Kind::RowGroup, Part::after(after), limit).await?;
        Ok(page.into_iter().filter_map(row_group).collect())
    }

    async fn row_user_page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Named<UserRows>>, PortError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let page = self.page(Kind::RowUser, Part::after(after), limit).await?;
        Ok(page.into_iter().filter_map(row_user).collect())
    }

    async fn row_group_many(&self, names: &[&str]) -> Result<Vec<Named<GroupRows>>, PortError> {
        let mut found = self.row_group_page(None, u32::MAX).await?;
        found.retain(|group| names.contains(&group.name.as_str()));
        Ok(found)
    }

    async fn row_user_many(&self, names: &[&str]) -> Result<Vec<Named<UserRows>>, PortError> {
        let mut found = self.row_user_page(None, u32::MAX).await?;
        found.retain(|user| names.contains(&user.name.as_str()));
        Ok(found)
    }

    async fn policy_all(&self) -> Result<Vec<TenantPolicy>, PortError> {
        let all = self.page(Kind::Policy, Part::First, usize::MAX).await?;
        Ok(all.into_iter().filter_map(policy).collect())
    }

    async fn plan_many(&self, ids: &[PlanId]) -> Result<Vec<Plan>, PortError> {
        let mut plans = self.plan_all().await?;
        plans.retain(|plan| ids.contains(&plan.id));
        Ok(plans)
    }

    async fn subscriber_many(&self, ids: &[SubscriberId]) -> Result<Vec<Subscriber>, PortError> {
        let mut found = self.subscriber_page(None, u32::MAX).await?;
        found.retain(|subscriber| ids.contains(&subscriber.id));
        Ok(found)
    }
}

fn nas(entry: SnapshotEntry) -> Option<Nas> {
    if let SnapshotEntry::Nas(nas) = entry {
        Some(nas)
    } else {
        None
    }
}

fn plan(entry: SnapshotEntry) -> Option<Plan> {
    if let SnapshotEntry::Plan(plan) = entry {
        Some(plan)
    } else {
        None
    }
}

fn policy(entry: SnapshotEntry) -> Option<TenantPolicy> {
    if let SnapshotEntry::Policy(policy) = entry {
        Some(policy)
    } else {
        None
    }
}

fn subscriber(entry: SnapshotEntry) -> Option<Subscriber> {
    if let SnapshotEntry::Subscriber(subscriber) = entry {
        Some(subscriber)
    } else {
        None
    }
}

fn row_group(entry: SnapshotEntry) -> Option<Named<GroupRows>> {
    if let SnapshotEntry::RowGroup(group) = entry {
        Some(rows::group(group))
    } else {
        None
    }
}

fn row_user(entry: SnapshotEntry) -> Option<Named<UserRows>> {
    if let SnapshotEntry::RowUser(user) = entry {
        Some(rows::user(user))
    } else {
        None
    }
}

/// What a snapshot knows of a session; the rest is in the database.
fn session(entry: SnapshotEntry) -> Option<LiveSession> {
    let SnapshotEntry::Session(known) = entry else {
        return None;
    };
    let SnapshotSession {
        subscriber,
        key,
        nas,
        nas_address,
        calling_station,
        started_at,
        is_replaced,
        username,
        auth,
        terms,
    } = known;
    let session = Session {
        id: SessionId::from_bytes(key.0),
        key,
        tenant: domain::id::TenantId::DEFAULT,
        nas,
        auth,
        subscriber: Some(subscriber),
        username,
        started_at,
        updated_at: started_at,
        total: UsageAmount::default(),
        place: SessionPlace {
            nas_address,
            calling_station: calling_station.map(Into::into),
            ..SessionPlace::default()
        },
        terms,
    };
    Some(LiveSession {
        session,
        is_replaced,
    })
}

fn fail_to_write(problem: SnapshotError) -> PortError {
    PortError::outage("writing the directory snapshot", problem)
}

#[cfg(test)]
mod tests {
    use aaa::session_table::Device;
    use domain::accounting::SessionKey;
    use domain::id::{Id, TenantId};
    use domain::nas::{NasSettings, parse_source};
    use domain::plan::PlanTerms;
    use domain::secret::Secret;
    use domain::session_policy::SessionTerms;
    use domain::subscriber::binding::Bindings;
    use domain::subscriber::{StaticAddresses, SubscriberInstants, SubscriberStatus};
    use storage::key_ring::KeyRing;

    use super::*;

    const SUBSCRIBERS: u8 = 25;

    fn fill(directory: &std::path::Path) -> SnapshotFile {
        let ring = directory.join("keyring");
        let keys = KeyRing::load_or_create(&ring, Timestamp::default()).expect("a ring is made");
        let file = SnapshotFile::new(directory, keys);
        let store = NodeSnapshot {
            file: file.clone(),
            clock: std::sync::Arc::new(Timestamp::default),
        };
        let mut draft = store.begin(Timestamp::default()).expect("it is writable");
        let nas = Nas {
            id: Id::from_bytes([1; 16]),
            tenant: TenantId::DEFAULT,
            name: "pop".parse().expect("a valid name"),
            source: parse_source("192.0.2.1").expect("a valid source"),
            secret: Secret::from("a shared secret"),
            settings: NasSettings::default(),
            groups: Vec::new(),
        };
        draft.add_nas(&nas).expect("there is room");
        let plan = Plan {
            id: Id::from_bytes([2; 16]),
            tenant: TenantId::DEFAULT,
            name: "home".parse().expect("a valid name"),
            terms: PlanTerms::default(),
        };
        draft.add_plan(&plan).expect("there is room");
        let policy = TenantPolicy::new(TenantId::DEFAULT);
        draft.add_policy(&policy).expect("there is room");
        for number in 0..SUBSCRIBERS {
            let subscriber = Subscriber {
                id: Id::from_bytes([number; 16]),
                tenant: TenantId::DEFAULT,
                username: format!("user-{number}").parse().expect("a valid name"),
                credential: domain::credential::Credential::Cleartext(Secret::from("pass")),
                plan: plan.id,
                status: SubscriberStatus::Active,
                expires_at: None,
                addresses: StaticAddresses::default(),
                sessions: SessionTerms::default(),
                bindings: Bindings::default(),
                changed: SubscriberInstants::default(),
            };
            draft.add_subscriber(&subscriber).expect("there is room");
        }
        for (number, station) in [(1, "02:00:00:00:00:01"), (2, "a line card")] {
            let place = SessionPlace {
                nas_address: Some([192, 0, 2, 1].into()),
                calling_station: Some(station.into()),
                ..SessionPlace::default()
            };
            let begun = Timestamp::from_seconds(7);
            let open = OpenSession::of(SessionKey([number; 16]), nas.id, &place, begun);
            let subscriber = Id::from_bytes([number; 16]);
            draft.add_session(subscriber, &open).expect("there is room");
        }
        draft.finish().expect("there is room");
        file
    }

    async fn read_subscribers(registry: &SnapshotRegistry) -> Vec<SubscriberId> {
        let mut ids = Vec::new();
        loop {
            let page = registry.subscriber_page(ids.last().copied(), 10).await;
            let page = page.expect("it is whole");
            assert!(page.len() <= 10);
            if page.is_empty() {
                return ids;
            }
            ids.extend(page.iter().map(|subscriber| subscriber.id));
        }
    }

    #[tokio::test]
    async fn a_snapshot_is_read_page_by_page_and_again() {
        let directory = tempfile::tempdir().expect("a directory is made");
        let registry = SnapshotRegistry::new(fill(directory.path()));
        let expected: Vec<SubscriberId> = (0..SUBSCRIBERS)
            .map(|number| Id::from_bytes([number; 16]))
            .collect();
        // In whatever order the parts are asked for.
        for _ in 0..2 {
            assert_eq!(registry.plan_all().await.expect("it is whole").len(), 1);
            assert_eq!(registry.nas_all().await.expect("it is whole").len(), 1);
            assert_eq!(registry.policy_all().await.expect("it is whole").len(), 1);
            assert_eq!(read_subscribers(&registry).await, expected);
            let sessions = registry.session_page(None, 10).await.expect("it is whole");
            let open: Vec<_> = sessions
                .iter()
                .map(|live| {
                    let session = &live.session;
                    OpenSession::of(session.key, session.nas, &session.place, session.started_at)
                })
                .collect();
            let devices: Vec<_> = open.iter().map(|open| open.device.clone()).collect();
            let device = |station| Some(Device::from_calling_station(station));
            assert_eq!(devices, [device("020000000001"), device("a line card")]);
            assert!(open.iter().all(|open| open.nas_address.is_some()));
            let last = sessions.last().map(|live| live.session.id);
            let rest = registry.session_page(last, 10).await;
            assert_eq!(rest.expect("it is whole").len(), 0);
        }
        let wanted = [expected[3], expected[20]];
        let found = registry
            .subscriber_many(&wanted)
            .await
            .expect("it is whole");
        assert_eq!(found.len(), 2);
    }

    #[tokio::test]
    async fn a_snapshot_that_disappears_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory is made");
        let file = fill(directory.path());
        std::fs::remove_file(file.path()).expect("it is ours");
        let registry = SnapshotRegistry::new(file);
        registry.nas_all().await.expect_err("there is no file");
    }
}
