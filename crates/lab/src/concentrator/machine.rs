//! The thread of a simulated router: its three ports, its sessions and their deadlines.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use domain::time::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use radius::attribute::{integer, ipv4, kind, text};
use radius::code::Code;
use radius::dynamic_authorization::{Action, Answer, ErrorCause, Request};
use radius::packet::{LENGTH_MAX, Packet};
use radius::writer::WriteError;
use rand::rngs::StdRng;

use super::command::{self, Named};
use super::port::{Done, Port};
use super::session::{Cause, Octets, Online, Terms};
use super::{ConcentratorOptions, Conduct, SESSIONS_MAX, SessionView, Shared, State, lock};
use crate::line::LineError;
use crate::random;
use crate::request::{Event, Login, Nonces, Proof, Record, Totals, write_login, write_record};
use crate::router::Session;

/// Longest time between two looks at what others have set.
const LOOK: Duration = Duration::from_millis(20);

/// Answers to Disconnect and CoA requests that are remembered.
const ANSWERS_MAX: usize = 8_192;

/// The router.
pub(super) struct Machine {
    options: ConcentratorOptions,
    shared: Arc<Shared>,
    begin: Instant,
    random: StdRng,
    auth: Port<Task>,
    acct: Port<Task>,
    coa: UdpSocket,
    subscribers: Vec<Subscriber>,
    by_session_id: HashMap<String, usize>,
    deadlines: BinaryHeap<Reverse<(Duration, usize, u32, Deadline)>>,
    answers: HashMap<(SocketAddr, u8), ([u8; 16], Vec<u8>)>,
    /// Answers that are held back.
    late: Vec<(Duration, SocketAddr, Vec<u8>)>,
    buffer: Box<[u8]>,
}

struct Subscriber {
    session: Session,
    user: usize,
    user_name: String,
    classes: Vec<Vec<u8>>,
    interim: Option<Duration>,
    online: Option<Online>,
    /// Deadlines of an older one mean nothing any more.
    generation: u32,
}

/// A request that is to be sent, as it was when its reason arose.
#[derive(Clone, Copy)]
struct Task {
    index: usize,
    kind: TaskKind,
}

#[derive(Clone, Copy)]
enum TaskKind {
    Login,
    Record {
        event: Event,
        totals: Totals,
        cause: Cause,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Interim,
    End,
}

impl Machine {
    pub(super) fn new(
        options: ConcentratorOptions,
        coa: UdpSocket,
        shared: Arc<Shared>,
    ) -> Result<Self, LineError> {
        let mut random = random::generator(options.seed);
        let port = |server| Port::open(server, options.source, options.schedule);
        let (auth, acct) = (port(options.auth)?, port(options.acct)?);
        let first = u32::from_be_bytes(random::octets(&mut random)) >> 8;
        let count = match options.users.is_empty() {
            true => 0,
            false => options.sessions.min(SESSIONS_MAX),
        };
        let mut machine = Self {
            shared,
            begin: Instant::now(),
            random,
            auth,
            acct,
            coa,
            subscribers: Vec::with_capacity(count),
            by_session_id: HashMap::with_capacity(count),
            deadlines: BinaryHeap::new(),
            answers: HashMap::new(),
            late: Vec::new(),
            buffer: vec![0; LENGTH_MAX].into(),
            options,
        };
        for (number, index) in (first..).zip(0..count) {
            machine.add(number & 0x00ff_ffff, index);
        }
        Ok(machine)
    }

    fn add(&mut self, number: u32, index: usize) {
        let session = Session::new(format!("81{number:06x}"), number);
        let user = index % self.options.users.len();
        let user_name = self.options.users[user].user_name().to_owned();
        lock(&self.shared.sessions).push(SessionView {
            user_name: user_name.clone(),
            session_id: session.session_id.clone(),
            state: State::LoggingIn,
            rate: None,
            lasted_ms: 0,
            input_octets: 0,
            output_octets: 0,
            is_reported: false,
        });
        self.by_session_id.insert(session.session_id.clone(), index);
        self.subscribers.push(Subscriber {
            session,
            user,
            user_name,
            classes: Vec::new(),
            interim: None,
            online: None,
            generation: 0,
        });
        let kind = TaskKind::Login;
        self.auth.push(Task { index, kind });
    }

    /// Runs until it is stopped.
    pub(super) fn run(&mut self) -> Result<(), LineError> {
        while !self.shared.stop.load(Relaxed) {
            self.meet_deadlines();
            if !self.is_away() {
                self.send()?;
                self.receive()?;
            }
            self.hear();
            self.send_late();
            self.wait();
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    fn timestamp(&self) -> Timestamp {
        let elapsed = i64::try_from(self.now().as_micros()).unwrap_or(i64::MAX);
        let micros = self.options.started_at.as_micros().saturating_add(elapsed);
        Timestamp::from_micros(micros)
    }

    fn conduct(&self) -> Conduct {
        *lock(&self.shared.conduct)
    }

    fn is_away(&self) -> bool {
        match self.conduct() {
            Conduct::Away(until) => self.now() < until,
            Conduct::Obey
            | Conduct::Refuse(_)
            | Conduct::Silent
            | Conduct::Late(_)
            | Conduct::Agree => false,
        }
    }

    /// Waits for a datagram or the next deadline.
    fn wait(&self) {
        let now = self.now();
        let next = self.deadlines.peek().map(|Reverse((at, ..))| *at);
        let late = self.late.iter().map(|(at, ..)| *at).min();
        let ports = [self.auth.next_deadline(), self.acct.next_deadline()];
        let deadlines = ports.into_iter().chain([next, late]).flatten();
        let wait = deadlines.fold(LOOK, |wait, at| wait.min(at.saturating_sub(now)));
        let sockets = [&self.auth.socket, &self.acct.socket, &self.coa];
        let mut watched = sockets.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        let _: Result<_, Errno> = ppoll(&mut watched, Some(TimeSpec::from_duration(wait)), None);
    }

    fn meet_deadlines(&mut self) {
        let now = self.now();
        while let Some(Reverse((at, index, generation, deadline))) = self.deadlines.peek().copied()
        {
            if now < at {
                return;
            }
            self.deadlines.pop();
            if self.subscribers[index].generation != generation {
                continue;
            }
            match deadline {
                Deadline::End => {
                    let online = self.subscribers[index].online;
                    if let Some((at, cause)) = online.and_then(|online| online.end()) {
                        self.end(index, at, cause);
                    }
                }
                Deadline::Interim => {
                    self.report(index, Event::Interim, now, Cause::UserRequest);
                    self.schedule_interim(index, at);
                }
            }
        }
    }

    fn send(&mut self) -> Result<(), LineError> {
        let (now, at) = (self.now(), self.timestamp());
        let jitter = random::jitter(&mut self.random);
        let Self {
            options,
            subscribers,
            random,
            ..
        } = self;
        let logins = self.auth.send(now, jitter, |buffer, identifier, task| {
            write_access(
                buffer,
                identifier,
                options,
                &subscribers[task.index],
                random,
            )
        })?;
        let records = self.acct.send(now, jitter, |buffer, identifier, task| {
            let subscriber = &subscribers[task.index];
            write_accounting(buffer, identifier, options, subscriber, task.kind, at)
        })?;
        for done in logins.into_iter().chain(records) {
            self.learn(done);
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), LineError> {
        let secret = self.options.secret.clone();
        let (secret, policy) = (secret.expose(), self.options.reply_policy);
        while let Some(done) = self.auth.receive(secret, policy, &mut self.buffer)? {
            self.learn(done);
        }
        while let Some(done) = self.acct.receive(secret, policy, &mut self.buffer)? {
            self.learn(done);
        }
        Ok(())
    }

    fn learn(&mut self, done: Done<Task>) {
        match done {
            Done::Answered { task, proof, reply } => match task.kind {
                TaskKind::Login => self.learn_answer(task.index, &proof, &reply),
                TaskKind::Record { .. } => self.view(task.index, |view| view.is_reported = true),
            },
            Done::GivenUp(task) => match task.kind {
                TaskKind::Login => self.view(task.index, |view| view.state = State::Unanswered),
                TaskKind::Record { .. } => {}
            },
        }
    }

    fn learn_answer(&mut self, index: usize, proof: &Proof, reply: &[u8]) {
        let reply = Packet::parse(reply).expect("the port has believed it");
        let user = &self.options.users[self.subscribers[index].user];
        if reply.code() != Code::AccessAccept || proof.check(&reply, user).is_err() {
            self.view(index, |view| view.state = State::Rejected);
            return;
        }
        let now = self.now();
        let mut terms = Terms::default();
        terms.learn(&reply, now);
        let subscriber = &mut self.subscribers[index];
        subscriber.classes = reply.find_all(kind::CLASS).map(<[u8]>::to_vec).collect();
        if let Some(name) = reply.find(kind::USER_NAME).and_then(text) {
            name.clone_into(&mut subscriber.user_name);
        }
        // What is 224.0.0.0 or above leaves the address to the router (RFC 2865 §5.8).
        let address = reply.find(kind::FRAMED_IP_ADDRESS).and_then(ipv4);
        if let Some(address) = address.filter(|address| address.octets()[0] < 224) {
            subscriber.session.address = address;
        }
        let granted = reply.find(kind::ACCT_INTERIM_INTERVAL).and_then(integer);
        let granted = granted.map(|seconds| Duration::from_secs(seconds.into()));
        subscriber.interim = self.options.interim.or(granted);
        subscriber.online = Some(Online::new(now, self.options.offered, terms));
        self.view(index, |view| {
            view.state = State::Online;
            view.rate = terms.rate.map(|rate| rate.to_string());
        });
        self.report(index, Event::Start, now, Cause::UserRequest);
        self.schedule(index, now);
    }

    /// Sets the deadlines of a session anew.
    fn schedule(&mut self, index: usize, now: Duration) {
        let subscriber = &mut self.subscribers[index];
        subscriber.generation = subscriber.generation.wrapping_add(1);
        let generation = subscriber.generation;
        if let Some((at, _)) = subscriber.online.and_then(|online| online.end()) {
            let end = (at, index, generation, Deadline::End);
            self.deadlines.push(Reverse(end));
        }
        self.schedule_interim(index, now);
    }

    fn schedule_interim(&mut self, index: usize, after: Duration) {
        let subscriber = &self.subscribers[index];
        if let Some(interim) = subscriber.interim.filter(|interim| !interim.is_zero()) {
            let at = after + interim;
            let next = (at, index, subscriber.generation, Deadline::Interim);
            self.deadlines.push(Reverse(next));
        }
    }

    /// Writes a record of a session as it is at an instant.
    fn report(&mut self, index: usize, event: Event, at: Duration, cause: Cause) {
        let Some(online) = &self.subscribers[index].online else {
            return;
        };
        let Octets { input, output } = online.octets(at);
        let totals = Totals {
            seconds: u32::try_from(online.lasted(at).as_secs()).unwrap_or(u32::MAX),
            input_octets: input,
            output_octets: output,
        };
        let kind = TaskKind::Record {
            event,
            totals,
            cause,
        };
        self.acct.push(Task { index, kind });
        self.view(index, |view| {
            (view.input_octets, view.output_octets) = (input, output);
            view.is_reported = false;
        });
    }

    fn end(&mut self, index: usize, at: Duration, cause: Cause) {
        self.report(index, Event::Stop, at, cause);
        let subscriber = &mut self.subscribers[index];
        subscriber.generation = subscriber.generation.wrapping_add(1);
        let Some(online) = subscriber.online.take() else {
            return;
        };
        let lasted = u64::try_from(online.lasted(at).as_millis()).unwrap_or(u64::MAX);
        self.view(index, |view| {
            view.state = State::Ended(cause.number());
            view.lasted_ms = lasted;
        });
    }

    fn view(&self, index: usize, change: impl FnOnce(&mut SessionView)) {
        if let Some(view) = lock(&self.shared.sessions).get_mut(index) {
            change(view);
        }
    }

    /// Hears Disconnect and CoA requests.
    fn hear(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let (length, from) = match self.coa.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if !self.is_away() {
                self.command(&buffer[..length], from);
            }
        }
        self.buffer = buffer;
    }

    fn command(&mut self, datagram: &[u8], from: SocketAddr) {
        let now = self.timestamp().as_seconds();
        let secret = self.options.secret.clone();
        let Ok(request) = Request::read(datagram, secret.expose(), now) else {
            lock(&self.shared.commands).ignored += 1;
            return;
        };
        let key = (from, request.packet.identifier());
        let authenticator = *request.packet.authenticator();
        if let Some((known, reply)) = self.answers.get(&key)
            && *known == authenticator
        {
            lock(&self.shared.commands).repeated += 1;
            let is_held_back =
                |(_, to, late): &(Duration, SocketAddr, Vec<u8>)| *to == from && late == reply;
            if !self.late.iter().any(is_held_back) {
                drop(self.coa.send_to(reply, from));
            }
            return;
        }
        let conduct = self.conduct();
        let answer = match conduct {
            Conduct::Silent => return,
            Conduct::Agree => Answer::Acknowledged,
            Conduct::Refuse(cause) => Answer::Refused(cause.map(ErrorCause)),
            Conduct::Obey | Conduct::Late(_) | Conduct::Away(_) => self.obey(&request),
        };
        if answer != Answer::Acknowledged {
            lock(&self.shared.commands).refused += 1;
        }
        let mut reply = Vec::new();
        if request
            .write_reply(&mut reply, answer, secret.expose())
            .is_err()
        {
            return;
        }
        if ANSWERS_MAX <= self.answers.len() {
            self.answers.clear();
        }
        match conduct {
            Conduct::Late(after) => {
                let at = self.now() + after;
                self.late.push((at, from, reply.clone()));
            }
            Conduct::Obey
            | Conduct::Refuse(_)
            | Conduct::Silent
            | Conduct::Agree
            | Conduct::Away(_) => drop(self.coa.send_to(&reply, from)),
        }
        self.answers.insert(key, (authenticator, reply));
    }

    fn obey(&mut self, request: &Request<'_>) -> Answer {
        let meant = match self.find(request) {
            Ok(meant) => meant,
            Err(cause) => return Answer::Refused(Some(cause)),
        };
        let now = self.now();
        for index in meant {
            match request.action {
                Action::Disconnect => {
                    self.end(index, now, Cause::AdminReset);
                    lock(&self.shared.commands).disconnected += 1;
                }
                Action::Change => self.change(index, &request.packet, now),
            }
        }
        Answer::Acknowledged
    }

    fn change(&mut self, index: usize, packet: &Packet<'_>, now: Duration) {
        let Some(online) = &mut self.subscribers[index].online else {
            return;
        };
        online.change(now, |terms| terms.learn(packet, now));
        let rate = online.terms().rate.map(|rate| rate.to_string());
        self.view(index, |view| view.rate = rate);
        lock(&self.shared.commands).changed += 1;
        self.schedule(index, now);
    }

    /// The sessions that a request means, of which there is at least one.
    fn find(&self, request: &Request<'_>) -> Result<Vec<usize>, ErrorCause> {
        let named = command::check(request, &self.options.router)?;
        let id = named.iter().find(|one| one.kind == kind::ACCT_SESSION_ID);
        let candidates = match id {
            Some(id) => {
                let id = text(id.value).unwrap_or_default();
                let index = self.by_session_id.get(id).copied();
                index.map_or(0..0, |index| index..index + 1)
            }
            None => 0..self.subscribers.len(),
        };
        let is_meant = |index: &usize| {
            let subscriber = &self.subscribers[*index];
            let whose = Named {
                session: &subscriber.session,
                user_name: &subscriber.user_name,
            };
            let mut held = named.iter().filter_map(|one| command::holds(*one, &whose));
            subscriber.online.is_some() && held.all(|holds| holds)
        };
        let meant: Vec<_> = candidates.filter(is_meant).collect();
        match meant.is_empty() {
            true => Err(ErrorCause::SESSION_CONTEXT_NOT_FOUND),
            false => Ok(meant),
        }
    }

    fn send_late(&mut self) {
        let now = self.now();
        let coa = &self.coa;
        self.late.retain(|(at, to, reply)| {
            let is_due = *at <= now;
            if is_due {
                drop(coa.send_to(reply, to));
            }
            !is_due
        });
    }
}

fn write_access(
    buffer: &mut Vec<u8>,
    identifier: u8,
    options: &ConcentratorOptions,
    subscriber: &Subscriber,
    random: &mut StdRng,
) -> Result<Proof, WriteError> {
    let nonces = Nonces::draw(random);
    let login = Login {
        router: &options.router,
        service: options.service,
        session: &subscriber.session,
        user: &options.users[subscriber.user],
        method: options.method,
        signing: options.signing,
        secret: options.secret.expose(),
    };
    write_login(buffer, identifier, &login, &nonces)
}

fn write_accounting(
    buffer: &mut Vec<u8>,
    identifier: u8,
    options: &ConcentratorOptions,
    subscriber: &Subscriber,
    kind: TaskKind,
    at: Timestamp,
) -> Result<Proof, WriteError> {
    let TaskKind::Record {
        event,
        totals,
        cause,
    } = kind
    else {
        return Ok(Proof::None);
    };
    let record = Record {
        router: &options.router,
        service: options.service,
        session: &subscriber.session,
        user_name: &subscriber.user_name,
        event,
        totals,
        cause: cause.number(),
        classes: &subscriber.classes,
        at: Some(at),
        signing: options.signing,
        secret: options.secret.expose(),
    };
    write_record(buffer, identifier, &record)?;
    Ok(Proof::None)
}
