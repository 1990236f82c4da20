//! Subscribers from a file: every line is checked before the first one is stored.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Read;

use domain::id::{PlanId, TenantId};
use domain::operation::RowProblem;
use services::subscriber_row::{Column, SubscriberRow};
use services::subscriber_sheet::{self, ColumnMap, SheetError, SheetFormat};
use storage::subscriber::NewSubscriber;

/// Complaints kept; a file that is wrong in every line is wrong in the same way.
pub(crate) const COMPLAINTS_MAX: usize = 100;

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
    #[error(transparent)]
    Sheet(#[from] SheetError),
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
    let mut file = subscriber_sheet::Sheet::open(file, SheetFormat::Csv, ColumnMap::default())?;
    file.check_complete()?;
    let mut reading = Reading::new(tenant, plans);
    while let Some(found) = file.next_row()? {
        let row = found.row.and_then(|row| reading.parse(found.line, &row));
        match row {
            Ok(row) => {
                reading.sheet.rows.push(row);
                reading.sheet.lines.push(found.line);
            }
            Err(problem) => reading.complain(found.line, problem),
        }
        progress(reading.sheet.rows.len());
    }
    reading.finish()
}

/// The state of reading: what was good, what was wrong, what was seen.
struct Reading<'p> {
    tenant: TenantId,
    plans: &'p Plans,
    sheet: Sheet,
    complaints: Vec<Complaint>,
    omitted: usize,
    /// Line of each value that may be there once.
    seen: HashMap<(Column, String), u64>,
}

impl<'p> Reading<'p> {
    fn new(tenant: TenantId, plans: &'p Plans) -> Self {
        Self {
            tenant,
            plans,
            sheet: Sheet {
                rows: Vec::new(),
                lines: Vec::new(),
            },
            complaints: Vec::new(),
            omitted: 0,
            seen: HashMap::new(),
        }
    }

    fn complain(&mut self, line: u64, problem: RowProblem) {
        if COMPLAINTS_MAX <= self.complaints.len() {
            self.omitted += 1;
            return;
        }
        let text = match problem.field {
            Some(field) => format!("{field}: {}", problem.detail),
            None => problem.detail,
        };
        self.complaints.push(Complaint { line, text });
    }

    fn parse(&mut self, line: u64, row: &SubscriberRow) -> Result<NewSubscriber, RowProblem> {
        let username = row.username()?;
        self.once(line, Column::Username, username.as_str())?;
        let plan = self.plan(row)?;
        let new = row.new_subscriber(self.tenant, plan)?;
        let addresses = &new.addresses;
        if let Some(address) = addresses.ipv4 {
            self.once(line, Column::StaticIpv4, &address.to_string())?;
        }
        if let Some(prefix) = addresses.ipv6_prefix {
            self.once(line, Column::Ipv6Prefix, &prefix.to_string())?;
        }
        if let Some(prefix) = addresses.ipv6_delegated {
            self.once(line, Column::Ipv6Delegated, &prefix.to_string())?;
        }
        Ok(new)
    }

    fn plan(&self, row: &SubscriberRow) -> Result<PlanId, RowProblem> {
        let name = row.required_plan()?;
        self.plans.get(name.key()).copied().ok_or_else(|| {
            Column::Plan.wrong(format_args!(
                "there is no plan '{name}': `lastmile plan list` shows them"
            ))
        })
    }

    fn once(&mut self, line: u64, column: Column, text: &str) -> Result<(), RowProblem> {
        match self.seen.entry((column, text.to_owned())) {
            Entry::Vacant(place) => {
                place.insert(line);
                Ok(())
            }
            Entry::Occupied(first) => {
                Err(column.wrong(format_args!("'{text}' is also in line {}", first.get())))
            }
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

#[cfg(test)]
mod tests;
