//! Loading everything anew, while logins go on.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use domain::secret::Secret;
use lab::credentials::Credentials;
use lab::load::options::{Limit, LoadOptions};
use testkit::database::DatabaseKind;
use testkit::server::Server;

use crate::site::{SECRET, Site, on_both_databases};

on_both_databases!(a_reload_under_load_loses_no_login);

const SUBSCRIBERS: u64 = 20_000;
/// Subscribers that a furnished site has.
const FURNITURE: u64 = 3;
const RELOADS: usize = 3;
const RELOADS_TOTAL: &str = "lastmile_radius_directory_reloads_total";
/// More than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn a_reload_under_load_loses_no_login(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let mut users = Vec::new();
    let mut sheet = "username,password,plan\n".to_owned();
    for number in 0..SUBSCRIBERS {
        let (user, password) = (format!("user{number:05}"), format!("secret-{number}"));
        writeln!(sheet, "{user},{password},home").expect("it is a String");
        users.push(Credentials::new(&user, &password).expect("a valid login"));
    }
    let path = site.write("many.csv", &sheet).display().to_string();
    site.command(&format!("subscriber import {path}"));
    let server = site.program.serve();
    let load = logins(&server, users);
    let stop = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        let running = scope.spawn(|| lab::load::run_until(&load, &stop));
        for number in 0..RELOADS {
            let reloads = server.metric(RELOADS_TOTAL);
            site.command("directory reload");
            let set = format!("subscriber set ana --password changed-{number}");
            site.command(&set);
            wait_until(|| reloads < server.metric(RELOADS_TOTAL));
        }
        stop.store(true, SeqCst);
        running.join().expect("the load does not panic")
    });
    let counts = report.expect("the load runs").counts;
    assert_eq!((counts.rejects, counts.lost), (0, 0), "{counts:?}");
    assert_ne!(counts.accepts, 0, "{counts:?}");
    assert_eq!(counts.accepts, counts.requests, "{counts:?}");
    assert_eq!(
        server.metric("lastmile_directory_subscribers"),
        SUBSCRIBERS + FURNITURE
    );
    assert_eq!(server.metric("lastmile_radius_change_failures_total"), 0);
}

/// Logins of everybody, as many as a server takes that reloads at the same time.
fn logins(server: &Server, users: Vec<Credentials>) -> LoadOptions {
    let secret = Secret::from(SECRET);
    let mut options = LoadOptions::new(server.auth, server.acct, secret, users);
    options.limit = Limit::Duration(PATIENCE);
    options.outstanding = 16;
    options.ports = 2;
    options
}

fn wait_until(is_done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(Instant::now() < deadline, "not reloaded after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
