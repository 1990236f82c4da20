//! Devices are bound at a login, by one node or several, while there is room.

use std::net::SocketAddr;
use std::thread;

use testkit::database::DatabaseKind;
use testkit::peer::Answer;
use testkit::peer::radclient::{self, Kind};

use crate::site::{ANA, SAM, SAM_ADDRESS, SECRET, Site, on_both_databases};

on_both_databases!(
    the_first_devices_are_bound_and_others_wait_for_room,
    a_registered_device_logs_in_as_itself_where_that_is_switched_on,
);

const MADE: &str = "00-00-5E-00-53-01";
const MADE_TOO: &str = "00:00:5e:00:53:02";
const PRIVATE: &str = "02:00:5e:00:53:03";
const TOO_MANY: &str = "Your account is used on too many devices";

fn ask(server: SocketAddr, user: (&str, &str), credential: &str, device: &str) -> Answer {
    let name = format!("\"{}\"", user.0);
    let password = format!("\"{}\"", user.1);
    let station = format!("\"{device}\"");
    let attributes = [
        ("User-Name", name.as_str()),
        (credential, password.as_str()),
        ("Calling-Station-Id", station.as_str()),
    ];
    let answer = radclient::ask(server, SECRET, Kind::Access, &attributes);
    answer.expect("the server answers")
}

#[track_caller]
fn check(server: SocketAddr, device: &str, credential: &str, expected: &str) {
    let answer = ask(server, ANA, credential, device);
    assert_eq!(answer.code, expected, "{device}: {answer:?}");
    if expected == "Access-Reject" {
        assert_eq!(answer.find("Reply-Message"), Some(TOO_MANY));
    }
}

fn the_first_devices_are_bound_and_others_wait_for_room(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    site.command("plan set home --device-limit 1 --private-device-limit 1");
    let server = site.program.serve();
    let (accept, reject) = ("Access-Accept", "Access-Reject");
    check(server.auth, MADE, "User-Password", accept);
    check(server.auth, "0000.5e00.5301", "CHAP-Password", accept);
    check(server.auth, MADE_TOO, "User-Password", reject);
    check(server.auth, PRIVATE, "MS-CHAP-Password", accept);
    check(server.auth, "06:00:5e:00:53:04", "User-Password", reject);
    // One that logs in again before the change has come is asked for once more.
    assert!(2 <= server.metric("lastmile_radius_devices_bound_total"));
    let listed = site.command("subscriber device list ana --output json");
    assert!(listed.contains("00005e005301"), "{listed}");
    site.command("subscriber device forget ana 00:00:5e:00:53:01");
    // In force when the change has come; until then the device is one too many.
    let begun = std::time::Instant::now();
    while ask(server.auth, ANA, "User-Password", MADE_TOO).code == reject {
        assert!(begun.elapsed().as_secs() < 15, "it does not find room");
    }
    let events = site.command("subscriber device events ana --output json");
    for part in ["login at pop", "command line, user ", "forgotten"] {
        assert!(events.contains(part), "{events}");
    }
    check(server.auth, MADE, "User-Password", reject);
}

fn a_registered_device_logs_in_as_itself_where_that_is_switched_on(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    site.command("subscriber device add sam 00:00:5e:00:53:01");
    let device = (MADE, "");
    let off = ask(server.auth, device, "User-Password", MADE);
    assert_eq!(off.code, "Access-Reject");
    site.command("nas set pop --mac-authentication on");
    let begun = std::time::Instant::now();
    let answer = loop {
        let answer = ask(server.auth, device, "User-Password", MADE);
        if answer.code == "Access-Accept" {
            break answer;
        }
        assert!(begun.elapsed().as_secs() < 15, "{answer:?}");
    };
    assert_eq!(answer.find("Framed-IP-Address"), Some(SAM_ADDRESS));
    let chap = ask(server.auth, (MADE, MADE), "CHAP-Password", MADE);
    assert_eq!(chap.code, "Access-Accept");
    let forged = ask(server.auth, device, "User-Password", MADE_TOO);
    assert_eq!(forged.code, "Access-Reject");
    site.until_logged("device_differs");
}

/// Two servers on one database: each is asked with devices of its own at the same time.
#[test]
fn two_nodes_bind_no_more_devices_than_the_plan_allows() {
    let site = Site::furnished(DatabaseKind::Postgres);
    site.command("plan set home --device-limit 2");
    let nodes = [site.program.serve(), site.program.serve()];
    let accepted: usize = thread::scope(|scope| {
        let askers: Vec<_> = (0..6_u8)
            .map(|number| {
                let server = nodes[usize::from(number) % 2].auth;
                scope.spawn(move || {
                    let device = format!("00:00:5e:00:54:{number:02x}");
                    ask(server, SAM, "User-Password", &device).code
                })
            })
            .collect();
        let codes = askers.into_iter().map(|asker| asker.join());
        codes
            .filter(|code| code.as_deref().is_ok_and(|code| code == "Access-Accept"))
            .count()
    });
    assert_eq!(accepted, 2);
    let listed = site.command("subscriber device list sam --output jsonl");
    assert_eq!(listed.lines().count(), 2, "{listed}");
}
