//! The ladder, step by step and through storms, on a clock that the test holds.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const EXPIRES: Timestamp = Timestamp::from_seconds(1_800_003_600);
const END: Wish = Wish::End(EndReason::Kicked);

fn set_rate() -> Wish {
    Wish::SetRate("1M/2M".parse().expect("a rate"))
}

/// Plays answers, all at one instant, and gives where that leads and what was asked each time.
fn play(wish: &Wish, replies: &[(RouterAnswer, bool)]) -> (Progress, Next, Vec<(bool, u8)>) {
    let mut progress = Progress::NEW;
    let mut next = Next::AskAt(NOW);
    let mut asked = Vec::new();
    for (answer, is_last_set) in replies {
        assert!(matches!(next, Next::AskAt(_)), "{next:?} before {answer:?}");
        assert_eq!(progress.begin(NOW, EXPIRES), None);
        let is_end = matches!(progress.wish(wish), Wish::End(_));
        asked.push((is_end, progress.attempt));
        let reply = RouterReply {
            terms: None,
            answer: *answer,
            is_last_set: *is_last_set,
        };
        next = progress.handle_reply(wish, reply, NOW, EXPIRES);
    }
    (progress, next, asked)
}

#[track_caller]
fn check(wish: &Wish, replies: &[(RouterAnswer, bool)], expected: Next, asked: &[(bool, u8)]) {
    let (_, next, was_asked) = play(wish, replies);
    assert_eq!(next, expected);
    assert_eq!(was_asked, asked);
}

const fn nak(cause: NakCause) -> RouterAnswer {
    RouterAnswer::Refused(cause)
}

#[test]
fn an_acknowledged_end_waits_for_its_stop() {
    let evidence = Next::AskAt(NOW.plus_seconds(END_EVIDENCE_SECONDS));
    check(
        &END,
        &[(RouterAnswer::Acknowledged, false)],
        evidence,
        &[(true, 0)],
    );
    let (progress, _, _) = play(&END, &[(RouterAnswer::Acknowledged, false)]);
    assert_eq!(progress.state, CommandState::Acknowledged);
    let open = Books::Open {
        updated_at: NOW.plus_seconds(5),
    };
    assert_eq!(progress.look(&END, open, NOW), None);
    let ended = progress.look(&END, Books::Closed, NOW);
    assert_eq!(ended, Some(Verdict::Ended));
}

#[test]
fn a_session_that_goes_on_is_ended_by_other_attributes_and_then_given_up() {
    let (mut progress, _, _) = play(&END, &[(RouterAnswer::Acknowledged, false)]);
    assert_eq!(progress.begin(NOW.plus_seconds(15), EXPIRES), None);
    assert_eq!((progress.attempt, progress.state), (1, CommandState::Sent));
    let reply = RouterReply {
        terms: None,
        answer: RouterAnswer::Acknowledged,
        is_last_set: true,
    };
    progress.handle_reply(&END, reply, NOW.plus_seconds(15), EXPIRES);
    let verdict = progress.begin(NOW.plus_seconds(30), EXPIRES);
    assert_eq!(verdict, Some(Verdict::GoesOn));
}

#[test]
fn a_router_without_the_session_has_ended_it() {
    let unknown = nak(NakCause::SessionNotFound);
    check(
        &END,
        &[(unknown, false), (unknown, true)],
        Next::Settled(Verdict::Gone),
        &[(true, 0), (true, 1)],
    );
    check(
        &Wish::Apply,
        &[(unknown, true)],
        Next::Settled(Verdict::UnknownToRouter),
        &[(false, 0)],
    );
}

#[test]
fn a_change_that_is_refused_becomes_an_end_if_it_is_due() {
    let refused = nak(NakCause::Attributes(401));
    let replies = [(refused, false), (refused, true), (refused, true)];
    check(
        &Wish::Apply,
        &replies,
        Next::Settled(Verdict::Refused),
        &[(false, 0), (false, 1), (true, 0)],
    );
    check(
        &set_rate(),
        &replies[..2],
        Next::Settled(Verdict::Refused),
        &[(false, 0), (false, 1)],
    );
    let has_to_end = RouterAnswer::NotAsked(NotAsked::HasToEnd(EndReason::CredentialChanged));
    let (progress, next, _) = play(&Wish::Apply, &[(has_to_end, true)]);
    assert_eq!(next, Next::AskAt(NOW));
    assert_eq!(
        progress.wish(&Wish::Apply),
        Wish::End(EndReason::CredentialChanged)
    );
}

#[test]
fn a_silent_router_is_waited_for_ever_more_rarely_and_then_given_up() {
    let mut progress = Progress::NEW;
    let mut now = NOW;
    let mut waits = Vec::new();
    let verdict = loop {
        if let Some(verdict) = progress.begin(now, EXPIRES) {
            break verdict;
        }
        let reply = RouterReply {
            terms: None,
            answer: RouterAnswer::Silent,
            is_last_set: true,
        };
        let next = progress.handle_reply(&END, reply, now, EXPIRES);
        assert_eq!(progress.state, CommandState::WaitingRouter);
        let Next::AskAt(at) = next else {
            panic!("{next:?}")
        };
        waits.push(at.seconds_since(now));
        now = at;
    };
    assert_eq!(waits[..7], [2, 4, 8, 16, 32, 60, 60]);
    assert_eq!((verdict, now), (Verdict::Silent, EXPIRES));
}

#[test]
fn a_router_that_comes_back_is_asked_with_the_first_set_again() {
    let refused = nak(NakCause::Attributes(402));
    let (progress, next, _) = play(&END, &[(RouterAnswer::Silent, false), (refused, true)]);
    assert_eq!((progress.attempt, next), (0, Next::AskAt(NOW)));
}

#[test]
fn a_router_without_room_is_asked_later() {
    let (progress, next, _) = play(&END, &[(nak(NakCause::ResourcesUnavailable), false)]);
    assert_eq!(next, Next::AskAt(NOW.plus_seconds(1)));
    assert_eq!((progress.attempt, progress.error_cause), (0, Some(506)));
}

#[test]
fn what_was_not_asked_is_told() {
    for (why, verdict) in [
        (NotAsked::NasRemoved, Verdict::NasRemoved),
        (NotAsked::NoAddress, Verdict::NoAddress),
        (NotAsked::NothingToChange, Verdict::NothingToChange),
        (NotAsked::Ambiguous, Verdict::Ambiguous),
    ] {
        let answer = RouterAnswer::NotAsked(why);
        check(
            &Wish::Apply,
            &[(answer, true)],
            Next::Settled(verdict),
            &[(false, 0)],
        );
    }
}

#[test]
fn what_a_router_cannot_change_needs_a_new_session_if_it_is_due() {
    let cannot = RouterAnswer::NotAsked(NotAsked::CannotChange);
    let (progress, next, _) = play(&Wish::Apply, &[(cannot, true)]);
    let end = Wish::End(EndReason::TermsChanged(Term::Other));
    assert_eq!((progress.wish(&Wish::Apply), next), (end, Next::AskAt(NOW)));
    check(
        &set_rate(),
        &[(cannot, true)],
        Next::Settled(Verdict::CannotChange),
        &[(false, 0)],
    );
}

#[test]
fn a_change_counts_when_the_session_is_heard_of() {
    let (progress, next, _) = play(&Wish::Apply, &[(RouterAnswer::Acknowledged, true)]);
    assert_eq!(next, Next::Watch);
    let look = |updated_at: i64, now: i64| {
        let books = Books::Open {
            updated_at: NOW.plus_seconds(updated_at),
        };
        progress.look(&Wish::Apply, books, NOW.plus_seconds(now))
    };
    assert_eq!(look(0, 1), None);
    assert_eq!(look(1, 1), Some(Verdict::Reported));
    assert_eq!(look(0, 1_799), None);
    assert_eq!(look(0, 1_800), Some(Verdict::Unproven));
    let closed = progress.look(&Wish::Apply, Books::Closed, NOW);
    assert_eq!(closed, Some(Verdict::Unproven));
    let closed = Progress::NEW.look(&Wish::Apply, Books::Closed, NOW);
    assert_eq!(closed, Some(Verdict::SessionEnded));
}

/// What happens to one request in a storm.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// The router does it and says so.
    Done,
    /// The router does it, and the answer is lost.
    DoneUnheard,
    /// It says so and does nothing.
    Feigned,
    Nak(NakCause),
    Silent,
    Busy,
    /// The worker dies before it hears the answer; what the router did stays done.
    WorkerDies,
    /// The router restarts and all its sessions end.
    Restarts,
    HasToEnd,
}

/// One command, one session and one router.
struct World {
    progress: Progress,
    wish: Wish,
    now: Timestamp,
    /// When the end of the session is in the books.
    closes_at: Option<Timestamp>,
    /// The session is gone at the router.
    is_gone: bool,
    updated_at: Timestamp,
    sets: u8,
    has_agreed: bool,
}

impl World {
    fn books(&self) -> Books {
        match self.closes_at {
            Some(at) if at <= self.now => Books::Closed,
            Some(_) | None => Books::Open {
                updated_at: self.updated_at,
            },
        }
    }

    fn end(&mut self, delay: i64) {
        self.is_gone = true;
        let at = self.now.plus_seconds(delay);
        self.closes_at.get_or_insert(at);
    }

    /// What the router does with a request.
    fn serve(&mut self, fate: Fate, delay: i64) -> Option<RouterAnswer> {
        let is_end = matches!(self.progress.wish(&self.wish), Wish::End(_));
        if self.is_gone && !matches!(fate, Fate::Silent | Fate::Busy | Fate::WorkerDies) {
            return Some(nak(NakCause::SessionNotFound));
        }
        let serve = |world: &mut Self| {
            if is_end {
                world.end(delay);
            }
        };
        match fate {
            Fate::Done => {
                serve(self);
                Some(RouterAnswer::Acknowledged)
            }
            Fate::DoneUnheard => {
                serve(self);
                Some(RouterAnswer::Silent)
            }
            Fate::Feigned => Some(RouterAnswer::Acknowledged),
            Fate::Nak(cause) => Some(nak(cause)),
            Fate::Silent => Some(RouterAnswer::Silent),
            Fate::Busy => Some(RouterAnswer::NotAsked(NotAsked::Busy)),
            Fate::WorkerDies => {
                serve(self);
                None
            }
            Fate::Restarts => {
                self.end(delay);
                Some(RouterAnswer::Silent)
            }
            Fate::HasToEnd => Some(RouterAnswer::NotAsked(NotAsked::HasToEnd(
                EndReason::UserRemoved,
            ))),
        }
    }

    /// Lives until there is a verdict.
    fn run(&mut self, fates: &[(Fate, i64)]) -> Verdict {
        let mut fates = fates.iter().cycle();
        let mut due = Next::AskAt(self.now);
        for _ in 0..20_000 {
            match due {
                Next::Settled(verdict) => return verdict,
                // The books are looked at every few seconds.
                Next::Watch => self.now = self.now.plus_seconds(5),
                Next::AskAt(at) => self.now = self.now.max(at),
            }
            let look = self.progress.look(&self.wish, self.books(), self.now);
            if let Some(verdict) = look {
                return verdict;
            }
            if due == Next::Watch {
                continue;
            }
            if let Some(verdict) = self.progress.begin(self.now, EXPIRES) {
                return verdict;
            }
            let (fate, delay) = fates.next().expect("the fates go round");
            let answer = self.serve(*fate, *delay);
            self.now = self.now.plus_seconds(1);
            if delay % 3 == 0 && !self.is_gone {
                self.updated_at = self.now;
            }
            let Some(answer) = answer else {
                // The lease runs out.
                due = Next::AskAt(self.now.plus_seconds(60));
                continue;
            };
            self.has_agreed |= answer == RouterAnswer::Acknowledged;
            let reply = RouterReply {
                terms: None,
                answer,
                is_last_set: self.sets <= self.progress.attempt + 1,
            };
            let (wish, now) = (self.wish.clone(), self.now);
            due = self.progress.handle_reply(&wish, reply, now, EXPIRES);
        }
        panic!("no verdict: {:?}", self.progress)
    }
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::Done),
        2 => Just(Fate::DoneUnheard),
        2 => Just(Fate::Feigned),
        4 => Just(Fate::Silent),
        1 => Just(Fate::Busy),
        2 => Just(Fate::WorkerDies),
        1 => Just(Fate::Restarts),
        1 => Just(Fate::HasToEnd),
        1 => Just(Fate::Nak(NakCause::SessionNotFound)),
        2 => Just(Fate::Nak(NakCause::ResourcesUnavailable)),
        2 => Just(Fate::Nak(NakCause::Attributes(402))),
        1 => Just(Fate::Nak(NakCause::Other(501))),
        1 => Just(Fate::Nak(NakCause::Missing)),
    ]
}

proptest! {
    #[test]
    fn every_storm_ends_in_one_verdict_that_is_true(
        fates in proptest::collection::vec((any_fate(), 0_i64..90), 1..12),
        sets in 1_u8..5,
        kind in 0_u8..3,
    ) {
        let wish = [END, Wish::Apply, set_rate()][usize::from(kind)].clone();
        let mut world = World {
            progress: Progress::NEW,
            wish,
            now: NOW,
            closes_at: None,
            is_gone: false,
            updated_at: NOW,
            sets,
            has_agreed: false,
        };
        let verdict = world.run(&fates);
        let is_closed = world.books() == Books::Closed;
        match verdict {
            Verdict::Ended | Verdict::SessionEnded => prop_assert!(is_closed),
            Verdict::Reported | Verdict::Unproven | Verdict::GoesOn => {
                prop_assert!(world.has_agreed);
            }
            Verdict::Gone | Verdict::UnknownToRouter | Verdict::NothingToChange
            | Verdict::Refused | Verdict::Silent | Verdict::Busy | Verdict::NasRemoved
            | Verdict::NoAddress | Verdict::CannotChange | Verdict::Ambiguous
            | Verdict::Superseded => {}
        }
        let late = CHANGE_EVIDENCE_SECONDS + i64::from(sets) * (END_EVIDENCE_SECONDS + 2) + 120;
        prop_assert!(world.now <= EXPIRES.plus_seconds(late), "{verdict:?} at {}", world.now);
    }
}
