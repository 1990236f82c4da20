//! What people wrote down about customers, with when and who.

use domain::customer::{CustomerNumber, NoteText};
use domain::id::{CustomerNoteId, TenantId};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult};
use serde::Serialize;

use super::KEYED;
use crate::column::{Row, stored_text};
use crate::deed::Deed;
use crate::error::{Resource, StoreError};
use crate::page::Page;
use crate::query::Query;
use crate::store::Store;

/// Notes that are kept about one customer.
pub const NOTES_MAX: usize = 1_000;

const COLUMNS: &str = "id, text, author, at";

/// A note as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomerNote {
    pub id: CustomerNoteId,
    pub text: String,
    /// Who wrote it.
    pub author: String,
    pub at: Timestamp,
}

impl Store {
    /// Writes something down about the customer with this number.
    pub async fn customer_note_insert(
        &self,
        tenant: TenantId,
        number: &CustomerNumber,
        text: &NoteText,
        author: &str,
    ) -> Result<CustomerNote, StoreError> {
        let mut write = self.write().await?;
        let customer = KEYED.lock(&write, tenant, number.as_str()).await?.id;
        let sql = "SELECT COUNT(*) FROM customer_note WHERE customer = $1";
        let statement = write.dialect().statement(sql, [customer.into()]);
        let row = write.connection().query_one_raw(statement).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if NOTES_MAX <= count {
            return Err(StoreError::TooMany {
                what: "notes",
                name: number.to_string(),
                count: count + 1,
                max: NOTES_MAX,
            });
        }
        let note = CustomerNote {
            id: self.new_id(),
            text: text.as_str().to_owned(),
            author: stored_text(author),
            at: write.at(),
        };
        let sql = "INSERT INTO customer_note (id, tenant, customer, text, author, at) \
            VALUES ($1, $2, $3, $4, $5, $6)";
        let values = [
            note.id.as_uuid().into(),
            tenant.as_uuid().into(),
            customer.into(),
            note.text.as_str().into(),
            note.author.as_str().into(),
            note.at.as_micros().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        let named = (note.id.as_uuid(), number.as_str());
        let kind = (tenant, Resource::CustomerNote);
        write.record(Deed::created(kind, named, &note));
        write.commit().await?;
        Ok(note)
    }

    /// Notes about the customer with this number, the newest first.
    pub async fn customer_note_list(
        &self,
        tenant: TenantId,
        number: &CustomerNumber,
        page: &Page<CustomerNoteId>,
    ) -> Result<Vec<CustomerNote>, StoreError> {
        let select = KEYED.one(tenant, number.as_str());
        let customer = select.one(self.reader()).await?;
        let customer = customer.ok_or_else(|| StoreError::NotFound {
            what: Resource::Customer,
            name: number.to_string(),
        })?;
        let select = format!("SELECT {COLUMNS} FROM customer_note");
        let mut query = Query::new(self.dialect(), &select);
        query.and("customer = ?", [customer.id.into()]);
        if let Some(after) = page.after {
            query.and("id < ?", [after.as_uuid().into()]);
        }
        query.end(&format!("ORDER BY id DESC LIMIT {}", page.limit()));
        let rows = query.all(self.reader()).await?;
        rows.iter().map(note).collect()
    }

    /// Removes a note about the customer with this number.
    pub async fn customer_note_delete(
        &self,
        tenant: TenantId,
        number: &CustomerNumber,
        id: CustomerNoteId,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let customer = KEYED.lock(&write, tenant, number.as_str()).await?.id;
        let sql = format!(
            "DELETE FROM customer_note WHERE customer = $1 AND id = $2 RETURNING {COLUMNS}"
        );
        let values = [customer.into(), id.as_uuid().into()];
        let statement = write.dialect().statement(sql, values);
        let row = write.connection().query_one_raw(statement).await?;
        let row = row.ok_or_else(|| StoreError::NotFound {
            what: Resource::CustomerNote,
            name: id.to_string(),
        })?;
        let before = note(&row)?;
        let named = (id.as_uuid(), number.as_str());
        let kind = (tenant, Resource::CustomerNote);
        write.record(Deed::removed(kind, named, &before));
        write.commit().await
    }
}

fn note(row: &QueryResult) -> Result<CustomerNote, StoreError> {
    let row = Row::new("customer_note", row)?;
    Ok(CustomerNote {
        id: row.id(),
        text: row.raw("text")?,
        author: row.raw("author")?,
        at: row.time("at")?,
    })
}
