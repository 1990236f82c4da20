//! `lastmile rows`: what the tables of FreeRADIUS say, and what about it is not as it seems.

use radius::dictionary::Dictionary;
use rows::compiler::Compiler;
use serde::Serialize;
use storage::error::Resource;
use storage::page::Page;
use storage::rows::{AttributeRow, UserRows};
use storage::store::Store;

use super::context::{Context, ListSize};
use super::error::CliError;
use crate::output::{Extent, Record};

mod edit;
mod lint;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum RowsCommand {
    /// List who has rows
    #[command(after_help = "Examples:
  lastmile rows list
  lastmile rows list --limit 10 --output json")]
    List(ListSize),
    /// Show the rows of a user and of their groups, without passwords
    #[command(after_help = "Examples:
  lastmile rows show ana
  lastmile rows show ana --output json")]
    Show {
        /// The name as it is in the tables
        user: String,
    },
    /// Replace all rows of a user or of a group
    #[command(
        after_help = "A row is ATTRIBUTE OPERATOR VALUE. Rows with errors are refused, unless --force is given.

Examples:
  lastmile rows set --user ana --check 'Cleartext-Password := -' --member gold   # asks for the value
  lastmile rows set --user ana --reply 'Framed-IP-Address := 10.0.0.7' --member gold:1 --dry-run
  lastmile rows set --group gold --reply 'Mikrotik-Rate-Limit := 10M/20M'"
    )]
    Set(edit::SetArgs),
    /// Remove all rows of a user or of a group
    #[command(after_help = "Examples:
  lastmile rows remove --user ana --dry-run
  lastmile rows remove --group gold")]
    Remove(edit::RemoveArgs),
    /// List the rows that mean something else than their author probably thinks
    #[command(
        after_help = "It changes nothing, and may be run beside a running server. The exit code is 1 when there is an
error; warnings and notices do not count.

Examples:
  lastmile rows lint
  lastmile rows lint --user ana
  lastmile rows lint --group gold --output json"
    )]
    Lint(lint::LintArgs),
}

#[derive(Debug, Serialize)]
struct UserRecord {
    user_name: String,
    check_rows: usize,
    reply_rows: usize,
    /// In the order in which they are asked.
    groups: String,
}

#[derive(Debug, Serialize)]
struct RowRecord {
    table: &'static str,
    id: i64,
    name: String,
    attribute: Option<String>,
    op: Option<String>,
    value: Option<String>,
    priority: Option<i64>,
}

impl Record for UserRecord {
    const FIELDS: &'static [&'static str] = &["user_name", "check_rows", "reply_rows", "groups"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl Record for RowRecord {
    const FIELDS: &'static [&'static str] = &[
        "table",
        "id",
        "name",
        "attribute",
        "op",
        "value",
        "priority",
    ];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, command: RowsCommand) -> Result<(), CliError> {
    match command {
        RowsCommand::List(size) => list(context, size).await,
        RowsCommand::Show { user } => show(context, &user).await,
        RowsCommand::Set(args) => edit::set(context, args).await,
        RowsCommand::Remove(args) => edit::remove(context, args).await,
        RowsCommand::Lint(args) => lint::run(context, args).await,
    }
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let load = async |page: &Page<String>| {
        let after = page.after.as_deref();
        store.row_user_page(after, page.limit()).await
    };
    let none = "No user has rows: whatever writes radcheck puts them there";
    let key = |user: &UserRows| user.name.clone();
    context
        .list::<UserRecord, _, _>(size, none, key, load)
        .await
}

async fn show(context: &mut Context, user: &str) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let user = find_user(&store, user).await?;
    let compiler = Compiler::new(Dictionary::builtin());
    let attribute_record = |table, name: &str, row| attribute_record(&compiler, table, name, row);
    let UserRows {
        name,
        check,
        reply,
        groups,
    } = by_priority(user);
    let mut listing = context.output.listing::<RowRecord>(Extent::All);
    for (table, rows) in [("radcheck", check), ("radreply", reply)] {
        for row in rows {
            listing.push(&attribute_record(table, &name, row))?;
        }
    }
    for membership in groups {
        listing.push(&RowRecord {
            table: "radusergroup",
            id: membership.id,
            name: membership.group.clone(),
            attribute: None,
            op: None,
            value: None,
            priority: Some(membership.priority),
        })?;
        for group in store.row_groups(&[&membership.group]).await? {
            let tables = [
                ("radgroupcheck", group.check),
                ("radgroupreply", group.reply),
            ];
            for (table, rows) in tables {
                for row in rows {
                    listing.push(&attribute_record(table, &group.name, row))?;
                }
            }
        }
    }
    listing.finish()?;
    Ok(())
}

async fn find_user(store: &Store, name: &str) -> Result<UserRows, CliError> {
    let found = store.row_users(&[name]).await?;
    found.into_iter().next().ok_or_else(|| CliError::NotFound {
        what: Resource::RowUser,
        name: name.to_owned(),
        remedy: "names are compared as they are written, and `lastmile rows list` shows them",
    })
}

/// With the groups in the order in which they are asked.
fn by_priority(mut user: UserRows) -> UserRows {
    user.groups.sort_by_key(|row| (row.priority, row.id));
    user
}

impl From<UserRows> for UserRecord {
    fn from(user: UserRows) -> Self {
        let user = by_priority(user);
        let groups: Vec<_> = user.groups.iter().map(|row| row.group.as_str()).collect();
        Self {
            check_rows: user.check.len(),
            reply_rows: user.reply.len(),
            groups: groups.join(", "),
            user_name: user.name,
        }
    }
}

fn attribute_record(
    compiler: &Compiler,
    table: &'static str,
    name: &str,
    row: AttributeRow,
) -> RowRecord {
    let value = if compiler.is_secret(&row.attribute) {
        "(hidden)".to_owned()
    } else {
        row.value
    };
    RowRecord {
        table,
        id: row.id,
        name: name.to_owned(),
        attribute: Some(row.attribute),
        op: Some(row.op),
        value: Some(value),
        priority: None,
    }
}
