//! Pebble, the authority that Let's Encrypt tests clients with: it asks for proof over loopback.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::database::scratch;
use crate::port::quiet_port;
use crate::process;

const AUTHORITY: &str = "/usr/bin/pebble";
const NAMES: &str = "/usr/bin/pebble-challtestsrv";

/// Where the authority looks for proof, instead of ports 80 and 443.
#[derive(Clone, Copy, Debug)]
pub struct ProofPorts {
    /// Of HTTP-01.
    pub http: u16,
    /// Of TLS-ALPN-01.
    pub tls: u16,
}

/// A running authority, for which every name is 127.0.0.1. It is killed when it is dropped.
#[derive(Debug)]
pub struct Pebble {
    management: SocketAddr,
    children: [Child; 2],
    /// Its configuration, and what it says.
    _directory: TempDir,
}

impl Pebble {
    /// Starts it at a port of 127.0.0.1, behind a certificate for it with its key, in PEM.
    #[track_caller]
    pub fn at(port: u16, ports: ProofPorts, certificate: &str, key: &str) -> Self {
        for binary in [AUTHORITY, NAMES] {
            assert!(
                Path::new(binary).exists(),
                "{binary} is missing: run `apt-get install pebble` (`make test` does)"
            );
        }
        let directory = scratch();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let management = SocketAddr::from((Ipv4Addr::LOCALHOST, quiet_port()));
        let names = SocketAddr::from((Ipv4Addr::LOCALHOST, quiet_port()));
        let path = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).expect("a file is written");
            path
        };
        let config = serde_json::json!({"pebble": {
            "listenAddress": address.to_string(),
            "managementListenAddress": management.to_string(),
            "certificate": path("certificate.pem", certificate),
            "privateKey": path("key.pem", key),
            "httpPort": ports.http,
            "tlsPort": ports.tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        let config = path("config.json", &config.to_string());
        let children = [
            start_names(names, directory.path()),
            start_authority(&config, names, directory.path()),
        ];
        Self {
            management,
            children,
            _directory: directory,
        }
    }

    /// Where the root of what it signs is served, behind the certificate that it was given.
    pub fn root_url(&self) -> String {
        format!("https://{}/roots/0", self.management)
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.children.iter_mut().for_each(process::end);
    }
}

fn log_path(directory: &Path) -> PathBuf {
    directory.join("pebble.log")
}

fn log(directory: &Path) -> Stdio {
    let file = fs::File::options()
        .create(true)
        .append(true)
        .open(log_path(directory));
    file.expect("the directory is writable").into()
}

/// Says that every name is 127.0.0.1.
fn start_names(address: SocketAddr, directory: &Path) -> Child {
    Command::new(NAMES)
        .args(["-dns01", &address.to_string()])
        .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
        .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
        .args(["-management", &format!("127.0.0.1:{}", quiet_port())])
        .stdin(Stdio::null())
        .stdout(log(directory))
        .stderr(log(directory))
        .spawn()
        .expect("pebble-challtestsrv is there")
}

fn start_authority(config: &Path, names: SocketAddr, directory: &Path) -> Child {
    Command::new(AUTHORITY)
        .arg("-config")
        .arg(config)
        .args(["-dnsserver", &names.to_string()])
        // It waits before it looks for proof, and refuses nonces at random.
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_WFE_NONCEREJECT", "0")
        .stdin(Stdio::null())
        .stdout(log(directory))
        .stderr(log(directory))
        .spawn()
        .expect("pebble is there")
}
