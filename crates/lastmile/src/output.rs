//! Data on stdout: tables for people, JSON, JSON lines and CSV for programs.

use std::io::{self, Write};
use std::marker::PhantomData;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::{Map, Value};

mod human;

/// How data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutputFormat {
    /// Aligned columns for people.
    Table,
    /// One JSON document; a list is an array.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header line.
    Csv,
}

/// Something that is listed and shown.
pub(crate) trait Record: Serialize {
    /// Every field, in order.
    const FIELDS: &'static [&'static str];
    /// The fields that a list shows as a table.
    const COLUMNS: &'static [&'static str];
}

/// How many records of a list are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    All,
    First(usize),
}

/// Where data goes, and in which form.
pub(crate) struct Output {
    format: OutputFormat,
    stdout: Box<dyn Write>,
}

/// A table longer than this is a mistake; the other formats have no end.
const TABLE_ROWS_MAX: usize = 1_000;

impl Output {
    pub(crate) fn new(format: OutputFormat, stdout: Box<dyn Write>) -> Self {
        Self { format, stdout }
    }

    /// Writes one JSON document from now on.
    pub(crate) fn use_json(&mut self) {
        self.format = OutputFormat::Json;
    }

    /// Whether a program reads this rather than a person.
    pub(crate) fn is_for_programs(&self) -> bool {
        self.format != OutputFormat::Table
    }

    pub(crate) const fn format(&self) -> OutputFormat {
        self.format
    }

    /// Writes one record with all its fields.
    pub(crate) fn show<R: Record>(&mut self, record: &R) -> io::Result<()> {
        match self.format {
            OutputFormat::Table => {
                let fields = fields_of(record)?;
                let mut table = new_table();
                for (name, value) in &fields {
                    let text = human::text(name, value);
                    table.add_row([human::title(name), text]);
                }
                writeln!(self.stdout, "{}", trimmed(&table))
            }
            OutputFormat::Json => {
                serde_json::to_writer_pretty(&mut self.stdout, record)?;
                writeln!(self.stdout)
            }
            OutputFormat::Jsonl | OutputFormat::Csv => {
                let mut listing = self.listing(Extent::All);
                listing.push(record)?;
                listing.finish().map(drop)
            }
        }
    }

    /// Writes a document that is not a record: as JSON for programs, as its text for people.
    pub(crate) fn document<D: Serialize + std::fmt::Display>(
        &mut self,
        document: &D,
    ) -> io::Result<()> {
        match self.format {
            OutputFormat::Table | OutputFormat::Csv => writeln!(self.stdout, "{document}"),
            OutputFormat::Json => {
                serde_json::to_writer_pretty(&mut self.stdout, document)?;
                writeln!(self.stdout)
            }
            OutputFormat::Jsonl => {
                serde_json::to_writer(&mut self.stdout, document)?;
                writeln!(self.stdout)
            }
        }
    }

    /// Writes a line of plain text.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.stdout, "{text}")
    }

    /// Begins a list. Its records are written as they come.
    pub(crate) fn listing<R: Record>(&mut self, extent: Extent) -> Listing<'_, R> {
        let rows_max = match (extent, self.format) {
            (Extent::First(rows), _) => rows,
            (Extent::All, OutputFormat::Table) => TABLE_ROWS_MAX,
            (Extent::All, OutputFormat::Json | OutputFormat::Jsonl | OutputFormat::Csv) => {
                usize::MAX
            }
        };
        Listing {
            format: self.format,
            stdout: &mut self.stdout,
            table: new_table(),
            rows: 0,
            rows_max,
            is_limited: matches!(extent, Extent::First(_)),
            is_full: false,
            record: PhantomData,
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

/// A list being written.
pub(crate) struct Listing<'o, R> {
    format: OutputFormat,
    stdout: &'o mut Box<dyn Write>,
    table: Table,
    rows: usize,
    rows_max: usize,
    is_limited: bool,
    is_full: bool,
    record: PhantomData<R>,
}

/// What became of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) rows: usize,
    /// There is more than a table takes. A list that the user limited is not cut.
    pub(crate) is_cut: bool,
}

impl<R: Record> Listing<'_, R> {
    /// Writes a record; one too many is only noted.
    pub(crate) fn push(&mut self, record: &R) -> io::Result<()> {
        if self.rows == self.rows_max {
            self.is_full = true;
            return Ok(());
        }
        match self.format {
            OutputFormat::Table => {
                let fields = fields_of(record)?;
                let cells = R::COLUMNS.iter().map(|name| {
                    let value = fields.get(*name).unwrap_or(&Value::Null);
                    human::text(name, value)
                });
                self.table.add_row(cells);
            }
            OutputFormat::Json => {
                self.stdout
                    .write_all(if self.rows == 0 { b"[\n  " } else { b",\n  " })?;
                serde_json::to_writer(&mut *self.stdout, record)?;
            }
            OutputFormat::Jsonl => {
                serde_json::to_writer(&mut *self.stdout, record)?;
                writeln!(self.stdout)?;
            }
            OutputFormat::Csv => self.push_csv(record)?,
        }
        self.rows += 1;
        Ok(())
    }

    /// Whether another record would be written.
    pub(crate) const fn is_open(&self) -> bool {
        !self.is_full
    }

    pub(crate) fn finish(mut self) -> io::Result<Listed> {
        match self.format {
            OutputFormat::Table => self.finish_table()?,
            OutputFormat::Json => {
                let end = if self.rows == 0 { "[]" } else { "\n]" };
                writeln!(self.stdout, "{end}")?;
            }
            OutputFormat::Jsonl => {}
            OutputFormat::Csv => {
                if self.rows == 0 {
                    write_csv(&mut *self.stdout, R::FIELDS.iter().copied())?;
                }
            }
        }
        Ok(Listed {
            rows: self.rows,
            is_cut: self.is_full && !self.is_limited,
        })
    }

    fn push_csv(&mut self, record: &R) -> io::Result<()> {
        if self.rows == 0 {
            write_csv(&mut *self.stdout, R::FIELDS.iter().copied())?;
        }
        let fields = fields_of(record)?;
        let texts = R::FIELDS
            .iter()
            .map(|name| human::plain(fields.get(*name).unwrap_or(&Value::Null)));
        write_csv(&mut *self.stdout, texts)
    }

    fn finish_table(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.table
            .set_header(R::COLUMNS.iter().map(|name| human::title(name)));
        for (index, name) in R::COLUMNS.iter().enumerate() {
            if let Some(column) = self.table.column_mut(index)
                && human::is_quantity(name)
            {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(self.stdout, "{}", trimmed(&self.table))
    }
}

/// A value as a table shows it.
pub(crate) fn show_value(field: &str, value: &Value) -> String {
    human::text(field, value)
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// The table without the padding at both ends of its lines.
fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.join("\n")
}

fn write_csv<T: AsRef<[u8]>>(
    to: &mut dyn Write,
    fields: impl Iterator<Item = T>,
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(fields).map_err(io::Error::other)?;
    writer.flush()
}

fn fields_of<R: Record>(record: &R) -> io::Result<Map<String, Value>> {
    match serde_json::to_value(record)? {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(io::Error::other("a record has fields"))
        }
    }
}

#[cfg(test)]
mod tests;
