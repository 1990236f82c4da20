//! Files that are taken in: `/api/v1/imports`.
//!
//! A file is never in memory as a whole: what arrives is read at once on a thread that may wait, and
//! stored in parts, sealed, from which any node carries the operation on.

use std::io::{self, Read};

use axum::Json;
use axum::body::{Body as RawBody, BodyDataStream};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Buf as _, Bytes};
use domain::operation::OperationKind;
use futures_util::StreamExt as _;
use serde::Deserialize;
use services::bulk::{Change, SubscriberAction, Target};
use services::operation::Intake;
use services::subscriber_sheet::{
    ColumnMap, FILE_OCTETS_MAX, Sheet, SheetError, SheetFormat, SheetRow,
};
use storage::operation::NewOperation;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bulk::{BulkView, REHEARSED_AT_ONCE_MAX, at_once};
use super::operation::OperationView;
use crate::body::Params;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Api;

/// Pieces of a body that wait to be read.
const PIECES_WAITING: usize = 4;

/// Rows that wait to be stored.
const ROWS_WAITING: usize = 256;

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ImportParams {
    /// `create` refuses rows whose user name is there; `put` changes those.
    #[serde(default)]
    #[param(default = "create", pattern = "^(create|put)$")]
    mode: Option<String>,
    /// Names of columns that are not ours: `Customer=username,Tariff=plan`.
    #[serde(default)]
    #[param(max_length = 1024)]
    columns: Option<String>,
}

/// What the reading thread reads from: what has arrived, as long as more comes.
struct Arrivals {
    pieces: Receiver<Bytes>,
    piece: Bytes,
}

/// Why a body is not read to its end.
enum Broken {
    TooLarge,
    Off,
}

/// Rows on their way into an operation.
struct Taking<'c> {
    caller: &'c Caller,
    action: SubscriberAction,
    /// Rows of a rehearsal that may be answered at once.
    held: Vec<Change>,
    intake: Option<Intake>,
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(subscribers))
}

/// Import subscribers
///
/// CSV with a header (`Content-Type: text/csv`) or an object a line (`application/x-ndjson`), with the
/// columns username, password or password_hash, plan, static_ipv4, ipv6_prefix, ipv6_delegated,
/// starts_at, expires_at and status; 256 MiB and a million rows at most, and 4 MiB with an
/// `Idempotency-Key`. Each row fails by itself: the operation's results say which, and why. A
/// rehearsal of up to 1,000 rows is answered at once.
#[utoipa::path(
    post, path = "/imports/subscribers", tag = "imports", operation_id = "subscriber_import",
    params(ImportParams),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson"))),
    security(("token" = ["subscribers:write"])),
    responses(
        (status = 200, description = "What would become of each row", body = BulkView),
        (status = 202, description = "It is done part by part", body = OperationView),
    ),
)]
async fn subscribers(
    caller: Caller,
    Params(params): Params<ImportParams>,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response, Problem> {
    let format = format_of(&headers)?;
    let action = match params.mode.as_deref() {
        None | Some("create") => SubscriberAction::Create,
        Some("put") => SubscriberAction::Put,
        Some(_) => return Err(Problem::bad_request("mode is create or put")),
    };
    let map = ColumnMap::parse(params.columns.as_deref().unwrap_or_default())
        .map_err(|error| Problem::field("columns", error.to_string()))?;
    let (pieces, arriving) = channel(PIECES_WAITING);
    let (rows, mut read) = channel(ROWS_WAITING);
    let reading = tokio::task::spawn_blocking(move || {
        let arrivals = Arrivals {
            pieces: arriving,
            piece: Bytes::new(),
        };
        read_all(arrivals, (format, map, action), &rows);
    });
    let mut taking = Taking {
        caller: &caller,
        action,
        held: Vec::new(),
        intake: None,
    };
    let (sent, taken) = tokio::join!(
        send_all(body.into_data_stream(), pieces),
        taking.take_all(&mut read),
    );
    drop(read);
    reading.await.map_err(|_| Problem::internal())?;
    let problem = match (sent, taken) {
        (Err(Broken::TooLarge), _) => Some(sheet_problem(&SheetError::TooLarge)),
        (Err(Broken::Off), _) => Some(Problem::bad_request("the body ended early")),
        (Ok(()), Err(problem)) => Some(problem),
        (Ok(()), Ok(())) => None,
    };
    taking.finish(problem).await
}

/// How a file is written, as its type says.
fn format_of(headers: &HeaderMap) -> Result<SheetFormat, Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "text/csv" => Ok(SheetFormat::Csv),
        "application/x-ndjson" | "application/jsonl" => Ok(SheetFormat::JsonLines),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body has to be text/csv or application/x-ndjson: say so in Content-Type",
        )),
    }
}

/// Hands what arrives to the thread that reads it. When that has seen enough, the rest is let be.
async fn send_all(mut body: BodyDataStream, pieces: Sender<Bytes>) -> Result<(), Broken> {
    let mut octets = 0_u64;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| Broken::Off)?;
        octets += piece.len() as u64;
        if FILE_OCTETS_MAX < octets {
            return Err(Broken::TooLarge);
        }
        if pieces.send(piece).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads rows on a thread that may wait, until the end or the first thing that ends it.
fn read_all(
    arrivals: Arrivals,
    (format, map, action): (SheetFormat, ColumnMap, SubscriberAction),
    rows: &Sender<Result<SheetRow, SheetError>>,
) {
    let opened = Sheet::open(arrivals, format, map).and_then(|sheet| {
        if action == SubscriberAction::Create {
            sheet.check_complete()?;
        }
        Ok(sheet)
    });
    let mut sheet = match opened {
        Ok(sheet) => sheet,
        Err(error) => {
            // Whoever waited for rows may be gone.
            drop(rows.blocking_send(Err(error)));
            return;
        }
    };
    while let Some(row) = sheet.next_row().transpose() {
        let is_end = row.is_err();
        if rows.blocking_send(row).is_err() || is_end {
            return;
        }
    }
}

impl Read for Arrivals {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Taking<'_> {
    async fn take_all(
        &mut self,
        read: &mut Receiver<Result<SheetRow, SheetError>>,
    ) -> Result<(), Problem> {
        while let Some(row) = read.recv().await {
            let found = row.map_err(|error| sheet_problem(&error))?;
            let what = match found.row {
                Ok(row) => Target::Subscriber(self.action, row),
                Err(problem) => Target::Unreadable(problem),
            };
            let change = Change {
                row: found.line,
                what,
            };
            self.push(change).await?;
        }
        Ok(())
    }

    async fn push(&mut self, change: Change) -> Result<(), Problem> {
        if let Some(intake) = &mut self.intake {
            return Ok(intake.push(change).await?);
        }
        self.held.push(change);
        match self.caller.is_rehearsal && self.held.len() <= REHEARSED_AT_ONCE_MAX {
            true => Ok(()),
            false => self.begin().await,
        }
    }

    /// Makes the operation, with what was held back.
    async fn begin(&mut self) -> Result<(), Problem> {
        let new = NewOperation {
            tenant: self.caller.tenant,
            kind: OperationKind::SubscriberImport,
            is_dry_run: self.caller.is_rehearsal,
            is_atomic: false,
        };
        let mut intake = Intake::begin(self.caller.lasting_store(), new).await?;
        for change in self.held.drain(..) {
            intake.push(change).await?;
        }
        self.intake = Some(intake);
        Ok(())
    }

    /// Answers with the operation, or with why there is none.
    async fn finish(mut self, problem: Option<Problem>) -> Result<Response, Problem> {
        if let Some(problem) = problem {
            if let Some(intake) = self.intake {
                intake.refuse(problem.detail()).await?;
            }
            return Err(problem);
        }
        if self.intake.is_none() && self.caller.is_rehearsal {
            let results = at_once(self.caller, &self.held, false).await?;
            let view = BulkView::new(self.held.len(), true, results);
            return Ok(Json(view).into_response());
        }
        if self.intake.is_none() {
            self.begin().await?;
        }
        let intake = self.intake.ok_or_else(Problem::internal)?;
        Ok(OperationView::accepted(intake.finish().await?))
    }
}

fn sheet_problem(error: &SheetError) -> Problem {
    match error {
        SheetError::TooLarge => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            error.to_string(),
        ),
        SheetError::NoHeader
        | SheetError::UnknownColumn { .. }
        | SheetError::ColumnTwice { .. }
        | SheetError::ColumnMissing { .. }
        | SheetError::TooManyRows
        | SheetError::Unreadable(_)
        | SheetError::NoFile(_) => Problem::field("body", error.to_string()),
    }
}
