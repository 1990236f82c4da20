//! Subscribers from a CSV file: every line is checked before the first one is stored.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{BufRead, BufReader, Read};

use csv::ByteRecord;
use domain::credential::{self, Credential, PasswordHash};
use domain::id::{PlanId, TenantId};
use domain::name::{Name, Username};
use domain::session_policy::SessionTerms;
use domain::subscriber::address;
use domain::subscriber::state::StateError;
use domain::subscriber::{StaticAddresses, SubscriberStatus};
use domain::time::Timestamp;
use storage::error::UniqueField;
use storage::subscriber::NewSubscriber;


const ROWS_MAX: usize = 1_000_000;
const FILE_OCTETS_MAX: u64 = 256 << 20;
const BUFFER_OCTETS: usize = 1 << 16;
/// Complaints kept; a file that is wrong in every line is wrong in the same way.
pub(crate) const COMPLAINTS_MAX: usize = 100;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Column {
    Username,
    Password,
    PasswordHash,
    Plan,
    StaticIpv4,
    Ipv6Prefix,
    Ipv6Delegated,
    StartsAt,
    ExpiresAt,
    Status,
}

impl Column {
    const ALL: [Self; 10] = [
        Self::Username,
        Self::Password,
        Self::PasswordHash,
        Self::Plan,
        Self::StaticIpv4,
        Self::Ipv6Prefix,
        Self::Ipv6Delegated,
        Self::StartsAt,
        Self::ExpiresAt,
        Self::Status,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Password => "password",
            Self::PasswordHash => "password_hash",
            Self::Plan => "plan",
            Self::StaticIpv4 => "static_ipv4",
            Self::Ipv6Prefix => "ipv6_prefix",
            Self::Ipv6Delegated => "ipv6_delegated",
            Self::StartsAt => "starts_at",
            Self::ExpiresAt => "expires_at",
            Self::Status => "status",
        }
    }

    fn find(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|column| column.as_str().eq_ignore_ascii_case(name))
    }
}

/// The column whose values must be unique.
pub(crate) const fn column_name(field: UniqueField) -> &'static str {
    match field {
        UniqueField::Username => Column::Username.as_str(),
        UniqueField::Ipv4 => Column::StaticIpv4.as_str(),
        UniqueField::Ipv6Prefix => Column::Ipv6Prefix.as_str(),
        UniqueField::Ipv6Delegated => Column::Ipv6Delegated.as_str(),
        // Routers and plans have these.
        UniqueField::Name | UniqueField::Source => field.as_str(),
    }
}

/// The plans that lines may name, by folded name.
pub(crate) type Plans = HashMap<String, PlanId>;

/// A file that can be stored as a whole.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) rows: Vec<NewSubscriber>,
    /// Line of each row in the file.
    pub(crate) lines: Vec<u64>,
}

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) line: u64,
    pub(crate) text: String,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportFailure {
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
    #[error("wrong lines: {}; nothing was imported", .complaints.len() + .omitted)]
    Lines {
        complaints: Vec<Complaint>,
        omitted: usize,
    },
}

/// Reads a whole file. `progress` is told the number of rows read so far.
pub(crate) fn read(
    file: impl Read,
    tenant: TenantId,
    plans: &Plans,
    progress: impl Fn(usize),
) -> Result<Sheet, ImportFailure> {
    let mut file = BufReader::with_capacity(BUFFER_OCTETS, file.take(FILE_OCTETS_MAX + 1));
    let delimiter = delimiter(&mut file)?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(file);
    let mut record = ByteRecord::new();
    let has_header = reader
        .read_byte_record(&mut record)
        .map_err(ImportFailure::Unreadable)?;
    if !has_header {
        return Err(ImportFailure::NoHeader);
    }
    let mut reading = Reading::new(tenant, plans, header(&record)?);
    while reader
        .read_byte_record(&mut record)
        .map_err(ImportFailure::Unreadable)?
    {
        if reading.sheet.rows.len() == ROWS_MAX {
            return Err(ImportFailure::TooManyRows);
        }
        let line = record.position().map_or(0, csv::Position::line);
        reading.push(line, &record);
        progress(reading.sheet.rows.len());
    }
    if FILE_OCTETS_MAX < reader.position().byte() {
        return Err(ImportFailure::TooLarge);
    }
    reading.finish()
}

/// Spreadsheets of half the world write semicolons.
fn delimiter(file: &mut impl BufRead) -> Result<u8, ImportFailure> {
    let beginning = file.fill_buf().map_err(ImportFailure::NoFile)?;
    let header = beginning
        .split(|octet| *octet == b'\n')
        .next()
        .unwrap_or_default();
    let is_semicolons = header.contains(&b';') && !header.contains(&b',');
    Ok(if is_semicolons { b';' } else { b',' })
}

fn header(record: &ByteRecord) -> Result<Vec<Column>, ImportFailure> {
    let names: Vec<String> = record
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .collect();
    // A file without header begins with a subscriber, whose password must not be repeated.
    if names.iter().all(|name| Column::find(name).is_none()) {
        return Err(ImportFailure::NoHeader);
    }
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let Some(column) = Column::find(&name) else {
            return Err(ImportFailure::UnknownColumn { name });
        };
        if columns.contains(&column) {
            return Err(ImportFailure::ColumnTwice {
                name: column.as_str(),
            });
        }
        columns.push(column);
    }
    let missing = [Column::Username, Column::Plan]
        .into_iter()
        .find(|column| !columns.contains(column));
    let has_credential =
        columns.contains(&Column::Password) || columns.contains(&Column::PasswordHash);
    match missing.or_else(|| (!has_credential).then_some(Column::Password)) {
        Some(column) => Err(ImportFailure::ColumnMissing {
            name: column.as_str(),
        }),
        None => Ok(columns),
    }
}

/// The state of reading: what was good, what was wrong, what was seen.
struct Reading<'p> {
    tenant: TenantId,
    plans: &'p Plans,
    columns: Vec<Column>,
    sheet: Sheet,
    complaints: Vec<Complaint>,
    omitted: usize,
    /// Line of each value that may be there once.
    seen: HashMap<(Column, String), u64>,
}

/// The fields of one line, as text.
struct Fields<'r> {
    texts: HashMap<Column, &'r str>,
}

/// A complaint about one field of a line.
struct Wrong {
    column: Column,
    reason: String,
}

impl<'p> Reading<'p> {
    fn new(tenant: TenantId, plans: &'p Plans, columns: Vec<Column>) -> Self {
        Self {
            tenant,
            plans,
            columns,
            sheet: Sheet {
                rows: Vec::new(),
                lines: Vec::new(),
            },
            complaints: Vec::new(),
            omitted: 0,
            seen: HashMap::new(),
        }
    }

    fn push(&mut self, line: u64, record: &ByteRecord) {
        if record.len() != self.columns.len() {
            let text = format!(
                "{} fields, and the header names {}: quote fields that contain a comma",
                record.len(),
                self.columns.len()
            );
            return self.complain(line, text);
        }
        match self.parse(line, record) {
            Ok(row) => {
                self.sheet.rows.push(row);
                self.sheet.lines.push(line);
            }
            Err(wrong) => {
                let text = format!("{}: {}", wrong.column.as_str(), wrong.reason);
                self.complain(line, text);
            }
        }
    }

    fn complain(&mut self, line: u64, text: String) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(Complaint { line, text });
        } else {
            self.omitted += 1;
        }
    }

    fn parse(&mut self, line: u64, record: &ByteRecord) -> Result<NewSubscriber, Wrong> {
        let fields = Fields::new(&self.columns, record)?;
        let username = fields.required(Column::Username, str::parse::<Username>)?;
        self.once(line, Column::Username, username.as_str())?;
        let plan = self.plan(&fields)?;
        let credential = fields.credential()?;
        let addresses = StaticAddresses {
            ipv4: fields.optional(Column::StaticIpv4, address::parse_static_ipv4)?,
            ipv6_prefix: fields.optional(Column::Ipv6Prefix, address::parse_ipv6_prefix)?,
            ipv6_delegated: fields.optional(Column::Ipv6Delegated, address::parse_ipv6_prefix)?,
        };
        if let Some(address) = addresses.ipv4 {
            self.once(line, Column::StaticIpv4, &address.to_string())?;
        }
        if let Some(prefix) = addresses.ipv6_prefix {
            self.once(line, Column::Ipv6Prefix, &prefix.to_string())?;
        }
        if let Some(prefix) = addresses.ipv6_delegated {
            self.once(line, Column::Ipv6Delegated, &prefix.to_string())?;
        }
        Ok(NewSubscriber {
            tenant: self.tenant,
            username,
            credential,
            plan,
            status: fields
                .optional(Column::Status, parse_status)?
                .unwrap_or(SubscriberStatus::Active),
            starts_at: fields.optional(Column::StartsAt, str::parse::<Timestamp>)?,
            expires_at: fields.optional(Column::ExpiresAt, str::parse::<Timestamp>)?,
            addresses,
            sessions: SessionTerms::default(),
            customer: None,
        })
    }

    fn plan(&self, fields: &Fields<'_>) -> Result<PlanId, Wrong> {
        let name = fields.required(Column::Plan, str::parse::<Name>)?;
        self.plans.get(name.key()).copied().ok_or_else(|| Wrong {
            column: Column::Plan,
            reason: format!("there is no plan '{name}': `lastmile plan list` shows them"),
        })
    }

    fn once(&mut self, line: u64, column: Column, text: &str) -> Result<(), Wrong> {
        match self.seen.entry((column, text.to_owned())) {
            Entry::Vacant(place) => {
                place.insert(line);
                Ok(())
            }
            Entry::Occupied(first) => Err(Wrong {
                column,
                reason: format!("'{text}' is also in line {}", first.get()),
            }),
        }
    }

    fn finish(self) -> Result<Sheet, ImportFailure> {
        if self.complaints.is_empty() {
            Ok(self.sheet)
        } else {
            Err(ImportFailure::Lines {
                complaints: self.complaints,
                omitted: self.omitted,
            })
        }
    }
}

impl<'r> Fields<'r> {
    fn new(columns: &[Column], record: &'r ByteRecord) -> Result<Self, Wrong> {
        let mut texts = HashMap::with_capacity(columns.len());
        for (column, octets) in columns.iter().zip(record) {
            let text = std::str::from_utf8(octets).map_err(|_| Wrong {
                column: *column,
                reason: "it is not UTF-8: save the file as UTF-8".to_owned(),
            })?;
            texts.insert(*column, text);
        }
        Ok(Self { texts })
    }

    fn text(&self, column: Column) -> &'r str {
        self.texts.get(&column).copied().unwrap_or_default()
    }

    fn required<T, E: std::fmt::Display>(
        &self,
        column: Column,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, Wrong> {
        parse(self.text(column).trim()).map_err(|error| Wrong {
            column,
            reason: error.to_string(),
        })
    }

    fn optional<T, E: std::fmt::Display>(
        &self,
        column: Column,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Wrong> {
        if self.text(column).trim().is_empty() {
            return Ok(None);
        }
        self.required(column, parse).map(Some)
    }

    /// The password as it stands, spaces included, or the hash.
    fn credential(&self) -> Result<Credential, Wrong> {
        let hash = self.optional(Column::PasswordHash, str::parse::<PasswordHash>)?;
        let password = self.text(Column::Password);
        match hash {
            Some(_) if !password.is_empty() => Err(Wrong {
                column: Column::PasswordHash,
                reason: "the line has a password too: leave one of them empty".to_owned(),
            }),
            Some(hash) => Ok(Credential::Hashed(hash)),
            None => credential::password(password).map_err(|error| Wrong {
                column: Column::Password,
                reason: error.to_string(),
            }),
        }
    }
}

fn parse_status(raw: &str) -> Result<SubscriberStatus, StateError> {
    raw.parse()
}

#[cfg(test)]
mod tests;
