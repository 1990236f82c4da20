//! Rows of other databases, copied name by name: a name is taken whole, and once.

use std::collections::HashSet;

use domain::id::TenantId;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde_json::json;

use crate::bulk::{Insert, select_in};
use crate::column::stored_text;
use crate::deed::Deed;
use crate::error::{Resource, StoreError};
use crate::rows::{AttributeRow, GroupRows, UserRows};
use crate::store::Store;
use crate::write::Write;

/// What FreeRADIUS reads of an operator; what follows means nothing.
const OPERATOR_CHARS: usize = 2;

const CHECK: Insert<'static> = of_users("radcheck");
const REPLY: Insert<'static> = of_users("radreply");
const GROUP_CHECK: Insert<'static> = of_groups("radgroupcheck");
const GROUP_REPLY: Insert<'static> = of_groups("radgroupreply");
const MEMBERSHIP: Insert<'static> = Insert {
    table: "radusergroup",
    columns: &["username", "groupname", "priority"],
    on_conflict: "",
};

const fn of_users(table: &'static str) -> Insert<'static> {
    Insert {
        table,
        columns: &["username", "attribute", "op", "value"],
        on_conflict: "",
    }
}

const fn of_groups(table: &'static str) -> Insert<'static> {
    Insert {
        table,
        columns: &["groupname", "attribute", "op", "value"],
        on_conflict: "",
    }
}

impl Store {
    /// Copies the rows of these users, all or none, but for those whose names have rows already.
    /// Gives how many users were copied. The rows keep their order and get new numbers.
    pub async fn row_import_users(&self, users: &[UserRows]) -> Result<usize, StoreError> {
        let mut write = self.write().await?;
        let connection = write.connection();
        let names = users.iter().map(|user| user.name.as_str());
        let known = user_names(connection, names).await?;
        let new = users.iter().filter(|user| !known.contains(&user.name));
        let new: Vec<&UserRows> = new.collect();
        insert_users(connection, &new).await?;
        let names = new.iter().map(|user| user.name.as_str());
        record(&mut write, Resource::RowUser, names);
        write.commit().await?;
        Ok(new.len())
    }

    /// Copies the rows of these groups in the same way.
    pub async fn row_import_groups(&self, groups: &[GroupRows]) -> Result<usize, StoreError> {
        let mut write = self.write().await?;
        let connection = write.connection();
        let names = groups.iter().map(|group| group.name.as_str());
        let known = group_names(connection, names).await?;
        let new = groups.iter().filter(|group| !known.contains(&group.name));
        let new: Vec<&GroupRows> = new.collect();
        insert_groups(connection, &new).await?;
        let names = new.iter().map(|group| group.name.as_str());
        record(&mut write, Resource::RowGroup, names);
        write.commit().await?;
        Ok(new.len())
    }

    /// Those of these names that have rows of a user.
    pub async fn row_user_names(&self, names: &[&str]) -> Result<HashSet<String>, StoreError> {
        Ok(user_names(self.reader(), names.iter().copied()).await?)
    }
}

/// Adds the rows of users, in their order.
pub(crate) async fn insert_users<C: ConnectionTrait>(
    connection: &C,
    users: &[&UserRows],
) -> Result<(), DbErr> {
    let check = users.iter().flat_map(|user| of(&user.name, &user.check));
    let reply = users.iter().flat_map(|user| of(&user.name, &user.reply));
    let (check, reply): (Vec<_>, Vec<_>) = (check.collect(), reply.collect());
    let mut memberships = Vec::new();
    for user in users {
        for row in &user.groups {
            let priority = row.priority.clamp(i32::MIN.into(), i32::MAX.into());
            let priority = i32::try_from(priority).unwrap_or_default();
            memberships.push([
                stored_text(&user.name).into(),
                stored_text(&row.group).into(),
                priority.into(),
            ]);
        }
    }
    CHECK.run(connection, check).await?;
    REPLY.run(connection, reply).await?;
    MEMBERSHIP.run(connection, memberships).await
}

/// Adds the rows of groups, in their order.
pub(crate) async fn insert_groups<C: ConnectionTrait>(
    connection: &C,
    groups: &[&GroupRows],
) -> Result<(), DbErr> {
    let check = groups
        .iter()
        .flat_map(|group| of(&group.name, &group.check));
    let reply = groups
        .iter()
        .flat_map(|group| of(&group.name, &group.reply));
    let (check, reply): (Vec<_>, Vec<_>) = (check.collect(), reply.collect());
    GROUP_CHECK.run(connection, check).await?;
    GROUP_REPLY.run(connection, reply).await
}

/// Records whom rows were copied of, if there were any.
fn record<'n>(write: &mut Write, what: Resource, names: impl Iterator<Item = &'n str>) {
    let names: Vec<&str> = names.collect();
    let (Some(first), Some(last)) = (names.first(), names.last()) else {
        return;
    };
    let copied = json!({ "names": names.len(), "first": first, "last": last });
    let named = format!("{} names", names.len());
    write.record(Deed::imported((TenantId::DEFAULT, what), &named, &copied));
}

fn of<'r>(name: &'r str, rows: &'r [AttributeRow]) -> impl Iterator<Item = [Value; 4]> + 'r {
    rows.iter().map(|row| {
        let operator: String = row.op.trim().chars().take(OPERATOR_CHARS).collect();
        [
            stored_text(name).into(),
            stored_text(&row.attribute).into(),
            stored_text(&operator).into(),
            stored_text(&row.value).into(),
        ]
    })
}

async fn user_names<'n, C: ConnectionTrait>(
    connection: &C,
    names: impl Iterator<Item = &'n str>,
) -> Result<HashSet<String>, DbErr> {
    let tables = ["radcheck", "radreply", "radusergroup"];
    known(connection, &tables, "username", names).await
}

async fn group_names<'n, C: ConnectionTrait>(
    connection: &C,
    names: impl Iterator<Item = &'n str>,
) -> Result<HashSet<String>, DbErr> {
    let tables = ["radgroupcheck", "radgroupreply"];
    known(connection, &tables, "groupname", names).await
}

async fn known<'n, C: ConnectionTrait>(
    connection: &C,
    tables: &[&str],
    column: &str,
    names: impl Iterator<Item = &'n str>,
) -> Result<HashSet<String>, DbErr> {
    let names: Vec<Value> = names.map(Value::from).collect();
    let mut known = HashSet::new();
    for table in tables {
        let head = format!("SELECT DISTINCT {column} FROM {table} WHERE {column} IN");
        let rows = select_in(connection, &head, &names, "").await?;
        let read = |row: &QueryResult| row.try_get_by_index::<String>(0);
        known.extend(rows.iter().map(read).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(known)
}
