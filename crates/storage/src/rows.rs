//! What the tables of FreeRADIUS say: the rows of users and of groups, and its routers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use domain::id::TenantId;
use domain::name::Username;
use sea_orm::{ConnectionTrait, DbErr, Value};

use crate::bulk::select_in;
use crate::error::StoreError;
use crate::store::Store;
use source::{Item, Source, Stream};

pub mod edit;
mod nas;
mod source;

/// Names in one page at most.
const PAGE_NAMES_MAX: u32 = 20_000;
/// Names that are looked up together.
const NAMES_PER_QUERY: usize = 512;

/// The tables with rows of users, and those with rows of groups.
const USER_SOURCES: [Source; 3] = [Source::Check, Source::Reply, Source::Membership];
const GROUP_SOURCES: [Source; 2] = [Source::GroupCheck, Source::GroupReply];

/// A row of `radcheck`, `radreply`, `radgroupcheck` or `radgroupreply`.
#[derive(Clone, PartialEq, Eq)]
pub struct AttributeRow {
    pub id: i64,
    pub attribute: String,
    pub op: String,
    /// It may be a password.
    pub value: String,
}

/// A row of `radusergroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipRow {
    pub id: i64,
    pub group: String,
    pub priority: i64,
}

/// All rows of a user, in the order of their ids. A user without rows is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRows {
    pub name: String,
    pub check: Vec<AttributeRow>,
    pub reply: Vec<AttributeRow>,
    pub groups: Vec<MembershipRow>,
}

/// All rows of a group, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRows {
    pub name: String,
    pub check: Vec<AttributeRow>,
    pub reply: Vec<AttributeRow>,
}

/// How much the tables hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowExtent {
    pub users: u64,
    pub groups: u64,
    pub nas: u64,
}

impl Store {
    /// The next users of whom there are rows, in the order of their names by octet, at most
    /// 20,000. An empty page is the end.
    pub async fn row_user_page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<UserRows>, StoreError> {
        let limit = limit.clamp(1, PAGE_NAMES_MAX);
        let streams = USER_SOURCES.map(|source| Stream::after(self, source, after, limit));
        let named = page(streams, limit).await?;
        Ok(named.into_iter().map(user_rows).collect())
    }

    /// The next groups that have rows, in the order of their names by octet, at most 20,000. An
    /// empty page is the end.
    pub async fn row_group_page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<GroupRows>, StoreError> {
        let limit = limit.clamp(1, PAGE_NAMES_MAX);
        let streams = GROUP_SOURCES.map(|source| Stream::after(self, source, after, limit));
        let named = page(streams, limit).await?;
        Ok(named.into_iter().map(group_rows).collect())
    }

    /// The rows of these users; one that is missing has none.
    pub async fn row_users(&self, names: &[&str]) -> Result<Vec<UserRows>, StoreError> {
        let named = named(self.reader(), &USER_SOURCES, names).await?;
        Ok(named.into_iter().map(user_rows).collect())
    }

    /// The rows of these groups; one that is missing has none.
    pub async fn row_groups(&self, names: &[&str]) -> Result<Vec<GroupRows>, StoreError> {
        let named = named(self.reader(), &GROUP_SOURCES, names);
        Ok(named.await?.into_iter().map(group_rows).collect())
    }

    /// Those of these names that a subscriber of the default tenant has too.
    pub async fn row_namesakes(&self, names: &[&str]) -> Result<HashSet<String>, StoreError> {
        let mut folded: HashMap<String, Vec<&str>> = HashMap::new();
        for name in names {
            if let Ok(username) = Username::from_wire(name.as_bytes()) {
                let same = folded.entry(username.to_string()).or_default();
                same.push(name);
            }
        }
        let tenant = self.dialect().id_literal(TenantId::DEFAULT.as_uuid());
        let head =
            format!("SELECT username FROM subscriber WHERE tenant = {tenant} AND username IN");
        let keys: Vec<Value> = folded.keys().map(|name| name.as_str().into()).collect();
        let mut namesakes = HashSet::new();
        for row in &select_in(self.reader(), &head, &keys, "").await? {
            let username: String = row.try_get_by_index(0)?;
            let same = folded.get(&username).into_iter().flatten();
            namesakes.extend(same.map(|name| (*name).to_owned()));
        }
        Ok(namesakes)
    }

    /// Counts who has rows.
    pub async fn row_extent(&self) -> Result<RowExtent, StoreError> {
        const SQL: &str = "SELECT \
            (SELECT COUNT(*) FROM (SELECT username FROM radcheck UNION \
                SELECT username FROM radreply UNION SELECT username FROM radusergroup) u) AS users, \
            (SELECT COUNT(*) FROM (SELECT groupname FROM radgroupcheck UNION \
                SELECT groupname FROM radgroupreply) g) AS groups_, \
            (SELECT COUNT(*) FROM nas) AS nas";
        let statement = self.dialect().statement(SQL, []);
        let row = self.reader().query_one_raw(statement).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("a row of counts".into()))?;
        let count = |column: &str| {
            let count = row.try_get("", column);
            count.map(crate::column::loaded_count)
        };
        Ok(RowExtent {
            users: count("users")?,
            groups: count("groups_")?,
            nas: count("nas")?,
        })
    }
}

/// What the tables say about these names.
async fn named<C: ConnectionTrait>(
    connection: &C,
    sources: &[Source],
    names: &[&str],
) -> Result<Vec<(String, Vec<Item>)>, StoreError> {
    let mut found: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for names in names.chunks(NAMES_PER_QUERY) {
        let values: Vec<Value> = names.iter().map(|name| (*name).into()).collect();
        for source in sources {
            let head = source.by_name();
            let rows = select_in(connection, &head, &values, " ORDER BY id").await?;
            for row in &rows {
                let item = source.read(row)?;
                if let Ok(name) = String::from_utf8(item.name) {
                    found.entry(name).or_default().push(item.item);
                }
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// Reads tables side by side, name after name.
async fn page<const COUNT: usize>(
    mut streams: [Stream<'_>; COUNT],
    limit: u32,
) -> Result<Vec<(String, Vec<Item>)>, StoreError> {
    let mut page = Vec::new();
    while page.len() < limit as usize {
        for stream in &mut streams {
            stream.fill().await?;
        }
        let Some(name) = streams.iter().filter_map(Stream::name).min() else {
            break;
        };
        let name = name.to_vec();
        let mut items = Vec::new();
        for stream in &mut streams {
            while let Some(item) = stream.next_of(&name).await? {
                items.push(item);
            }
        }
        // A name that is no text is one that no request has.
        if let Ok(name) = String::from_utf8(name) {
            page.push((name, items));
        }
    }
    Ok(page)
}

fn user_rows((name, items): (String, Vec<Item>)) -> UserRows {
    let mut user = UserRows {
        name,
        check: Vec::new(),
        reply: Vec::new(),
        groups: Vec::new(),
    };
    for item in items {
        match item {
            Item::Check(row) => user.check.push(row),
            Item::Reply(row) => user.reply.push(row),
            Item::Membership(row) => user.groups.push(row),
        }
    }
    user
}

fn group_rows((name, items): (String, Vec<Item>)) -> GroupRows {
    let UserRows {
        name, check, reply, ..
    } = user_rows((name, items));
    GroupRows { name, check, reply }
}

/// Without the value, which may be a password.
impl fmt::Debug for AttributeRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id, attribute, op, ..
        } = self;
        write!(formatter, "{id}: {attribute} {op} (hidden)")
    }
}
