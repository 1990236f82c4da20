//! A router that nobody here wrote: hostapd guards a wired port, and wpa_supplicant wants to use it.
//!
//! The port is a virtual cable between two namespaces. hostapd only says who may use it and filters
//! nothing, so there is nothing to count: it reports times and no octets.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::debian;
use super::eapol::{self, Device};
use crate::database::scratch;
use crate::namespace::Namespace;
use crate::process;

/// The router's end of the cable, and the device's.
const PORT: &str = "port0";
const PLUG: &str = "plug0";

/// When something that should happen at once is given up.
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);

/// What hostapd is told.
#[derive(Clone, Copy, Debug)]
pub struct PortOptions<'a> {
    /// Where it asks.
    pub auth: SocketAddr,
    /// Where it accounts.
    pub acct: SocketAddr,
    /// What it shares with the server, also for what the server asks of it.
    pub secret: &'a str,
    /// Where it takes Disconnect-Requests, from loopback.
    pub dynamic_authorization_port: u16,
    /// How often it reports a session, whatever the server says.
    pub interim_seconds: u32,
}

/// A guarded port with both ends of its cable. What runs at either end ends with the value.
#[derive(Debug)]
pub struct WiredPort {
    near: Namespace,
    far: Namespace,
    router: Option<Child>,
    device: Option<Child>,
    files: TempDir,
}

impl WiredPort {
    /// Lays the cable; nothing is at its ends yet.
    pub fn new() -> Self {
        let near = Namespace::new();
        let far = near.neighbour();
        near.connect(PORT, &far, PLUG);
        Self {
            near,
            far,
            router: None,
            device: None,
            files: scratch(),
        }
    }

    /// Where the router is, and the server that it asks.
    pub const fn near(&self) -> &Namespace {
        &self.near
    }

    /// Starts hostapd, and waits until it guards the port.
    #[track_caller]
    pub fn start_router(&mut self, options: PortOptions<'_>) {
        let configuration = self.write("router.conf", &router(options));
        let hostapd = debian("hostapd", "hostapd");
        let mut command = self.near.command(hostapd.get_program());
        command.arg(configuration);
        self.router = Some(self.start(command, "router.log"));
        self.until_logged("router.log", "AP-ENABLED");
    }

    /// Takes the router's power away.
    pub fn cut_router(&mut self) {
        if let Some(mut router) = self.router.take() {
            process::end(&mut router);
        }
    }

    /// Plugs a device in that begins to log in at once; another one is unplugged.
    #[track_caller]
    pub fn plug_in(&mut self, device: Device<'_>) {
        self.unplug();
        let text = format!("ap_scan=0\neapol_version=2\n{}", eapol::network(device));
        let configuration = self.write("device.conf", &text);
        let supplicant = debian("wpa_supplicant", "wpasupplicant");
        let mut command = self.far.command(supplicant.get_program());
        command
            .args(["-Dwired", "-i", PLUG, "-c"])
            .arg(configuration);
        self.device = Some(self.start(command, "device.log"));
    }

    /// Takes the device away; nobody tells the router.
    pub fn unplug(&mut self) {
        if let Some(mut device) = self.device.take() {
            process::end(&mut device);
        }
    }

    /// What hostapd and wpa_supplicant said.
    pub fn logs(&self) -> String {
        ["router.log", "device.log"]
            .map(|name| self.read(name))
            .concat()
    }

    fn start(&self, mut command: Command, log: &str) -> Child {
        let log = File::create(self.files.path().join(log)).expect("the directory is writable");
        let errors = log.try_clone().expect("a file is opened twice");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        command
            .spawn()
            .unwrap_or_else(|error| panic!("nsenter cannot be started: {error}"))
    }

    #[track_caller]
    fn until_logged(&self, log: &str, text: &str) {
        let begun = Instant::now();
        while !self.read(log).contains(text) {
            assert!(begun.elapsed() < PATIENCE, "no {text}: {}", self.read(log));
            thread::sleep(STEP);
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.files.path().join(name);
        fs::write(&path, text).expect("the directory is writable");
        path
    }

    fn read(&self, name: &str) -> String {
        let path = self.files.path().join(name);
        // It is not there before the program was started.
        fs::read_to_string(path).unwrap_or_default()
    }
}

impl Default for WiredPort {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WiredPort {
    fn drop(&mut self) {
        self.unplug();
        self.cut_router();
    }
}

/// The configuration of hostapd.
fn router(options: PortOptions<'_>) -> String {
    let PortOptions {
        auth,
        acct,
        secret,
        dynamic_authorization_port,
        interim_seconds,
    } = options;
    let mut text = format!(
        "interface={PORT}\ndriver=wired\nieee8021x=1\nuse_pae_group_addr=0\neapol_version=2\n\
         own_ip_addr=127.0.0.1\nnas_identifier={PORT}\nlogger_stdout=-1\nlogger_stdout_level=1\n"
    );
    for (what, server) in [("auth", auth), ("acct", acct)] {
        let (address, port) = (server.ip(), server.port());
        write!(
            text,
            "{what}_server_addr={address}\n{what}_server_port={port}\n\
             {what}_server_shared_secret={secret}\n"
        )
        .expect("a String takes everything");
    }
    write!(
        text,
        "radius_acct_interim_interval={interim_seconds}\n\
         radius_das_port={dynamic_authorization_port}\nradius_das_client=127.0.0.1 {secret}\n\
         radius_das_require_event_timestamp=1\nradius_das_require_message_authenticator=1\n"
    )
    .expect("a String takes everything");
    text
}
