//! What FreeRADIUS' tables say, compiled and in memory: users and groups by name, read without
//! locks and replaced one by one.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use domain::id::{SubscriberId, TenantId};
use domain::tenant::RowObedience;
use foldhash::quality::RandomState;
use papaya::HashMap;
use radius::dictionary::Dictionary;
use rows::authorize::Groups;
use rows::compiler::Compiler;
use rows::name::{sent_name, stored_name};
use rows::program::{GroupProgram, UserProgram};
use rows::row::{GroupRows, Mode, UserRows};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::accounting::canonical_username;
use crate::port::{Named, PortError, Registry};
use packed::Packed;

mod packed;

/// Names read from the registry at a time.
const PAGE: u32 = 20_000;
/// Changed names read and put at a time.
const SLICE: usize = 512;

/// The rows belong to this tenant: their tables know no other.
pub const TENANT: TenantId = TenantId::DEFAULT;

/// All users and groups that have rows.
pub struct RowTable {
    users: HashMap<Box<str>, Arc<RowUser>, RandomState>,
    /// Those whom accounting has under another name than that of their rows: it folds letters, and
    /// the names of rows may be escaped.
    renamed: HashMap<SubscriberId, Arc<RowUser>, RandomState>,
    groups: HashMap<Box<str>, RowGroup, RandomState>,
    /// Made when there are rows: it reads the dictionary.
    compiler: OnceLock<Compiler>,
    /// What the configuration says.
    fixed: Option<Mode>,
    /// What the installation says where the configuration does not.
    is_compatible: AtomicBool,
    /// Hours or counters were seen; until then nobody has to look for them.
    has_limits: AtomicBool,
    /// How many loads have begun.
    loads: AtomicU32,
}

/// A user of FreeRADIUS' tables. Whatever changes in the rows makes another one.
pub struct RowUser {
    pub program: Arc<UserProgram>,
    packed: Packed,
    /// A digest of what passed a slow hash.
    verified: OnceLock<Box<[u8; 16]>>,
    /// The load that saw the user last.
    seen: AtomicU32,
}

/// A group of FreeRADIUS' tables. A user finds it by its name, so a change of it reaches all its
/// users at once.
struct RowGroup {
    program: Arc<GroupProgram>,
    packed: Packed,
    seen: AtomicU32,
}

impl RowTable {
    /// An empty table of rows that are obeyed in this way, or as the installation says.
    pub(crate) fn new(fixed: Option<Mode>) -> Self {
        Self {
            users: HashMap::with_hasher(RandomState::default()),
            renamed: HashMap::with_hasher(RandomState::default()),
            groups: HashMap::with_hasher(RandomState::default()),
            compiler: OnceLock::new(),
            fixed,
            is_compatible: AtomicBool::new(false),
            has_limits: AtomicBool::new(false),
            loads: AtomicU32::new(0),
        }
    }

    /// How the rows are obeyed at this moment.
    pub fn mode(&self) -> Mode {
        match self.fixed {
            Some(mode) => mode,
            None if self.is_compatible.load(Relaxed) => Mode::Compatible,
            None => Mode::Strict,
        }
    }

    /// Obeys rows as the installation says, unless the configuration says something.
    pub(crate) fn follow(&self, said: Option<RowObedience>) {
        let is_compatible = match said {
            Some(RowObedience::Compatible) => true,
            Some(RowObedience::Strict) | None => false,
        };
        self.is_compatible.store(is_compatible, Relaxed);
    }

    /// The user of this name, as it is stored.
    pub fn find(&self, name: &str) -> Option<Arc<RowUser>> {
        self.users.pin().get(name).cloned()
    }

    /// The user whose name was sent in a request.
    pub fn find_sent(&self, user_name: &[u8]) -> Option<Arc<RowUser>> {
        self.find(&stored_name(user_name))
    }

    /// The user whose sessions are counted under this id, and kept under this name.
    pub(crate) fn find_accounted(&self, id: SubscriberId, username: &str) -> Option<Arc<RowUser>> {
        if let Some(user) = self.renamed.pin().get(&id) {
            return Some(Arc::clone(user));
        }
        let user = self.find(username)?;
        (id_of(username.as_bytes()) == id).then_some(user)
    }

    /// Whether rows may limit hours or count what is used.
    pub(crate) fn has_limits(&self) -> bool {
        self.has_limits.load(Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Names of users, in no order, until a visit fails.
    pub(crate) fn for_each_name(&self, mut visit: impl FnMut(&str)) {
        for name in self.users.pin().keys() {
            visit(name);
        }
    }

    /// Under which ids the sessions of all users are counted, in no order.
    pub(crate) fn for_each_id(&self, mut visit: impl FnMut(SubscriberId)) {
        self.for_each_name(|name| visit(id_of(&sent_name(name))));
    }

    /// Visits the rows of every group that is known from the beginning to the end, in no order.
    pub(crate) fn try_for_each_group<E>(
        &self,
        mut visit: impl FnMut(Named<GroupRows>) -> Result<(), E>,
    ) -> Result<(), E> {
        let groups = self.groups.pin();
        let mut groups = groups.iter().map(|(name, group)| Named {
            name: name.to_string(),
            rows: group.packed.to_group(),
        });
        groups.try_for_each(&mut visit)
    }

    /// Visits the rows of every user that is known from the beginning to the end, in no order.
    pub(crate) fn try_for_each_user<E>(
        &self,
        mut visit: impl FnMut(Named<UserRows>) -> Result<(), E>,
    ) -> Result<(), E> {
        let users = self.users.pin();
        let mut users = users.iter().map(|(name, user)| Named {
            name: name.to_string(),
            rows: user.packed.to_user(),
        });
        users.try_for_each(&mut visit)
    }

    /// Loads everything. Answers go on from what was there before, until each entry is replaced;
    /// what no longer exists goes last.
    pub(crate) async fn load<R: Registry>(self: &Arc<Self>, registry: &R) -> Result<(), PortError> {
        let load = self.loads.fetch_add(1, Relaxed).wrapping_add(1);
        let mut after: Option<String> = None;
        loop {
            let page = registry.row_group_page(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            self.put_groups(page, load);
        }
        let mut putting = Putting::default();
        let read = self.read_users(registry, load, &mut putting).await;
        // Also after a failure: nothing old may come on top of what is read next.
        let put = putting.wait().await;
        read.and(put)?;
        self.forget_before(load);
        Ok(())
    }

    async fn read_users<R: Registry>(
        self: &Arc<Self>,
        registry: &R,
        load: u32,
        putting: &mut Putting,
    ) -> Result<(), PortError> {
        let mut after: Option<String> = None;
        loop {
            let page = registry.row_user_page(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.name.clone());
            putting.wait().await?;
            let table = Arc::clone(self);
            putting.running = Some(spawn_blocking(move || {
                table.put_users(page, load);
            }));
        }
    }

    /// Looks again at groups and users. Returns the users that were not known before.
    pub(crate) async fn apply<R: Registry>(
        &self,
        registry: &R,
        groups: &[&str],
        users: &[&str],
    ) -> Result<Vec<Box<str>>, PortError> {
        let load = self.loads.load(Relaxed);
        for names in groups.chunks(SLICE) {
            let found = registry.row_group_many(names).await?;
            let known: HashSet<String> = found.iter().map(|group| group.name.clone()).collect();
            self.put_groups(found, load);
            let groups = self.groups.pin();
            for name in names.iter().filter(|name| !known.contains(**name)) {
                groups.remove(*name);
            }
        }
        let mut new = Vec::new();
        for names in users.chunks(SLICE) {
            let found = registry.row_user_many(names).await?;
            let known: HashSet<String> = found.iter().map(|user| user.name.clone()).collect();
            new.extend(self.put_users(found, load));
            for name in names.iter().filter(|name| !known.contains(**name)) {
                self.users.pin().remove(*name);
                self.renamed.pin().remove(&id_of(&sent_name(name)));
            }
        }
        Ok(new)
    }

    /// Puts users in the place of those of the same names, and returns the names that are new.
    fn put_users(&self, users: Vec<Named<UserRows>>, load: u32) -> Vec<Box<str>> {
        let mut new = Vec::new();
        let table = self.users.pin();
        for Named { name, rows } in users {
            let packed = Packed::user(&rows);
            let known = table.get(name.as_str());
            if let Some(known) = known.filter(|known| known.packed == packed) {
                known.seen.store(load, Relaxed);
                continue;
            }
            if known.is_none() {
                new.push(name.as_str().into());
            }
            let user = Arc::new(RowUser {
                program: Arc::new(self.compiler().user(&rows)),
                packed,
                verified: OnceLock::new(),
                seen: AtomicU32::new(load),
            });
            self.note_limits(user.program.has_limits());
            let sent = sent_name(&name);
            if canonical_username(&sent) != name {
                self.renamed.pin().insert(id_of(&sent), Arc::clone(&user));
            }
            table.insert(name.into(), user);
        }
        new
    }

    fn put_groups(&self, groups: Vec<Named<GroupRows>>, load: u32) {
        let table = self.groups.pin();
        for Named { name, rows } in groups {
            let packed = Packed::group(&rows);
            let known = table.get(name.as_str());
            if let Some(known) = known.filter(|known| known.packed == packed) {
                known.seen.store(load, Relaxed);
                continue;
            }
            let group = RowGroup {
                program: Arc::new(self.compiler().group(&rows)),
                packed,
                seen: AtomicU32::new(load),
            };
            self.note_limits(group.program.has_limits());
            table.insert(name.into(), group);
        }
    }

    fn note_limits(&self, has_limits: bool) {
        if has_limits {
            self.has_limits.store(true, Relaxed);
        }
    }

    fn compiler(&self) -> &Compiler {
        let make = || Compiler::new(Dictionary::builtin());
        self.compiler.get_or_init(make)
    }

    /// Forgets who was not seen since the load began.
    fn forget_before(&self, load: u32) {
        let is_kept = |seen: &AtomicU32| seen.load(Relaxed) == load;
        self.users.pin().retain(|_, user| is_kept(&user.seen));
        self.renamed.pin().retain(|_, user| is_kept(&user.seen));
        self.groups.pin().retain(|_, group| is_kept(&group.seen));
    }
}

impl RowUser {
    /// Whether this very digest passed a slow hash before.
    pub(crate) fn was_verified(&self, digest: &[u8; 16]) -> bool {
        let known = self.verified.get();
        known.is_some_and(|known| known.as_slice().ct_eq(digest).into())
    }

    /// Remembers what passed a slow hash, as a digest.
    pub(crate) fn remember_verified(&self, digest: [u8; 16]) {
        // The first one stays: another that passes is compared each time.
        let _ = self.verified.set(Box::new(digest));
    }
}

impl Groups for RowTable {
    fn group(&self, name: &str) -> Option<Arc<GroupProgram>> {
        let groups = self.groups.pin();
        groups.get(name).map(|group| Arc::clone(&group.program))
    }

    fn user(&self, name: &str) -> Option<Arc<UserProgram>> {
        let users = self.users.pin();
        users.get(name).map(|user| Arc::clone(&user.program))
    }
}

/// What the sessions of a name with rows are counted under, as it was sent. It is the same for the
/// same name on every node: a UUIDv8 (RFC 9562 §5.8) of a digest.
pub(crate) fn id_of(user_name: &[u8]) -> SubscriberId {
    let digest = Sha256::new_with_prefix(b"rows of ").chain_update(user_name);
    let digest = digest.finalize();
    let mut octets: [u8; 16] = *digest.first_chunk().expect("SHA-256 has 32 octets");
    octets[6] = octets[6] & 0x0f | 0x80;
    octets[8] = octets[8] & 0x3f | 0x80;
    SubscriberId::from_bytes(octets)
}

/// Users on their way into memory while the next ones are read.
#[derive(Default)]
struct Putting {
    /// At most one page at a time, so that a later one stays later.
    running: Option<JoinHandle<()>>,
}

impl Putting {
    async fn wait(&mut self) -> Result<(), PortError> {
        match self.running.take() {
            Some(running) => running
                .await
                .map_err(|error| PortError::new("putting the rows of users into memory", error)),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for RowTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RowTable")
            .field("mode", &self.mode())
            .field("users", &self.user_count())
            .field("groups", &self.group_count())
            .finish()
    }
}

impl std::fmt::Debug for RowUser {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RowUser").finish_non_exhaustive()
    }
}
