//! A router that nobody here wrote, with a device at its port: hostapd and wpa_supplicant.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use domain::time::Timestamp;
use serde_json::Value;
use testkit::database::DatabaseKind;
use testkit::peer::Answer;
use testkit::peer::eapol::Device;
use testkit::peer::radclient::{self, Kind};
use testkit::peer::wired::{PortOptions, WiredPort};
use testkit::server::Server;

use crate::site::{ANA, SAM, SECRET, Site};

/// When what should happen at once is given up.
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(100);

/// Where the router takes Disconnect-Requests; nobody else is in its network.
const DYNAMIC_AUTHORIZATION_PORT: u16 = 3_799;
const INTERIM_SECONDS: u32 = 2;
const SESSION_SECONDS: i64 = 4;

/// A provider with one wired port.
struct Building {
    site: Site,
    port: WiredPort,
    server: Server,
}

impl Building {
    /// The server is in the network of the router, so its database is SQLite.
    fn new() -> Self {
        let port = WiredPort::new();
        let mut site = Site::empty(DatabaseKind::Sqlite);
        site.program = site.program.inside(port.near().inside());
        site.furnish("127.0.0.1");
        site.command("nas set pop --vendor generic");
        let server = site.program.serve();
        Self { site, port, server }
    }

    fn start_router(&mut self) {
        let options = PortOptions {
            auth: self.server.auth,
            acct: self.server.acct,
            secret: SECRET,
            dynamic_authorization_port: DYNAMIC_AUTHORIZATION_PORT,
            interim_seconds: INTERIM_SECONDS,
        };
        self.port.start_router(options);
    }

    fn plug_in(&mut self, (identity, password): (&str, &str)) {
        let method = "MD5";
        self.port.plug_in(Device {
            identity,
            password,
            method,
        });
    }

    /// The only session of a user in a state, when it is as expected.
    #[track_caller]
    fn session(
        &self,
        user: &str,
        state: &str,
        what: &str,
        is_expected: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = Instant::now();
        loop {
            let words = ["session", "list", "--state", state, "--user", user];
            let found = self.site.program.json(&words);
            if let Some([session]) = found.as_array().map(Vec::as_slice)
                && is_expected(session)
            {
                return session.clone();
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: {found:#}\n{}\n{:#?}",
                self.port.logs(),
                self.server.log()
            );
            thread::sleep(STEP);
        }
    }

    #[track_caller]
    fn open_session(&self, user: &str) -> Value {
        self.session(user, "open", "a session begins", |_| true)
    }

    /// Asks the router to end a session of this Acct-Session-Id, at an instant of just now.
    #[track_caller]
    fn disconnect(&self, session_id: &str, now: Timestamp) -> Answer {
        let router = SocketAddr::from((Ipv4Addr::LOCALHOST, DYNAMIC_AUTHORIZATION_PORT));
        let inside: Vec<OsString> = self.port.near().inside();
        let (session_id, now) = (format!("\"{session_id}\""), now.as_seconds().to_string());
        let attributes = [
            ("Acct-Session-Id", &*session_id),
            ("Event-Timestamp", &now),
            ("Message-Authenticator", "0x00"),
        ];
        let answer = radclient::ask_from(&inside, router, SECRET, Kind::Disconnect, &attributes);
        answer.unwrap_or_else(|| panic!("no answer: {}", self.port.logs()))
    }
}

fn seconds(session: &Value) -> i64 {
    session["session_seconds"].as_i64().unwrap_or_default()
}

#[test]
fn a_wired_port_is_opened_accounted_and_closed() {
    let mut building = Building::new();
    building.start_router();
    building.plug_in(ANA);
    let open = building.open_session(ANA.0);
    // Class leads back to the login, which was by EAP.
    assert!(open["auth_id"].is_string(), "{open}");
    building.site.until_logged(ANA.0);
    let login = building
        .site
        .program
        .json(&["log", "auth", "--user", ANA.0]);
    assert_eq!(login[0]["method"], "eap-md5", "{login}");
    assert_eq!(login[0]["outcome"], "accepted", "{login}");
    let interval = i64::from(INTERIM_SECONDS);
    building.session(ANA.0, "open", "an interim arrives", |session| {
        interval <= seconds(session)
    });
    let now: Timestamp = open["started_at"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("it says when it began");
    let stranger = building.disconnect("0123456789ABCDEF", now);
    assert_eq!(stranger.code, "Disconnect-NAK", "{stranger:?}");
    let cause = stranger.find("Error-Cause");
    assert_eq!(cause, Some("Session-Context-Not-Found"), "{stranger:?}");
    let told = building.site.command("session kick ana");
    assert_eq!(told, "ana on pop: confirmed: the session has ended\n");
    let closed = building.session(ANA.0, "closed", "the Stop arrives", |_| true);
    assert_eq!(closed["session_id"], open["session_id"]);
    assert!(interval <= seconds(&closed), "{closed}");
    assert_eq!(building.site.sessions_in("open").len(), 0);
}

#[test]
fn the_router_ends_a_session_when_its_time_is_over() {
    let mut building = Building::new();
    let terms = format!("--session-timeout {SESSION_SECONDS}s");
    building
        .site
        .command(&format!("plan add short --rate 1M/1M {terms}"));
    building.site.command("subscriber set sam --plan short");
    building.start_router();
    building.plug_in(SAM);
    let closed = building.session(SAM.0, "closed", "the time is over", |_| true);
    assert_eq!(closed["terminate_cause"], "Session-Timeout", "{closed}");
    let lasted = seconds(&closed);
    assert!(
        (SESSION_SECONDS..=SESSION_SECONDS + 1).contains(&lasted),
        "{closed}"
    );
}

#[test]
fn a_router_without_power_says_so_when_it_is_back() {
    let mut building = Building::new();
    building.start_router();
    building.plug_in(ANA);
    let open = building.open_session(ANA.0);
    building.port.unplug();
    building.port.cut_router();
    building.start_router();
    let closed = building.session(ANA.0, "closed", "Accounting-On ends it", |_| true);
    assert_eq!(closed["session_id"], open["session_id"]);
    assert_eq!(closed["terminate_cause"], "NAS-Reboot", "{closed}");
}

#[test]
fn a_device_with_the_wrong_password_gets_no_session() {
    let mut building = Building::new();
    building.start_router();
    building.plug_in((ANA.0, "wrong"));
    building.site.until_logged("wrong_password");
    assert_eq!(building.site.sessions().len(), 0);
}
