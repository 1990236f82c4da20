//! A router with one subscriber: login, accounting from Start to Stop, and what the server made of it.

pub mod event;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use domain::secret::Secret;
use domain::time::Timestamp;
use radius::attribute::{ipv4, kind, text};
use radius::client::Schedule;
use radius::code::Code;
use radius::dictionary::Dictionary;
use radius::packet::Packet;
use rand::rngs::StdRng;
use serde::Serialize;

use crate::auth::microseconds;
use crate::concentrator::Cause;
use crate::credentials::Credentials;
use crate::exchange::{Exchange, SCHEDULE_INTERACTIVE};
use crate::fault::Faults;
use crate::line::{Answer, Line, LineError};
use crate::method::Method;
use crate::random;
use crate::reply::{ReplyAttribute, ReplyPolicy, describe};
use crate::request::{
    Event, Login, Nonces, Record, Signing, Totals, write_announcement, write_login, write_record,
};
use crate::router::{Router, Service, Session};
use event::{NasEvent, NasRequest};

/// Events that a report keeps; later ones are only observed.
pub const EVENTS_MAX: usize = 10_000;

/// Whose life to play, on which router, towards which server.
#[derive(Clone, Debug)]
pub struct NasOptions {
    /// The authentication port of the server.
    pub auth: SocketAddr,
    /// Its accounting port.
    pub acct: SocketAddr,
    /// The secret shared with it.
    pub secret: Secret,
    /// Who logs in.
    pub user: Credentials,
    /// How the password is proved.
    pub method: Method,
    /// The service dialled into.
    pub service: Service,
    /// What the router says about itself.
    pub router: Router,
    /// Interim-Updates between Start and Stop.
    pub interims: u32,
    /// Session time that the router claims between two records, in seconds.
    pub interim_seconds: u32,
    /// Real time between two records.
    pub interim_pause: Duration,
    /// Octets from the subscriber between two records.
    pub input_octets_per_interim: u64,
    /// Octets to the subscriber between two records.
    pub output_octets_per_interim: u64,
    /// Whether the router announces its start and its end.
    pub announcements: Announcements,
    /// Whether requests carry a Message-Authenticator.
    pub signing: Signing,
    /// Which replies are believed.
    pub reply_policy: ReplyPolicy,
    /// When a request is sent again and given up.
    pub schedule: Schedule,
    /// What goes wrong on the line.
    pub faults: Faults,
    /// The address to send from; the kernel chooses when absent.
    pub source: Option<IpAddr>,
    /// Makes requests and faults repeatable; from the operating system when absent.
    pub seed: Option<u64>,
    /// The time at the start, for Event-Timestamp; that attribute is left out when absent.
    pub started_at: Option<Timestamp>,
}

/// Whether a router announces its start and its end (RFC 2866 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Announcements {
    /// It does not.
    #[default]
    None,
    /// Accounting-On before the login, Accounting-Off after the end.
    OnAndOff,
}

/// What a router announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// Accounting-On: it has started and knows no sessions.
    On,
    /// Accounting-Off: it is about to stop, all sessions end.
    Off,
}

/// How a life went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NasReport {
    /// Acct-Session-Id.
    pub session_id: String,
    /// What came of it.
    pub outcome: NasOutcome,
    /// The attributes of the Access-Accept.
    pub grants: Vec<ReplyAttribute>,
    /// What happened, the first 10,000 events.
    pub events: Vec<NasEvent>,
}

/// What came of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NasOutcome {
    /// Every request was answered, the login with an accept.
    Completed,
    /// The login was refused.
    Rejected,
    /// The server asked for more than a password.
    Challenged,
    /// At least one request got no answer that could be believed.
    Unanswered,
}

impl NasOptions {
    /// A PPPoE life with PAP, Start, three Interim-Updates that pass 4 GiB, and Stop, on a good line.
    #[must_use]
    pub fn new(auth: SocketAddr, acct: SocketAddr, secret: Secret, user: Credentials) -> Self {
        Self {
            auth,
            acct,
            secret,
            user,
            method: Method::default(),
            service: Service::default(),
            router: Router::default(),
            interims: 3,
            interim_seconds: 300,
            interim_pause: Duration::ZERO,
            input_octets_per_interim: 300 << 20,
            output_octets_per_interim: 3 << 30,
            announcements: Announcements::default(),
            signing: Signing::default(),
            reply_policy: ReplyPolicy::default(),
            schedule: SCHEDULE_INTERACTIVE,
            faults: Faults::default(),
            source: None,
            seed: None,
            started_at: None,
        }
    }
}

impl NasReport {
    /// Whether every request was answered and the login accepted.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.outcome == NasOutcome::Completed
    }
}

/// Plays one subscriber's life; ends when the last record is answered or given up.
pub fn run(options: &NasOptions) -> Result<NasReport, LineError> {
    run_observed(options, &mut |_| {})
}

/// Plays one subscriber's life and tells each event as it happens.
pub fn run_observed(
    options: &NasOptions,
    observe: &mut dyn FnMut(&NasEvent),
) -> Result<NasReport, LineError> {
    let mut life = Life::new(options, observe)?;
    if options.announcements == Announcements::OnAndOff {
        life.announce(Announcement::On)?;
    }
    if life.log_in()? {
        life.account()?;
    }
    if options.announcements == Announcements::OnAndOff {
        life.announce(Announcement::Off)?;
    }
    Ok(life.report)
}

/// Announces a router's start or end, and nothing else.
pub fn announce(options: &NasOptions, announcement: Announcement) -> Result<NasReport, LineError> {
    let mut observe = |_: &NasEvent| {};
    let mut life = Life::new(options, &mut observe)?;
    life.announce(announcement)?;
    Ok(life.report)
}

struct Life<'o> {
    options: &'o NasOptions,
    observe: &'o mut dyn FnMut(&NasEvent),
    random: StdRng,
    begin: Instant,
    auth: Line,
    acct: Line,
    identifier: u8,
    session: Session,
    user_name: String,
    classes: Vec<Vec<u8>>,
    report: NasReport,
}

impl<'o> Life<'o> {
    fn new(
        options: &'o NasOptions,
        observe: &'o mut dyn FnMut(&NasEvent),
    ) -> Result<Self, LineError> {
        let mut random = random::generator(options.seed);
        let number = u32::from_be_bytes(random::octets(&mut random)) >> 8;
        let session = Session::new(format!("81{number:06x}"), number);
        let mut open = |server| {
            let seed = u64::from_le_bytes(random::octets(&mut random));
            Line::open(server, options.source, options.faults, Some(seed))
        };
        let (auth, acct) = (open(options.auth)?, open(options.acct)?);
        let [identifier] = random::octets(&mut random);
        Ok(Self {
            options,
            observe,
            random,
            begin: Instant::now(),
            auth,
            acct,
            identifier,
            user_name: options.user.user_name().into(),
            classes: Vec::new(),
            report: NasReport {
                session_id: session.session_id.clone(),
                outcome: NasOutcome::Completed,
                grants: Vec::new(),
                events: Vec::new(),
            },
            session,
        })
    }

    /// Whether the user is online now.
    fn log_in(&mut self) -> Result<bool, LineError> {
        let options = self.options;
        let nonces = Nonces::draw(&mut self.random);
        let login = Login {
            router: &options.router,
            service: options.service,
            session: &self.session,
            user: &options.user,
            method: options.method,
            signing: options.signing,
            secret: options.secret.expose(),
        };
        let mut request = Vec::new();
        let proof = write_login(&mut request, self.identifier, &login, &nonces)?;
        let exchange = self.exchange(&request).proving(proof, &options.user);
        let Some(answer) = self.run(NasRequest::Access, exchange)? else {
            return Ok(false);
        };
        Ok(self.learn_answer(&answer, &nonces.authenticator))
    }

    fn learn_answer(&mut self, answer: &Answer, authenticator: &[u8; 16]) -> bool {
        let reply = Packet::parse(&answer.datagram).expect("the exchange believed this reply");
        let dictionary = Dictionary::builtin();
        let secret = self.options.secret.expose();
        let attributes = describe(&dictionary, &reply, authenticator, secret);
        let latency_us = microseconds(answer.latency);
        let (outcome, event) = if reply.code() == Code::AccessAccept {
            self.learn_grants(&reply);
            self.report.grants.clone_from(&attributes);
            let event = NasEvent::Accepted {
                latency_us,
                attributes,
            };
            (self.report.outcome, event)
        } else if reply.code() == Code::AccessChallenge {
            (NasOutcome::Challenged, NasEvent::Challenged { latency_us })
        } else {
            let event = NasEvent::Rejected {
                latency_us,
                attributes,
            };
            (NasOutcome::Rejected, event)
        };
        self.report.outcome = outcome;
        self.observe(event);
        reply.code() == Code::AccessAccept
    }

    fn learn_grants(&mut self, accept: &Packet<'_>) {
        self.classes = accept.find_all(kind::CLASS).map(<[u8]>::to_vec).collect();
        // 255.255.255.255 and 255.255.255.254 leave the address to the user or the NAS (RFC 2865 §5.8).
        let granted = accept.find(kind::FRAMED_IP_ADDRESS).and_then(ipv4);
        if let Some(address) = granted.filter(|address| *address < Ipv4Addr::new(224, 0, 0, 0)) {
            self.session.address = address;
        }
        if let Some(user_name) = accept.find(kind::USER_NAME).and_then(text) {
            self.user_name = user_name.into();
        }
    }

    fn account(&mut self) -> Result<(), LineError> {
        self.send_record(Event::Start, 0)?;
        for number in 1..=self.options.interims {
            pause(self.options.interim_pause);
            self.send_record(Event::Interim, number)?;
        }
        pause(self.options.interim_pause);
        self.send_record(Event::Stop, self.options.interims.saturating_add(1))
    }

    fn send_record(&mut self, event: Event, number: u32) -> Result<(), LineError> {
        let options = self.options;
        let total = |step: u64| step.saturating_mul(number.into());
        let totals = Totals {
            seconds: options.interim_seconds.saturating_mul(number),
            input_octets: total(options.input_octets_per_interim),
            output_octets: total(options.output_octets_per_interim),
        };
        let record = Record {
            router: &options.router,
            service: options.service,
            session: &self.session,
            user_name: &self.user_name,
            event,
            totals,
            cause: Cause::UserRequest.number(),
            classes: &self.classes,
            at: self.now(),
            signing: options.signing,
            secret: options.secret.expose(),
        };
        let mut request = Vec::new();
        write_record(&mut request, self.identifier, &record)?;
        self.send_accounting(event.into(), &request, totals)
    }

    fn announce(&mut self, announcement: Announcement) -> Result<(), LineError> {
        let options = self.options;
        let (name, status_type) = match announcement {
            Announcement::On => (NasRequest::AccountingOn, 7),
            Announcement::Off => (NasRequest::AccountingOff, 8),
        };
        let mut request = Vec::new();
        write_announcement(
            &mut request,
            self.identifier,
            status_type,
            &options.router,
            self.now(),
            options.signing,
            options.secret.expose(),
        )?;
        self.send_accounting(name, &request, Totals::default())
    }

    fn send_accounting(
        &mut self,
        name: NasRequest,
        request: &[u8],
        totals: Totals,
    ) -> Result<(), LineError> {
        let exchange = self.exchange(request);
        if let Some(answer) = self.run(name, exchange)? {
            self.observe(NasEvent::Acknowledged {
                request: name,
                latency_us: microseconds(answer.latency),
                input_octets: totals.input_octets,
                output_octets: totals.output_octets,
            });
        }
        Ok(())
    }

    fn exchange<'a>(&self, request: &'a [u8]) -> Exchange<'a>
    where
        'o: 'a,
    {
        let options = self.options;
        Exchange::new(
            request,
            options.secret.expose(),
            options.reply_policy,
            options.schedule,
        )
    }

    fn run(
        &mut self,
        name: NasRequest,
        mut exchange: Exchange<'_>,
    ) -> Result<Option<Answer>, LineError> {
        let line = match name {
            NasRequest::Access => &mut self.auth,
            NasRequest::AccountingStart
            | NasRequest::AccountingInterim
            | NasRequest::AccountingStop
            | NasRequest::AccountingOn
            | NasRequest::AccountingOff => &mut self.acct,
        };
        let (events, observe) = (&mut self.report.events, &mut *self.observe);
        let answer = line.run(&mut exchange, &mut |event| {
            tell(NasEvent::of_line(name, event), events, observe);
        })?;
        self.identifier = self.identifier.wrapping_add(1);
        if answer.is_none() {
            self.report.outcome = NasOutcome::Unanswered;
            self.observe(NasEvent::Unanswered {
                request: name,
                transmissions: exchange.transmissions(),
            });
        }
        Ok(answer)
    }

    fn observe(&mut self, event: NasEvent) {
        tell(event, &mut self.report.events, self.observe);
    }

    fn now(&self) -> Option<Timestamp> {
        let started_at = self.options.started_at?;
        let elapsed = i64::try_from(self.begin.elapsed().as_micros()).unwrap_or(i64::MAX);
        let micros = started_at.as_micros().saturating_add(elapsed);
        Some(Timestamp::from_micros(micros))
    }
}

fn tell(event: NasEvent, events: &mut Vec<NasEvent>, observe: &mut dyn FnMut(&NasEvent)) {
    observe(&event);
    if events.len() < EVENTS_MAX {
        events.push(event);
    }
}

fn pause(duration: Duration) {
    if !duration.is_zero() {
        std::thread::sleep(duration);
    }
}

impl NasOutcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Challenged => "challenged",
            Self::Unanswered => "unanswered",
        }
    }
}

impl fmt::Display for NasReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            writeln!(formatter, "{event}")?;
        }
        let outcome = self.outcome.name();
        write!(formatter, "session {}: {outcome}", self.session_id)
    }
}
