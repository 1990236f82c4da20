//! The first owner, signing in over the real socket, and the audit log of a real installation.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::database::DatabaseKind;

use crate::site::{Site, block_on, on_both_databases};

on_both_databases!(
    the_first_owner_signs_in_once_with_the_password_in_the_file,
    the_log_of_an_installation_is_verified,
);

const PATIENCE: Duration = Duration::from_secs(30);
const NEW_PASSWORD: &str = "kookaburra in the gum tree";

/// What was answered.
struct Answer {
    status: u16,
    head: String,
    json: Value,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is no body is sent as it is"
)]
fn ask(http: SocketAddr, request: &str, headers: &[String], body: &Value) -> Answer {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let mut stream = TcpStream::connect_timeout(&http, PATIENCE).expect("the port is open");
    let headers: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: {http}\r\nOrigin: http://{http}\r\nConnection: close\r\n\
        Content-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("there is a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answer {
        status: status.expect("there is a status"),
        head: head.to_owned(),
        json: serde_json::from_str(body).unwrap_or_default(),
    }
}

/// The headers of somebody who is signed in.
fn session(answer: &Answer) -> [String; 2] {
    assert_eq!(answer.status, 200, "{}", answer.json);
    let lower = answer.head.to_ascii_lowercase();
    let at = lower.find("set-cookie: ").expect("there is a cookie") + "set-cookie: ".len();
    let cookie = answer.head[at..].split(';').next().unwrap_or_default();
    let csrf = answer.json["csrf_token"].as_str().expect("there is one");
    [format!("Cookie: {cookie}"), format!("X-CSRF-Token: {csrf}")]
}

fn wait_until_gone(path: &Path) {
    let begun = Instant::now();
    while path.exists() {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} is still there",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn the_first_owner_signs_in_once_with_the_password_in_the_file(kind: DatabaseKind) {
    let site = Site::empty(kind);
    let server = site.program.serve();
    let http = server.http.expect("it serves HTTP");
    let file = site.program.data_dir().join("first-owner-password");
    let password = fs::read_to_string(&file).expect("the first start makes it");
    let password = password.trim_end();
    let mode = fs::metadata(&file).expect("it is there").mode() & 0o777;
    assert_eq!(mode, 0o600);
    let sign_in = |password: &str| {
        let body = json!({ "name": "owner", "password": password });
        ask(http, "POST /api/v1/session", &[], &body)
    };
    assert_eq!(sign_in("not this one").status, 401);
    let signed_in = session(&sign_in(password));
    let operators = || ask(http, "GET /api/v1/operators", &signed_in, &Value::Null);
    assert_eq!(operators().status, 403);
    let body = json!({ "current_password": password, "new_password": NEW_PASSWORD });
    let changed = ask(http, "PUT /api/v1/session/password", &signed_in, &body);
    assert_eq!(changed.status, 200, "{}", changed.json);
    assert_eq!(operators().json["items"][0]["name"], "owner");
    assert_eq!(sign_in(password).status, 401);
    session(&sign_in(NEW_PASSWORD));
    wait_until_gone(&file);
    let shown = site.program.json(&["operator", "show", "owner"]);
    assert_eq!(shown["must_change_password"], false);
    assert_eq!(shown["signed_in_from"], "127.0.0.1");
    let log = server.terminate().log.join("\n");
    assert!(log.contains("first-owner-password"), "{log}");
    for secret in [password, NEW_PASSWORD] {
        assert!(!log.contains(secret), "the log shows a password");
    }
    // A later start makes no other owner.
    let server = site.program.serve();
    assert!(!file.exists());
    drop(server);
}

fn the_log_of_an_installation_is_verified(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let token = site
        .program
        .json(&["token", "create", "panel", "--scope", "vouchers:sync"]);
    assert!(
        token["token"]
            .as_str()
            .is_some_and(|token| token.starts_with("lm_"))
    );
    site.program
        .done(&["operator", "add", "ana", "--role", "support"]);
    let lines = site
        .program
        .json(&["audit", "list", "--resource", "operator"]);
    let names: Vec<&str> = lines
        .as_array()
        .expect("it is a list")
        .iter()
        .filter_map(|line| line["resource_name"].as_str())
        .collect();
    assert_eq!(names, ["ana", "owner"]);
    let verified = site.program.json(&["audit", "verify"]);
    assert_eq!(verified["broken_at"], Value::Null);
    let sql = "UPDATE audit SET resource_name = 'eve' WHERE resource_name = 'ana'";
    block_on(site.database.execute(sql));
    let broken = site.program.cli(&["audit", "verify"]);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    let line = lines[0]["seq"].to_string();
    assert!(
        broken.stderr.contains(&format!("line {line} ")),
        "{broken:?}"
    );
}
