//! Secrets are planted everywhere, and looked for in everything that comes out.

use testkit::database::DatabaseKind;
use testkit::process::Outcome;

use crate::site::{Site, on_both_databases};
use crate::wire::{Request, Router};

on_both_databases!(planted_secrets_are_found_nowhere);

const NAS_SECRET: &str = "plant-nas-secret-7f3a";
const NEW_NAS_SECRET: &str = "plant-nas-secret-9c1e";
const PASSWORD: &str = "plant-password-4be2";
const NEW_PASSWORD: &str = "plant-password-51d0";
const SHEET_PASSWORD: &str = "plant-sheet-password-aa07";
const WRONG_PASSWORD: &str = "plant-wrong-password-e3";
const URL_PASSWORD: &str = "plant-url-password-60b8";
const PLANTED: [&str; 7] = [
    NAS_SECRET,
    NEW_NAS_SECRET,
    PASSWORD,
    NEW_PASSWORD,
    SHEET_PASSWORD,
    WRONG_PASSWORD,
    URL_PASSWORD,
];

/// Everything that came out of the program, and where.
#[derive(Default)]
struct Outputs(Vec<(String, String)>);

impl Outputs {
    fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    fn run(&mut self, site: &Site, arguments: &[&str]) -> Outcome {
        let outcome = site.program.cli(arguments);
        let place = arguments
            .iter()
            .take(3)
            .copied()
            .collect::<Vec<_>>()
            .join(" ");
        self.add(format!("stdout of {place}"), outcome.stdout.clone());
        self.add(format!("stderr of {place}"), outcome.stderr.clone());
        outcome
    }

    #[track_caller]
    fn assert_clean(&self) {
        for (place, text) in &self.0 {
            for planted in PLANTED {
                assert!(!text.contains(planted), "{planted} in {place}: {text}");
            }
        }
    }
}

fn planted_secrets_are_found_nowhere(kind: DatabaseKind) {
    let mut site = Site::empty(kind);
    let url = site.database.url().replace("unchecked", URL_PASSWORD);
    assert_eq!(url.contains(URL_PASSWORD), kind == DatabaseKind::Postgres);
    site.set("LASTMILE_DATABASE__URL", &url);
    site.set("LASTMILE_LOG__LEVEL", "trace");
    let server = site.program.serve();
    let mut outputs = Outputs::default();
    plant(&site, &mut outputs);
    let router = Router::new();
    for (identifier, password) in [(1, PASSWORD), (2, NEW_PASSWORD), (3, WRONG_PASSWORD)] {
        for secret in [NAS_SECRET, NEW_NAS_SECRET] {
            let request = Request::pap_with(secret, identifier, "ana", password, &[]);
            router.send(server.auth, &request);
        }
    }
    let address = server.auth.to_string();
    for method in ["pap", "chap", "mschapv1", "mschapv2"] {
        for password in [NEW_PASSWORD, WRONG_PASSWORD] {
            let arguments = [
                "test-auth",
                "ana",
                password,
                "--method",
                method,
                "--server",
                &address,
            ];
            outputs.run(&site, &arguments);
        }
    }
    let acct = server.acct.to_string();
    let life = [
        "lab", "nas", "--auth", &address, "--acct", &acct, "--user", "ana",
    ];
    let life = [&life[..], &["--password", NEW_PASSWORD, "--output", "json"]].concat();
    assert!(outputs.run(&site, &life).is_success());
    ask_for_everything(&site, &mut outputs);
    for path in ["/metrics", "/readyz", "/healthz"] {
        outputs.add(path, server.http(path).body);
    }
    let log = server.terminate().log;
    assert!(log.len() > 5, "it logs at the lowest level: {log:?}");
    outputs.add("the log", log.join("\n"));
    outputs.assert_clean();
    let snapshot = site.program.data_dir().join("directory.snapshot");
    let snapshot = std::fs::read(snapshot).expect("the server keeps one");
    assert!(200 < snapshot.len(), "the snapshot has the data");
    let stored = [site.database.dump(), snapshot].concat();
    assert!(
        stored.windows(3).any(|octets| octets == b"ana"),
        "the dump has the data"
    );
    for planted in PLANTED {
        let is_found = stored
            .windows(planted.len())
            .any(|octets| octets == planted.as_bytes());
        assert!(!is_found, "{planted} is stored in clear");
    }
}

/// Commands that are given secrets, and fail with them.
fn plant(site: &Site, outputs: &mut Outputs) {
    let nas = [
        "nas",
        "add",
        "pop",
        "--address",
        "127.0.0.1",
        "--secret",
        NAS_SECRET,
    ];
    assert!(outputs.run(site, &nas).is_success());
    assert!(!outputs.run(site, &nas).is_success(), "the name is taken");
    outputs.run(
        site,
        &[
            "nas",
            "set",
            "pop",
            "--secret",
            NEW_NAS_SECRET,
            "--output",
            "json",
        ],
    );
    outputs.run(
        site,
        &[
            "nas",
            "add",
            "x",
            "--address",
            "nowhere",
            "--secret",
            NAS_SECRET,
        ],
    );
    outputs.run(site, &["plan", "add", "home", "--rate", "25M/50M"]);
    let add = [
        "subscriber",
        "add",
        "ana",
        "--password",
        PASSWORD,
        "--plan",
        "home",
    ];
    assert!(outputs.run(site, &add).is_success());
    assert!(!outputs.run(site, &add).is_success(), "the name is taken");
    let elsewhere = [
        "subscriber",
        "add",
        "b",
        "--password",
        PASSWORD,
        "--plan",
        "nowhere",
    ];
    assert!(!outputs.run(site, &elsewhere).is_success());
    outputs.run(
        site,
        &[
            "subscriber",
            "set",
            "ana",
            "--password",
            NEW_PASSWORD,
            "--output",
            "json",
        ],
    );
    plant_sheets(site, outputs);
}

/// Imports that fail, each in its own way, and one that does not.
fn plant_sheets(site: &Site, outputs: &mut Outputs) {
    let sheets = [
        format!("username,password,plan\nben,{SHEET_PASSWORD},nowhere\n"),
        format!("username,password,plan\nben,{SHEET_PASSWORD},home,more\n"),
        format!("username,password,plan\nana,{SHEET_PASSWORD},home\n"),
        format!("username,password,plan\nben,{SHEET_PASSWORD},home\nben,{SHEET_PASSWORD},home\n"),
        format!("username,password,plan,status\nben,{SHEET_PASSWORD},home,gone\n"),
        format!("username,password,password_hash,plan\nben,{SHEET_PASSWORD},$2b$12$x,home\n"),
        format!("username,password_hash,plan\nben,{SHEET_PASSWORD},home\n"),
        format!("ben,{SHEET_PASSWORD},home\n"),
        format!("username,password,plan\n\"ben,{SHEET_PASSWORD},home\n"),
    ];
    for sheet in sheets {
        let path = site.write("sheet.csv", &sheet).display().to_string();
        let outcome = outputs.run(site, &["subscriber", "import", &path]);
        assert!(!outcome.is_success(), "{sheet}: {outcome:?}");
    }
    let sheet = format!("username,password,plan\ncay,{SHEET_PASSWORD},home\n");
    let path = site.write("sheet.csv", &sheet).display().to_string();
    assert!(
        outputs
            .run(site, &["subscriber", "import", &path])
            .is_success()
    );
}

fn ask_for_everything(site: &Site, outputs: &mut Outputs) {
    let questions: [&[&str]; 10] = [
        &["nas", "list"],
        &["nas", "show", "pop"],
        &["plan", "list"],
        &["subscriber", "list"],
        &["subscriber", "show", "ana"],
        &["session", "list", "--state", "all"],
        &["log", "auth"],
        &["config", "check"],
        &["nas", "knocking"],
        &["doctor"],
    ];
    for question in questions {
        for format in ["table", "json", "jsonl", "csv"] {
            let arguments = [question, &["--output", format, "--log-level", "trace"]].concat();
            let outcome = outputs.run(site, &arguments);
            // The doctor may find something wrong with this machine.
            let is_fine = outcome.is_success() || question == ["doctor"];
            assert!(is_fine, "{arguments:?}: {outcome:?}");
        }
    }
}
