//! Why somebody cannot get on, is slow, or was cut off: causes in plain words, the likeliest first.
//!
//! [`causes`] reads no database and no clock. Whoever asks brings the facts: what would be decided
//! now, what was decided lately, and how sessions went.

use std::net::IpAddr;

use crate::access::{GrantedTerms, RejectReason, TraceStep};
use crate::accounting::TerminateCause;
use crate::auth_log::Knock;
use crate::auth_log::shorthand::Logged;
use crate::guard::GuardLock;
use crate::limit::{AtLimit, Quota, Zone};
use crate::time::Timestamp;
use cause::{Causes, Weight};
use near::NearName;

pub mod cause;
mod ending;
pub mod near;
mod refusal;
mod remedy;
pub mod usage;

pub use cause::Cause;

/// A session that ended so long before another one began was not cut off for it.
const JUST_NOW_SECONDS: i64 = 3_600;

/// What bears on the question.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// As it was asked.
    pub user_name: &'a str,
    /// In which times are told.
    pub zone: &'a Zone,
    pub whom: Whom<'a>,
    /// What would be decided; absent about a moment that is past, and when no router is known.
    pub verdict: Option<&'a Verdict>,
    /// Up to the moment, the newest first.
    pub decisions: &'a [PastDecision],
    /// Those that had begun by then, the newest first.
    pub sessions: &'a [PastSession],
    pub locks: &'a [GuardLock],
    pub knocks: &'a [Knock],
    pub near: &'a [NearName],
    /// The rows of this name are not asked, because a subscriber has it.
    pub has_hidden_rows: bool,
}

/// Whom the name means.
#[derive(Clone, Copy, Debug)]
pub enum Whom<'a> {
    Subscriber(&'a Account),
    /// Somebody whom the tables of FreeRADIUS know.
    Rows,
    Nobody,
}

/// What is stored of a subscriber, as far as it explains something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub username: String,
    pub plan: String,
    pub at_limit: AtLimit,
    /// The name of the plan that applies at the limit.
    pub plan_at_limit: Option<String>,
    /// Since when the account has had its status, if that is known.
    pub status_since: Option<Timestamp>,
    /// The quota that is used up.
    pub crossed: Option<CrossedQuota>,
}

/// A quota that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossedQuota {
    pub quota: Quota,
    /// In which hour it was reached, if that is known.
    pub reached_at: Option<Timestamp>,
}

/// What would be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The name of the router that would ask.
    pub nas: String,
    pub reason: Option<RejectReason>,
    pub trace: Vec<Logged<TraceStep>>,
    pub granted: Option<GrantedTerms>,
}

/// One decision, or several that came out alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastDecision {
    /// Of several the last one.
    pub at: Timestamp,
    pub count: u64,
    pub nas: String,
    pub calling_station: Option<String>,
    /// Absent when it was accepted.
    pub reason: Option<Logged<RejectReason>>,
    pub trace: Vec<Logged<TraceStep>>,
}

/// A session, open or once open, at the moment that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastSession {
    pub nas: String,
    pub nas_address: Option<IpAddr>,
    pub calling_station: Option<String>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    pub end: Option<SessionEnd>,
    /// It is open, and has to end.
    pub is_ending: bool,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    pub at: Timestamp,
    pub cause: Option<TerminateCause>,
}

/// Every cause that the facts speak for, the likeliest first.
pub fn causes(facts: &Facts<'_>) -> Vec<Cause> {
    let mut causes = Causes::default();
    facts.tell_verdict(&mut causes);
    facts.tell_names(&mut causes);
    facts.tell_refusals(&mut causes);
    facts.tell_locks(&mut causes);
    facts.tell_terms(&mut causes);
    facts.tell_sessions(&mut causes);
    facts.tell_silence(&mut causes);
    facts.tell_routers(&mut causes);
    causes.ranked()
}

impl Facts<'_> {
    /// What would be refused now is a cause for certain.
    fn tell_verdict(&self, causes: &mut Causes) {
        let Some(reason) = self.verdict.and_then(|verdict| verdict.reason) else {
            return;
        };
        if reason == RejectReason::UnknownUser {
            // Told with the names that are near.
            return;
        }
        causes.push(self.refusal(reason));
        if let RejectReason::SessionLimit { .. } = reason {
            for session in self.open_sessions() {
                causes.push(self.elsewhere(session));
            }
        }
    }

    fn tell_names(&self, causes: &mut Causes) {
        let is_nobody = matches!(self.whom, Whom::Nobody);
        if is_nobody {
            causes.push(Cause {
                remedy: Some(
                    "add the subscriber, or have the name typed as it is registered".into(),
                ),
                ..Cause::new(
                    RejectReason::UnknownUser.code(),
                    Weight::Refuses,
                    format!("nobody is known as '{}'", self.user_name),
                )
            });
        }
        for near in self.near {
            let weight = if is_nobody {
                Weight::Refuses
            } else {
                Weight::Remark
            };
            causes.push(Cause {
                remedy: Some(format!("`lastmile why {}`", near.name)),
                ..Cause::new("near_name", weight, near.to_string())
            });
        }
        if self.has_hidden_rows {
            causes.push(Cause {
                remedy: Some(format!("`lastmile rows show {}`, and remove the rows or the subscriber", self.user_name)),
                ..Cause::new(
                    "rows_hidden",
                    Weight::Perhaps,
                    "FreeRADIUS' tables have rows of this name too, which are not asked: a subscriber goes before them".to_owned(),
                )
            });
        }
    }

    /// What was refused since somebody was let in last.
    fn tell_refusals(&self, causes: &mut Causes) {
        let since = self.decisions.iter().take_while(|one| one.reason.is_some());
        let mut told: Vec<&str> = Vec::new();
        let verdict = self.verdict.and_then(|verdict| verdict.reason);
        for decision in since.clone() {
            let Some(reason) = &decision.reason else {
                continue;
            };
            let code = reason.code();
            let is_known = verdict.is_some_and(|verdict| verdict.code() == code);
            if told.contains(&code) || is_known || code == RejectReason::UnknownUser.code() {
                continue;
            }
            let weight = if told.is_empty() && !self.is_online() {
                Weight::Likely
            } else {
                Weight::Lately
            };
            told.push(code);
            let alike = since.clone().filter(|one| {
                let other = one.reason.as_ref();
                other.is_some_and(|other| other.code() == code)
            });
            let count = alike.map(|one| one.count).sum();
            causes.push(self.refused(decision, reason, count, weight));
        }
    }

    fn refused(
        &self,
        decision: &PastDecision,
        reason: &Logged<RejectReason>,
        count: u64,
        weight: Weight,
    ) -> Cause {
        let cause = match reason {
            Logged::Known(reason) => self.past_refusal(*reason, weight),
            Logged::Unknown(_) => Cause::new(reason.code(), weight, reason.to_string()),
        };
        let times = match count {
            1 => "a login was refused".to_owned(),
            count => format!("{count} logins were refused, the last one"),
        };
        let at = self.zone.show(decision.at);
        let station = decision.calling_station.as_ref();
        let from = station.map_or_else(String::new, |station| format!(" from {station}"));
        Cause {
            sentence: format!(
                "{times} at {at} at NAS {}{from}: {}",
                decision.nas, cause.sentence
            ),
            since: Some(decision.at),
            nas: Some(decision.nas.clone()),
            ..cause
        }
    }

    fn tell_locks(&self, causes: &mut Causes) {
        let is_told = self.verdict.is_some_and(|verdict| {
            matches!(verdict.reason, Some(RejectReason::TooManyAttempts { .. }))
        });
        for lock in self.locks {
            let GuardLock {
                key, since, until, ..
            } = lock;
            let weight = if is_told {
                Weight::Refuses
            } else {
                Weight::Hinders
            };
            let until_text = self.zone.show(*until);
            causes.push(Cause {
                since: Some(*since),
                until: Some(*until),
                remedy: Some(format!("wait, or `lastmile guard clear --subject {} --name {}`", key.subject, key.name)),
                ..Cause::new(
                    "guard_lock",
                    weight,
                    format!("too many attempts failed: those of {} {} are not compared until {until_text}, but from devices that were let in before", key.subject, key.name),
                )
            });
        }
    }

    /// What is granted, but less than the plan says.
    fn tell_terms(&self, causes: &mut Causes) {
        let of_verdict = self.verdict.filter(|verdict| verdict.reason.is_none());
        let trace = match of_verdict {
            Some(verdict) => Some(&verdict.trace),
            None if self.verdict.is_none() => {
                let accepted = self.decisions.iter().find(|one| one.reason.is_none());
                accepted.map(|one| &one.trace)
            }
            None => None,
        };
        let granted = of_verdict.and_then(|verdict| verdict.granted.as_ref());
        for step in trace.into_iter().flatten() {
            let cause = match step {
                Logged::Known(step) => self.reduction(*step, granted),
                Logged::Unknown(_) => None,
            };
            causes.extend(cause);
        }
    }

    fn tell_sessions(&self, causes: &mut Causes) {
        let mut open = self.open_sessions().peekable();
        if open.peek().is_none() {
            if let Some(last) = self.sessions.first() {
                causes.extend(self.ended(last, Weight::Likely));
            }
            return;
        }
        for session in open {
            let since = self.zone.show(session.started_at);
            let heard = self.zone.show(session.updated_at);
            let code = if session.is_ending {
                "session_ending"
            } else {
                "online"
            };
            let rest = if session.is_ending {
                "; another one took its place, and it has to end"
            } else {
                ""
            };
            causes.push(Cause {
                since: Some(session.started_at),
                nas: Some(session.nas.clone()),
                ..Cause::new(
                    code,
                    Weight::Remark,
                    format!(
                        "online at NAS {} since {since}, last heard of at {heard}{rest}",
                        session.nas
                    ),
                )
            });
        }
        // Who came back at once asks why the session before was cut.
        let ended = self.sessions.iter().find(|session| session.end.is_some());
        if let Some(ended) = ended
            && let Some(end) = ended.end
            && self
                .open_sessions()
                .all(|open| open.started_at.seconds_since(end.at) < JUST_NOW_SECONDS)
        {
            causes.extend(self.ended(ended, Weight::Lately));
        }
    }

    /// Nothing was refused, nobody is online, and nothing was heard.
    fn tell_silence(&self, causes: &mut Causes) {
        let is_refused = self.verdict.is_some_and(|verdict| verdict.reason.is_some());
        let was_refused = self
            .decisions
            .first()
            .is_some_and(|last| last.reason.is_some());
        if self.is_online() || is_refused || was_refused || matches!(self.whom, Whom::Nobody) {
            return;
        }
        let sentence = match self.decisions.first() {
            None => "no login of this name is known: none has reached the server".to_owned(),
            Some(last) => {
                let at = self.zone.show(last.at);
                format!("no login has come since the one at {at}, which was accepted")
            }
        };
        causes.push(Cause {
            since: self.decisions.first().map(|last| last.at),
            remedy: Some(
                "look at the line, the device and the router: the request does not arrive".into(),
            ),
            ..Cause::new("no_attempt", Weight::Lately, sentence)
        });
    }

    /// Routers that are not registered any more, or not under the address that they use.
    fn tell_routers(&self, causes: &mut Causes) {
        if self.is_online() {
            return;
        }
        let last = self.sessions.first();
        let heard = last.map(|last| last.end.map_or(last.updated_at, |end| end.at));
        let heard = heard.max(self.decisions.first().map(|last| last.at));
        for knock in self.knocks {
            if heard.is_some_and(|heard| knock.last_at < heard) {
                continue;
            }
            let is_of_last = last.and_then(|last| last.nas_address) == Some(knock.source);
            let weight = if is_of_last {
                Weight::Refuses
            } else {
                Weight::Perhaps
            };
            let at = self.zone.show(knock.last_at);
            let rest = if is_of_last {
                ", and the last session was there"
            } else {
                ""
            };
            causes.push(Cause {
                since: Some(knock.last_at),
                remedy: Some(format!("`lastmile nas add NAME --address {}` if it is yours", knock.source)),
                ..Cause::new(
                    "nas_unknown",
                    weight,
                    format!("a router that is not registered asks from {}, last at {at}{rest}: it gets no answer", knock.source),
                )
            });
        }
    }

    fn open_sessions(&self) -> impl Iterator<Item = &PastSession> {
        self.sessions.iter().filter(|session| session.end.is_none())
    }

    fn is_online(&self) -> bool {
        self.open_sessions().next().is_some()
    }

    fn elsewhere(&self, session: &PastSession) -> Cause {
        let since = self.zone.show(session.started_at);
        let device = session.calling_station.as_ref();
        let device = device.map_or_else(String::new, |device| format!(" from {device}"));
        Cause {
            since: Some(session.started_at),
            nas: Some(session.nas.clone()),
            ..Cause::new(
                "session_elsewhere",
                Weight::Refuses,
                format!(
                    "a session is open at NAS {}{device} since {since}",
                    session.nas
                ),
            )
        }
    }
}

#[cfg(test)]
mod tests;
