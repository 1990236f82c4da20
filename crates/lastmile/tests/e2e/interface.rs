//! What routers report is seen over HTTP, and what the interface explains is what the command line
//! explains.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::database::DatabaseKind;
use testkit::peer::radclient::{self, Kind};
use testkit::server::Server;

use crate::site::{ANA, FAY, SECRET, Site, on_both_databases};

on_both_databases!(what_happens_at_routers_is_seen_and_explained);

/// When something that should be seen is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// The interface of a server.
struct Interface<'s> {
    server: &'s Server,
    token: String,
}

impl Interface<'_> {
    /// What a request is answered, with curl.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let http = self.server.http.expect("the listener has its port");
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "30", "-X", method]);
        command.args(["-H", &format!("Authorization: Bearer {}", self.token)]);
        if let Some(body) = body {
            command.args([
                "-H",
                "Content-Type: application/json",
                "-d",
                &body.to_string(),
            ]);
        }
        let output = command.arg(format!("http://{http}/api/v1/{path}")).output();
        let output = output.expect("curl is there");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect(path)
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.ask("GET", path, None)
    }

    /// Waits until an answer is as it should be.
    #[track_caller]
    fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.get(path);
            if is_so(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{path}: {answer}");
        }
    }
}

fn count(answer: &Value) -> usize {
    answer["items"].as_array().map_or(0, Vec::len)
}

#[track_caller]
fn login(server: &Server, (user, password): (&str, &str)) {
    let [user, password] = [user, password].map(|text| format!("\"{text}\""));
    let attributes = [
        ("User-Name", user.as_str()),
        ("User-Password", password.as_str()),
        ("Calling-Station-Id", "\"02-00-00-00-00-01\""),
    ];
    let answer = radclient::ask(server.auth, SECRET, Kind::Access, &attributes);
    answer.expect("the server answers");
}

#[track_caller]
fn report(server: &Server, status: &str, seconds: &str, octets: &str) {
    let attributes = [
        ("User-Name", "\"ana\""),
        ("Acct-Session-Id", "\"81a00001\""),
        ("Acct-Status-Type", status),
        ("Acct-Session-Time", seconds),
        ("Acct-Input-Octets", octets),
        ("Calling-Station-Id", "\"02-00-00-00-00-01\""),
    ];
    let answer = radclient::ask(server.acct, SECRET, Kind::Accounting, &attributes);
    assert_eq!(answer.expect("an answer").code, "Accounting-Response");
}

fn what_happens_at_routers_is_seen_and_explained(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let made = site
        .program
        .json(&["token", "create", "console", "--role", "owner"]);
    let interface = Interface {
        server: &server,
        token: made["token"].as_str().expect("it is shown once").to_owned(),
    };
    login(&server, ANA);
    login(&server, FAY);
    report(&server, "Start", "0", "0");
    report(&server, "Interim-Update", "60", "5000000");

    let log = interface.until("auth-log", |log| count(log) == 2);
    assert_eq!(log["items"][0]["reason"], "disabled", "{log}");
    let logins = interface.get("statistics/authentications?step=hour");
    assert_eq!(
        (&logins["accepted"], &logins["rejected"]),
        (&json!(1), &json!(1))
    );
    let online = interface.get("sessions?plan=home&mac=020000000001");
    assert_eq!(online["items"][0]["session_id"], "81a00001", "{online}");
    let id = online["items"][0]["id"].as_str().expect("an id");
    let shown = site.program.json(&["session", "show", "81a00001"]);
    assert_eq!(interface.get(&format!("sessions/{id}")), shown);
    let usage = interface.get("subscribers/ana/usage");
    assert_eq!(usage["total"]["upload_bytes"], 5_000_000, "{usage}");
    for of in ["", "&nas=pop", "&plan=home"] {
        let traffic = interface.get(&format!("statistics/traffic?step=hour{of}"));
        assert_eq!(traffic["total"]["upload_bytes"], 5_000_000, "{traffic}");
    }
    let health = interface.get("health");
    assert_eq!(
        (&health["ready"], &health["node"]["sessions"]),
        (&json!(true), &json!(1))
    );

    let at = "2027-06-01T12:00:00Z";
    let why = interface.get(&format!("why?user=fay&at={at}"));
    assert_eq!(why, site.program.json(&["why", "fay", "--at", at]));
    assert_eq!(why["causes"][0]["code"], "disabled", "{why}");
    let body = json!({
        "user_name": "ana", "nas": "pop", "at": at,
        "attributes": ["Calling-Station-Id=02-00-00-00-00-01"],
    });
    let mut explained = interface.ask("POST", "explain", Some(&body));
    let station = "Calling-Station-Id=02-00-00-00-00-01";
    let words = [
        "explain", "--user", "ana", "--nas", "pop", "--at", at, "--attr", station,
    ];
    let mut expected = site.program.json(&words);
    for one in [&mut explained, &mut expected] {
        // What is drawn anew each time.
        one["reply"].take();
        one["request"].take();
    }
    assert_eq!(explained, expected);
    let wrong = json!({ "user_name": "ana", "nas": "pop", "attributes": ["No-Such=1"] });
    let told = interface.ask("POST", "explain", Some(&wrong));
    assert_eq!(told["errors"][0]["field"], "attributes", "{told}");

    report(&server, "Stop", "90", "6000000");
    let closed = interface.until("sessions?state=closed&nas=pop", |closed| count(closed) == 1);
    assert_eq!(closed["items"][0]["session_id"], "81a00001");
    let log = server.terminate().log;
    let errors: Vec<_> = log.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
