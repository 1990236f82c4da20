//! What happens is told over a WebSocket and to the endpoints of webhooks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::database::DatabaseKind;
use testkit::peer::radclient::{self, Kind};
use testkit::server::Server;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use crate::site::{ANA, SECRET, Site, on_both_databases};

on_both_databases!(
    sessions_and_logins_are_told_while_they_happen,
    a_socket_goes_on_where_another_ended,
    a_socket_says_why_it_is_closed,
    events_reach_an_endpoint_signed,
    what_an_endpoint_answers_is_kept,
);

const PATIENCE: Duration = Duration::from_secs(60);

type Socket = WebSocket<TcpStream>;

/// Somebody who may listen.
fn token(site: &Site) -> String {
    let words = ["token", "create", "listener", "--role", "read_only"];
    let made = site.program.json(&words);
    made["token"].as_str().expect("it is shown").to_owned()
}

fn request(server: &Server, query: &str) -> ClientRequestBuilder {
    let http = server.http.expect("it serves HTTP");
    let uri = format!("ws://{http}/api/v1/events?{query}");
    ClientRequestBuilder::new(uri.parse().expect("it is a URI"))
}

fn connect(server: &Server) -> TcpStream {
    let http: SocketAddr = server.http.expect("it serves HTTP");
    let stream = TcpStream::connect(http).expect("it listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout is settable");
    stream
}

fn open(server: &Server, request: ClientRequestBuilder) -> Result<Socket, u16> {
    let stream = connect(server);
    match client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(error) => {
            let text = error.to_string();
            let status = text.split_whitespace().find_map(|word| word.parse().ok());
            Err(status.unwrap_or_else(|| panic!("no answer: {text}")))
        }
    }
}

fn listen(server: &Server, token: &str, query: &str) -> Socket {
    let request = request(server, query).with_header("Authorization", format!("Bearer {token}"));
    open(server, request).expect("it may listen")
}

/// The next event.
fn next(socket: &mut Socket) -> Value {
    loop {
        match socket.read().expect("the socket is open") {
            Message::Text(text) => return serde_json::from_str(&text).expect("it is JSON"),
            Message::Ping(_) | Message::Pong(_) => {}
            other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                panic!("no event: {other:?}")
            }
        }
    }
}

/// Why a socket is closed.
fn ending(socket: &mut Socket) -> CloseFrame {
    loop {
        match socket.read() {
            Ok(Message::Close(Some(frame))) => return frame,
            Ok(_) => {}
            Err(error) => panic!("it is closed without a word: {error}"),
        }
    }
}

fn account(server: &Server, status: &str) {
    let name = format!("\"{}\"", ANA.0);
    let attributes = [
        ("Acct-Status-Type", status),
        ("Acct-Session-Id", "\"e2e-1\""),
        ("User-Name", name.as_str()),
        ("Acct-Session-Time", "60"),
        ("Acct-Input-Octets", "1000"),
        ("Acct-Output-Octets", "2000"),
    ];
    let answer = radclient::ask(server.acct, SECRET, Kind::Accounting, &attributes);
    assert_eq!(answer.expect("it answers").code, "Accounting-Response");
}

fn login(server: &Server, password: &str) -> String {
    let (name, password) = (format!("\"{}\"", ANA.0), format!("\"{password}\""));
    let attributes = [("User-Name", &*name), ("User-Password", &*password)];
    let answer = radclient::ask(server.auth, SECRET, Kind::Access, &attributes);
    answer.expect("it answers").code
}

fn sessions_and_logins_are_told_while_they_happen(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let token = token(&site);
    let topics = "topics=session.*,auth.rejected,subscriber.*";
    let mut socket = listen(&server, &token, topics);
    account(&server, "Start");
    let started = next(&mut socket);
    assert_eq!(started["type"], "session.started");
    assert_eq!(started["data"]["username"], ANA.0);
    assert_eq!(started["data"]["acct_session_id"], "e2e-1");
    account(&server, "Interim-Update");
    account(&server, "Stop");
    let stopped = next(&mut socket);
    assert_eq!(stopped["type"], "session.stopped");
    assert_eq!(stopped["resource_id"], started["resource_id"]);
    assert_eq!(stopped["data"]["upload_bytes"], 1_000);
    let listed = site.sessions_in("closed");
    assert_eq!(listed[0]["id"], stopped["resource_id"]);
    assert_eq!(login(&server, "wrong"), "Access-Reject");
    let rejected = next(&mut socket);
    assert_eq!(rejected["type"], "auth.rejected");
    assert_eq!(rejected["data"]["code"], "wrong_password");
    assert_eq!(
        (&rejected["data"]["username"], &rejected["data"]["count"]),
        (&json!(ANA.0), &json!(1))
    );
    // What a command does is told too, by another process.
    site.command("subscriber set ana --plan home");
    let kinds = site.command("events list --topics session.*,auth.rejected --output jsonl");
    assert_eq!(kinds.lines().count(), 3, "{kinds}");
    let tail = site.command("events tail --since 0 --topics session.* --limit 2 --output jsonl");
    let seqs: Vec<Value> = tail
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("it is JSON")["seq"].clone())
        .collect();
    assert_eq!(seqs, [started["seq"].clone(), stopped["seq"].clone()]);
    assert_eq!(server.metric("lastmile_events_stored_total"), 3);
    assert_eq!(server.metric("lastmile_events_lost_total"), 0);
    assert_eq!(server.metric("lastmile_event_readers"), 1);
}

fn a_socket_goes_on_where_another_ended(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let token = token(&site);
    let mut socket = listen(&server, &token, "topics=nas_group.*");
    site.command("nas group create one");
    let first = next(&mut socket);
    drop(socket);
    site.command("nas group create two");
    site.command("nas group create three");
    let query = format!("topics=nas_group.*&since={}", first["seq"]);
    let mut socket = listen(&server, &token, &query);
    site.command("nas group create four");
    let names: Vec<Value> = (0..3)
        .map(|_| next(&mut socket)["data"]["name"].clone())
        .collect();
    assert_eq!(names, ["two", "three", "four"]);
    // A browser has nothing but protocols to put a token in.
    let request = request(&server, "topics=nas_group.*")
        .with_sub_protocol("lastmile.events")
        .with_sub_protocol(format!("bearer.{token}"));
    let mut socket = open(&server, request).expect("it may listen");
    site.command("nas group create five");
    assert_eq!(next(&mut socket)["data"]["name"], "five");
}

fn a_socket_says_why_it_is_closed(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let token = token(&site);
    let mut ahead = listen(&server, &token, "since=1000000");
    assert_eq!(u16::from(ending(&mut ahead).code), 4_012);
    let since = next(&mut listen(&server, &token, "since=0"));
    assert_eq!(since["seq"], 1);
    crate::site::block_on(site.database.execute("DELETE FROM event WHERE seq < 3"));
    let mut gone = listen(&server, &token, "since=1");
    let frame = ending(&mut gone);
    assert_eq!(u16::from(frame.code), 4_010);
    assert!(frame.reason.contains("is 3"), "{frame}");
    assert_eq!(open(&server, request(&server, "")).err(), Some(401));
    let wrong = request(&server, "").with_sub_protocol("bearer.lm_wrong");
    assert_eq!(open(&server, wrong).err(), Some(401));
    let bearer = format!("Bearer {token}");
    let misspelt = request(&server, "topics=plans.*").with_header("Authorization", bearer);
    assert_eq!(open(&server, misspelt).err(), Some(422));
}

/// An endpoint that answers what it is told to, and gives what it was sent: heads and bodies.
fn endpoint(answers: Vec<&'static str>) -> (SocketAddr, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let Ok((stream, _)) = listener.accept() else {
                return;
            };
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap_or(0) == 0 {
                    return;
                }
            }
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let text =
                format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = reader.get_mut().write_all(text.as_bytes());
            let body = String::from_utf8_lossy(&body).into_owned();
            if sender.send((head, body)).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

fn events_reach_an_endpoint_signed(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    let words = ["webhook", "add", "panel", "--url", "https://127.0.0.1/"];
    let private = site.program.cli(&words);
    assert_eq!(private.code, Some(2), "{}", private.stderr);
    let remedy = "webhooks.allow_private";
    assert!(private.stderr.contains(remedy), "{}", private.stderr);
    let (server, sent) = hooked(&mut site, vec!["204 No Content"]);
    account(&server, "Start");
    let (head, body) = sent.recv_timeout(PATIENCE).expect("it is sent");
    for header in [
        "webhook-id: evt_",
        "webhook-timestamp: ",
        "webhook-signature: v1,",
    ] {
        assert!(head.contains(header), "{head}");
    }
    let message: Value = serde_json::from_str(&body).expect("it is JSON");
    assert_eq!(message["type"], "session.started");
}

fn what_an_endpoint_answers_is_kept(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    let location = "302 Found\r\nlocation: http://127.0.0.1:1/";
    let answers = vec!["204 No Content", location, "200 OK", "410 Gone"];
    let (server, sent) = hooked(&mut site, answers);
    account(&server, "Start");
    let (_, body) = sent.recv_timeout(PATIENCE).expect("it is sent");
    let message: Value = serde_json::from_str(&body).expect("it is JSON");
    // A redirect is no delivery, and is not followed.
    let redirected = site.program.cli(&["webhook", "test", "panel"]);
    assert_eq!(redirected.code, Some(1));
    let told = &redirected.stderr;
    assert!(told.contains("redirects are not followed"), "{told}");
    sent.recv_timeout(PATIENCE).expect("it is sent");
    let deliveries = || site.command("webhook deliveries panel --output jsonl");
    until(|| deliveries().lines().count() == 2);
    let first = deliveries();
    let first = first.lines().find(|line| line.contains("session.started"));
    let first: Value = serde_json::from_str(first.expect("it is kept")).expect("it is JSON");
    let again = format!("webhook redeliver panel {} --output json", first["number"]);
    let again: Value = serde_json::from_str(&site.command(&again)).unwrap_or_default();
    let expected = (&json!(200), &message["seq"]);
    assert_eq!((&again["status"], &again["event"]), expected, "{again}");
    let (_, same) = sent.recv_timeout(PATIENCE).expect("it is sent");
    assert_eq!(same, body);
    account(&server, "Stop");
    sent.recv_timeout(PATIENCE).expect("it is sent");
    until(|| site.program.json(&["webhook", "show", "panel"])["state"] == "disabled");
    until(|| deliveries().lines().count() == 4);
    let told = site.command("events list --topics webhook.* --output jsonl");
    for kind in [
        "webhook.created",
        "webhook.tested",
        "webhook.redelivered",
        "webhook.disabled",
    ] {
        assert!(told.contains(kind), "{told}");
    }
    assert_eq!(server.metric("lastmile_webhook_disabled_total"), 1);
}

/// A server that sends what happens to sessions to an endpoint, and what that is sent.
fn hooked(site: &mut Site, answers: Vec<&'static str>) -> (Server, Receiver<(String, String)>) {
    site.set("LASTMILE_WEBHOOKS__ALLOW_PRIVATE", "true");
    let (address, sent) = endpoint(answers);
    let url = format!("http://{address}/hook");
    let words = [
        "webhook",
        "add",
        "panel",
        "--url",
        &url,
        "--topics",
        "session.*",
    ];
    let made = site.program.json(&words);
    let secret = made["secret"].as_str().unwrap_or_default();
    assert!(secret.starts_with("whsec_"), "{made}");
    (site.program.serve(), sent)
}

fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it does not come to that");
    }
}
