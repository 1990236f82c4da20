//! What wins, what is refused, and how it is said.

use std::error::Error;

use super::*;

/// A directory that holds no file unless a test writes one.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    fn with_file(text: &str) -> Self {
        let place = Self::new();
        std::fs::write(place.dir.path().join("lastmile.toml"), text).expect("the file is written");
        place
    }

    /// Loads with this place as the data directory.
    fn load(
        &self,
        environment: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Effective, ConfigError> {
        let mut values = vec![Override {
            key: "data_dir".to_owned(),
            value: self.dir.path().display().to_string(),
            flag: "--data-dir",
        }];
        values.extend(flags.iter().map(|(key, value)| Override {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            flag: "--set",
        }));
        load(
            &Environment::from_pairs(environment.iter().copied()),
            &Overrides { file: None, values },
        )
    }
}

fn setting<'a>(effective: &'a Effective, key: &str) -> &'a Setting {
    effective
        .settings
        .iter()
        .find(|setting| setting.key == key)
        .expect("the key is known")
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[track_caller]
fn check_origin(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
    expected: (&str, &str),
) {
    let place = Place::with_file(file);
    let effective = place
        .load(environment, flags)
        .expect("the configuration is good");
    let found = setting(&effective, "radius.auth");
    assert_eq!(found.value, expected.0);
    assert!(
        found.source.ends_with(expected.1),
        "{} from {}",
        found.value,
        found.source
    );
}

#[track_caller]
fn check_refused(environment: &[(&str, &str)], expected: &str) {
    let error = Place::new()
        .load(environment, &[])
        .expect_err("the value is wrong");
    assert_eq!(chain(&error), expected);
}

#[test]
fn the_stronger_source_wins() {
    let file = "[radius]\nauth = \"127.0.0.1:1\"\n";
    let environment = [("LASTMILE_RADIUS__AUTH", "127.0.0.1:2")];
    let flags = [("radius.auth", "127.0.0.1:3")];
    check_origin("", &[], &[], ("0.0.0.0:1812", "default"));
    check_origin(file, &[], &[], ("127.0.0.1:1", "lastmile.toml"));
    check_origin(
        file,
        &environment,
        &[],
        ("127.0.0.1:2", "environment variable LASTMILE_RADIUS__AUTH"),
    );
    check_origin(file, &environment, &flags, ("127.0.0.1:3", "--set"));
}

#[test]
fn addresses_may_be_a_list_or_separated_by_commas() {
    let rows = [
        "[radius]\nauth = [\"0.0.0.0:0\", \"[::]:0\"]",
        "[radius]\nauth = \"0.0.0.0:0, [::]:0\"",
        "radius.auth = \"0.0.0.0:0,[::]:0\"",
    ];
    for file in rows {
        let effective = Place::with_file(file)
            .load(&[], &[])
            .expect("the list is good");
        assert_eq!(effective.config.radius.auth.len(), 2, "{file}");
    }
}

#[test]
fn numbers_may_be_numbers_or_text() {
    let place = Place::with_file("[radius]\nworkers = 3\nreject_delay_ms = \"0\"");
    let effective = place.load(&[], &[]).expect("the numbers are good");
    assert_eq!(effective.config.radius.workers, 3);
    assert_eq!(effective.config.radius.reject_delay, Duration::ZERO);
}

#[test]
fn the_guard_is_set_in_a_table_of_its_own() {
    let place = Place::with_file("[aaa.guard]\nuser_failures = 7\nlock_seconds_max = 60");
    let guard = place
        .load(&[], &[])
        .expect("the numbers are good")
        .config
        .guard;
    assert_eq!((guard.user_failures, guard.station_failures), (7, 30));
    assert_eq!(guard.lock_max, Duration::from_secs(60));
    let place = Place::with_file("[aaa.guard]\nlock_seconds_max = 4");
    place.load(&[], &[]).expect_err("a lock lasts 5 s at least");
}

#[test]
fn every_key_of_the_design_is_read_from_the_environment() {
    let environment = [
        ("LASTMILE_DATABASE__URL", "sqlite:/tmp/x.db"),
        ("LASTMILE_RADIUS__AUTH", "127.0.0.1:0"),
        ("LASTMILE_RADIUS__ACCT", "127.0.0.1:0"),
        ("LASTMILE_RADIUS__WORKERS", "1"),
        ("LASTMILE_RADIUS__RELAY", "off"),
        ("LASTMILE_RADIUS__RELAY_CLIENTS", "127.0.0.1,10.0.0.0/8"),
        ("LASTMILE_RADIUS__RELAY_SECRET_FILE", "/run/secrets/relay"),
        ("LASTMILE_RADIUS__REJECT_DELAY_MS", "10"),
        ("LASTMILE_AAA__ROWS", "compatible"),
        ("LASTMILE_AAA__GUARD__USER_FAILURES", "0"),
        ("LASTMILE_AAA__GUARD__STATION_FAILURES", "1000000"),
        ("LASTMILE_AAA__GUARD__NAS_FAILURES", "7"),
        ("LASTMILE_AAA__GUARD__LOCK_SECONDS_MAX", "5"),
        ("LASTMILE_HTTP__LISTEN", "127.0.0.1:0"),
        ("LASTMILE_HTTP__TLS", "acme"),
        ("LASTMILE_HTTP__PLAIN", "true"),
        ("LASTMILE_HTTP__NAMES", "aaa.example.net"),
        ("LASTMILE_HTTP__CERTIFICATE", "/etc/ssl/full.pem"),
        ("LASTMILE_HTTP__KEY", "/etc/ssl/key.pem"),
        ("LASTMILE_HTTP__ACME__DOMAINS", "aaa.example.net"),
        ("LASTMILE_HTTP__ACME__CONTACT", "noc@example.net"),
        ("LASTMILE_HTTP__ACME__DIRECTORY", "https://ca.example/dir"),
        ("LASTMILE_HTTP__ACME__CA_FILE", "/etc/ssl/ca.pem"),
        ("LASTMILE_HTTP__ACME__CHALLENGE", "http-01"),
        ("LASTMILE_HTTP__REDIRECT_LISTEN", "127.0.0.1:0"),
        ("LASTMILE_HTTP__CONNECTIONS_MAX", "100"),
        ("LASTMILE_HTTP__CONNECTIONS_PER_ADDRESS_MAX", "10"),
        ("LASTMILE_HTTP__TRUSTED_PROXIES", "10.0.0.0/8"),
        ("LASTMILE_ROLES", "aaa"),
        ("LASTMILE_RETENTION__SESSIONS_DAYS", "90"),
        ("LASTMILE_RETENTION__AUTH_LOG_DAYS", "1"),
        ("LASTMILE_RETENTION__USAGE_HOURLY_DAYS", "0"),
        ("LASTMILE_RETENTION__EVENTS_DAYS", "7"),
        ("LASTMILE_WEBHOOKS__ALLOW_PRIVATE", "true"),
        ("LASTMILE_LOG__LEVEL", "info,aaa=debug"),
        ("LASTMILE_LOG__FORMAT", "json"),
    ];
    let effective = Place::new()
        .load(&environment, &[])
        .expect("every key is good");
    assert_eq!(environment.len() + 1, KEYS.len());
    for found in &effective.settings {
        assert_ne!(found.source, DEFAULT, "{}", found.key);
    }
    assert_eq!(effective.config.roles, BTreeSet::from([Role::Aaa]));
    assert_eq!(effective.config.log.format, LogFormat::Json);
    assert_eq!(effective.config.rows, Some(Mode::Compatible));
    let radius = &effective.config.radius;
    assert_eq!((radius.relay, radius.relay_clients.len()), (None, 2));
    let retention = RetentionConfig {
        sessions_days: Some(90),
        auth_log_days: Some(1),
        usage_hourly_days: None,
        events_days: Some(7),
    };
    assert_eq!(effective.config.retention, retention);
    assert_eq!(effective.config.webhook_reach, Reach::Private);
}

#[test]
fn an_unknown_key_names_itself_its_source_and_its_neighbour() {
    check_refused(
        &[("LASTMILE_RADIUS__AUHT", "127.0.0.1:0")],
        "unknown key 'radius.auht' in environment variable LASTMILE_RADIUS__AUHT: the nearest known key is 'radius.auth'",
    );
    check_refused(
        &[("LASTMILE_DATADIR", "/tmp")],
        "unknown key 'datadir' in environment variable LASTMILE_DATADIR: the nearest known key is 'data_dir'",
    );
    let place = Place::with_file("[radius.auth]\nipv4 = \"0.0.0.0:1812\"");
    let error = place.load(&[], &[]).expect_err("there is no such section");
    assert_eq!(
        chain(&error),
        format!(
            "unknown key 'radius.auth.ipv4' in {}/lastmile.toml: the nearest known key is 'radius.auth'",
            place.dir.path().display()
        )
    );
}

#[test]
fn a_bad_value_names_its_key_its_source_and_the_remedy() {
    check_refused(
        &[("LASTMILE_RADIUS__AUTH", "1812")],
        "radius.auth in environment variable LASTMILE_RADIUS__AUTH: '1812' is not an address with a port: write 0.0.0.0:1812 or [::]:1812 (port 0 lets the system choose)",
    );
    check_refused(
        &[("LASTMILE_RADIUS__ACCT", "")],
        "radius.acct in environment variable LASTMILE_RADIUS__ACCT: 0 addresses: write 1 to 16, separated by commas",
    );
    check_refused(
        &[("LASTMILE_RADIUS__ACCT", "127.0.0.1:9,127.0.0.1:9")],
        "radius.acct in environment variable LASTMILE_RADIUS__ACCT: 127.0.0.1:9 is there twice: remove one",
    );
    check_refused(
        &[("LASTMILE_RADIUS__WORKERS", "0")],
        "radius.workers in environment variable LASTMILE_RADIUS__WORKERS: '0' is not a whole number from 1 to 256",
    );
    check_refused(
        &[("LASTMILE_RETENTION__SESSIONS_DAYS", "89")],
        "retention.sessions_days in environment variable LASTMILE_RETENTION__SESSIONS_DAYS: '89' is not a number of days from 90 to 36500, or 0 for ever",
    );
    check_refused(
        &[("LASTMILE_RETENTION__AUTH_LOG_DAYS", "90d")],
        "retention.auth_log_days in environment variable LASTMILE_RETENTION__AUTH_LOG_DAYS: '90d' is not a number of days from 1 to 36500, or 0 for ever",
    );
    check_refused(
        &[("LASTMILE_ROLES", "aaa,web")],
        "roles in environment variable LASTMILE_ROLES: 'web' is not a role: write one or more of aaa, api, worker, separated by commas",
    );
    check_refused(
        &[("LASTMILE_LOG__LEVEL", "loud")],
        "log.level in environment variable LASTMILE_LOG__LEVEL: 'loud' is not a log level: write error, warn, info, debug or trace, or levels by part (info,aaa=debug)",
    );
    check_refused(
        &[("LASTMILE_LOG__FORMAT", "xml")],
        "log.format in environment variable LASTMILE_LOG__FORMAT: 'xml' is not a log format: write text or json",
    );
}

#[test]
fn a_wrong_database_url_is_refused_without_repeating_it() {
    check_refused(
        &[("LASTMILE_DATABASE__URL", "mysql://root:kookaburra@db/x")],
        "database.url in environment variable LASTMILE_DATABASE__URL: this is not a database URL: write sqlite:, sqlite:PATH or postgres://user:password@host/database",
    );
}

#[test]
fn broken_toml_is_one_line_without_the_text_around_it() {
    let place = Place::with_file("[database]\nurl = \"postgres://u:kookaburra@h/d\n");
    let error = place.load(&[], &[]).expect_err("the string has no end");
    let text = chain(&error);
    assert!(!text.contains('\n'), "{text}");
    assert!(!text.contains("kookaburra"), "{text}");
    assert!(text.contains("lastmile.toml"), "{text}");
    assert!(text.contains("line 2"), "{text}");
}

#[test]
fn a_named_file_must_exist() {
    let overrides = Overrides {
        file: Some("/nonexistent/lastmile.toml".into()),
        values: Vec::new(),
    };
    let error = load(&Environment::default(), &overrides).expect_err("there is no file");
    assert!(
        chain(&error).starts_with(
            "could not read the configuration file /nonexistent/lastmile.toml: No such file"
        ),
        "{}",
        chain(&error)
    );
}

#[test]
fn the_named_file_is_read_instead_of_the_usual_ones() {
    let place = Place::with_file("[radius]\nworkers = 1");
    let other = place.dir.path().join("other.toml");
    std::fs::write(&other, "[radius]\nworkers = 2").expect("the file is written");
    let name = other.display().to_string();
    let effective = place
        .load(&[("LASTMILE_CONFIG", &name)], &[])
        .expect("both files are good");
    assert_eq!(effective.config.radius.workers, 2);
    assert_eq!(effective.file, Some(other));
}

#[track_caller]
fn check_hidden(url: &str, expected: &str) {
    assert_eq!(value::hide_passwords(url), expected);
}

#[test]
fn passwords_are_hidden_in_a_database_url() {
    check_hidden(
        "sqlite:/var/lib/lastmile/x.db",
        "sqlite:/var/lib/lastmile/x.db",
    );
    check_hidden("postgres://u:p@ss:w@h:5/d", "postgres://u:***@h:5/d");
    check_hidden("postgres://u:p/w?x@h/d?a=b", "postgres://u:***@h/d?a=b");
    check_hidden(
        "postgres://u:p@h/d?password=a@b&a=b",
        "postgres://u:***@h/d?password=***&a=b",
    );
    check_hidden("postgres://u@h/d", "postgres://u@h/d");
    check_hidden(
        "postgres://h/d?user=u&password=kookaburra&sslmode=require",
        "postgres://h/d?user=u&password=***&sslmode=require",
    );
}

#[test]
fn a_configuration_shows_no_password_even_when_debugged() {
    let place = Place::new();
    let url = "postgres://lastmile:kookaburra@db/lastmile";
    let effective = place
        .load(&[], &[("database.url", url)])
        .expect("the URL is good");
    assert_eq!(effective.config.database_url.expose(), url);
    assert_eq!(
        setting(&effective, "database.url").value,
        "postgres://lastmile:***@db/lastmile"
    );
    assert!(!format!("{effective:?}").contains("kookaburra"));
}

#[test]
fn the_default_database_is_a_file_in_the_data_directory() {
    let place = Place::new();
    let effective = place.load(&[], &[]).expect("the defaults are good");
    assert_eq!(effective.config.database_url.expose(), "sqlite:");
}
