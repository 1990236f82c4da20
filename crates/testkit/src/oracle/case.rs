//! One user: rows, groups and questions, written as templates in which `§` stands for the number of the case.

use std::fmt;

use crate::oracle::ask::Reply;

/// Rows in one INSERT.
const CHUNK_ROWS: usize = 500;

/// Attributes, in small letters, that are compared with the clock.
const TIMED: [&str; 4] = ["expiration", "login-time", "access-period", "expire-after"];

/// A table of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Check,
    Reply,
    GroupCheck,
    GroupReply,
}

/// A row; `owner` is a user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub table: Table,
    pub owner: String,
    pub attribute: String,
    pub op: String,
    pub value: String,
}

/// A row of `radusergroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub user: String,
    pub group: String,
    pub priority: i32,
}

/// How a password is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Pap,
    Chap,
    MsChapV1,
    MsChapV2,
    /// Not at all.
    None,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub user: String,
    pub method: Method,
    pub password: String,
    /// `Name = value` in the syntax of the dictionary.
    pub attributes: Vec<String>,
}

/// One user with everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub number: u64,
    pub rows: Vec<Row>,
    pub memberships: Vec<Membership>,
    pub questions: Vec<Question>,
}

/// A case that two servers answer differently.
#[derive(Clone, Debug)]
pub struct Difference {
    pub case: Case,
    pub reference: Vec<Reply>,
    pub ours: Vec<Reply>,
}

impl Table {
    pub const ALL: [Self; 4] = [Self::Check, Self::Reply, Self::GroupCheck, Self::GroupReply];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Check => "radcheck",
            Self::Reply => "radreply",
            Self::GroupCheck => "radgroupcheck",
            Self::GroupReply => "radgroupreply",
        }
    }

    const fn owner_column(self) -> &'static str {
        match self {
            Self::Check | Self::Reply => "username",
            Self::GroupCheck | Self::GroupReply => "groupname",
        }
    }
}

impl Case {
    /// A text of this case with its number in it.
    pub fn text(&self, template: &str) -> String {
        template.replace('§', &self.number.to_string())
    }

    /// The case without its row or membership at `index`.
    pub fn without(&self, index: usize) -> Self {
        let mut smaller = self.clone();
        if index < smaller.rows.len() {
            smaller.rows.remove(index);
        } else {
            smaller.memberships.remove(index - self.rows.len());
        }
        smaller
    }

    /// Whether an answer depends on the time of the question.
    pub fn has_clock(&self) -> bool {
        let is_timed = |row: &Row| {
            let name = row.attribute.to_lowercase();
            let is_counter = name.starts_with("max-") && name.ends_with("ly-session");
            is_counter || TIMED.contains(&name.as_str())
        };
        self.rows.iter().any(is_timed)
    }

    /// Rows and memberships.
    pub fn size(&self) -> usize {
        self.rows.len() + self.memberships.len()
    }
}

impl Difference {
    /// Keeps the first question that is answered differently.
    pub(super) fn ask_once(&mut self) {
        let mut replies = self.reference.iter().zip(&self.ours);
        let Some(index) = replies.position(|(reference, ours)| reference != ours) else {
            return;
        };
        self.case.questions = vec![self.case.questions[index].clone()];
        self.reference = vec![self.reference[index].clone()];
        self.ours = vec![self.ours[index].clone()];
    }
}

/// The statements that insert all rows of some cases, each table in the order of its rows.
pub fn inserts(cases: &[Case]) -> Vec<String> {
    let mut statements = Vec::new();
    for table in Table::ALL {
        let rows: Vec<String> = cases
            .iter()
            .flat_map(|case| case.rows.iter().map(move |row| (case, row)))
            .filter(|(_, row)| row.table == table)
            .map(|(case, row)| {
                tuple(&[
                    quoted(&case.text(&row.owner)),
                    quoted(&row.attribute),
                    quoted(&row.op),
                    quoted(&case.text(&row.value)),
                ])
            })
            .collect();
        let columns = format!(
            "{} ({}, attribute, op, value)",
            table.name(),
            table.owner_column()
        );
        statements.extend(chunked(&columns, &rows));
    }
    let memberships: Vec<String> = cases
        .iter()
        .flat_map(|case| case.memberships.iter().map(move |row| (case, row)))
        .map(|(case, row)| {
            tuple(&[
                quoted(&case.text(&row.user)),
                quoted(&case.text(&row.group)),
                row.priority.to_string(),
            ])
        })
        .collect();
    statements.extend(chunked(
        "radusergroup (username, groupname, priority)",
        &memberships,
    ));
    statements
}

fn chunked(columns: &str, tuples: &[String]) -> Vec<String> {
    tuples
        .chunks(CHUNK_ROWS)
        .map(|chunk| format!("INSERT INTO {columns} VALUES {}", chunk.join(", ")))
        .collect()
}

fn tuple(values: &[String]) -> String {
    format!("({})", values.join(", "))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = &self.case;
        for row in &case.rows {
            writeln!(
                formatter,
                "  {:13} {} {:?} {:?} {:?}",
                row.table.name(),
                case.text(&row.owner),
                row.attribute,
                row.op,
                case.text(&row.value)
            )?;
        }
        for row in &case.memberships {
            writeln!(
                formatter,
                "  radusergroup  {} {} {}",
                case.text(&row.user),
                case.text(&row.group),
                row.priority
            )?;
        }
        for ((question, reference), ours) in
            case.questions.iter().zip(&self.reference).zip(&self.ours)
        {
            if reference != ours {
                writeln!(
                    formatter,
                    "  asked: {:?} {:?} {:?} {}",
                    case.text(&question.user),
                    question.method,
                    question.password,
                    question.attributes.join(", ")
                )?;
                writeln!(formatter, "    FreeRADIUS: {reference}")?;
                writeln!(formatter, "    ours:       {ours}")?;
            }
        }
        Ok(())
    }
}
