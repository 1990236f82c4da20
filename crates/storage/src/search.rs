//! Searching for text: what can be found, and the index of pieces that finds it.
//!
//! A text is found by any part of a word from three letters on. Each entry is in an index under its
//! pieces of three letters: on SQLite a full-text table without content, on PostgreSQL an inverted
//! index over an array; both come with the database. A piece stands with its tenant and kind, so that
//! nobody's search goes through what others have.

use domain::id::TenantId;
use domain::search::{PIECE_CHARS, Question, pieces};
use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use crate::bulk::{Insert, select_in};
use crate::column::stored_text;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::query::Query;
use crate::store::Store;
use crate::write::Write;

pub mod hit;
mod place;

const ENTRIES: Insert<'static> = Insert {
    table: "search_entry",
    columns: &["tenant", "kind", "object", "content"],
    on_conflict: "",
};

const PIECES: Insert<'static> = Insert {
    table: "search_piece",
    columns: &["rowid", "pieces"],
    on_conflict: "",
};

/// What kind of thing an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Subscriber,
    Customer,
}

/// What of one thing can be searched for, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantId,
    pub(crate) kind: EntryKind,
    pub(crate) object: Uuid,
    pub(crate) content: String,
}

impl EntryKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Subscriber => "subscriber",
            Self::Customer => "customer",
        }
    }

    /// What stands before every piece on SQLite, with the tenant before it.
    const fn letter(self) -> char {
        match self {
            Self::Subscriber => 's',
            Self::Customer => 'c',
        }
    }
}

/// Puts things into the index that are not in it.
pub(crate) async fn put_new<C: ConnectionTrait>(
    connection: &C,
    entries: impl IntoIterator<Item = Entry>,
) -> Result<(), DbErr> {
    let entries: Vec<Entry> = entries.into_iter().collect();
    let rows: Vec<[Value; 4]> = entries.iter().map(row).collect();
    ENTRIES.run(connection, rows).await?;
    if Dialect::of(connection) == Dialect::Postgres {
        return Ok(());
    }
    let objects: Vec<Value> = entries.iter().map(|entry| entry.object.into()).collect();
    let head = "SELECT number, object FROM search_entry WHERE object IN";
    let mut numbered = Vec::with_capacity(entries.len());
    for row in select_in(connection, head, &objects, "").await? {
        let object: Uuid = row.try_get_by_index(1)?;
        let number: i64 = row.try_get_by_index(0)?;
        numbered.push((object, number));
    }
    numbered.sort_unstable();
    let found = |entry: &Entry| {
        let at = numbered.binary_search_by_key(&entry.object, |(object, _)| *object);
        let (_, number) = numbered.get(at.ok()?)?;
        Some([(*number).into(), listed_pieces(entry).into()])
    };
    let rows: Vec<[Value; 2]> = entries.iter().filter_map(found).collect();
    PIECES.run(connection, rows).await
}

/// Puts a thing into the index in place of what was there of it.
pub(crate) async fn put(write: &Write, entry: Entry) -> Result<(), DbErr> {
    remove(write, entry.object).await?;
    put_new(write.connection(), [entry]).await
}

/// Takes a thing out of the index.
pub(crate) async fn remove(write: &Write, object: Uuid) -> Result<(), DbErr> {
    if write.dialect() == Dialect::Sqlite {
        let sql = "DELETE FROM search_piece WHERE rowid = \
            (SELECT number FROM search_entry WHERE object = $1)";
        let statement = write.dialect().statement(sql, [object.into()]);
        write.connection().execute_raw(statement).await?;
    }
    let sql = "DELETE FROM search_entry WHERE object = $1";
    let statement = write.dialect().statement(sql, [object.into()]);
    write.connection().execute_raw(statement).await.map(drop)
}

fn row(entry: &Entry) -> [Value; 4] {
    [
        entry.tenant.as_uuid().into(),
        entry.kind.as_str().into(),
        entry.object.into(),
        stored_text(&entry.content).into(),
    ]
}

/// The pieces of an entry as SQLite takes them: words with spaces between them.
fn listed_pieces(entry: &Entry) -> String {
    let scope = scope(entry.tenant, entry.kind);
    let pieces = pieces(&entry.content);
    let mut listed = String::with_capacity(pieces.len() * (scope.len() + PIECE_CHARS + 1));
    for piece in pieces {
        listed.push_str(&scope);
        listed.push_str(piece);
        listed.push(' ');
    }
    listed
}

fn scope(tenant: TenantId, kind: EntryKind) -> String {
    format!("{}{}", tenant.as_uuid().simple(), kind.letter())
}

impl Store {
    /// Things whose text has what is searched for, in no order.
    pub(crate) async fn search_ids(
        &self,
        tenant: TenantId,
        kind: EntryKind,
        question: &Question,
        limit: usize,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut found: Vec<Uuid> = Vec::new();
        for words in question.groups() {
            let query = self.search_query(tenant, kind, words, limit);
            for row in query.all(self.reader()).await? {
                let object: Uuid = row.try_get_by_index(0)?;
                if !found.contains(&object) && found.len() < limit {
                    found.push(object);
                }
            }
        }
        Ok(found)
    }

    pub(crate) fn search_query(
        &self,
        tenant: TenantId,
        kind: EntryKind,
        words: &[String],
        limit: usize,
    ) -> Query {
        let long = || {
            words
                .iter()
                .filter(|word| PIECE_CHARS <= word.chars().count())
        };
        let (mut query, position) = match self.dialect() {
            Dialect::Sqlite => {
                let select = "SELECT e.object FROM search_piece CROSS JOIN search_entry e \
                    ON e.number = search_piece.rowid";
                let mut query = Query::new(Dialect::Sqlite, select);
                let scope = scope(tenant, kind);
                let wanted = long().flat_map(|word| pieces(word));
                let wanted: Vec<String> =
                    wanted.map(|piece| format!("\"{scope}{piece}\"")).collect();
                query.and("search_piece MATCH ?", [wanted.join(" AND ").into()]);
                (query, "instr")
            }
            Dialect::Postgres => {
                let select = "SELECT e.object FROM search_entry e";
                let mut query = Query::new(Dialect::Postgres, select);
                let scope = [tenant.as_uuid().into(), kind.as_str().into()];
                query.and("e.tenant = ? AND e.kind = ?", scope);
                for word in long() {
                    let wanted = "search_pieces(e.tenant, e.kind, e.content) \
                        @> search_pieces(?, ?, ?)";
                    let values = [
                        tenant.as_uuid().into(),
                        kind.as_str().into(),
                        word.as_str().into(),
                    ];
                    query.and(wanted, values);
                }
                (query, "strpos")
            }
        };
        for word in words {
            query.and(
                &format!("{position}(e.content, ?) > 0"),
                [word.as_str().into()],
            );
        }
        query.end(&format!("LIMIT {limit}"));
        query
    }
}
