//! From one answer of a router to the next question, until a command has its verdict.
//!
//! A change is asked for with each set of attributes that may name the session. A router that will
//! not have the change that is due is asked to end the session, which then begins anew on its
//! terms. A router that says nothing is asked again, ever more rarely, until the command expires.
//! What a router agrees to counts when the books show it.

use super::verdict::{CommandState, Verdict};
use super::{EndReason, NakCause, NotAsked, RouterAnswer, RouterReply, Wish};
use crate::terms::Term;
use crate::time::Timestamp;

/// For how long the Stop of a session is waited for whose end the router has agreed to.
pub const END_EVIDENCE_SECONDS: i64 = 15;

/// For how long a report of a session is waited for whose change the router has agreed to: longer
/// than an interval of interim reports usually is.
pub const CHANGE_EVIDENCE_SECONDS: i64 = 1_800;

const SILENCE_MILLIS_MIN: i64 = 2_000;
const SILENCE_MILLIS_MAX: i64 = 60_000;
const UNAVAILABLE_MILLIS_MIN: i64 = 1_000;
const UNAVAILABLE_MILLIS_MAX: i64 = 30_000;
const BUSY_MILLIS_MIN: i64 = 200;
const BUSY_MILLIS_MAX: i64 = 5_000;

/// No vendor has as many sets of attributes.
const SETS_MAX: u8 = 16;

/// How far a command has come on the ladder; what is stored between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub state: CommandState,
    /// The change could not be had, so the session has to end.
    pub fallback: Option<EndReason>,
    /// Which set of attributes names the session in the next request, from 0.
    pub attempt: u8,
    /// There is no set after it, as far as is known.
    pub is_last_set: bool,
    /// How often in a row nothing came of a request but waiting.
    pub setbacks: u16,
    /// The last Error-Cause (RFC 5176 §3.5).
    pub error_cause: Option<u32>,
    pub acknowledged_at: Option<Timestamp>,
}

/// What the books say about the session of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Books {
    /// It is not open any more.
    Closed,
    /// It is open, and was last heard of at this instant.
    Open { updated_at: Timestamp },
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The router is asked at this instant, unless the command has its verdict by then.
    AskAt(Timestamp),
    /// Nothing is asked any more; the books will say.
    Watch,
    Settled(Verdict),
}

impl Progress {
    /// Of a command that nobody has looked at.
    pub const NEW: Self = Self {
        state: CommandState::Asked,
        fallback: None,
        attempt: 0,
        is_last_set: false,
        setbacks: 0,
        error_cause: None,
        acknowledged_at: None,
    };

    /// What is asked of the router.
    pub fn wish(&self, wish: &Wish) -> Wish {
        self.fallback.map_or_else(|| wish.clone(), Wish::End)
    }

    /// What the books have to say, whatever the router does.
    pub fn look(&self, wish: &Wish, books: Books, now: Timestamp) -> Option<Verdict> {
        let is_end = self.is_end(wish);
        match (books, self.acknowledged_at) {
            (Books::Closed, _) if is_end => Some(Verdict::Ended),
            (Books::Closed, Some(_)) => Some(Verdict::Unproven),
            (Books::Closed, None) => Some(Verdict::SessionEnded),
            (Books::Open { .. }, _) if is_end => None,
            (Books::Open { updated_at }, Some(at)) if at < updated_at => Some(Verdict::Reported),
            (Books::Open { .. }, Some(at)) => {
                let until = at.plus_seconds(CHANGE_EVIDENCE_SECONDS);
                (until <= now).then_some(Verdict::Unproven)
            }
            (Books::Open { .. }, None) => None,
        }
    }

    /// The time for the next request has come: it is made, or there is a verdict instead.
    pub fn begin(&mut self, now: Timestamp, expires_at: Timestamp) -> Option<Verdict> {
        if self.state == CommandState::Acknowledged {
            // The router agreed to end the session, and the books have it still.
            if self.is_last_set {
                return Some(Verdict::GoesOn);
            }
            self.attempt = self.attempt.saturating_add(1);
            self.acknowledged_at = None;
        } else if expires_at <= now {
            return Some(self.expired());
        }
        self.state = CommandState::Sent;
        None
    }

    /// Takes in what the router said.
    pub fn handle_reply(
        &mut self,
        wish: &Wish,
        reply: RouterReply,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Next {
        let has_waited = self.setbacks != 0 && self.attempt != 0;
        self.is_last_set = reply.is_last_set || SETS_MAX <= self.attempt;
        match reply.answer {
            RouterAnswer::Acknowledged => self.handle_agreement(wish, now),
            RouterAnswer::Refused(NakCause::ResourcesUnavailable) => {
                self.error_cause = NakCause::ResourcesUnavailable.error_cause();
                let wait = (UNAVAILABLE_MILLIS_MIN, UNAVAILABLE_MILLIS_MAX);
                self.wait(wait, now, expires_at)
            }
            RouterAnswer::Refused(cause) => {
                self.error_cause = cause.error_cause();
                if has_waited {
                    // While it was silent the sets went round.
                    self.restart(now)
                } else if cause == NakCause::SessionNotFound {
                    self.handle_unknown(wish, now)
                } else {
                    self.handle_refusal(wish, now)
                }
            }
            RouterAnswer::Silent => {
                self.state = CommandState::WaitingRouter;
                self.error_cause = None;
                self.attempt = match self.is_last_set {
                    true => 0,
                    false => self.attempt.saturating_add(1),
                };
                self.wait((SILENCE_MILLIS_MIN, SILENCE_MILLIS_MAX), now, expires_at)
            }
            RouterAnswer::NotAsked(why) => self.handle_not_asked(wish, why, now, expires_at),
        }
    }

    /// The verdict of a command that could not be carried out for as long as it was good.
    const fn expired(&self) -> Verdict {
        match (self.error_cause, self.state) {
            (Some(_), _) => Verdict::Refused,
            (None, CommandState::WaitingRouter) => Verdict::Silent,
            (
                None,
                CommandState::Asked
                | CommandState::Sent
                | CommandState::Acknowledged
                | CommandState::Confirmed
                | CommandState::Failed,
            ) => Verdict::Busy,
        }
    }

    fn handle_agreement(&mut self, wish: &Wish, now: Timestamp) -> Next {
        self.state = CommandState::Acknowledged;
        self.setbacks = 0;
        self.error_cause = None;
        self.acknowledged_at = Some(now);
        match self.is_end(wish) {
            true => Next::AskAt(now.plus_seconds(END_EVIDENCE_SECONDS)),
            false => Next::Watch,
        }
    }

    fn handle_unknown(&mut self, wish: &Wish, now: Timestamp) -> Next {
        match (self.is_last_set, self.is_end(wish)) {
            (false, _) => self.try_next_set(now),
            (true, true) => Next::Settled(Verdict::Gone),
            (true, false) => Next::Settled(Verdict::UnknownToRouter),
        }
    }

    fn handle_refusal(&mut self, wish: &Wish, now: Timestamp) -> Next {
        match (self.is_last_set, self.fallback, wish) {
            (false, _, _) => self.try_next_set(now),
            (true, None, Wish::Apply) => self.fall_back(EndReason::TermsChanged(Term::Other), now),
            (true, Some(_), _) | (true, None, Wish::End(_) | Wish::SetRate(_)) => {
                Next::Settled(Verdict::Refused)
            }
        }
    }

    fn handle_not_asked(
        &mut self,
        wish: &Wish,
        why: NotAsked,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Next {
        match why {
            NotAsked::NasRemoved => Next::Settled(Verdict::NasRemoved),
            NotAsked::NoAddress => Next::Settled(Verdict::NoAddress),
            NotAsked::NothingToChange => Next::Settled(Verdict::NothingToChange),
            NotAsked::Ambiguous => Next::Settled(Verdict::Ambiguous),
            NotAsked::CannotChange if *wish == Wish::Apply && self.fallback.is_none() => {
                self.fall_back(EndReason::TermsChanged(Term::Other), now)
            }
            NotAsked::CannotChange => Next::Settled(Verdict::CannotChange),
            NotAsked::HasToEnd(reason) if !self.is_end(wish) => self.fall_back(reason, now),
            // There was no room for the request, or nobody who could make it.
            NotAsked::HasToEnd(_) | NotAsked::Busy => {
                self.wait((BUSY_MILLIS_MIN, BUSY_MILLIS_MAX), now, expires_at)
            }
        }
    }

    fn is_end(&self, wish: &Wish) -> bool {
        self.fallback.is_some() || matches!(wish, Wish::End(_))
    }

    fn try_next_set(&mut self, now: Timestamp) -> Next {
        self.attempt = self.attempt.saturating_add(1);
        self.setbacks = 0;
        Next::AskAt(now)
    }

    fn restart(&mut self, now: Timestamp) -> Next {
        self.state = CommandState::Sent;
        self.attempt = 0;
        self.setbacks = 0;
        Next::AskAt(now)
    }

    fn fall_back(&mut self, reason: EndReason, now: Timestamp) -> Next {
        self.fallback = Some(reason);
        self.restart(now)
    }

    /// Waits twice as long as the time before.
    fn wait(&mut self, millis: (i64, i64), now: Timestamp, expires_at: Timestamp) -> Next {
        if expires_at <= now {
            return Next::Settled(self.expired());
        }
        let (least, most) = millis;
        let doubled = least << self.setbacks.min(16);
        self.setbacks = self.setbacks.saturating_add(1);
        let at = Timestamp::from_micros(
            now.as_micros()
                .saturating_add(doubled.min(most).saturating_mul(1_000)),
        );
        Next::AskAt(at.min(expires_at))
    }
}

#[cfg(test)]
mod tests;
