//! One database with rows, FreeRADIUS over it, and a server of ours over it.

use std::thread;
use std::time::{Duration, Instant};

use radius::dictionary::Dictionary;
use testkit::database::Database;
use testkit::freeradius::{self, FreeRadius, Limits};
use testkit::oracle::ask::{Asked, Reply};
use testkit::oracle::case::Case;
use testkit::oracle::contest::Contest;
use testkit::server::{Program, Server};

/// Users of one round: their rows are inserted together.
pub(crate) const ROUND_USERS: usize = 2_000;
/// How long our server may take to follow the rows of a round on a loaded machine.
const FOLLOW_TIME: Duration = Duration::from_secs(60);
const FOLLOW_INTERVAL: Duration = Duration::from_millis(50);

/// What the servers share.
pub(crate) struct Site {
    pub(crate) database: Database,
    program: Program,
    dictionary: Dictionary,
}

impl Site {
    pub(crate) fn new(database: Database) -> Self {
        // Makes the key ring, without which the program refuses a database that has tables.
        drop(database.store_options());
        let program = Program::new(env!("CARGO_BIN_EXE_lastmile"), database.data_dir())
            .with("LASTMILE_DATABASE__URL", database.url())
            .with("LASTMILE_RADIUS__REJECT_DELAY_MS", "0");
        let secret = freeradius::SECRET;
        let nas = [
            "nas",
            "add",
            "pop",
            "--address",
            "127.0.0.1",
            "--secret",
            secret,
        ];
        program.done(&nas);
        Self {
            database,
            program,
            dictionary: Dictionary::builtin(),
        }
    }

    pub(crate) fn reference(&self) -> FreeRadius {
        FreeRadius::over(&self.database, Limits::Enforced)
    }

    /// Our server with `aaa.rows` as given.
    pub(crate) fn serve(&self, rows: &str) -> Server {
        self.program
            .clone()
            .with("LASTMILE_AAA__ROWS", rows)
            // FreeRADIUS has no guard, and all questions come from one device.
            .with("LASTMILE_AAA__GUARD__USER_FAILURES", "0")
            .with("LASTMILE_AAA__GUARD__STATION_FAILURES", "0")
            .serve()
    }

    /// FreeRADIUS against our server.
    pub(crate) fn contest<'a>(
        &'a self,
        reference: &FreeRadius,
        ours: &Server,
    ) -> Contest<'a, impl Fn(&Case, &[Case]) -> Vec<Vec<Reply>> + use<'a>> {
        let asked = |server| Asked {
            server,
            secret: freeradius::SECRET,
            dictionary: &self.dictionary,
        };
        let ours = asked(ours.auth);
        Contest::new(
            &self.database,
            asked(reference.auth()),
            move |sentinel: &Case, cases: &[Case]| {
                wait_until_known(&ours, sentinel);
                ours.ask(cases)
            },
        )
    }
}

/// Rows are followed in their order, so whoever knows the last knows all.
#[track_caller]
fn wait_until_known(server: &Asked<'_>, sentinel: &Case) {
    let deadline = Instant::now() + FOLLOW_TIME;
    loop {
        let replies = server.ask(std::slice::from_ref(sentinel)).concat();
        if matches!(replies[..], [Reply::Accept(_)]) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "rows are not followed within {FOLLOW_TIME:?}"
        );
        thread::sleep(FOLLOW_INTERVAL);
    }
}
