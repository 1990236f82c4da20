//! Certificates from a real authority over ACME: by both challenges, later, and after a restart.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use testkit::pebble::{Pebble, ProofPorts};
use testkit::port::quiet_port;

use crate::place::{Answer, Place, Signer, count, until};

const NAMES: [&str; 2] = ["aaa.lastmile.test", "api.lastmile.test"];

/// A place whose server asks an authority, which is not started yet.
struct Scene {
    place: Place,
    signer: Signer,
    ports: ProofPorts,
    authority_port: u16,
}

impl Scene {
    fn new(settings: &[(&str, &str)]) -> Self {
        let signer = Signer::new();
        let place = Place::new();
        let authority_port = quiet_port();
        let ports = ProofPorts {
            http: quiet_port(),
            tls: quiet_port(),
        };
        let ca_file = place.write("ca.pem", &signer.pem);
        let directory = format!("https://127.0.0.1:{authority_port}/dir");
        let place = place
            .with(&[
                ("listen", &format!("127.0.0.1:{}", ports.tls)),
                ("redirect_listen", &format!("127.0.0.1:{}", ports.http)),
                ("acme.domains", &NAMES.join(",")),
                ("acme.contact", "noc@lastmile.test"),
                ("acme.directory", &directory),
                ("acme.ca_file", &ca_file),
            ])
            .with(settings);
        Self {
            place,
            signer,
            ports,
            authority_port,
        }
    }

    fn start_authority(&self) -> Pebble {
        let (certificate, key) = self.signer.sign("127.0.0.1");
        Pebble::at(self.authority_port, self.ports, &certificate, &key)
    }

    /// The root of what the authority signs, which is new at each start of it.
    fn root(&self, authority: &Pebble) -> PathBuf {
        let ca = self.place.path("ca.pem").display().to_string();
        let url = authority.root_url();
        let mut pem = String::new();
        until("the authority shows its root", || {
            let answer = Answer::of(&["--cacert", &ca, &url]);
            pem = answer.text;
            answer.code == Some(0)
        });
        let begin = pem.find("-----BEGIN").expect("a certificate");
        self.place.write("root.pem", &pem[begin..]);
        self.place.path("root.pem")
    }
}

fn check_issued(settings: &[(&str, &str)]) {
    let scene = Scene::new(settings);
    let authority = scene.start_authority();
    let root = scene.root(&authority);
    let server = scene.place.program().serve();
    for name in NAMES {
        until("a certificate is shown", || {
            Answer::over_tls(&server, name, "/healthz", &root).code == Some(0)
        });
    }
    let answer = Answer::over_tls(&server, NAMES[0], "/readyz", &root);
    answer.check_status(200);
    assert!(answer.text.contains("\"web\":\"ok\""), "{}", answer.text);
    assert!(answer.header("strict-transport-security").is_some());
    let (status, found) = scene.place.doctor(&server, "http certificate");
    assert_eq!(status, "ok", "{found}");
    assert_eq!(scene.place.doctor(&server, "http port").0, "ok");
    let mut kept = 0;
    for file in fs::read_dir(scene.place.path("data/tls/acme")).expect("they are kept") {
        let file = file.expect("it is there").metadata().expect("it is there");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        kept += 1;
    }
    assert_eq!(kept, 2, "an account and a certificate");
    // The next start needs no authority.
    drop(server);
    drop(authority);
    let server = scene.place.program().serve();
    Answer::over_tls(&server, NAMES[0], "/healthz", &root).check_status(200);
    let redirect = format!("http://127.0.0.1:{}/x", scene.ports.http);
    let redirect = Answer::of(&["--header", "Host: aaa.lastmile.test", &redirect]);
    redirect.check_status(308);
    let expected = format!("https://aaa.lastmile.test:{}/x", scene.ports.tls);
    assert_eq!(redirect.header("location"), Some(expected.as_str()));
}

#[test]
fn an_authority_that_shakes_hands_gives_a_certificate() {
    check_issued(&[]);
}

#[test]
fn an_authority_that_asks_over_http_gives_a_certificate() {
    check_issued(&[("acme.challenge", "http-01")]);
}

#[test]
fn an_authority_that_is_away_is_asked_again_and_routers_do_not_notice() {
    let scene = Scene::new(&[]);
    let server = scene.place.program().serve();
    until("it is told that the authority is away", || {
        count(&server, "no new certificate for aaa.lastmile.test") == 1
    });
    scene.place.check_radius(&server);
    let own = scene.place.path("data/tls/self-signed.crt");
    let answer = Answer::over_tls(&server, "localhost", "/readyz", &own);
    answer.check_status(200);
    assert!(answer.text.contains("http.acme"), "{}", answer.text);
    assert_eq!(answer.header("strict-transport-security"), None);
    assert_eq!(scene.place.doctor(&server, "http certificate").0, "warn");
    let authority = scene.start_authority();
    let root = scene.root(&authority);
    until("a certificate is shown", || {
        Answer::over_tls(&server, NAMES[0], "/healthz", &root).code == Some(0)
    });
}
