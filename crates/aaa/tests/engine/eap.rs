//! Logins by EAP-MD5: the conversation, its wrong turns, and that it is decided like any other login.

use std::time::Duration;

use aaa::eap::LIFETIME;
use aaa::engine::Engine;
use aaa::guard::GuardOptions;
use aaa::metrics::Count;
use domain::access::{Method, RejectReason};
use domain::auth_log::AuthOutcome;
use domain::credential::HashScheme;
use domain::guard::GuardSubject;
use proptest::prelude::*;
use radius::attribute::kind;
use radius::packet::Packet;
use radius::password::chap;

use crate::registry::PASSWORD;
use crate::request::Request;
use crate::script::{AUTO, STRICT, Script, show};

const IDENTITY: u8 = 1;
const NAK: u8 = 3;
const MD5: u8 = 4;

/// What a device was asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) identifier: u8,
    challenge: Vec<u8>,
    pub(crate) state: Vec<u8>,
}

/// A response of a device.
pub(crate) fn response(identifier: u8, kind: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(5 + data.len()).expect("it fits a packet");
    let [high, low] = length.to_be_bytes();
    [&[2, identifier, high, low, kind][..], data].concat()
}

/// A request with an EAP packet in as many attributes as it takes.
pub(crate) fn with_eap(request: Request, eap: &[u8]) -> Request {
    eap.chunks(253).fold(request, |request, part| {
        request.with(kind::EAP_MESSAGE, part)
    })
}

/// The first request of a conversation.
pub(crate) fn hello(user_name: &str) -> Request {
    let identity = response(9, IDENTITY, user_name.as_bytes());
    with_eap(Request::access(user_name), &identity)
}

impl Question {
    /// Reads the Access-Challenge that answers `request`, of which nothing else may be there.
    #[track_caller]
    pub(crate) fn of(request: &Request, octets: &[u8]) -> Self {
        let shown = show(request, octets);
        let names: Vec<_> = shown
            .iter()
            .filter_map(|line| line.split(' ').next())
            .collect();
        let expected = [
            "Access-Challenge",
            "Message-Authenticator",
            "EAP-Message",
            "State",
        ];
        assert_eq!(names, expected, "{shown:?}");
        let packet = Packet::parse(octets).expect("it was shown");
        let eap = packet.find(kind::EAP_MESSAGE).expect("it was shown");
        let [1, identifier, 0, 22, MD5, 16, challenge @ ..] = eap else {
            panic!("a challenge is asked: {eap:?}");
        };
        Self {
            identifier: *identifier,
            challenge: challenge.to_vec(),
            state: packet.find(kind::STATE).expect("it was shown").to_vec(),
        }
    }

    /// What the device answers who has this password.
    pub(crate) fn answer(&self, password: &str) -> Vec<u8> {
        let value = chap::respond(self.identifier, &self.challenge, password.as_bytes());
        response(self.identifier, MD5, &[&[16][..], &value[1..]].concat())
    }

    /// The request that carries an answer.
    pub(crate) fn reply(&self, user_name: &str, answer: &[u8]) -> Request {
        let request = Request::access(user_name).identifier(8).authenticator(8);
        with_eap(request.with(kind::STATE, &self.state), answer)
    }

    /// The request that carries the right answer.
    pub(crate) fn right(&self, user_name: &str) -> Request {
        self.reply(user_name, &self.answer(PASSWORD))
    }
}

/// Begins a conversation.
#[track_caller]
pub(crate) fn question(script: &mut Script, request: &Request) -> Question {
    script.send(STRICT, request);
    let outgoing = script.outbox().pop().expect("it is answered");
    Question::of(request, &outgoing.octets)
}

fn begin(script: &mut Script, user_name: &str) -> Question {
    question(script, &hello(user_name))
}

/// The reply is a failure for this identifier and nothing else, for this reason.
#[track_caller]
fn check_refused(
    script: &mut Script,
    source: &str,
    request: &Request,
    identifier: u8,
    reason: RejectReason,
) {
    let failure = format!("EAP-Message = 0x04{identifier:02x}0004");
    let expected = ["Access-Reject", "Message-Authenticator", &failure];
    assert_eq!(script.ask(source, request), expected);
    let last = script.log.last().map(|entry| entry.outcome);
    assert_eq!(last, Some(AuthOutcome::Rejected(reason)));
}

#[track_caller]
fn check_accepted(script: &mut Script, request: &Request, identifier: u8) {
    let shown = script.ask(STRICT, request);
    let success = format!("EAP-Message = 0x03{identifier:02x}0004");
    assert_eq!(shown.first().map(String::as_str), Some("Access-Accept"));
    assert_eq!(shown.get(2), Some(&success), "{shown:?}");
}

#[test]
fn the_right_answer_is_accepted_with_everything_that_is_granted() {
    let mut script = Script::new();
    let question = begin(&mut script, "ana");
    assert_eq!(question.identifier, 10);
    let expected = [
        "Access-Accept",
        "Message-Authenticator",
        "EAP-Message = 0x030a0004",
        "Acct-Interim-Interval = 300",
        "Mikrotik-Rate-Limit = \"25M/50M\"",
        "Class",
    ];
    assert_eq!(script.ask(STRICT, &question.right("ana")), expected);
    let logged: Vec<_> = script
        .log
        .iter()
        .map(|entry| (entry.method, entry.trace.as_str()))
        .collect();
    assert_eq!(logged, [(Method::EapMd5, "f veap-md5 a n u g")]);
    let counted = |count| script.context.metrics.value(count);
    assert_eq!(counted(Count::AccessChallenge), 1);
    assert_eq!(counted(Count::AccessAccept), 1);
    assert_eq!(counted(Count::EapUnknown), 0);
}

#[test]
fn nobody_learns_from_a_challenge_who_is_a_subscriber() {
    let method = Method::EapMd5;
    let cleartext = |stored| RejectReason::MethodNeedsCleartext { method, stored };
    let rows = [
        ("nobody", PASSWORD, RejectReason::UnknownUser),
        ("ana", "wrong", RejectReason::WrongPassword { method }),
        ("disabled", "wrong", RejectReason::WrongPassword { method }),
        ("disabled", PASSWORD, RejectReason::Disabled),
        ("hashed", "password", cleartext(HashScheme::Sha256Crypt)),
        ("nt", "password", cleartext(HashScheme::Nt)),
        ("planless", PASSWORD, RejectReason::PlanMissing),
    ];
    for (user_name, password, reason) in rows {
        let mut script = Script::new();
        let question = begin(&mut script, user_name);
        let request = question.reply(user_name, &question.answer(password));
        check_refused(&mut script, STRICT, &request, 10, reason);
    }
}

#[test]
fn each_wrong_turn_ends_the_conversation() {
    let malformed = RejectReason::MalformedCredential {
        method: Method::EapMd5,
    };
    let wanted = |wanted| RejectReason::NoCommonMethod { wanted };
    let rows = [
        (response(10, NAK, &[25, 21]), wanted(25)),
        (response(10, NAK, &[0]), wanted(0)),
        (response(10, NAK, &[]), wanted(0)),
        (response(10, 13, &[0]), malformed),
        (response(10, 2, b""), malformed),
        (response(10, 254, &[0; 8]), malformed),
        (response(9, MD5, &[16; 17]), malformed),
        (response(10, MD5, &[]), malformed),
        (response(10, MD5, &[16; 16]), malformed),
        (response(10, MD5, &[15; 17]), malformed),
    ];
    for (answer, reason) in rows {
        let mut script = Script::new();
        let question = begin(&mut script, "ana");
        let request = question.reply("ana", &answer);
        check_refused(&mut script, STRICT, &request, answer[1], reason);
        // It is too late for the right one.
        let request = question.right("ana").identifier(12).authenticator(12);
        let reason = RejectReason::ConversationUnknown;
        check_refused(&mut script, STRICT, &request, 10, reason);
    }
}

#[test]
fn what_is_no_eap_of_a_device_is_malformed() {
    let method = Method::Eap;
    let malformed = RejectReason::MalformedCredential { method };
    for eap in [
        &[2, 0x2a, 0, 4][..],
        &[2, 0x2a, 0, 9, 1, b'a', b'n', b'a'],
        &[2, 0x2a, 0, 2, 1],
        &[1, 0x2a, 0, 5, 1],
        &[3, 0x2a, 0, 4],
    ] {
        let request = Request::access("ana").with(kind::EAP_MESSAGE, eap);
        check_refused(&mut Script::new(), STRICT, &request, 0x2a, malformed);
    }
    let identity = response(0x2a, IDENTITY, b"ana");
    let (head, tail) = identity.split_at(6);
    let scattered = Request::access("ana")
        .with(kind::EAP_MESSAGE, head)
        .with(kind::NAS_PORT, &[0; 4])
        .with(kind::EAP_MESSAGE, tail);
    check_refused(&mut Script::new(), STRICT, &scattered, 0x2a, malformed);
    // With another credential it is not even looked at.
    let method = Method::Pap;
    let malformed = RejectReason::MalformedCredential { method };
    let request = hello("ana").pap(PASSWORD);
    check_refused(&mut Script::new(), STRICT, &request, 9, malformed);
}

#[test]
fn the_identity_is_the_user_name_from_the_beginning_to_the_end() {
    let mut script = Script::new();
    let differs = RejectReason::IdentityDiffers;
    let identity = response(9, IDENTITY, b"ana");
    let request = with_eap(Request::access("solo"), &identity);
    check_refused(&mut script, STRICT, &request, 9, differs);
    let question = begin(&mut script, "ana");
    check_refused(&mut script, STRICT, &question.right("solo"), 10, differs);
    let nameless = Request::access("ana").identifier(20).authenticator(20);
    let nameless = Request {
        attributes: Vec::new(),
        ..nameless
    };
    let reason = RejectReason::MalformedUserName;
    let request = with_eap(nameless, &identity);
    check_refused(&mut script, STRICT, &request, 9, reason);
    // Case means nothing, as in user names.
    let request = with_eap(Request::access("ANA").identifier(21), &identity);
    let asked = super::eap::question(&mut script, &request);
    check_accepted(&mut script, &asked.right("aNa").identifier(22), 10);
}

#[test]
fn an_answer_belongs_to_one_question_of_one_router() {
    let mut script = Script::new();
    let question = begin(&mut script, "ana");
    let right = question.right("ana");
    let unknown = RejectReason::ConversationUnknown;
    check_refused(&mut script, AUTO, &right, 10, unknown);
    check_accepted(&mut script, &right, 10);
    // The same datagram again is answered as before, and another one with the same answer is not.
    let shown = script.ask(STRICT, &right);
    assert_eq!(shown.first().map(String::as_str), Some("Access-Accept"));
    let replayed = right.clone().identifier(11).authenticator(11);
    check_refused(&mut script, STRICT, &replayed, 10, unknown);
    let stateless = with_eap(Request::access("ana"), &question.answer(PASSWORD));
    check_refused(&mut script, STRICT, &stateless, 10, unknown);
    for state in [&[][..], &[7; 15], &[7; 16], &[7; 17]] {
        let guessed = Question {
            state: state.to_vec(),
            ..question.clone()
        };
        let guessed = guessed.right("ana").identifier(30).authenticator(30);
        check_refused(&mut script, STRICT, &guessed, 10, unknown);
        script.advance(Duration::from_secs(11));
    }
    assert_eq!(script.context.metrics.value(Count::EapUnknown), 7);
}

#[test]
fn two_devices_are_asked_at_once() {
    let mut script = Script::new();
    let first = begin(&mut script, "ana");
    let request = hello("fixed").identifier(3).authenticator(3);
    let second = question(&mut script, &request);
    assert_ne!(first.state, second.state);
    assert_ne!(first.challenge, second.challenge);
    check_accepted(&mut script, &second.right("fixed"), 10);
    let request = first.right("ana").identifier(5).authenticator(5);
    check_accepted(&mut script, &request, 10);
}

#[test]
fn another_worker_goes_on_with_a_conversation() {
    let mut script = Script::new();
    let question = begin(&mut script, "ana");
    script.engine = Engine::new(script.context.clone(), [9; 32], 1);
    check_accepted(&mut script, &question.right("ana"), 10);
}

#[test]
fn an_answer_may_take_a_minute() {
    for (seconds, reason) in [(59, None), (60, Some(RejectReason::ConversationUnknown))] {
        let mut script = Script::new();
        let question = begin(&mut script, "ana");
        assert_eq!(LIFETIME, Duration::from_secs(60));
        script.advance(Duration::from_secs(seconds));
        let request = question.right("ana");
        match reason {
            Some(reason) => check_refused(&mut script, STRICT, &request, 10, reason),
            None => check_accepted(&mut script, &request, 10),
        }
        let expired = script.context.metrics.value(Count::EapExpired);
        assert_eq!(expired, u64::from(reason.is_some()));
    }
}

#[test]
fn a_router_may_leave_the_first_question_to_us() {
    let mut script = Script::new();
    let start = Request::access("ana").with(kind::EAP_MESSAGE, &[]);
    let shown = script.ask(STRICT, &start);
    let [code, signature, question] = shown.as_slice() else {
        panic!("nothing else is asked: {shown:?}");
    };
    assert_eq!(
        [code, signature],
        ["Access-Challenge", "Message-Authenticator"]
    );
    assert!(question.starts_with("EAP-Message = 0x01"), "{question}");
    assert!(question.ends_with("000501"), "{question}");
    let question = question_after(&mut script);
    check_accepted(&mut script, &question.right("ana"), 10);
}

fn question_after(script: &mut Script) -> Question {
    question(script, &hello("ana").identifier(2).authenticator(2))
}

#[test]
fn a_long_identity_comes_in_fragments() {
    let mut script = Script::new();
    let name = "x".repeat(253);
    let request = hello(&name);
    let fragments = request.attributes.iter();
    let fragments = fragments.filter(|(found, _)| *found == kind::EAP_MESSAGE);
    assert_eq!(fragments.count(), 2);
    let question = question(&mut script, &request);
    check_accepted(&mut script, &question.right(&name), 10);
    // In fragments of one octet it is the same packet.
    let answer = question.answer(PASSWORD);
    let scarce = Request::access("ana").identifier(40).authenticator(40);
    let scarce = answer.iter().fold(scarce, |request, octet| {
        request.with(kind::EAP_MESSAGE, &[*octet])
    });
    let reason = RejectReason::ConversationUnknown;
    check_refused(&mut script, STRICT, &scarce, 10, reason);
}

#[test]
fn a_retransmission_is_asked_the_same() {
    let mut script = Script::new();
    let request = hello("ana");
    let first = question(&mut script, &request);
    let again = question(&mut script, &request);
    assert_eq!(first.state, again.state);
    assert_eq!(first.challenge, again.challenge);
    assert_eq!(script.context.metrics.value(Count::AccessChallenge), 1);
}

#[test]
fn sessions_are_limited_for_eap_too() {
    let mut script = Script::new();
    let at = |request: Request, station: &str| {
        request.with(kind::CALLING_STATION_ID, station.as_bytes())
    };
    let home = at(hello("solo"), "02-00-00-00-00-01");
    let first = question(&mut script, &home);
    let request = at(first.right("solo"), "02-00-00-00-00-01");
    check_accepted(&mut script, &request, 10);
    let away = at(hello("solo"), "02-00-00-00-00-02").identifier(2);
    let second = question(&mut script, &away);
    let request = at(second.right("solo"), "02-00-00-00-00-02").identifier(3);
    let reason = RejectReason::SessionLimit { open: 1, limit: 1 };
    check_refused(&mut script, STRICT, &request, 10, reason);
}

#[test]
fn who_guesses_by_eap_is_kept_back() {
    let mut script = Script::guarded(GuardOptions {
        user_failures: 3,
        ..GuardOptions::OFF
    });
    let mut identifier = 0;
    let mut attempt = |script: &mut Script, password: &str| {
        identifier += 2;
        let hello = hello("ana")
            .identifier(identifier)
            .authenticator(identifier);
        let question = question(script, &hello);
        let request = question.reply("ana", &question.answer(password));
        let number = identifier + 1;
        request.identifier(number).authenticator(number)
    };
    let method = Method::EapMd5;
    for _ in 0..4 {
        let request = attempt(&mut script, "guess");
        let reason = RejectReason::WrongPassword { method };
        check_refused(&mut script, STRICT, &request, 10, reason);
    }
    let request = attempt(&mut script, PASSWORD);
    let subject = GuardSubject::User;
    let reason = RejectReason::TooManyAttempts { subject };
    check_refused(&mut script, STRICT, &request, 10, reason);
    script.advance(Duration::from_secs(5));
    let request = attempt(&mut script, PASSWORD);
    check_accepted(&mut script, &request, 10);
}

proptest! {
    #[test]
    fn any_answer_to_a_question_is_survived(
        fragments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=253), 0..5),
        head in prop_oneof![Just(vec![]), Just(vec![2, 10]), Just(vec![2, 10, 0, 22, 4, 16])],
    ) {
        let mut script = Script::new();
        let question = begin(&mut script, "ana");
        let request = Request::access("ana").identifier(8).with(kind::STATE, &question.state);
        let parts = [vec![head], fragments].concat();
        let request = parts
            .iter()
            .fold(request, |request, part| request.with(kind::EAP_MESSAGE, part));
        let shown = script.ask(STRICT, &request);
        let code = shown.first().map(String::as_str);
        // Nobody guesses 16 octets.
        prop_assert!(matches!(code, Some("Access-Reject" | "Access-Challenge")), "{shown:?}");
    }
}
