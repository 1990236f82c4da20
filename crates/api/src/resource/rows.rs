//! FreeRADIUS' attribute rows: what users and groups have in common on the wire.

use domain::id::TenantId;
use serde::{Deserialize, Serialize};
use services::port::{RowFinding, RowReader, RowSeverity};
use services::rows::{RowsError, Scrutiny};
use storage::rows::{AttributeRow, MembershipRow};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::body::Fields;
use crate::caller::Caller;
use crate::problem::{FieldProblem, Problem};
use crate::state::Api;

mod group;
mod lint;
mod user;

/// Rows of one kind that a name may have.
const ROWS_MAX: usize = 500;

/// What the columns take.
const NAME_CHARS_MAX: usize = 64;
const VALUE_CHARS_MAX: usize = 253;

/// One attribute row.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RowView {
    id: i64,
    attribute: String,
    op: String,
    /// `null` when it is a secret.
    value: Option<String>,
}

/// One attribute row to be stored.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowBody {
    #[schema(min_length = 1, max_length = 64)]
    attribute: String,
    #[schema(min_length = 1, max_length = 2)]
    op: String,
    #[schema(max_length = 253)]
    value: String,
}

/// A group that a user is in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembershipView {
    #[schema(min_length = 1, max_length = 64)]
    group: String,
    /// The lowest is asked first; 1 when absent.
    #[serde(default = "usual_priority")]
    priority: i32,
}

/// Something about a row, or about all rows of a name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FindingView {
    severity: FindingSeverity,
    /// What programs go by.
    code: &'static str,
    /// The table that the row is in.
    table: &'static str,
    /// The id of the row, or of one that is not stored its place from 1; `null` when it is about the
    /// name as a whole.
    row: Option<i64>,
    attribute: Option<String>,
    finding: String,
    remedy: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FindingSeverity {
    /// Worth knowing.
    Notice,
    /// It probably does not do what was meant.
    Warning,
    /// Somebody is refused, or let in, who should not be.
    Error,
}

/// Whether rows with errors are stored.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ForceParams {
    /// Store the rows although they have errors.
    #[serde(default)]
    #[param(default = false)]
    force: bool,
}

const fn usual_priority() -> i32 {
    1
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(user::routes())
        .merge(group::routes())
        .merge(lint::routes())
}

impl From<RowFinding> for FindingView {
    fn from(finding: RowFinding) -> Self {
        Self {
            severity: match finding.severity {
                RowSeverity::Notice => FindingSeverity::Notice,
                RowSeverity::Warning => FindingSeverity::Warning,
                RowSeverity::Error => FindingSeverity::Error,
            },
            code: finding.code,
            table: finding.table,
            row: finding.row,
            attribute: finding.attribute,
            finding: finding.finding,
            remedy: finding.remedy,
        }
    }
}

impl From<RowsError> for Problem {
    fn from(error: RowsError) -> Self {
        match error {
            RowsError::Errors(findings) => {
                let errors = findings.into_iter().map(|finding| FieldProblem {
                    field: place(&finding),
                    code: finding.code,
                    detail: format!("{}: {}", finding.finding, finding.remedy),
                });
                Self::invalid(errors.collect())
            }
            RowsError::Store(problem) => problem.into(),
        }
    }
}

impl ForceParams {
    const fn scrutiny(&self) -> Scrutiny {
        match self.force {
            true => Scrutiny::StoreAnyway,
            false => Scrutiny::RefuseErrors,
        }
    }
}

/// The tables are of the default tenant; for others there is nothing in them.
fn permit(caller: &Caller, what: &str) -> Result<(), Problem> {
    match caller.tenant == TenantId::DEFAULT {
        true => Ok(()),
        false => Err(Problem::not_found(what)),
    }
}

/// The row of a list that a finding is about: `check.0`.
fn place(finding: &RowFinding) -> String {
    let list = match finding.table {
        "radreply" | "radgroupreply" => "reply",
        "radusergroup" => "groups",
        _ => "check",
    };
    match finding.row {
        Some(row) => format!("{list}.{}", row - 1),
        None => list.to_owned(),
    }
}

fn findings(findings: Vec<RowFinding>) -> Vec<FindingView> {
    findings.into_iter().map(FindingView::from).collect()
}

fn views(rows: Vec<AttributeRow>, reader: &dyn RowReader) -> Vec<RowView> {
    let views = rows.into_iter().map(|row| RowView {
        id: row.id,
        value: Some(row.value).filter(|_| !reader.is_secret(&row.attribute)),
        attribute: row.attribute,
        op: row.op,
    });
    views.collect()
}

/// Rows as they are stored, numbered by their places.
fn rows(fields: &mut Fields, list: &str, bodies: Vec<RowBody>) -> Vec<AttributeRow> {
    if ROWS_MAX < bodies.len() {
        fields.wrong(list, format!("at most {ROWS_MAX} rows"));
    }
    for (index, row) in bodies.iter().enumerate() {
        let texts = [
            ("attribute", &row.attribute, NAME_CHARS_MAX),
            ("op", &row.op, 2),
            ("value", &row.value, VALUE_CHARS_MAX),
        ];
        for (field, text, max) in texts {
            check_text(fields, &format!("{list}.{index}.{field}"), text, max);
        }
    }
    let rows = bodies.into_iter().zip(1..).map(|(row, id)| AttributeRow {
        id,
        attribute: row.attribute,
        op: row.op,
        value: row.value,
    });
    rows.collect()
}

fn memberships(fields: &mut Fields, bodies: Vec<MembershipView>) -> Vec<MembershipRow> {
    if ROWS_MAX < bodies.len() {
        fields.wrong("groups", format!("at most {ROWS_MAX} groups"));
    }
    for (index, row) in bodies.iter().enumerate() {
        let field = format!("groups.{index}.group");
        check_text(fields, &field, &row.group, NAME_CHARS_MAX);
    }
    let rows = bodies.into_iter().zip(1..).map(|(row, id)| MembershipRow {
        id,
        group: row.group,
        priority: row.priority.into(),
    });
    rows.collect()
}

/// A name of a user or group that is to be stored.
fn check_name(fields: &mut Fields, name: &str) {
    check_text(fields, "name", name, NAME_CHARS_MAX);
    if name.is_empty() {
        fields.wrong("name", "a name has 1 to 64 characters");
    }
}

fn check_text(fields: &mut Fields, field: &str, text: &str, max: usize) {
    if max < text.chars().count() {
        fields.wrong(field, format!("at most {max} characters"));
    }
    if text.contains('\0') {
        fields.wrong(field, "a NUL cannot be stored");
    }
}
