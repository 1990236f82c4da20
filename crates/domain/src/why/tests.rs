//! Facts and the causes that they speak for, in their order.

use std::net::Ipv4Addr;

use super::*;
use crate::access::Method;
use crate::guard::{GuardKey, GuardSubject};
use crate::limit::{Crossing, Measure, Period, ResetAt};
use crate::subscriber::state::AccessState;
use near::{Difference, Owner};

/// 20 November 2026, 15:00 UTC.
const NOW: Timestamp = Timestamp::from_seconds(1_795_186_800);
const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn ago(seconds: i64) -> Timestamp {
    NOW.plus_seconds(-seconds)
}

/// A case: what is known, with nothing against a login as it begins.
struct Case {
    is_known: bool,
    is_of_rows: bool,
    account: Account,
    verdict: Option<Verdict>,
    decisions: Vec<PastDecision>,
    sessions: Vec<PastSession>,
    locks: Vec<GuardLock>,
    knocks: Vec<Knock>,
    near: Vec<NearName>,
    has_hidden_rows: bool,
}

impl Case {
    fn new() -> Self {
        Self {
            is_known: true,
            is_of_rows: false,
            account: Account {
                username: "ana".into(),
                plan: "home".into(),
                at_limit: AtLimit::Block,
                plan_at_limit: None,
                status_since: Some(ago(86_400)),
                crossed: None,
            },
            verdict: Some(Verdict {
                nas: "pop".into(),
                reason: None,
                trace: Vec::new(),
                granted: Some(GrantedTerms::default()),
            }),
            decisions: Vec::new(),
            sessions: Vec::new(),
            locks: Vec::new(),
            knocks: Vec::new(),
            near: Vec::new(),
            has_hidden_rows: false,
        }
    }

    fn refusing(reason: RejectReason) -> Self {
        let mut case = Self::new();
        case.verdict = Some(Verdict {
            nas: "pop".into(),
            reason: Some(reason),
            trace: Vec::new(),
            granted: None,
        });
        case
    }

    /// Lets them in with less than the plan says.
    fn reducing(step: TraceStep) -> Self {
        let mut case = Self::new();
        if let Some(verdict) = &mut case.verdict {
            verdict.trace.push(Logged::Known(step));
        }
        case
    }

    fn decided(mut self, seconds_ago: i64, count: u64, reason: Option<RejectReason>) -> Self {
        self.decisions.push(PastDecision {
            at: ago(seconds_ago),
            count,
            nas: "pop".into(),
            calling_station: Some("02-00-00-00-00-01".into()),
            reason: reason.map(Logged::Known),
            trace: Vec::new(),
        });
        self
    }

    /// A session that began so long ago and ended so long ago.
    fn session(mut self, began: i64, ended: Option<(i64, u32)>) -> Self {
        self.sessions.push(PastSession {
            nas: "pop".into(),
            nas_address: Some(ROUTER),
            calling_station: None,
            started_at: ago(began),
            updated_at: ago(ended.map_or(30, |(at, _)| at)),
            end: ended.map(|(at, cause)| SessionEnd {
                at: ago(at),
                cause: Some(TerminateCause::Reported(cause)),
            }),
            is_ending: false,
        });
        self
    }

    fn knocking(mut self, source: IpAddr, seconds_ago: i64) -> Self {
        self.knocks.push(Knock {
            source,
            last_at: ago(seconds_ago),
            packets: 3,
        });
        self
    }

    fn causes(&self) -> Vec<Cause> {
        let zone: Zone = "Africa/Nairobi".parse().expect("a zone");
        causes(&Facts {
            user_name: "ana",
            zone: &zone,
            whom: match (self.is_known, self.is_of_rows) {
                (true, false) => Whom::Subscriber(&self.account),
                (true, true) => Whom::Rows,
                (false, _) => Whom::Nobody,
            },
            verdict: self.verdict.as_ref(),
            decisions: &self.decisions,
            sessions: &self.sessions,
            locks: &self.locks,
            knocks: &self.knocks,
            near: &self.near,
            has_hidden_rows: self.has_hidden_rows,
        })
    }

    /// The codes in their order, each with its weight.
    #[track_caller]
    fn check(&self, expected: &[(&str, Weight)]) {
        let causes = self.causes();
        let found: Vec<_> = causes
            .iter()
            .map(|cause| (cause.code.as_str(), cause.weight))
            .collect();
        assert_eq!(found, expected, "{causes:#?}");
    }

    #[track_caller]
    fn check_first(&self, sentence: &str, remedy: &str) {
        let causes = self.causes();
        assert_eq!(causes[0].sentence, sentence);
        assert_eq!(causes[0].remedy.as_deref().unwrap_or_default(), remedy);
    }
}

fn crossed(reached_at: Option<Timestamp>) -> CrossedQuota {
    CrossedQuota {
        quota: "50G/month".parse().expect("a quota"),
        reached_at,
    }
}

fn quota(reached_at: Option<Timestamp>) -> Case {
    let mut case = Case::refusing(RejectReason::QuotaUsedUp(Crossing {
        amount: 50_000_000_000,
        measure: Measure::Traffic,
        period: Period::Month,
        resets_at: ResetAt::at(Timestamp::from_seconds(1_796_072_400)),
    }));
    case.account.crossed = Some(crossed(reached_at));
    case
}

const WRONG: RejectReason = RejectReason::WrongPassword {
    method: Method::Pap,
};

#[test]
fn what_refuses_now_comes_first() {
    use Weight::{Lately, Perhaps, Refuses};
    let case = Case::refusing(RejectReason::Disabled)
        .decided(60, 1, Some(WRONG))
        .decided(90, 4, Some(RejectReason::Disabled))
        .session(9_000, Some((3_600, 6)))
        .knocking(Ipv4Addr::new(203, 0, 113, 9).into(), 30);
    case.check(&[
        ("disabled", Refuses),
        ("wrong_password", Weight::Likely),
        ("session_ended", Weight::Likely),
        ("nas_unknown", Perhaps),
    ]);
    case.check_first(
        "the account is disabled, since 19 Nov 2026 18:00 EAT",
        "`lastmile subscriber enable ana`",
    );
    let online = Case::refusing(RejectReason::Suspended)
        .decided(60, 1, Some(WRONG))
        .session(9_000, None);
    online.check(&[
        ("suspended", Refuses),
        ("wrong_password", Lately),
        ("online", Weight::Remark),
    ]);
}

#[test]
fn a_quota_says_when_and_until_when_in_local_time() {
    quota(Some(Timestamp::from_seconds(1_794_679_200))).check_first(
        "the data quota for a month of 50GB used up in the hour from 14 Nov 2026 21:00 EAT; \
         resets 1 Dec 2026 00:00 EAT; nobody is let in with it",
        "wait for the reset, or `lastmile subscriber set ana --plan PLAN`",
    );
    quota(None).check(&[("quota_used_up", Weight::Refuses)]);
    let cause = &quota(None).causes()[0];
    assert_eq!(cause.until, Some(Timestamp::from_seconds(1_796_072_400)));
    assert_eq!(cause.nas.as_deref(), Some("pop"));
}

#[test]
fn a_throttle_says_to_what() {
    let step = TraceStep::Throttled {
        measure: Measure::Traffic,
        period: Period::Month,
        resets_at: ResetAt::at(Timestamp::from_seconds(1_796_072_400)),
    };
    let mut case = Case::reducing(step).session(600, None);
    case.account.at_limit = AtLimit::Throttle("1M/1M".parse().expect("a rate"));
    case.account.crossed = Some(crossed(Some(Timestamp::from_seconds(1_794_679_200))));
    case.check(&[("throttled", Weight::Hinders), ("online", Weight::Remark)]);
    case.check_first(
        "the data quota for a month of 50GB used up in the hour from 14 Nov 2026 21:00 EAT; \
         resets 1 Dec 2026 00:00 EAT; throttle to 1M/1M applies",
        "wait for the reset, or `lastmile subscriber set ana --plan PLAN`",
    );
    // Of the past there is no verdict, and the trace of the last login says it.
    case.verdict = None;
    let mut past = case.decided(600, 1, None);
    past.decisions[0].trace.push(Logged::Known(step));
    past.check(&[("throttled", Weight::Hinders), ("online", Weight::Remark)]);
}

#[test]
fn a_walled_garden_and_grace_hinder() {
    let walled = TraceStep::Walled {
        state: AccessState::SuspendedWalled,
    };
    let mut case = Case::reducing(walled).session(600, None);
    if let Some(Verdict {
        granted: Some(granted),
        ..
    }) = &mut case.verdict
    {
        granted.garden = Some("unpaid".into());
    }
    case.check(&[("walled", Weight::Hinders), ("online", Weight::Remark)]);
    case.check_first(
        "the account is suspended since 19 Nov 2026 18:00 EAT: only the walled garden unpaid is open",
        "`lastmile subscriber restore ana`",
    );
    let grace = TraceStep::InGrace { until: NOW };
    let case = Case::reducing(grace).session(600, None);
    case.check(&[("in_grace", Weight::Lately), ("online", Weight::Remark)]);
}

#[test]
fn wrong_passwords_since_the_last_login_are_counted() {
    let case = Case::new()
        .decided(60, 3, Some(WRONG))
        .decided(120, 1, Some(RejectReason::NasIdentifierDiffers))
        .decided(180, 2, Some(WRONG))
        .decided(9_000, 1, None)
        .decided(9_999, 7, Some(RejectReason::Pending));
    case.check(&[
        ("wrong_password", Weight::Likely),
        ("nas_identifier_differs", Weight::Lately),
    ]);
    case.check_first(
        "5 logins were refused, the last one at 20 Nov 2026 17:59 EAT at NAS pop \
         from 02-00-00-00-00-01: the pap password is wrong",
        "have the password typed anew, or give another one: `lastmile subscriber set ana --password -`",
    );
}

#[test]
fn what_depends_on_the_account_alone_is_over_when_nothing_would_be_refused() {
    let over = Case::new().decided(60, 2, Some(RejectReason::Disabled));
    over.check(&[("disabled", Weight::Lately)]);
    over.check_first(
        "2 logins were refused, the last one at 20 Nov 2026 17:59 EAT at NAS pop \
         from 02-00-00-00-00-01: the account is disabled; that is over",
        "",
    );
    let mut past = Case::new().decided(60, 2, Some(RejectReason::Disabled));
    past.verdict = None;
    past.check(&[("disabled", Weight::Likely)]);
}

#[test]
fn a_reason_of_a_later_version_is_handed_through() {
    let mut case = Case::new().decided(60, 1, Some(WRONG));
    case.decisions[0].reason = Some(Logged::Unknown("moon_phase 3".into()));
    case.check(&[("moon_phase", Weight::Likely)]);
}

#[test]
fn a_lock_hinders_or_refuses() {
    let lock = GuardLock {
        key: GuardKey {
            subject: GuardSubject::User,
            name: "ana".into(),
        },
        since: ago(10),
        until: NOW.plus_seconds(300),
        strikes: 3,
    };
    let mut case = Case::new().decided(60, 9, Some(WRONG));
    case.locks.push(lock.clone());
    case.check(&[
        ("wrong_password", Weight::Likely),
        ("guard_lock", Weight::Hinders),
    ]);
    let reason = RejectReason::TooManyAttempts {
        subject: GuardSubject::User,
    };
    let mut case = Case::refusing(reason);
    case.locks.push(lock);
    case.check(&[
        ("too_many_attempts", Weight::Refuses),
        ("guard_lock", Weight::Refuses),
    ]);
    let causes = case.causes();
    assert_eq!(causes[1].until, Some(NOW.plus_seconds(300)));
    let clear = "wait, or `lastmile guard clear --subject user --name ana`";
    assert_eq!(causes[1].remedy.as_deref(), Some(clear));
}

#[test]
fn a_session_limit_says_where_the_others_are() {
    let reason = RejectReason::SessionLimit { open: 1, limit: 1 };
    let mut case = Case::refusing(reason).session(600, None);
    case.sessions[0].calling_station = Some("phone".into());
    case.check(&[
        ("session_limit", Weight::Refuses),
        ("session_elsewhere", Weight::Refuses),
        ("online", Weight::Remark),
    ]);
    assert_eq!(
        case.causes()[1].sentence,
        "a session is open at NAS pop from phone since 20 Nov 2026 17:50 EAT"
    );
}

#[test]
fn the_end_of_the_last_session_is_told_unless_it_is_long_over() {
    let ended = ("session_ended", Weight::Likely);
    let silent = ("no_attempt", Weight::Lately);
    let offline = Case::new()
        .decided(9_000, 1, None)
        .session(9_000, Some((60, 2)));
    offline.check(&[ended, silent]);
    offline.check_first(
        "the last session, at NAS pop, ended at 20 Nov 2026 17:59 EAT: the line was lost (Lost-Carrier)",
        "look at the line and at the device",
    );
    let lately = ("session_ended", Weight::Lately);
    let online = ("online", Weight::Remark);
    let back = Case::new().session(60, None).session(9_000, Some((90, 5)));
    back.check(&[lately, online]);
    let long_back = Case::new()
        .session(60, None)
        .session(90_000, Some((86_400, 5)));
    long_back.check(&[online]);
}

#[test]
fn an_unknown_router_where_the_last_session_was_explains_it() {
    let case = Case::new()
        .decided(9_000, 1, None)
        .session(9_000, Some((600, 11)))
        .knocking(ROUTER, 10)
        .knocking(Ipv4Addr::new(203, 0, 113, 9).into(), 20)
        .knocking(Ipv4Addr::new(203, 0, 113, 8).into(), 7_000);
    case.check(&[
        ("nas_unknown", Weight::Refuses),
        ("session_ended", Weight::Likely),
        ("no_attempt", Weight::Lately),
        ("nas_unknown", Weight::Perhaps),
    ]);
    let online = Case::new().session(600, None).knocking(ROUTER, 10);
    online.check(&[("online", Weight::Remark)]);
}

#[test]
fn a_name_that_nobody_has_comes_with_those_that_are_near() {
    let mut case =
        Case::refusing(RejectReason::UnknownUser).decided(60, 2, Some(RejectReason::UnknownUser));
    case.is_known = false;
    case.near.push(NearName {
        name: "anna".into(),
        owner: Owner::Subscriber,
        difference: Difference::Letter,
    });
    case.check(&[
        ("unknown_user", Weight::Refuses),
        ("near_name", Weight::Refuses),
    ]);
    case.check_first(
        "nobody is known as 'ana'",
        "add the subscriber, or have the name typed as it is registered",
    );
    assert_eq!(
        case.causes()[1].sentence,
        "'anna' is a subscriber; the difference is one letter"
    );
}

#[test]
fn what_rows_say_is_changed_where_they_are_written() {
    let mut case = Case::new().decided(60, 1, Some(WRONG));
    case.is_of_rows = true;
    case.check(&[("wrong_password", Weight::Likely)]);
    let remedy = "`lastmile rows show ana` has what the rows say; change it where they are written";
    assert_eq!(case.causes()[0].remedy.as_deref(), Some(remedy));
}

#[test]
fn rows_of_the_same_name_are_told() {
    let mut case = Case::new().session(60, None);
    case.has_hidden_rows = true;
    case.check(&[("rows_hidden", Weight::Perhaps), ("online", Weight::Remark)]);
}

#[test]
fn where_nothing_is_known_nothing_has_arrived() {
    Case::new().check(&[("no_attempt", Weight::Lately)]);
    Case::new().check_first(
        "no login of this name is known: none has reached the server",
        "look at the line, the device and the router: the request does not arrive",
    );
}
