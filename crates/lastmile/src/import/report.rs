//! What an import tells: lines with counts and a few examples.

use std::collections::BTreeMap;

use serde::Serialize;
use storage::foreign::{ForeignAbout, ForeignTables};

use crate::output::Record;

/// Names that a line gives as examples.
const EXAMPLES_MAX: usize = 3;

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// `source`, `found`, `becomes`, `stays_rows`, `here`, `left_out`, `remark`, `lint`,
    /// `history` or `done`.
    pub(crate) part: Part,
    /// What is counted, for programs.
    pub(crate) what: String,
    pub(crate) count: Option<u64>,
    /// In words, with a few names.
    pub(crate) detail: String,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// The other database.
    Source,
    /// What is in it.
    Found,
    /// What is made of it.
    Becomes,
    /// Why users stay rows.
    StaysRows,
    /// What is here already, and stays as it is.
    Here,
    /// What is not taken.
    LeftOut,
    /// What to know.
    Remark,
    /// Rows that mean something else than their author probably thinks.
    Lint,
    /// Sessions that ended.
    History,
    /// What was done.
    Done,
}

impl Record for Line {
    const FIELDS: &'static [&'static str] = &["part", "what", "count", "detail"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

/// Counts with examples, in the order of their parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(BTreeMap<(Part, String), Counted>);

#[derive(Clone, Debug, Default)]
struct Counted {
    count: u64,
    text: String,
    examples: Vec<String>,
}

impl Tally {
    /// Counts one more; `text` says in words what is counted.
    pub(crate) fn note(&mut self, part: Part, what: &str, text: &str, example: &str) {
        let counted = self.counted(part, what, text);
        counted.count += 1;
        let is_new = !counted.examples.iter().any(|known| known == example);
        if counted.examples.len() < EXAMPLES_MAX && is_new && !example.is_empty() {
            counted.examples.push(example.to_owned());
        }
    }

    /// Counts many at once, unless there are none.
    pub(crate) fn add(&mut self, part: Part, what: &str, text: &str, count: u64) {
        if count != 0 {
            self.counted(part, what, text).count += count;
        }
    }

    fn counted(&mut self, part: Part, what: &str, text: &str) -> &mut Counted {
        let counted = self.0.entry((part, what.to_owned())).or_default();
        if counted.text.is_empty() {
            text.clone_into(&mut counted.text);
        }
        counted
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> {
        self.0.iter().map(|((part, what), counted)| Line {
            part: *part,
            what: what.clone(),
            count: Some(counted.count),
            detail: match counted.examples.is_empty() {
                true => counted.text.clone(),
                false => format!("{}: {}", counted.text, list(counted)),
            },
        })
    }
}

fn list(counted: &Counted) -> String {
    let shown = counted.examples.join(", ");
    let shown_count = u64::try_from(counted.examples.len()).unwrap_or(u64::MAX);
    match counted.count.checked_sub(shown_count) {
        None | Some(0) => shown,
        Some(_) => format!("{shown}, …"),
    }
}

/// What the other database is.
pub(crate) fn source(about: &ForeignAbout) -> Vec<Line> {
    let line = |what: &str, detail: String| Line {
        part: Part::Source,
        what: what.to_owned(),
        count: None,
        detail,
    };
    vec![
        line("place", about.place.clone()),
        line("server", about.product.clone()),
        line("schema", about.schema.clone()),
        line("character_set", about.charset.clone()),
    ]
}

/// What is in it.
pub(crate) fn found(about: &ForeignAbout, tables: &ForeignTables) -> Tally {
    let mut tally = Tally::default();
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let rows = tables
        .users
        .iter()
        .map(|user| user.check.len() + user.reply.len() + user.groups.len());
    let rows = rows.chain(
        tables
            .groups
            .iter()
            .map(|group| group.check.len() + group.reply.len()),
    );
    for (what, text, length) in [
        (
            "users",
            "names in radcheck, radreply and radusergroup",
            tables.users.len(),
        ),
        (
            "groups",
            "names in radgroupcheck and radgroupreply",
            tables.groups.len(),
        ),
        ("rows", "rows of users and groups", rows.sum()),
        ("routers", "rows of nas", tables.routers.len()),
    ] {
        tally.add(Part::Found, what, text, count(length));
    }
    if let Some(last) = about.last_session.filter(|last| 0 < *last) {
        let text = "number of the last row of radacct; `--sessions` takes what has ended";
        tally.add(Part::Found, "radacct", text, last.unsigned_abs());
    }
    for (table, rows) in &about.others {
        let text = format!("rows of {table}, which has no place here");
        tally.add(Part::LeftOut, table, &text, *rows);
    }
    let extras =
        "routers with ports, a virtual server or an SNMP community, which have no place here";
    tally.add(
        Part::LeftOut,
        "router_extras",
        extras,
        tables.routers_with_extras,
    );
    remarks(about, tables, &mut tally);
    tally
}

fn remarks(about: &ForeignAbout, tables: &ForeignTables, tally: &mut Tally) {
    let utf8 = "texts were UTF-8 in a column of latin1, and were read as UTF-8";
    tally.add(
        Part::Remark,
        "utf8_in_latin1",
        utf8,
        tables.oddities.utf8_in_latin1,
    );
    let latin1 = "texts were not UTF-8, and were read as Windows-1252";
    tally.add(
        Part::Remark,
        "read_as_latin1",
        latin1,
        tables.oddities.read_as_latin1,
    );
    if about.is_case_ignored {
        let text = "the server takes names that differ in letter case for equal; subscribers may log in in any case, and users who stay rows only as they are written";
        tally.note(Part::Remark, "case_ignored", text, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_count_and_a_few_names() {
        let mut tally = Tally::default();
        for name in ["ana", "ben", "ana", "cay", "dan"] {
            tally.note(
                Part::StaysRows,
                "limit",
                "Login-Time limits hours or usage",
                name,
            );
        }
        tally.add(Part::Found, "users", "names", 9);
        tally.add(Part::Found, "groups", "names", 0);
        let lines: Vec<_> = tally
            .lines()
            .map(|line| (line.what, line.count, line.detail))
            .collect();
        let expected = [
            ("users".to_owned(), Some(9), "names".to_owned()),
            (
                "limit".to_owned(),
                Some(5),
                "Login-Time limits hours or usage: ana, ben, cay, …".to_owned(),
            ),
        ];
        assert_eq!(lines, expected);
    }
}
