//! What protects the web listener when nothing, something or too much is set.

use std::error::Error as _;

use super::super::{Environment, Overrides, load};
use super::*;

/// Loads what the `http.` keys say, without the prefix.
#[expect(
    clippy::unwrap_in_result,
    reason = "what a test writes can be written, and what it asks may be refused"
)]
fn read_settings(settings: &[(&str, &str)]) -> Result<HttpConfig, ConfigError> {
    let place = tempfile::tempdir().unwrap();
    let mut text = format!("data_dir = '{}'\n", place.path().display());
    for (key, value) in settings {
        text.push_str(&format!("http.{key} = '{value}'\n"));
    }
    let file = place.path().join("lastmile.toml");
    std::fs::write(&file, text).unwrap();
    let overrides = Overrides {
        file: Some(file),
        values: Vec::new(),
    };
    let effective = load(&Environment::default(), &overrides)?;
    Ok(effective.config.http)
}

#[track_caller]
fn check(settings: &[(&str, &str)], expected: &str) {
    let http = read_settings(settings).expect("it is good");
    let name = match http.protection {
        Protection::Plain => "plain",
        Protection::SelfSigned => "self-signed",
        Protection::Files(_) => "files",
        Protection::Acme(_) => "acme",
    };
    assert_eq!(name, expected, "{settings:?}");
}

#[track_caller]
fn check_refused(settings: &[(&str, &str)], key: &str, expected: &str) {
    let refused = read_settings(settings).expect_err("it is wrong");
    let ConfigError::BadValue { key: found, .. } = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(*found, key);
    let told = refused
        .source()
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(told.contains(expected), "{told}");
}

const LOOPBACK: (&str, &str) = ("listen", "127.0.0.1:8080");
const PUBLIC: (&str, &str) = ("listen", "0.0.0.0:8443");
const CERTIFICATE: (&str, &str) = ("certificate", "/etc/ssl/full.pem");
const KEY: (&str, &str) = ("key", "/etc/ssl/key.pem");
const DOMAINS: (&str, &str) = ("acme.domains", "aaa.example.net");

#[test]
fn nobody_signs_in_over_plain_http_in_public_by_accident() {
    check(&[], "plain");
    check(&[("listen", "[::1]:8080")], "plain");
    check(&[("listen", "[::ffff:127.0.0.1]:8080")], "plain");
    check(&[PUBLIC], "self-signed");
    check(&[("listen", "[::]:8443")], "self-signed");
    check(&[("listen", "192.0.2.7:8443")], "self-signed");
    check(&[PUBLIC, ("plain", "true")], "plain");
    check(&[PUBLIC, ("plain", "true"), ("tls", "off")], "plain");
    check_refused(&[PUBLIC, ("tls", "off")], "http.tls", "http.plain = true");
}

#[test]
fn what_is_set_decides_and_what_is_asked_for_decides_before_it() {
    check(&[LOOPBACK, CERTIFICATE, KEY], "files");
    check(&[LOOPBACK, DOMAINS], "acme");
    check(&[PUBLIC, DOMAINS, ("plain", "true")], "acme");
    check(&[LOOPBACK, ("tls", "self-signed")], "self-signed");
    check(
        &[PUBLIC, CERTIFICATE, KEY, ("tls", "self-signed")],
        "self-signed",
    );
    check(
        &[PUBLIC, CERTIFICATE, KEY, DOMAINS, ("tls", "acme")],
        "acme",
    );
    check(
        &[PUBLIC, CERTIFICATE, KEY, DOMAINS, ("tls", "files")],
        "files",
    );
    check(&[LOOPBACK, CERTIFICATE, KEY, ("tls", "off")], "plain");
}

#[test]
fn what_is_missing_is_named() {
    check_refused(
        &[PUBLIC, CERTIFICATE],
        "http.certificate",
        "http.key is missing",
    );
    check_refused(&[PUBLIC, KEY], "http.key", "http.certificate is missing");
    check_refused(
        &[PUBLIC, ("tls", "files")],
        "http.tls",
        "http.certificate is missing",
    );
    check_refused(
        &[PUBLIC, ("tls", "acme")],
        "http.tls",
        "http.acme.domains is missing",
    );
    check_refused(
        &[PUBLIC, CERTIFICATE, KEY, DOMAINS],
        "http.tls",
        "write files or acme",
    );
    check_refused(
        &[PUBLIC, DOMAINS, ("acme.challenge", "http-01")],
        "http.acme.challenge",
        "http.redirect_listen is missing",
    );
}

#[test]
fn the_redirect_has_somewhere_to_lead_to() {
    let redirect = ("redirect_listen", "0.0.0.0:80");
    let http = read_settings(&[PUBLIC, redirect]).unwrap();
    assert_eq!(http.redirect_listen, Some("0.0.0.0:80".parse().unwrap()));
    check_refused(
        &[LOOPBACK, redirect],
        "http.redirect_listen",
        "no HTTPS to lead to",
    );
    check_refused(
        &[PUBLIC, ("redirect_listen", "0.0.0.0:8443")],
        "http.redirect_listen",
        "http.listen already",
    );
    check_refused(
        &[PUBLIC, ("redirect_listen", "80")],
        "http.redirect_listen",
        "write 0.0.0.0:80, or off",
    );
}

#[test]
fn values_that_cannot_be_used_say_what_can() {
    let rows = [
        ("tls", "on", "write auto, off, self-signed, files or acme"),
        ("plain", "yes", "neither true nor false"),
        ("names", "*.example.net", "no wildcard"),
        ("names", "a_b", "is not a host name"),
        ("names", "-a.example", "is not a host name"),
        ("names", "a..example", "is not a host name"),
        ("acme.domains", "192.0.2.1", "is not a host name"),
        ("acme.contact", "noc", "write noc@example.net"),
        ("acme.contact", "noc@", "write noc@example.net"),
        ("acme.contact", "a@b@c", "write noc@example.net"),
        (
            "acme.directory",
            "http://ca.example",
            "begins with https://",
        ),
        ("acme.directory", "ca.example", "begins with https://"),
        ("acme.challenge", "dns-01", "write http-01 or tls-alpn-01"),
        ("connections_max", "0", "from 1 to 100000"),
        ("connections_per_address_max", "many", "from 1 to 100000"),
        ("trusted_proxies", "proxy.example", "proxy.example"),
    ];
    for (key, value, expected) in rows {
        check_refused(&[(key, value)], &format!("http.{key}"), expected);
    }
    let many = vec!["a.example"; DOMAINS_MAX + 1].join(",");
    check_refused(
        &[("acme.domains", &many)],
        "http.acme.domains",
        "20 at most",
    );
}

#[test]
fn lists_are_read_as_they_are_meant() {
    let http = read_settings(&[
        PUBLIC,
        ("names", "AAA.example.net, 2001:DB8::1"),
        ("acme.domains", "AAA.example.net,b.example.net"),
        ("acme.contact", "noc@example.net,mailto:ops@example.net"),
        ("trusted_proxies", "10.0.0.0/8, 192.0.2.1"),
    ])
    .unwrap();
    assert_eq!(http.names, ["aaa.example.net", "2001:db8::1"]);
    assert_eq!(http.trusted_proxies.len(), 2);
    let Protection::Acme(acme) = http.protection else {
        panic!("{:?}", http.protection);
    };
    assert_eq!(acme.domains, ["aaa.example.net", "b.example.net"]);
    assert_eq!(
        acme.contact,
        ["mailto:noc@example.net", "mailto:ops@example.net"]
    );
}
