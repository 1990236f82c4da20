//! A database of a FreeRADIUS, and an installation of ours that takes it.

use std::collections::BTreeMap;

use serde_json::Value;
use testkit::database::{Database, DatabaseKind};
use testkit::foreign::{ForeignDatabase, ForeignKind};
use testkit::oracle::case::{Case, inserts};
use testkit::process::Outcome;
use testkit::server::Program;

/// Both.
pub(crate) struct Site {
    pub(crate) foreign: ForeignDatabase,
    pub(crate) database: Database,
    pub(crate) program: Program,
}

impl Site {
    pub(crate) async fn new(kind: ForeignKind, ours: DatabaseKind) -> Self {
        let database = Database::empty(ours).await;
        let program = Program::new(env!("CARGO_BIN_EXE_lastmile"), database.data_dir())
            .with("LASTMILE_DATABASE__URL", database.url())
            .with("LASTMILE_RADIUS__REJECT_DELAY_MS", "0")
            // All questions come from one device, and FreeRADIUS has no guard.
            .with("LASTMILE_AAA__GUARD__USER_FAILURES", "0")
            .with("LASTMILE_AAA__GUARD__STATION_FAILURES", "0");
        Self {
            foreign: ForeignDatabase::with_tables(kind).await,
            database,
            program,
        }
    }

    /// Writes rows as a panel does.
    pub(crate) async fn populate(&self, cases: &[Case]) {
        for statement in inserts(cases) {
            self.foreign.execute(&statement).await;
        }
    }

    pub(crate) fn run(&self, options: &[&str]) -> Outcome {
        let url = self.foreign.url();
        let words = [
            "import",
            "freeradius",
            "--database",
            &url,
            "--output",
            "json",
        ];
        self.program.cli(&[&words, options].concat())
    }

    /// What an import, or its preview, tells.
    #[track_caller]
    pub(crate) fn import(&self, options: &[&str]) -> Told {
        let outcome = self.run(options);
        assert!(outcome.is_success(), "{outcome:?}");
        Told::read(&outcome.stdout)
    }
}

/// The lines of a report, by part and by what is counted.
#[derive(Debug)]
pub(crate) struct Told(BTreeMap<(String, String), (Option<u64>, String)>);

impl Told {
    fn read(json: &str) -> Self {
        let lines: Vec<Value> = serde_json::from_str(json).unwrap();
        let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        let lines = lines.iter().map(|line| {
            let key = (text(line, "part"), text(line, "what"));
            (key, (line["count"].as_u64(), text(line, "detail")))
        });
        Self(lines.collect())
    }

    /// How many, 0 for what is not told.
    pub(crate) fn count(&self, part: &str, what: &str) -> u64 {
        let line = self.0.get(&(part.to_owned(), what.to_owned()));
        line.and_then(|(count, _)| *count).unwrap_or_default()
    }

    pub(crate) fn detail(&self, part: &str, what: &str) -> &str {
        let line = self.0.get(&(part.to_owned(), what.to_owned()));
        line.map_or("", |(_, detail)| detail.as_str())
    }

    /// The sum over all lines of a part whose names begin so.
    pub(crate) fn sum(&self, part: &str, head: &str) -> u64 {
        let lines = self.0.iter();
        let lines = lines.filter(|((of, what), _)| of == part && what.starts_with(head));
        lines.filter_map(|(_, (count, _))| *count).sum()
    }
}
