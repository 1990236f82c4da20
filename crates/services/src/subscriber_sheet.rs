//! Files of subscribers: CSV with a header, or an object a line, read row by row.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use csv::ByteRecord;
use domain::operation::RowProblem;
use serde_json::{Map, Value as Json};

use crate::subscriber_row::{Column, SubscriberRow};

pub const ROWS_MAX: u64 = 1_000_000;
pub const FILE_OCTETS_MAX: u64 = 256 << 20;

/// The most octets of one line of JSON.
const LINE_OCTETS_MAX: usize = 64 << 10;
const BUFFER_OCTETS: usize = 1 << 16;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SheetFormat {
    Csv,
    JsonLines,
}

/// Which columns are meant by names that are not ours, folded.
#[derive(Clone, Debug, Default)]
pub struct ColumnMap(HashMap<String, Column>);

/// A row with the line that it begins in, or what is wrong with it.
#[derive(Debug)]
pub struct SheetRow {
    pub line: u64,
    pub row: Result<SubscriberRow, RowProblem>,
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    #[error("line 1 is not a header: it must name the columns, for example username,password,plan")]
    NoHeader,
    #[error(
        "line 1: unknown column '{name}': known are username, password, password_hash, plan, static_ipv4, ipv6_prefix, ipv6_delegated, starts_at, expires_at, status"
    )]
    UnknownColumn { name: String },
    #[error("line 1: the column '{name}' is there twice")]
    ColumnTwice { name: &'static str },
    #[error("line 1: the column '{name}' is missing")]
    ColumnMissing { name: &'static str },
    #[error("more than {ROWS_MAX} lines: split the file")]
    TooManyRows,
    #[error("the file is larger than {} MiB: split it", FILE_OCTETS_MAX >> 20)]
    TooLarge,
    #[error("the file could not be read")]
    Unreadable(#[source] csv::Error),
    #[error("the file could not be read")]
    NoFile(#[source] std::io::Error),
}

/// Why a map of columns cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not THEIRS=OURS, where OURS is username, password, plan or another of our columns"
)]
pub struct ColumnMapError(String);

/// A file that is being read. Its memory does not grow with the file.
pub struct Sheet<R> {
    reader: Reader<R>,
    rows: u64,
}

enum Reader<R> {
    Csv {
        reader: csv::Reader<BufReader<std::io::Take<R>>>,
        record: ByteRecord,
        columns: Vec<Column>,
    },
    JsonLines {
        reader: BufReader<std::io::Take<R>>,
        line: u64,
        octets: u64,
        map: ColumnMap,
    },
}

impl ColumnMap {
    /// Reads `Customer=username,Tariff=plan`.
    pub fn parse(raw: &str) -> Result<Self, ColumnMapError> {
        let mut map = HashMap::new();
        for pair in raw.split(',').filter(|pair| !pair.trim().is_empty()) {
            let refuse = || ColumnMapError(pair.to_owned());
            let (theirs, ours) = pair.split_once('=').ok_or_else(refuse)?;
            let ours = Column::find(ours.trim()).ok_or_else(refuse)?;
            map.insert(theirs.trim().to_lowercase(), ours);
        }
        Ok(Self(map))
    }

    fn find(&self, name: &str) -> Option<Column> {
        let mapped = self.0.get(&name.to_lowercase()).copied();
        mapped.or_else(|| Column::find(name))
    }
}

impl<R: Read> Sheet<R> {
    /// Begins to read a file; of CSV the header is read at once.
    pub fn open(file: R, format: SheetFormat, map: ColumnMap) -> Result<Self, SheetError> {
        let mut file = BufReader::with_capacity(BUFFER_OCTETS, file.take(FILE_OCTETS_MAX + 1));
        let reader = match format {
            SheetFormat::JsonLines => Reader::JsonLines {
                reader: file,
                line: 0,
                octets: 0,
                map,
            },
            SheetFormat::Csv => {
                let delimiter = delimiter(&mut file)?;
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(delimiter)
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(file);
                let mut record = ByteRecord::new();
                let has_header = reader
                    .read_byte_record(&mut record)
                    .map_err(SheetError::Unreadable)?;
                if !has_header {
                    return Err(SheetError::NoHeader);
                }
                Reader::Csv {
                    columns: header(&record, &map)?,
                    reader,
                    record,
                }
            }
        };
        Ok(Self { reader, rows: 0 })
    }

    /// The next row; nothing at the end of the file.
    pub fn next_row(&mut self) -> Result<Option<SheetRow>, SheetError> {
        let found = match &mut self.reader {
            Reader::Csv {
                reader,
                record,
                columns,
            } => next_record(reader, record, columns)?,
            Reader::JsonLines {
                reader,
                line,
                octets,
                map,
            } => next_object(reader, (line, octets), map)?,
        };
        if found.is_some() {
            self.rows += 1;
        }
        match ROWS_MAX < self.rows {
            true => Err(SheetError::TooManyRows),
            false => Ok(found),
        }
    }
}

fn next_record<R: Read>(
    reader: &mut csv::Reader<R>,
    record: &mut ByteRecord,
    columns: &[Column],
) -> Result<Option<SheetRow>, SheetError> {
    let is_read = reader
        .read_byte_record(record)
        .map_err(SheetError::Unreadable)?;
    if FILE_OCTETS_MAX < reader.position().byte() {
        return Err(SheetError::TooLarge);
    }
    Ok(is_read.then(|| SheetRow {
        line: record.position().map_or(0, csv::Position::line),
        row: row_of(columns, record),
    }))
}

fn row_of(columns: &[Column], record: &ByteRecord) -> Result<SubscriberRow, RowProblem> {
    if record.len() != columns.len() {
        return Err(unreadable(format!(
            "{} fields, and the header names {}: quote fields that contain a comma",
            record.len(),
            columns.len()
        )));
    }
    let mut row = SubscriberRow::default();
    for (column, octets) in columns.iter().zip(record) {
        let text = std::str::from_utf8(octets)
            .map_err(|_| column.wrong("it is not UTF-8: save the file as UTF-8"))?;
        if !text.is_empty() {
            row.set(*column, Some(text.to_owned()));
        }
    }
    Ok(row)
}

fn next_object<R: Read>(
    reader: &mut BufReader<R>,
    (line, octets): (&mut u64, &mut u64),
    map: &ColumnMap,
) -> Result<Option<SheetRow>, SheetError> {
    loop {
        let mut text = Vec::new();
        let limit = LINE_OCTETS_MAX as u64;
        let read = reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut text)
            .map_err(SheetError::NoFile)?;
        *octets += read as u64;
        if FILE_OCTETS_MAX < *octets {
            return Err(SheetError::TooLarge);
        }
        if read == 0 {
            return Ok(None);
        }
        *line += 1;
        if read == LINE_OCTETS_MAX && !text.ends_with(b"\n") {
            *octets += skip_line(reader)?;
            let row = Err(unreadable(format!("longer than {LINE_OCTETS_MAX} octets")));
            return Ok(Some(SheetRow { line: *line, row }));
        }
        if !text.trim_ascii().is_empty() {
            let row = object_of(&text, map);
            return Ok(Some(SheetRow { line: *line, row }));
        }
    }
}

/// Passes over the rest of a line, and says how long it was.
fn skip_line<R: Read>(reader: &mut BufReader<R>) -> Result<u64, SheetError> {
    let mut skipped = 0;
    loop {
        let found = reader.fill_buf().map_err(SheetError::NoFile)?;
        let end = found.iter().position(|octet| *octet == b'\n');
        let count = end.map_or(found.len(), |end| end + 1);
        reader.consume(count);
        skipped += count as u64;
        if end.is_some() || count == 0 {
            return Ok(skipped);
        }
    }
}

fn object_of(text: &[u8], map: &ColumnMap) -> Result<SubscriberRow, RowProblem> {
    let object: Map<String, Json> = serde_json::from_slice(text)
        .map_err(|error| unreadable(format!("the line is no JSON object: {error}")))?;
    let mut row = SubscriberRow::default();
    for (name, value) in object {
        let column = map.find(&name).ok_or_else(|| RowProblem {
            code: "unknown_field".to_owned(),
            field: Some(name.chars().take(64).collect()),
            detail: "no column has this name".to_owned(),
        })?;
        let text = match value {
            Json::String(text) => Some(text),
            Json::Number(number) => Some(number.to_string()),
            Json::Null => None,
            Json::Bool(_) | Json::Array(_) | Json::Object(_) => {
                return Err(column.wrong("it is a text or null"));
            }
        };
        row.set(column, text);
    }
    Ok(row)
}

fn unreadable(detail: String) -> RowProblem {
    RowProblem {
        code: "unreadable".to_owned(),
        field: None,
        detail,
    }
}

/// Spreadsheets of half the world write semicolons.
fn delimiter(file: &mut impl BufRead) -> Result<u8, SheetError> {
    let beginning = file.fill_buf().map_err(SheetError::NoFile)?;
    let header = beginning
        .split(|octet| *octet == b'\n')
        .next()
        .unwrap_or_default();
    let is_semicolons = header.contains(&b';') && !header.contains(&b',');
    Ok(if is_semicolons { b';' } else { b',' })
}

fn header(record: &ByteRecord, map: &ColumnMap) -> Result<Vec<Column>, SheetError> {
    let names: Vec<String> = record
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .collect();
    // A file without header begins with a subscriber, whose password must not be repeated.
    if names.iter().all(|name| map.find(name).is_none()) {
        return Err(SheetError::NoHeader);
    }
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let Some(column) = map.find(&name) else {
            return Err(SheetError::UnknownColumn { name });
        };
        if columns.contains(&column) {
            return Err(SheetError::ColumnTwice {
                name: column.as_str(),
            });
        }
        columns.push(column);
    }
    match columns.contains(&Column::Username) {
        true => Ok(columns),
        false => Err(SheetError::ColumnMissing {
            name: Column::Username.as_str(),
        }),
    }
}

impl<R> Sheet<R> {
    /// Refuses a file whose header lacks what every new subscriber needs.
    pub fn check_complete(&self) -> Result<(), SheetError> {
        let Reader::Csv { columns, .. } = &self.reader else {
            return Ok(());
        };
        let has = |column| columns.contains(&column);
        let missing = match (
            has(Column::Plan),
            has(Column::Password) || has(Column::PasswordHash),
        ) {
            (false, _) => Column::Plan,
            (true, false) => Column::Password,
            (true, true) => return Ok(()),
        };
        Err(SheetError::ColumnMissing {
            name: missing.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, format: SheetFormat, map: &str, expected: &[(u64, Result<&str, &str>)]) {
        let map = ColumnMap::parse(map).expect("the test maps columns");
        let mut sheet = Sheet::open(text.as_bytes(), format, map).expect("the file begins well");
        let mut found = Vec::new();
        while let Some(row) = sheet.next_row().expect("the file is good") {
            let told = match row.row {
                Ok(row) => Ok(row.name().to_owned()),
                Err(problem) => Err(problem.detail),
            };
            found.push((row.line, told));
        }
        let found: Vec<(u64, Result<&str, &str>)> = found
            .iter()
            .map(|(line, told)| (*line, told.as_deref().map_err(String::as_str)))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn their_names_of_columns_are_mapped() {
        let text = "Kunde;Tarif\nana;home\n";
        let map = "Kunde=username, tarif=plan";
        check(text, SheetFormat::Csv, map, &[(2, Ok("ana"))]);
        assert!(ColumnMap::parse("Kunde").is_err());
        assert!(ColumnMap::parse("Kunde=mac").is_err());
    }

    #[test]
    fn objects_are_read_line_by_line_and_each_fails_by_itself() {
        let long = format!("{{\"username\":\"{}\"}}", "x".repeat(LINE_OCTETS_MAX));
        let text = format!(
            "{{\"username\":\"ana\",\"password\":null}}\n\n[]\n{{\"mac\":1}}\n{long}\n{{\"username\":\"ben\"}}"
        );
        check(
            &text,
            SheetFormat::JsonLines,
            "",
            &[
                (1, Ok("ana")),
                (
                    3,
                    Err(
                        "the line is no JSON object: invalid type: sequence, expected a map at line 1 column 0",
                    ),
                ),
                (4, Err("no column has this name")),
                (5, Err("longer than 65536 octets")),
                (6, Ok("ben")),
            ],
        );
    }

    #[test]
    fn texts_are_not_shown_for_debugging() {
        let mut row = SubscriberRow::default();
        row.set(Column::Password, Some("kookaburra".to_owned()));
        assert!(!format!("{row:?}").contains("kookaburra"));
    }
}
