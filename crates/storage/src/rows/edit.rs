//! Changing all rows of a name at once.
//!
//! Triggers of the tables tell the change feed, as they do of whatever else writes there. The rows
//! are of the default tenant, like whom they are about.

use domain::id::TenantId;
use sea_orm::ConnectionTrait;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::source::Source;
use super::{
    AttributeRow, GROUP_SOURCES, GroupRows, USER_SOURCES, UserRows, group_rows, named, user_rows,
};
use crate::column::stored_text;
use crate::deed::Deed;
use crate::dialect::Dialect;
use crate::error::{Resource, StoreError};
use crate::row_import::{insert_groups, insert_users};
use crate::store::Store;
use crate::write::{NO_REVISION, Write};

/// Whether the value of an attribute is a secret, which the audit log does not show.
pub type IsSecret<'a> = &'a (dyn Fn(&str) -> bool + Sync);

impl Store {
    /// Gives a user just these rows, in their order, under new numbers.
    pub async fn row_user_replace(
        &self,
        user: &UserRows,
        is_secret: IsSecret<'_>,
    ) -> Result<UserRows, StoreError> {
        let mut write = self.write().await?;
        let before = take_user(&write, &user.name).await?;
        insert_users(write.connection(), &[user]).await?;
        let after = find_user(&write, &user.name).await?;
        let sides = (before, after.clone());
        let seen = |user: UserRows| user_seen(&user, is_secret);
        record(
            &mut write,
            Resource::RowUser,
            &user.name,
            (sides.0.map(seen), sides.1.map(seen)),
        );
        write.commit().await?;
        Ok(after.unwrap_or_else(|| user_rows((user.name.clone(), Vec::new()))))
    }

    /// Removes all rows of a user.
    pub async fn row_user_delete(
        &self,
        name: &str,
        is_secret: IsSecret<'_>,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let before = take_user(&write, name).await?;
        let before = before.ok_or_else(|| absent(Resource::RowUser, name))?;
        let before = user_seen(&before, is_secret);
        record(&mut write, Resource::RowUser, name, (Some(before), None));
        write.commit().await
    }

    /// Gives a group just these rows, in their order, under new numbers.
    pub async fn row_group_replace(
        &self,
        group: &GroupRows,
        is_secret: IsSecret<'_>,
    ) -> Result<GroupRows, StoreError> {
        let mut write = self.write().await?;
        let before = take_group(&write, &group.name).await?;
        insert_groups(write.connection(), &[group]).await?;
        let after = find_group(&write, &group.name).await?;
        let sides = (before, after.clone());
        let seen = |group: GroupRows| group_seen(&group, is_secret);
        record(
            &mut write,
            Resource::RowGroup,
            &group.name,
            (sides.0.map(seen), sides.1.map(seen)),
        );
        write.commit().await?;
        Ok(after.unwrap_or_else(|| group_rows((group.name.clone(), Vec::new()))))
    }

    /// Removes all rows of a group. Who is a member stays one.
    pub async fn row_group_delete(
        &self,
        name: &str,
        is_secret: IsSecret<'_>,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let before = take_group(&write, name).await?;
        let before = before.ok_or_else(|| absent(Resource::RowGroup, name))?;
        let before = group_seen(&before, is_secret);
        record(&mut write, Resource::RowGroup, name, (Some(before), None));
        write.commit().await
    }
}

/// Removes the rows of a user and gives them.
async fn take_user(write: &Write, name: &str) -> Result<Option<UserRows>, StoreError> {
    lock(write, (Resource::RowUser, name)).await?;
    let before = find_user(write, name).await?;
    remove(write, &USER_SOURCES, name).await?;
    Ok(before)
}

async fn take_group(write: &Write, name: &str) -> Result<Option<GroupRows>, StoreError> {
    lock(write, (Resource::RowGroup, name)).await?;
    let before = find_group(write, name).await?;
    remove(write, &GROUP_SOURCES, name).await?;
    Ok(before)
}

async fn find_user(write: &Write, name: &str) -> Result<Option<UserRows>, StoreError> {
    let found = named(write.connection(), &USER_SOURCES, &[name]).await?;
    Ok(found.into_iter().next().map(user_rows))
}

async fn find_group(write: &Write, name: &str) -> Result<Option<GroupRows>, StoreError> {
    let found = named(write.connection(), &GROUP_SOURCES, &[name]).await?;
    Ok(found.into_iter().next().map(group_rows))
}

/// Of two who replace the rows of one name at once, one comes after the other; on SQLite they do so
/// anyway.
async fn lock(write: &Write, (what, name): (Resource, &str)) -> Result<(), StoreError> {
    write.check_revision(what, name, NO_REVISION)?;
    if write.dialect() == Dialect::Postgres {
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let statement = write.dialect().statement(sql, [stored_text(name).into()]);
        write.connection().query_one_raw(statement).await?;
    }
    Ok(())
}

async fn remove(write: &Write, sources: &[Source], name: &str) -> Result<(), StoreError> {
    for source in sources {
        let (table, column) = (source.table(), source.name_column());
        let sql = format!("DELETE FROM {table} WHERE {column} = $1");
        let statement = write.dialect().statement(sql, [stored_text(name).into()]);
        write.connection().execute_raw(statement).await?;
    }
    Ok(())
}

fn absent(what: Resource, name: &str) -> StoreError {
    StoreError::NotFound {
        what,
        name: name.to_owned(),
    }
}

fn record(
    write: &mut Write,
    what: Resource,
    name: &str,
    (before, after): (Option<Json>, Option<Json>),
) {
    let what = (TenantId::DEFAULT, what);
    let named = (Uuid::nil(), name);
    let deed = match (before, after) {
        (Some(before), Some(after)) => Deed::changed(what, named, &before, &after),
        (None, Some(after)) => Deed::created(what, named, &after),
        (Some(before), None) => Deed::removed(what, named, &before),
        (None, None) => return,
    };
    write.record(deed.by_name());
}

fn user_seen(user: &UserRows, is_secret: IsSecret<'_>) -> Json {
    let groups = user.groups.iter();
    let groups: Vec<Json> = groups
        .map(|row| json!({ "group": row.group, "priority": row.priority }))
        .collect();
    json!({
        "check": rows_seen(&user.check, is_secret),
        "reply": rows_seen(&user.reply, is_secret),
        "groups": groups,
    })
}

fn group_seen(group: &GroupRows, is_secret: IsSecret<'_>) -> Json {
    json!({
        "check": rows_seen(&group.check, is_secret),
        "reply": rows_seen(&group.reply, is_secret),
    })
}

fn rows_seen(rows: &[AttributeRow], is_secret: IsSecret<'_>) -> Vec<String> {
    let seen = rows.iter().map(|row| {
        let value = match is_secret(&row.attribute) {
            true => "(hidden)",
            false => row.value.as_str(),
        };
        format!("{} {} {value}", row.attribute, row.op)
    });
    seen.collect()
}
