//! One login through a real socket, and everything that can be said about it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use domain::secret::Secret;
use radius::client::Schedule;
use radius::code::Code;
use radius::dictionary::Dictionary;
use radius::packet::Packet;
use serde::Serialize;

use crate::credentials::Credentials;
use crate::exchange::{Exchange, SCHEDULE_INTERACTIVE};
use crate::fault::Faults;
use crate::line::{Answer, Line, LineError};
use crate::method::Method;
use crate::random;
use crate::reply::{ReplyAttribute, ReplyFault, ReplyPolicy, describe};
use crate::request::{Login, Nonces, Signing, write_login};
use crate::router::{Router, Service, Session};

/// Whom to log in, where and how.
#[derive(Clone, Debug)]
pub struct AuthOptions {
    /// The authentication port of the server.
    pub server: SocketAddr,
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
    /// Whether the request carries a Message-Authenticator.
    pub signing: Signing,
    /// Which replies are believed.
    pub reply_policy: ReplyPolicy,
    /// When the request is sent again and given up.
    pub schedule: Schedule,
    /// The address to send from; the kernel chooses when absent.
    pub source: Option<IpAddr>,
    /// Makes the request repeatable; from the operating system when absent.
    pub seed: Option<u64>,
}

/// How a login went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthReport {
    /// Who logged in.
    pub user_name: String,
    /// How.
    pub method: Method,
    /// Where.
    pub server: SocketAddr,
    /// What came of it.
    pub outcome: AuthOutcome,
    /// The code of the believed reply.
    pub code: Option<String>,
    /// Whether the reply is the server's, or why nobody can tell.
    pub verification: Verification,
    /// The attributes of the believed reply.
    pub attributes: Vec<ReplyAttribute>,
    /// From the first transmission to the believed reply, in microseconds.
    pub latency_us: Option<u64>,
    /// How often the request was sent.
    pub transmissions: u32,
    /// Why replies were not believed, the first 16 of them.
    pub discarded: Vec<ReplyFault>,
}

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthOutcome {
    /// Access-Accept.
    Accepted,
    /// Access-Reject.
    Rejected,
    /// Access-Challenge, which the methods of the lab do not continue.
    Challenged,
    /// No datagram came.
    Unanswered,
    /// Replies came, and none could be believed.
    Untrusted,
}

/// Whether a reply was the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "fault")]
pub enum Verification {
    /// Response Authenticator, Message-Authenticator as demanded, and MS-CHAP2-Success are right.
    Verified,
    /// The last reply was wrong in this.
    Failed(ReplyFault),
    /// There was no reply to verify.
    Unanswered,
}

impl AuthOptions {
    /// A PAP login over PPPoE with everything a current router does; three transmissions in seven seconds.
    #[must_use]
    pub fn new(server: SocketAddr, secret: Secret, user: Credentials) -> Self {
        Self {
            server,
            secret,
            user,
            method: Method::default(),
            service: Service::default(),
            router: Router::default(),
            signing: Signing::default(),
            reply_policy: ReplyPolicy::default(),
            schedule: SCHEDULE_INTERACTIVE,
            source: None,
            seed: None,
        }
    }
}

impl AuthReport {
    /// Whether the server let the user in and proved who it is.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.outcome == AuthOutcome::Accepted
    }

    fn new(options: &AuthOptions) -> Self {
        Self {
            user_name: options.user.user_name().into(),
            method: options.method,
            server: options.server,
            outcome: AuthOutcome::Unanswered,
            code: None,
            verification: Verification::Unanswered,
            attributes: Vec::new(),
            latency_us: None,
            transmissions: 0,
            discarded: Vec::new(),
        }
    }

    fn learn_answer(&mut self, answer: &Answer, nonces: &Nonces, secret: &[u8]) {
        let reply = Packet::parse(&answer.datagram).expect("the exchange believed this reply");
        let dictionary = Dictionary::builtin();
        self.outcome = AuthOutcome::of(reply.code());
        self.code = Some(reply.code().to_string());
        self.verification = Verification::Verified;
        self.attributes = describe(&dictionary, &reply, &nonces.authenticator, secret);
        self.latency_us = Some(microseconds(answer.latency));
    }
}

impl AuthOutcome {
    /// What a believed answer to an Access-Request means.
    fn of(code: Code) -> Self {
        match code {
            Code::AccessAccept => Self::Accepted,
            Code::AccessChallenge => Self::Challenged,
            Code::AccessRequest
            | Code::AccessReject
            | Code::AccountingRequest
            | Code::AccountingResponse
            | Code::StatusServer
            | Code::StatusClient
            | Code::DisconnectRequest
            | Code::DisconnectAck
            | Code::DisconnectNak
            | Code::CoaRequest
            | Code::CoaAck
            | Code::CoaNak => Self::Rejected,
        }
    }
}

/// Sends one Access-Request and reports what came back; ends when the schedule does.
pub fn test_auth(options: &AuthOptions) -> Result<AuthReport, LineError> {
    let mut random = random::generator(options.seed);
    let nonces = Nonces::draw(&mut random);
    let [number @ .., identifier] = random::octets::<5>(&mut random);
    let number = u32::from_be_bytes(number);
    let session = Session::new(format!("82{:06x}", number & 0x00ff_ffff), number);
    let login = Login {
        router: &options.router,
        service: options.service,
        session: &session,
        user: &options.user,
        method: options.method,
        signing: options.signing,
        secret: options.secret.expose(),
    };
    let mut request = Vec::new();
    let proof = write_login(&mut request, identifier, &login, &nonces)?;
    let mut exchange = Exchange::new(
        &request,
        login.secret,
        options.reply_policy,
        options.schedule,
    )
    .proving(proof, &options.user);
    let mut line = Line::open(
        options.server,
        options.source,
        Faults::default(),
        options.seed,
    )?;
    let answer = line.run(&mut exchange, &mut |_| {})?;
    let mut report = AuthReport::new(options);
    report.transmissions = exchange.transmissions();
    report.discarded = exchange.into_discarded();
    match (&answer, report.discarded.last()) {
        (Some(answer), _) => report.learn_answer(answer, &nonces, login.secret),
        (None, Some(fault)) => {
            report.outcome = AuthOutcome::Untrusted;
            report.verification = Verification::Failed(*fault);
        }
        (None, None) => {}
    }
    Ok(report)
}

pub(crate) fn microseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Display for AuthReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user_name,
            method,
            server,
            transmissions,
            ..
        } = self;
        let answer = match (&self.code, self.outcome) {
            (Some(code), _) => code,
            (None, AuthOutcome::Untrusted) => "no believable answer",
            (None, _) => "no answer",
        };
        write!(
            formatter,
            "{answer} for {user_name} from {server} by {method}"
        )?;
        if let Some(latency_us) = self.latency_us {
            write!(formatter, " in {}", Milliseconds(latency_us))?;
        }
        match self.verification {
            Verification::Verified => write!(formatter, "\n  reply verified")?,
            Verification::Failed(fault) => write!(formatter, "\n  reply refused: {fault}")?,
            Verification::Unanswered => write!(
                formatter,
                "\n  nothing came back: is the server running, is this address a NAS of it, is the secret right?"
            )?,
        }
        if *transmissions != 1 {
            write!(formatter, "\n  sent {transmissions} times")?;
        }
        self.attributes
            .iter()
            .try_for_each(|attribute| write!(formatter, "\n  {attribute}"))
    }
}

/// Microseconds that print as milliseconds.
pub(crate) struct Milliseconds(pub(crate) u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:03} ms", self.0 / 1_000, self.0 % 1_000)
    }
}
