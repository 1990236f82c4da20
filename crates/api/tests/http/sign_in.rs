//! People who sign in with a browser: their cookie, their password, their second factor.

use domain::id::TenantId;
use domain::operator::OperatorStatus;
use domain::permission::Role;
use domain::secret::Secret;
use serde_json::{Value as Json, json};
use services::operator::{self as people, Draft};
use services::password::Passwords;
use storage::audit::AuditFilter;
use storage::operator::OperatorPatch;
use storage::page::Page;
use testkit::database::Database;
use totp_rs::{Algorithm, Builder};

use crate::fixture::{Answer, Ask, World};

testkit::test_on_both_databases!(
    who_signs_in_has_a_cookie_and_is_shown_as_who_they_are,
    what_was_wrong_is_not_said,
    a_locked_right_password_hears_what_a_wrong_one_hears,
    a_change_needs_what_only_our_page_knows,
    a_password_for_one_sign_in_has_to_be_changed_first,
    a_new_password_ends_the_other_sessions,
    a_second_factor_is_set_up_asked_for_and_taken_away,
    guesses_of_a_code_count,
    sessions_are_listed_and_ended,
    who_is_disabled_is_out_at_once,
    signing_in_and_failing_are_in_the_log_without_secrets,
    a_rehearsal_of_signing_in_makes_no_session,
);

const SESSION: &str = "/api/v1/session";
const PASSWORD: &str = "correct horse battery";
const WRONG: &str = "kookaburra in the tree";
const HERE: &str = "192.0.2.7";

/// Somebody with a browser.
struct Browser {
    cookie: String,
    csrf: String,
}

impl Browser {
    /// A request with the cookie, and with what only our page knows.
    fn ask(&self, ask: Ask) -> Ask {
        ask.with("cookie", &self.cookie)
            .with("x-csrf-token", &self.csrf)
            .from(HERE)
    }
}

fn credentials(name: &str, password: &str) -> Ask {
    let body = json!({ "name": name, "password": password });
    Ask::post(SESSION, body).from(HERE)
}

async fn add(world: &World, name: &str, role: Role) {
    let draft = Draft {
        tenant: TenantId::DEFAULT,
        name: name.parse().unwrap(),
        role: Some(role),
        scopes: Default::default(),
        password: Some(Secret::from(PASSWORD)),
    };
    let by = Role::Owner.scopes();
    let made = people::create(&world.store, &Passwords::default(), &by, draft).await;
    assert!(made.unwrap().one_time.is_none());
}

async fn world_with(database: Database, role: Role) -> World {
    let world = World::new(database).await;
    add(&world, "ana", role).await;
    world
}

#[track_caller]
fn browser(answer: &Answer) -> Browser {
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.json);
    let set = answer.headers["set-cookie"].to_str().unwrap();
    Browser {
        cookie: set.split(';').next().unwrap().to_owned(),
        csrf: answer.json["csrf_token"].as_str().unwrap().to_owned(),
    }
}

async fn sign_in(world: &World, name: &str) -> Browser {
    browser(&world.send_as_is(credentials(name, PASSWORD)).await)
}

async fn who_signs_in_has_a_cookie_and_is_shown_as_who_they_are(database: Database) {
    let world = world_with(database, Role::Support).await;
    let answer = world.send_as_is(credentials("ANA", PASSWORD)).await;
    let set = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(set.contains(part), "{set}");
    }
    assert_eq!(answer.headers["cache-control"], "no-store");
    let ana = browser(&answer);
    let shown = world
        .send_as_is(ana.ask(Ask::get(SESSION)))
        .await
        .expect(200);
    assert_eq!(shown.json, answer.json);
    assert_eq!(shown.json["kind"], "operator");
    assert_eq!(shown.json["role"], "support");
    assert_eq!(shown.json["session"]["address"], HERE);
    let scopes = shown.json["scopes"].as_array().unwrap();
    assert!(scopes.contains(&json!("sessions:write")), "{scopes:?}");
    // A cookie permits what a token of the role permits.
    let groups = "/api/v1/nas-groups";
    world
        .send_as_is(ana.ask(Ask::get(groups)))
        .await
        .expect(200);
    let body = json!({ "name": "a" });
    world
        .send_as_is(ana.ask(Ask::post(groups, body)))
        .await
        .expect(403);
    // A token is shown as what it is.
    let token = world.send(Ask::get(SESSION)).await.expect(200);
    assert_eq!(
        (&token.json["kind"], &token.json["csrf_token"]),
        (&json!("api_key"), &Json::Null)
    );
    world.send(Ask::delete(SESSION)).await.expect(404);
    let out = world
        .send_as_is(ana.ask(Ask::delete(SESSION)))
        .await
        .expect(204);
    let cleared = out.headers["set-cookie"].to_str().unwrap();
    assert!(
        cleared.starts_with("lastmile=;") && cleared.contains("Max-Age=0"),
        "{cleared}"
    );
    world
        .send_as_is(ana.ask(Ask::get(SESSION)))
        .await
        .expect(401);
}

async fn what_was_wrong_is_not_said(database: Database) {
    let world = world_with(database, Role::Support).await;
    let mut heard = Vec::new();
    for (name, password) in [
        ("ana", WRONG),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("a\u{0}", PASSWORD),
        ("ana", ""),
    ] {
        let answer = world.send_as_is(credentials(name, password)).await;
        let mut answer = answer.expect(401);
        assert!(!answer.headers.contains_key("set-cookie"));
        answer.json["request_id"] = Json::Null;
        heard.push(answer.json);
    }
    assert!(heard.iter().all(|json| *json == heard[0]), "{heard:#?}");
    assert_eq!(heard[0]["code"], "sign_in_failed");
}

async fn a_locked_right_password_hears_what_a_wrong_one_hears(database: Database) {
    let world = world_with(database, Role::Support).await;
    let mut wrong = world
        .send_as_is(credentials("ana", WRONG))
        .await
        .expect(401);
    for _ in 0..4 {
        world
            .send_as_is(credentials("ana", WRONG))
            .await
            .expect(401);
    }
    let mut locked = world
        .send_as_is(credentials("ana", PASSWORD))
        .await
        .expect(401);
    wrong.json["request_id"] = Json::Null;
    locked.json["request_id"] = Json::Null;
    assert_eq!(locked.json, wrong.json);
    world.database.clock().advance_seconds(31);
    sign_in(&world, "ana").await;
    // From where she signed in before, others cannot lock her out.
    let elsewhere = || credentials("ana", WRONG).from("198.51.100.9");
    for _ in 0..6 {
        world.send_as_is(elsewhere()).await.expect(401);
    }
    let right = credentials("ana", PASSWORD).from("198.51.100.9");
    world.send_as_is(right).await.expect(401);
    sign_in(&world, "ana").await;
}

async fn a_change_needs_what_only_our_page_knows(database: Database) {
    let world = world_with(database, Role::Admin).await;
    let ana = sign_in(&world, "ana").await;
    let ben = sign_in(&world, "ana").await;
    let ask = || Ask::post("/api/v1/nas-groups", json!({ "name": "a" }));
    let only_cookie = ask().with("cookie", &ana.cookie);
    let refused = world.send_as_is(only_cookie).await.expect(403);
    assert_eq!(refused.json["code"], "csrf");
    let of_another = ask()
        .with("cookie", &ana.cookie)
        .with("x-csrf-token", &ben.csrf);
    world.send_as_is(of_another).await.expect(403);
    let foreign = ana
        .ask(ask())
        .with("host", "isp.example")
        .with("origin", "https://evil.example");
    let refused = world.send_as_is(foreign).await.expect(403);
    assert_eq!(refused.json["code"], "wrong_origin");
    // A page of somebody else may not even sign somebody in.
    let foreign = credentials("ana", PASSWORD)
        .with("host", "isp.example")
        .with("origin", "https://evil.example");
    world.send_as_is(foreign).await.expect(403);
    let ours = ana
        .ask(ask())
        .with("host", "isp.example")
        .with("origin", "https://isp.example");
    world.send_as_is(ours).await.expect(201);
    // A token needs neither.
    let body = json!({ "name": "b" });
    let by_token = Ask::post("/api/v1/nas-groups", body).with("origin", "https://evil.example");
    world.send(by_token).await.expect(201);
}

async fn a_password_for_one_sign_in_has_to_be_changed_first(database: Database) {
    let world = World::new(database).await;
    let first = people::create_first(&world.store, &Passwords::default()).await;
    let first = first.unwrap().unwrap();
    let one_time = String::from_utf8(first.one_time.unwrap().expose().to_vec()).unwrap();
    let again = people::create_first(&world.store, &Passwords::default()).await;
    assert!(again.unwrap().is_none(), "there is one");
    let answer = world.send_as_is(credentials("owner", &one_time)).await;
    let owner = browser(&answer);
    assert_eq!(answer.json["must_change_password"], true);
    for path in ["/api/v1/operators", "/api/v1/nas-groups", "/api/v1/audit"] {
        let refused = world
            .send_as_is(owner.ask(Ask::get(path)))
            .await
            .expect(403);
        assert_eq!(refused.json["code"], "password_change_required");
    }
    let change = |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        owner.ask(Ask::put("/api/v1/session/password").with_body(Some(body)))
    };
    for (current, new, status, code) in [
        (WRONG, PASSWORD, 403, "wrong_password"),
        (one_time.as_str(), "short", 422, "invalid"),
        (&one_time, "owner-2026", 422, "invalid"),
        (&one_time, "password2026", 422, "invalid"),
        (&one_time, &one_time, 422, "invalid"),
    ] {
        let refused = world.send_as_is(change(current, new)).await.expect(status);
        assert_eq!(refused.json["code"], code, "{new}");
    }
    let changed = world
        .send_as_is(change(&one_time, PASSWORD))
        .await
        .expect(200);
    assert_eq!(changed.json["must_change_password"], false);
    world
        .send_as_is(owner.ask(Ask::get("/api/v1/operators")))
        .await
        .expect(200);
    world
        .send_as_is(credentials("owner", &one_time))
        .await
        .expect(401);
    sign_in(&world, "owner").await;
}

async fn a_new_password_ends_the_other_sessions(database: Database) {
    let world = world_with(database, Role::Support).await;
    let (here, there) = (sign_in(&world, "ana").await, sign_in(&world, "ana").await);
    let body = json!({ "current_password": PASSWORD, "new_password": "four other words here" });
    let rehearsed = here.ask(Ask::put("/api/v1/session/password?dry_run=true"));
    world
        .send_as_is(rehearsed.with_body(Some(body.clone())))
        .await
        .expect(200);
    world
        .send_as_is(there.ask(Ask::get(SESSION)))
        .await
        .expect(200);
    let change = here.ask(Ask::put("/api/v1/session/password"));
    world
        .send_as_is(change.with_body(Some(body)))
        .await
        .expect(200);
    world
        .send_as_is(here.ask(Ask::get(SESSION)))
        .await
        .expect(200);
    world
        .send_as_is(there.ask(Ask::get(SESSION)))
        .await
        .expect(401);
}

/// The code that a device with this secret shows now.
fn code(world: &World, secret: &str) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_secret(secret)
        .build()
        .unwrap();
    let now = world.database.clock().now().as_seconds().unsigned_abs();
    totp.generate(now).to_string()
}

/// Sets a second factor up; gives its secret and the recovery codes.
async fn second_factor(world: &World, ana: &Browser) -> (String, Vec<String>) {
    let path = "/api/v1/session/second-factor";
    let body = json!({ "password": WRONG });
    world
        .send_as_is(ana.ask(Ask::post(path, body)))
        .await
        .expect(403);
    let body = json!({ "password": PASSWORD });
    let proposed = world
        .send_as_is(ana.ask(Ask::post(path, body)))
        .await
        .expect(200);
    let secret = proposed.json["secret"].as_str().unwrap().to_owned();
    let url = proposed.json["url"].as_str().unwrap();
    assert!(
        url.starts_with("otpauth://totp/lastmile:ana?") && url.contains(&secret),
        "{url}"
    );
    let confirm = |code: String| {
        let body = Some(json!({ "code": code }));
        ana.ask(Ask::put(path).with_body(body))
    };
    world.send_as_is(confirm("000000".into())).await.expect(422);
    let confirmed = world
        .send_as_is(confirm(code(world, &secret)))
        .await
        .expect(200);
    let codes = confirmed.json["recovery_codes"].as_array().unwrap().iter();
    let codes: Vec<String> = codes
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    (secret, codes)
}

fn with_code(code: &str) -> Ask {
    let body = json!({ "name": "ana", "password": PASSWORD, "code": code });
    Ask::post(SESSION, body).from(HERE)
}

async fn a_second_factor_is_set_up_asked_for_and_taken_away(database: Database) {
    let world = world_with(database, Role::Support).await;
    let ana = sign_in(&world, "ana").await;
    let (secret, recovery) = second_factor(&world, &ana).await;
    let needed = world
        .send_as_is(credentials("ana", PASSWORD))
        .await
        .expect(401);
    assert_eq!(needed.json["code"], "code_needed");
    // The code that confirmed the secret was used with that.
    world
        .send_as_is(with_code(&code(&world, &secret)))
        .await
        .expect(401);
    world.database.clock().advance_seconds(30);
    let shown = code(&world, &secret);
    browser(&world.send_as_is(with_code(&shown)).await);
    world.send_as_is(with_code(&shown)).await.expect(401);
    browser(&world.send_as_is(with_code(&recovery[3])).await);
    world.send_as_is(with_code(&recovery[3])).await.expect(401);
    let path = "/api/v1/session/second-factor";
    let left = world.send_as_is(ana.ask(Ask::get(path))).await.expect(200);
    assert_eq!(
        left.json,
        json!({ "is_in_force": true, "recovery_codes_left": 9 })
    );
    let proof = json!({ "password": PASSWORD });
    let renew = Ask::post(&format!("{path}/recovery-codes"), proof.clone());
    world.send_as_is(ana.ask(renew)).await.expect(200);
    world.send_as_is(with_code(&recovery[4])).await.expect(401);
    let disable = Ask::post(&format!("{path}/disable"), proof);
    let disabled = world.send_as_is(ana.ask(disable)).await.expect(200);
    assert_eq!(disabled.json["has_second_factor"], false);
    sign_in(&world, "ana").await;
}

async fn guesses_of_a_code_count(database: Database) {
    let world = world_with(database, Role::Support).await;
    let ana = sign_in(&world, "ana").await;
    let (secret, _) = second_factor(&world, &ana).await;
    world.database.clock().advance_seconds(30);
    // From elsewhere, and with the password in between, which proves too little to begin anew.
    let from = |ask: Ask| ask.from("198.51.100.9");
    let needed = world
        .send_as_is(from(credentials("ana", PASSWORD)))
        .await
        .expect(401);
    assert_eq!(needed.json["code"], "code_needed");
    for _ in 0..5 {
        world
            .send_as_is(from(credentials("ana", PASSWORD)))
            .await
            .expect(401);
        world
            .send_as_is(from(with_code("000000")))
            .await
            .expect(401);
    }
    let right = from(with_code(&code(&world, &secret)));
    let locked = world.send_as_is(right).await.expect(401);
    assert_eq!(locked.json["code"], "sign_in_failed");
}

async fn sessions_are_listed_and_ended(database: Database) {
    let world = world_with(database, Role::Support).await;
    let (here, there) = (sign_in(&world, "ana").await, sign_in(&world, "ana").await);
    let path = "/api/v1/session/sign-ins";
    let listed = world.send_as_is(here.ask(Ask::get(path))).await.expect(200);
    assert_eq!(listed.json["items"].as_array().unwrap().len(), 2);
    let identity = world
        .send_as_is(there.ask(Ask::get(SESSION)))
        .await
        .expect(200);
    let id = identity.json["session"]["id"].as_str().unwrap();
    let end = || Ask::delete(&format!("{path}/{id}"));
    world.send_as_is(here.ask(end())).await.expect(204);
    world.send_as_is(here.ask(end())).await.expect(404);
    world
        .send_as_is(there.ask(Ask::get(SESSION)))
        .await
        .expect(401);
    // An owner ends those of others.
    let path = "/api/v1/operators/ana/sign-ins";
    let listed = world.send(Ask::get(path)).await.expect(200);
    let id = listed.json["items"][0]["id"].as_str().unwrap().to_owned();
    let stranger = world.stranger().await;
    let theirs = Ask::delete(&format!("{path}/{id}")).by(&stranger);
    world.send(theirs).await.expect(404);
    world
        .send(Ask::delete(&format!("{path}/{id}")))
        .await
        .expect(204);
    world
        .send_as_is(here.ask(Ask::get(SESSION)))
        .await
        .expect(401);
    sign_in(&world, "ana").await;
    let ended = world.send(Ask::delete(path)).await.expect(200);
    assert_eq!(ended.json, json!({ "ended": 1 }));
}

async fn who_is_disabled_is_out_at_once(database: Database) {
    let world = world_with(database, Role::Support).await;
    let ana = sign_in(&world, "ana").await;
    let disabled = OperatorPatch {
        status: Some(OperatorStatus::Disabled),
        ..OperatorPatch::default()
    };
    let name = "ana".parse().unwrap();
    let disabled = world
        .store
        .operator_update(TenantId::DEFAULT, &name, disabled);
    disabled.await.unwrap();
    world
        .send_as_is(ana.ask(Ask::get(SESSION)))
        .await
        .expect(401);
    world
        .send_as_is(credentials("ana", PASSWORD))
        .await
        .expect(401);
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn signing_in_and_failing_are_in_the_log_without_secrets(database: Database) {
    let world = world_with(database, Role::Support).await;
    let ana = sign_in(&world, "ana").await;
    world
        .send_as_is(ana.ask(Ask::delete(SESSION)))
        .await
        .expect(204);
    for _ in 0..5 {
        world
            .send_as_is(credentials("ana", WRONG))
            .await
            .expect(401);
    }
    // Somebody writes the password where the name belongs.
    world
        .send_as_is(credentials(WRONG, PASSWORD))
        .await
        .expect(401);
    let tenant = TenantId::DEFAULT;
    let filter = AuditFilter {
        resource: Some("operator".into()),
        ..AuditFilter::default()
    };
    let lines = world
        .store
        .audit_list(tenant, &filter, &Page::first(100))
        .await
        .unwrap();
    let mut deeds: Vec<(String, String)> = lines
        .iter()
        .map(|line| (line.action.clone(), line.resource_name.clone()))
        .collect();
    deeds.reverse();
    let expected = [
        ("created", "ana"),
        ("signed_in", "ana"),
        ("signed_out", "ana"),
        ("sign_in_failed", "ana"),
        ("sign_in_failed", "ana"),
        ("sign_in_failed", "ana"),
        ("sign_in_failed", "ana"),
        ("sign_in_failed", "ana"),
        ("locked_out", "ana"),
        ("sign_in_failed", "(unknown)"),
    ];
    let expected = expected.map(|(action, name)| (action.to_owned(), name.to_owned()));
    assert_eq!(deeds, expected);
    let events = world
        .store
        .event_list(tenant, &Page::first(100))
        .await
        .unwrap();
    for kind in [
        "operator.signed_in",
        "operator.sign_in_failed",
        "operator.locked_out",
    ] {
        assert!(events.iter().any(|event| event.kind == kind), "{kind}");
    }
    let signed_in = lines
        .iter()
        .find(|line| line.action == "signed_in")
        .unwrap();
    assert_eq!(signed_in.actor.to_string(), "operator ana");
    assert!(signed_in.request.is_some());
    let stored = world.database.dump();
    let token = ana.cookie.split_once('=').unwrap().1;
    for secret in [PASSWORD, WRONG, token, &ana.csrf] {
        let is_there = stored
            .windows(secret.len())
            .any(|octets| octets == secret.as_bytes());
        assert!(!is_there, "{secret}");
    }
}

async fn a_rehearsal_of_signing_in_makes_no_session(database: Database) {
    let world = world_with(database, Role::Support).await;
    let rehearse = |password: &str| {
        let body = json!({ "name": "ana", "password": password });
        Ask::post(&format!("{SESSION}?dry_run=true"), body).from(HERE)
    };
    let shown = world.send_as_is(rehearse(PASSWORD)).await.expect(200);
    assert!(!shown.headers.contains_key("set-cookie"));
    assert_eq!(
        (&shown.json["name"], &shown.json["session"]),
        (&json!("ana"), &Json::Null)
    );
    assert_eq!(
        world
            .database
            .number("SELECT COUNT(*) FROM operator_session")
            .await,
        0
    );
    // Guesses count all the same.
    for _ in 0..5 {
        world.send_as_is(rehearse(WRONG)).await.expect(401);
    }
    world.send_as_is(rehearse(PASSWORD)).await.expect(401);
}
