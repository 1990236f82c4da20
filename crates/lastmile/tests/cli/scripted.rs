//! What a command does with a server that answers as a test says.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use testkit::process::{self, Outcome};

const COMMAND_TIME: Duration = Duration::from_secs(60);
const PROBLEM: &str = "application/problem+json";
const GROUP: &str = r#"{"name":"north","members":[],"created_at":"2026-11-20T06:00:00Z","updated_at":"2026-11-20T06:00:00Z","id":"0190f3a0-0000-7000-8000-000000000001"}"#;

/// One answer, and what it says beside the body.
struct Answer {
    head: String,
    body: String,
}

/// A server that gives these answers, one a connection, and then no more.
struct Scripted {
    address: SocketAddr,
    thread: JoinHandle<Vec<String>>,
}

impl Answer {
    fn new(status: &str, kind: &str, body: &str) -> Self {
        Self {
            head: format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n"),
            body: body.to_owned(),
        }
    }

    fn problem(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"status":{status},"code":"{code}","detail":"not now"}}"#);
        Self::new(&format!("{status} No"), PROBLEM, &body)
    }

    fn ok(body: &str) -> Self {
        Self::new("200 OK", "application/json", body)
    }

    fn with(mut self, header: &str) -> Self {
        self.head.push_str(header);
        self.head.push_str("\r\n");
        self
    }

    fn write(&self, stream: &mut TcpStream) {
        let Self { head, body } = self;
        let length = body.len();
        let text = format!("{head}connection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        stream
            .write_all(text.as_bytes())
            .expect("the command listens");
    }
}

impl Scripted {
    fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
        let address = listener.local_addr().expect("it is bound");
        let thread = thread::spawn(move || {
            let serve = |answer: Answer| {
                let (mut stream, _) = listener.accept().expect("the command comes");
                let request = read(&mut stream);
                answer.write(&mut stream);
                request
            };
            answers.into_iter().map(serve).collect()
        });
        Self { address, thread }
    }

    /// Runs a command against it; gives how it ended and what it had asked.
    fn run(self, line: &str) -> (Outcome, Vec<String>) {
        let line = format!("{line} --token kookaburra --server http://{}", self.address);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
        command
            .env_clear()
            .current_dir(directory.path())
            .args(line.split(' '));
        let outcome = process::run(&mut command, b"", COMMAND_TIME);
        let asked = self.thread.join().expect("each answer was asked for");
        assert!(!outcome.stderr.contains("kookaburra"), "{outcome:?}");
        (outcome, asked)
    }
}

/// Reads the head of a request, and its body.
fn read(stream: &mut TcpStream) -> String {
    let mut octets = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let count = stream.read(&mut piece).expect("the command speaks");
        octets.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&octets).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert_ne!(count, 0, "the request ended early: {text}");
            continue;
        };
        let length = find_header(head, "content-length")
            .map_or(0, |text| text.parse().expect("a length is a number"));
        if length <= body.len() {
            return text;
        }
    }
}

fn find_header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn page(names: &[&str], token: Option<&str>) -> Answer {
    let items: Vec<String> = names
        .iter()
        .map(|name| GROUP.replace("north", name))
        .collect();
    let token = token.map_or_else(|| "null".to_owned(), |token| format!("\"{token}\""));
    Answer::ok(&format!(
        r#"{{"items":[{}],"next_page_token":{token}}}"#,
        items.join(",")
    ))
}

#[test]
fn a_list_is_followed_page_by_page() {
    let pages = vec![
        page(&["a", "b"], Some("x+y")),
        page(&[], Some("z")),
        page(&["c"], None),
    ];
    let (outcome, asked) = Scripted::new(pages).run("nas group list --output csv");
    assert!(outcome.is_success(), "{outcome:?}");
    let names: Vec<&str> = outcome
        .stdout
        .lines()
        .skip(1)
        .map(|line| &line[..1])
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    let expected = [
        "GET /api/v1/nas-groups?limit=1000 ",
        "GET /api/v1/nas-groups?limit=1000&page_token=x%2By ",
        "GET /api/v1/nas-groups?limit=1000&page_token=z ",
    ];
    for (request, expected) in asked.iter().zip(expected) {
        assert!(request.starts_with(expected), "{request}");
        assert_eq!(
            find_header(request, "authorization"),
            Some("Bearer kookaburra")
        );
    }
}

#[test]
fn no_more_is_asked_for_than_is_shown() {
    let answers = vec![page(&["a", "b", "c"], Some("more"))];
    let (outcome, asked) = Scripted::new(answers).run("nas group list --limit 2 --output csv");
    assert_eq!(outcome.stdout.lines().count(), 3, "{outcome:?}");
    assert!(
        asked[0].starts_with("GET /api/v1/nas-groups?limit=3 "),
        "{asked:?}"
    );
}

#[test]
fn what_could_not_be_answered_is_asked_again_under_the_same_key() {
    let answers = vec![
        Answer::problem(503, "database_unavailable"),
        Answer::problem(429, "too_many_requests").with("retry-after: 1"),
        Answer::problem(409, "idempotency_under_way"),
        Answer::new("201 Created", "application/json", GROUP),
    ];
    let (outcome, asked) = Scripted::new(answers).run("nas group create north");
    assert_eq!(outcome.stderr, "NAS group north created\n", "{outcome:?}");
    let keys: Vec<_> = asked
        .iter()
        .map(|request| find_header(request, "idempotency-key"))
        .collect();
    assert!(keys[0].is_some_and(|key| key.len() == 32), "{asked:?}");
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert!(
        asked
            .iter()
            .all(|request| request.ends_with(r#"{"name":"north"}"#))
    );
}

#[test]
fn it_is_not_asked_again_for_ever() {
    let answers = (0..4).map(|_| Answer::problem(503, "database_unavailable"));
    let (outcome, asked) = Scripted::new(answers.collect()).run("nas group list");
    assert_eq!(asked.len(), 4);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (Some(1), "error: not now\n")
    );
}

#[test]
fn a_refusal_is_not_asked_again() {
    let answers = vec![Answer::problem(409, "too_many")];
    let (outcome, asked) = Scripted::new(answers).run("nas group create north");
    assert_eq!((outcome.code, asked.len()), (Some(1), 1), "{outcome:?}");
}

#[test]
fn a_dry_run_is_asked_for_as_one() {
    let answers = vec![Answer::ok(GROUP)];
    let (outcome, asked) = Scripted::new(answers).run("nas group create north --dry-run");
    assert!(outcome.stderr.starts_with("Dry run: "), "{outcome:?}");
    let head = "POST /api/v1/nas-groups?dry_run=true ";
    assert!(asked[0].starts_with(head), "{asked:?}");
}

#[test]
fn a_token_is_not_taken_to_another_server() {
    let answers = vec![
        Answer::new("308 Permanent Redirect", "text/plain", "")
            .with("location: https://other.example/api/v1/nas-groups"),
    ];
    let (outcome, _) = Scripted::new(answers).run("nas group list");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let told = "sends its visitors to https://other.example/api/v1/nas-groups: give that address";
    assert!(outcome.stderr.contains(told), "{outcome:?}");
}

#[test]
fn something_that_is_not_lastmile_is_told() {
    let page = || Answer::new("200 OK", "text/html", "<html>");
    let (outcome, _) = Scripted::new(vec![page()]).run("nas group list");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome
            .stderr
            .contains("answered something else than expected"),
        "{outcome:?}"
    );
    let page = Answer::new("404 Not Found", "text/html", "<html>");
    let (outcome, _) = Scripted::new(vec![page]).run("nas group list");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome
            .stderr
            .contains("is it the address of a lastmile server?"),
        "{outcome:?}"
    );
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
}
