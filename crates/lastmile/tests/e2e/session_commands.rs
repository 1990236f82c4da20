//! Sessions on a simulated router that operators end and change from the command line.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use domain::secret::Secret;
use domain::time::Timestamp;
use lab::concentrator::{Concentrator, ConcentratorOptions, Conduct, SessionView, State};
use lab::credentials::Credentials;
use serde_json::Value;
use testkit::database::DatabaseKind;
use testkit::process::Outcome;
use testkit::server::Server;

use crate::site::{ANA, SAM, SECRET, Site, on_both_databases};

on_both_databases!(
    a_kick_ends_the_session_and_says_so,
    a_change_of_speed_reaches_the_router,
    a_refusal_is_told_with_its_cause,
    a_router_that_is_away_is_asked_when_it_is_back,
    a_router_that_only_agrees_is_not_believed,
    many_are_kicked_after_a_look,
    a_kick_without_a_server_waits_for_one,
    what_happens_can_be_watched,
);

/// When what should happen at once is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A furnished site with a server, and a router on which ana and sam have sessions.
pub(crate) struct Place {
    pub(crate) site: Site,
    server: Server,
    pub(crate) router: Concentrator,
}

impl Place {
    pub(crate) fn new(kind: DatabaseKind) -> Self {
        let users = [ANA, SAM].iter();
        let users = users.map(|(name, password)| Credentials::new(name, password).expect("valid"));
        Self::with(Site::furnished(kind), users.collect())
    }

    /// A site with a server, and a router on which these have sessions.
    pub(crate) fn with(site: Site, users: Vec<Credentials>) -> Self {
        let server = site.program.serve();
        let count = users.len();
        let options = ConcentratorOptions::new(
            server.auth,
            server.acct,
            SocketAddr::from(([127, 0, 0, 1], 0)),
            Secret::from(SECRET),
            users,
            now(),
        );
        let router = Concentrator::start(options).expect("loopback has ports");
        site.command(&format!("nas set pop --coa-port {}", router.coa().port()));
        let place = Self {
            site,
            server,
            router,
        };
        place.until("all are online", || {
            let sessions = place.router.sessions();
            let is_online =
                |session: &SessionView| session.state == State::Online && session.is_reported;
            sessions.len() == count
                && sessions.iter().all(is_online)
                && place.site.sessions_in("open").len() == count
        });
        place
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(
                begun.elapsed() < PATIENCE,
                "not in time: {what}; {:?}",
                self.router.sessions()
            );
            std::thread::yield_now();
        }
    }

    fn run(&self, line: &str) -> Outcome {
        let words: Vec<&str> = line.split(' ').collect();
        self.site.program.cli(&words)
    }

    /// The commands about the sessions of a user, newest first.
    pub(crate) fn commands(&self, user: &str) -> Vec<Value> {
        let line = ["session", "commands", "--user", user];
        let list = self.site.program.json(&line);
        list.as_array().expect("a list is an array").clone()
    }

    pub(crate) fn is_online(&self, user: &str) -> bool {
        let open = self.site.sessions_in("open");
        open.iter().any(|session| session["user_name"] == user)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the router and the server share the clock of the system"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since.expect("it is after 1970").as_micros();
    Timestamp::from_micros(i64::try_from(micros).expect("it is before 292277"))
}

fn a_kick_ends_the_session_and_says_so(kind: DatabaseKind) {
    let place = Place::new(kind);
    let begun = Instant::now();
    let told = place.site.command("session kick ana");
    let took = begun.elapsed();
    assert_eq!(told, "ana on pop: confirmed: the session has ended\n");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!place.is_online("ana") && place.is_online("sam"));
    let command = &place.commands("ana")[0];
    assert_eq!(command["state"], "confirmed");
    assert_eq!(command["verdict"], "ended");
    for step in ["asked_at", "sent_at", "acknowledged_at", "settled_at"] {
        assert!(command[step].is_string(), "{step} in {command}");
    }
    // Whoever is not online cannot be kicked.
    let gone = place.run("session kick ana");
    assert_eq!(gone.code, Some(3), "{gone:?}");
    let settled = "lastmile_session_commands_settled_total{state=\"confirmed\"}";
    assert_eq!(place.server.metric(settled), 1);
}

fn a_change_of_speed_reaches_the_router(kind: DatabaseKind) {
    let place = Place::new(kind);
    let told = place.site.command("session set-rate sam 2M/4M");
    assert!(told.starts_with("sam on pop: acknowledged"), "{told}");
    let sessions = place.router.sessions();
    let rates: Vec<_> = sessions.iter().map(|one| one.rate.as_deref()).collect();
    assert_eq!(rates, [Some("25M/50M"), Some("2M/4M")]);
    assert!(place.is_online("sam"));
}

fn a_refusal_is_told_with_its_cause(kind: DatabaseKind) {
    let place = Place::new(kind);
    place.router.behave(Conduct::Refuse(Some(501)));
    let refused = place.run("session kick ana");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let told = "ana on pop: failed: the router refused (Error-Cause 501)\n";
    assert_eq!(refused.stdout, told);
    assert!(place.is_online("ana"));
    // 503 on a Disconnect: there is nothing left to end.
    place.router.behave(Conduct::Refuse(Some(503)));
    let gone = place.site.command("session kick ana");
    assert!(
        gone.contains("confirmed: the router has no such session"),
        "{gone}"
    );
    assert!(
        place.is_online("ana"),
        "no end is written that nobody reported"
    );
}

fn a_router_that_is_away_is_asked_when_it_is_back(kind: DatabaseKind) {
    let place = Place::new(kind);
    place.router.behave(Conduct::Silent);
    let unknown = place.run("session kick ana --wait 1");
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("it goes on"), "{unknown:?}");
    place.router.behave(Conduct::Obey);
    place.until("ana is ended", || !place.is_online("ana"));
    place.until("the command has its verdict", || {
        place.commands("ana")[0]["verdict"] == "ended"
    });
}

fn a_router_that_only_agrees_is_not_believed(kind: DatabaseKind) {
    let place = Place::new(kind);
    place.router.behave(Conduct::Agree);
    let unknown = place.run("session kick ana --wait 1");
    assert_eq!(unknown.stdout, "ana on pop: acknowledged\n");
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    let command = &place.commands("ana")[0];
    assert_eq!(command["settled_at"], Value::Null);
    assert!(place.is_online("ana"));
}

fn many_are_kicked_after_a_look(kind: DatabaseKind) {
    let place = Place::new(kind);
    let preview = place.run("session kick --all --plan home --dry-run");
    assert!(preview.is_success(), "{preview:?}");
    let expected = "2 open sessions of 2 users: ana, sam";
    assert!(preview.stderr.contains(expected), "{preview:?}");
    let unasked = place.run("session kick --all --plan home");
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    assert_eq!(place.site.sessions_in("open").len(), 2);
    place.site.command("session kick --all --plan home --yes");
    assert_eq!(place.site.sessions_in("open").len(), 0);
}

fn a_kick_without_a_server_waits_for_one(kind: DatabaseKind) {
    let Place {
        site,
        server,
        router,
    } = Place::new(kind);
    server.terminate();
    let words = ["session", "kick", "ana", "--wait", "1"];
    let unknown = site.program.cli(&words);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(
        unknown.stderr.contains("no server has begun"),
        "{unknown:?}"
    );
    let server = site.program.serve();
    let begun = Instant::now();
    let is_ended = |session: &SessionView| matches!(session.state, State::Ended(_));
    while !router.sessions().iter().any(is_ended) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", router.sessions());
        std::thread::yield_now();
    }
    drop(server);
}

fn what_happens_can_be_watched(kind: DatabaseKind) {
    let place = Place::new(kind);
    let mut watch = Command::new(env!("CARGO_BIN_EXE_lastmile"))
        .args(["session", "watch", "--every", "1", "--output", "jsonl"])
        .arg("--data-dir")
        .arg(place.site.program.data_dir())
        .env("LASTMILE_DATABASE__URL", place.site.database.url())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (output, notes) = (watch.stdout.take(), watch.stderr.take());
    let mut notes = BufReader::new(notes.expect("it is piped")).lines();
    let first = notes.next().expect("it says that it has begun");
    assert_eq!(first.expect("it is text"), "Watching 2 open sessions");
    let told = place.site.command("session kick ana");
    assert!(told.contains("confirmed"), "{told}");
    let events = BufReader::new(output.expect("it is piped")).lines();
    let events = events.map(|line| -> Value {
        let line = line.expect("it is text");
        serde_json::from_str(&line).expect("an event is an object")
    });
    let kicked = events.into_iter().find(|event| event["event"] == "kicked");
    let kicked = kicked.expect("the end is seen");
    assert_eq!(kicked["user_name"], "ana");
    assert_eq!(kicked["wanted"], "end it: an operator ends it");
    assert_eq!(kicked["terminate_cause"], "Admin-Reset");
    watch.kill().expect("it still watches");
    watch.wait().expect("it ends");
}
