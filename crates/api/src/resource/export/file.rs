//! A file that is written page by page while it is sent: CSV, or an object a line.

use std::error::Error;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, TryStreamExt as _};
use serde::Serialize;
use serde_json::Value as Json;
use storage::error::StoreError;
use storage::page::Page;
use tracing::warn;

use crate::problem::Problem;

/// Columns of a file: each with the member of the entry that it shows.
pub(super) type Columns = &'static [(&'static str, &'static str)];

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    JsonLines,
}

/// Where a file is: at its beginning with the first page, behind a row, or at its end.
enum Place<Row, Key> {
    Beginning(Vec<Row>),
    Behind(Key),
    End,
}

/// Answers with a file that is written page by page. What goes wrong with the first page is an error
/// like any other.
pub(super) async fn file<Row, Key, Load, Loading>(
    (name, columns, format): (&'static str, Columns, Format),
    load: Load,
    key: fn(&Row) -> Key,
) -> Result<Response, Problem>
where
    Row: Serialize + Send + 'static,
    Key: Send + 'static,
    Load: Fn(Page<Key>) -> Loading + Send + 'static,
    Loading: Future<Output = Result<Vec<Row>, StoreError>> + Send + 'static,
{
    let limit = Page::<Key>::LIMIT_MAX;
    let first = load(Page::first(limit)).await?;
    let state = (Place::Beginning(first), load);
    let pieces = stream::try_unfold(state, move |(place, load)| async move {
        let (is_beginning, rows) = match place {
            Place::Beginning(rows) => (true, rows),
            Place::Behind(key) => (false, load(Page::after(key, limit)).await?),
            Place::End => return Ok::<_, StoreError>(None),
        };
        let next = match rows.last() {
            Some(last) if limit as usize <= rows.len() => Place::Behind(key(last)),
            Some(_) | None => Place::End,
        };
        let piece = match format {
            Format::Csv => csv_piece(columns, is_beginning, &rows),
            Format::JsonLines => json_piece(columns, &rows),
        };
        Ok(Some((piece, (next, load))))
    });
    let pieces = pieces.inspect_err(move |problem| {
        warn!(
            error = problem as &dyn Error,
            "The export of {name} was cut off"
        );
    });
    let (kind, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::JsonLines => ("application/x-ndjson", "jsonl"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.{ending}\""),
        ),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn csv_piece<Row: Serialize>(columns: Columns, is_beginning: bool, rows: &[Row]) -> Bytes {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing into memory does not fail.
    if is_beginning {
        drop(writer.write_record(columns.iter().map(|(name, _)| name)));
    }
    for row in rows {
        let entry = serde_json::to_value(row).unwrap_or_default();
        let cells = columns.iter().map(|(_, member)| cell(entry.get(member)));
        drop(writer.write_record(cells));
    }
    Bytes::from(writer.into_inner().unwrap_or_default())
}

fn json_piece<Row: Serialize>(columns: Columns, rows: &[Row]) -> Bytes {
    let mut lines = String::new();
    for row in rows {
        let mut entry = serde_json::to_value(row).unwrap_or_default();
        let members = columns.iter().map(|(name, member)| {
            let value = entry.get_mut(*member).map(Json::take);
            ((*name).to_owned(), value.unwrap_or_default())
        });
        let line: Json = members.collect::<serde_json::Map<_, _>>().into();
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    Bytes::from(lines)
}

/// A value as a cell. What a spreadsheet would take for a formula gets an apostrophe before it, so
/// that no user name runs on somebody's machine.
fn cell(value: Option<&Json>) -> String {
    let text = match value {
        None | Some(Json::Null) => return String::new(),
        Some(Json::Bool(flag)) => return flag.to_string(),
        Some(Json::Number(number)) => return number.to_string(),
        Some(Json::String(text)) => text.clone(),
        Some(value @ (Json::Array(_) | Json::Object(_))) => value.to_string(),
    };
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        for (value, expected) in [
            (json!("=1+1"), "'=1+1"),
            (json!("+254700"), "'+254700"),
            (json!("-x"), "'-x"),
            (json!("@a"), "'@a"),
            (json!("\tx"), "'\tx"),
            (json!("ana"), "ana"),
            (json!(-5), "-5"),
            (json!(null), ""),
            (json!(["a"]), "[\"a\"]"),
        ] {
            assert_eq!(cell(Some(&value)), expected);
        }
    }

    #[test]
    fn a_file_begins_with_its_header_once() {
        let rows = [json!({ "name": "a,b", "source": "10.0.0.0/8" })];
        let columns: Columns = &[("name", "name"), ("from", "source"), ("gone", "gone")];
        let piece = csv_piece(columns, true, &rows);
        assert_eq!(piece, "name,from,gone\n\"a,b\",10.0.0.0/8,\n");
        let piece = csv_piece(columns, false, &rows);
        assert_eq!(piece, "\"a,b\",10.0.0.0/8,\n");
        let piece = json_piece(columns, &rows);
        let line = "{\"name\":\"a,b\",\"from\":\"10.0.0.0/8\",\"gone\":null}\n";
        assert_eq!(piece, line);
    }
}
