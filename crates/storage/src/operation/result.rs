//! What became of the rows of an operation: so many are kept of those that went well, and as many of
//! the others.

use domain::id::{OperationId, TenantId};
use domain::operation::{RowProblem, RowResult};
use sea_orm::{DbErr, QueryResult, Value};
use uuid::Uuid;

use super::Operation;
use crate::bulk::Insert;
use crate::column::{RowName, loaded_count, stored_count, stored_text};
use crate::error::StoreError;
use crate::page::Page;
use crate::query::Query;
use crate::store::Store;
use crate::write::Write;

/// Results of one sort that are kept of an operation.
const KEPT_MAX: u64 = 10_000;

/// The most octets of a reason.
const DETAIL_MAX: usize = 500;

const INSERT: Insert<'static> = Insert {
    table: "operation_result",
    columns: &[
        "operation",
        "number",
        "name",
        "outcome",
        "code",
        "field",
        "detail",
    ],
    on_conflict: "ON CONFLICT (operation, number) DO NOTHING",
};

impl Store {
    /// What became of the rows of an operation, in their order, behind the row `page.after`.
    pub async fn operation_results(
        &self,
        tenant: TenantId,
        id: OperationId,
        (page, is_failed): (&Page<u64>, Option<bool>),
    ) -> Result<Vec<RowResult>, StoreError> {
        let select = "SELECT r.number, r.name, r.outcome, r.code, r.field, r.detail \
            FROM operation_result r JOIN operation o ON o.id = r.operation";
        let mut query = Query::new(self.dialect(), select);
        query.and("r.operation = ?", [id.as_uuid().into()]);
        query.and("o.tenant = ?", [tenant.as_uuid().into()]);
        if let Some(after) = page.after {
            query.and("? < r.number", [stored_count(after).into()]);
        }
        match is_failed {
            Some(true) => query.and("r.outcome = 'failed'", []),
            Some(false) => query.and("r.outcome <> 'failed'", []),
            None => {}
        }
        query.end(&format!("ORDER BY r.number LIMIT {}", page.limit()));
        let rows = query.all(self.reader()).await?;
        rows.iter().map(|row| read(row, id.as_uuid())).collect()
    }
}

/// Keeps results as far as there is room for more of their sort.
pub(super) async fn add(
    write: &Write,
    before: &Operation,
    results: &[RowResult],
) -> Result<(), DbErr> {
    let mut failed_room = KEPT_MAX.saturating_sub(before.failed);
    let mut other_room = KEPT_MAX.saturating_sub(before.done.saturating_sub(before.failed));
    let has_room = |result: &&RowResult| {
        let room = match result.is_failed() {
            true => &mut failed_room,
            false => &mut other_room,
        };
        let has_room = *room != 0;
        *room = room.saturating_sub(1);
        has_room
    };
    let rows = results
        .iter()
        .filter(has_room)
        .map(|result| row(before.id.as_uuid(), result));
    let rows: Vec<[Value; 7]> = rows.collect();
    INSERT.run(write.connection(), rows).await
}

fn row(operation: Uuid, result: &RowResult) -> [Value; 7] {
    let problem = result.problem.as_ref();
    let detail = problem.map(|problem| {
        let end = problem.detail.floor_char_boundary(DETAIL_MAX);
        stored_text(&problem.detail[..end])
    });
    [
        operation.into(),
        stored_count(result.row).into(),
        stored_text(&result.name).into(),
        result.outcome.as_str().into(),
        problem.map(|problem| problem.code.clone()).into(),
        problem.and_then(|problem| problem.field.clone()).into(),
        detail.into(),
    ]
}

fn read(row: &QueryResult, operation: Uuid) -> Result<RowResult, StoreError> {
    let name = RowName {
        table: "operation_result",
        id: operation,
    };
    let outcome: String = row.try_get_by_index(2)?;
    let code: Option<String> = row.try_get_by_index(3)?;
    let field: Option<String> = row.try_get_by_index(4)?;
    let detail: Option<String> = row.try_get_by_index(5)?;
    Ok(RowResult {
        row: loaded_count(row.try_get_by_index(0)?),
        name: row.try_get_by_index(1)?,
        outcome: name.parse("outcome", &outcome)?,
        problem: code.map(|code| RowProblem {
            code,
            field,
            detail: detail.unwrap_or_default(),
        }),
    })
}
