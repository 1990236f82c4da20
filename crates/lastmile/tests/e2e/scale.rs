//! Many subscribers are imported quickly, and a server with them is ready quickly.

use std::fmt::Write as _;
use std::time::Duration;

use radius::code::Code;
use testkit::database::DatabaseKind;

use crate::site::{Site, on_both_databases};
use crate::wire::{Request, Router};

on_both_databases!(a_hundred_thousand_subscribers_are_imported_and_served);

const SUBSCRIBERS: usize = 100_000;
const IMPORT_MAX: Duration = Duration::from_secs(60);
/// Twice what a release build may take on a machine of its own.
const READY_MAX: Duration = Duration::from_secs(6);

fn a_hundred_thousand_subscribers_are_imported_and_served(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let mut sheet = "username,password,plan\n".to_owned();
    for number in 0..SUBSCRIBERS {
        writeln!(sheet, "user{number:06},secret-{number},home").expect("it is a String");
    }
    let path = site.write("many.csv", &sheet).display().to_string();
    let outcome = site.program.cli(&["subscriber", "import", &path]);
    assert!(outcome.is_success(), "{outcome:?}");
    assert!(
        outcome.elapsed < IMPORT_MAX,
        "the import took {:?}",
        outcome.elapsed
    );
    let server = site.program.serve();
    assert!(
        server.ready_after < READY_MAX,
        "ready after {:?}",
        server.ready_after
    );
    let router = Router::new();
    for number in [0, SUBSCRIBERS / 2, SUBSCRIBERS - 1] {
        let user = format!("user{number:06}");
        let request = Request::pap(1, &user, &format!("secret-{number}"));
        assert_eq!(
            router.reply(server.auth, &request).code,
            Code::AccessAccept,
            "{user}"
        );
    }
}
