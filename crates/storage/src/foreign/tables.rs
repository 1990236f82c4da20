//! Users, groups and routers, gathered by name from tables that are read in pages.

use std::collections::HashMap;

use domain::row_nas::RowNas;
use domain::secret::Secret;

use super::connection::Cells;
use super::text::{Charset, number};
use super::{ForeignDatabase, ForeignError, ForeignTables};
use crate::rows::{AttributeRow, GroupRows, MembershipRow, UserRows};

/// Rows read together.
const PAGE_ROWS: usize = 10_000;
/// Rows of one table that are kept in memory while they are looked at.
const TABLE_ROWS_MAX: usize = 10_000_000;

/// A table whose rows belong to names.
#[derive(Clone, Copy)]
struct Table {
    name: &'static str,
    /// The column of the name, and then those behind it.
    columns: [&'static str; 4],
}

const CHECK: Table = Table::of_users("radcheck");
const REPLY: Table = Table::of_users("radreply");
const GROUP_CHECK: Table = Table::of_groups("radgroupcheck");
const GROUP_REPLY: Table = Table::of_groups("radgroupreply");
const MEMBERSHIP: Table = Table {
    name: "radusergroup",
    columns: ["username", "groupname", "priority", ""],
};
const ROUTERS: Table = Table {
    name: "nas",
    columns: ["nasname", "shortname", "type", "secret"],
};

/// A row with the name that it belongs to.
struct Named {
    id: i64,
    texts: [String; 4],
}

/// Names in the order in which they were first seen, compared as the server compares them.
struct Gathering<T> {
    is_case_ignored: bool,
    places: HashMap<String, usize>,
    found: Vec<T>,
}

impl Table {
    const fn of_users(name: &'static str) -> Self {
        Self {
            name,
            columns: ["username", "attribute", "op", "value"],
        }
    }

    const fn of_groups(name: &'static str) -> Self {
        Self {
            name,
            columns: ["groupname", "attribute", "op", "value"],
        }
    }
}

impl ForeignDatabase {
    /// Reads all users, groups and routers. `progress` is told how many rows were read.
    pub async fn tables(
        &mut self,
        progress: impl Fn(usize) + Send + Sync,
    ) -> Result<ForeignTables, ForeignError> {
        let is_case_ignored = self.schema.is_case_ignored();
        let mut users: Gathering<UserRows> = Gathering::new(is_case_ignored);
        let mut groups: Gathering<GroupRows> = Gathering::new(is_case_ignored);
        let mut count = 0;
        let tables = [CHECK, REPLY, MEMBERSHIP, GROUP_CHECK, GROUP_REPLY];
        for table in tables {
            for row in self.rows(table).await? {
                count += 1;
                let [name, first, second, third] = row.texts;
                let row = AttributeRow {
                    id: row.id,
                    attribute: first,
                    op: second,
                    value: third,
                };
                match table.name {
                    "radcheck" => users.of(name).check.push(row),
                    "radreply" => users.of(name).reply.push(row),
                    "radgroupcheck" => groups.of(name).check.push(row),
                    "radgroupreply" => groups.of(name).reply.push(row),
                    _ => users.of(name).groups.push(MembershipRow {
                        id: row.id,
                        group: row.attribute,
                        priority: number(row.op.as_bytes()).unwrap_or_default(),
                    }),
                }
            }
            progress(count);
        }
        let mut users = users.found;
        if is_case_ignored {
            name_groups_alike(&mut users, &groups);
        }
        let routers = self.routers().await?;
        let routers_with_extras = self.routers_with_extras().await?;
        Ok(ForeignTables {
            users,
            groups: groups.found,
            routers,
            routers_with_extras,
            oddities: self.oddities,
        })
    }

    async fn routers(&mut self) -> Result<Vec<RowNas>, ForeignError> {
        if !self.schema.has(ROUTERS.name, "nasname") {
            return Ok(Vec::new());
        }
        let rows = self.rows(ROUTERS).await?;
        let routers = rows.into_iter().map(|row| {
            let [nasname, shortname, kind, secret] = row.texts;
            RowNas {
                id: row.id,
                nasname,
                shortname: Some(shortname),
                kind: Some(kind),
                secret: Secret::from(secret.as_str()),
            }
        });
        Ok(routers.collect())
    }

    async fn routers_with_extras(&mut self) -> Result<u64, ForeignError> {
        let columns = ["ports", "server", "community"];
        let known = columns
            .into_iter()
            .filter(|one| self.schema.has(ROUTERS.name, one));
        let has_any: Vec<String> = known
            .map(|column| format!("{column} IS NOT NULL"))
            .collect();
        if has_any.is_empty() {
            return Ok(0);
        }
        let count = self.connection.count();
        let sql = format!("SELECT {count} FROM nas WHERE {}", has_any.join(" OR "));
        Ok(self.number(sql).await?.unwrap_or_default().unsigned_abs())
    }

    /// All rows of a table by their numbers, or in the order of their names when they have none.
    async fn rows(&mut self, table: Table) -> Result<Vec<Named>, ForeignError> {
        let has_numbers = self.schema.has(table.name, "id");
        let charsets = table
            .columns
            .map(|column| self.schema.charset_of(table.name, column));
        let mut rows: Vec<Named> = Vec::new();
        let mut after = i64::MIN;
        loop {
            let sql = self.select(table, has_numbers);
            let page = self.fetch(sql, has_numbers.then_some(after)).await?;
            let is_last = !has_numbers || page.len() < PAGE_ROWS;
            for cells in page {
                let row = self.read(cells, charsets, rows.len());
                after = row.id;
                rows.push(row);
            }
            if TABLE_ROWS_MAX < rows.len() {
                return Err(ForeignError::TooMany {
                    place: self.place.clone(),
                    table: table.name,
                    max: TABLE_ROWS_MAX,
                });
            }
            if is_last {
                return Ok(rows);
            }
        }
    }

    fn select(&self, table: Table, has_numbers: bool) -> String {
        let columns = table.columns.map(|column| self.column(table.name, column));
        let id = match has_numbers {
            true => self.connection.as_octets("id"),
            false => "NULL".to_owned(),
        };
        let head = format!("SELECT {id}, {} FROM {}", columns.join(", "), table.name);
        if !has_numbers {
            let [name, second, third, _] = table.columns;
            return format!(
                "{head} ORDER BY {name}, {third}, {second} LIMIT {}",
                TABLE_ROWS_MAX + 1
            );
        }
        let after = self.connection.placeholder();
        format!("{head} WHERE {after} < id ORDER BY id LIMIT {PAGE_ROWS}")
    }

    /// A column as octets; nothing for one that is not there.
    pub(super) fn column(&self, table: &str, column: &str) -> String {
        if !self.schema.has(table, column) {
            return self.connection.as_octets("''");
        }
        match self.schema.charset_of(table, column) {
            Charset::Utf8 | Charset::Latin1 => self.connection.as_octets(column),
            Charset::Other => {
                let translated = format!("CONVERT({column} USING utf8mb4)");
                self.connection.as_octets(&translated)
            }
        }
    }

    fn read(&mut self, cells: Cells, charsets: [Charset; 4], place: usize) -> Named {
        let mut cells = cells.into_iter();
        let id = cells.next().flatten().and_then(|octets| number(&octets));
        let mut next = |charset: Charset| {
            let octets = cells.next().flatten().unwrap_or_default();
            charset.read(octets, &mut self.oddities)
        };
        Named {
            id: id.unwrap_or_else(|| i64::try_from(place).unwrap_or(i64::MAX)),
            texts: charsets.map(&mut next),
        }
    }
}

/// Names that a server takes for equal are written in one way, because here they have to be equal.
fn name_groups_alike(users: &mut [UserRows], groups: &Gathering<GroupRows>) {
    for membership in users.iter_mut().flat_map(|user| &mut user.groups) {
        if let Some(place) = groups.places.get(&membership.group.to_lowercase()) {
            membership.group.clone_from(&groups.found[*place].name);
        }
    }
}

/// Something with a name.
trait OfName {
    fn of_name(name: String) -> Self;
}

impl OfName for UserRows {
    fn of_name(name: String) -> Self {
        Self {
            name,
            check: Vec::new(),
            reply: Vec::new(),
            groups: Vec::new(),
        }
    }
}

impl OfName for GroupRows {
    fn of_name(name: String) -> Self {
        Self {
            name,
            check: Vec::new(),
            reply: Vec::new(),
        }
    }
}

impl<T: OfName> Gathering<T> {
    fn new(is_case_ignored: bool) -> Self {
        Self {
            is_case_ignored,
            places: HashMap::new(),
            found: Vec::new(),
        }
    }

    fn of(&mut self, name: String) -> &mut T {
        let key = match self.is_case_ignored {
            true => name.to_lowercase(),
            false => name.clone(),
        };
        let next = self.found.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.found.push(T::of_name(name));
        }
        &mut self.found[place]
    }
}
