//! Conversations of EAP under way: what was asked of whom, until it is answered or takes too long.
//!
//! The workers of a node share them, so an answer may come from another port of the router. Another
//! node does not know them, and neither does this one after a restart: the device begins anew.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::id::NasId;
use foldhash::quality::RandomState;
use hashbrown::HashMap;
use radius::eap::md5::Challenge;

use crate::metrics::{Count, Metrics};

/// Conversations that are kept; the one that began first goes when there is one more.
pub const CONVERSATIONS_MAX: usize = 65_536;

/// How long an answer may take: longer than a router goes on asking a device.
pub const LIFETIME: Duration = Duration::from_secs(60);

/// Parts with a lock each; nobody but logins by EAP takes one.
const SHARDS: usize = 64;

const SHARD_MAX: usize = CONVERSATIONS_MAX / SHARDS;

/// What names a conversation: 16 octets that nobody can guess, as the value of State
/// (RFC 2865 §5.24).
pub type State = [u8; 16];

/// What was asked of a device.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    /// Nobody else may go on with it.
    pub(crate) nas: NasId,
    /// Who the device says it is.
    pub(crate) identity: Box<[u8]>,
    pub(crate) challenge: Challenge,
}

/// The conversations of a node.
#[derive(Debug)]
pub struct Conversations(Box<[Mutex<Shard>]>);

#[derive(Debug, Default)]
struct Shard {
    /// The hasher is seeded, although a State is ours, because anybody may ask for one.
    under_way: HashMap<State, Conversation, RandomState>,
    /// When each has to be answered, in their order; also of some that are over.
    deadlines: VecDeque<(Instant, State)>,
}

impl Conversations {
    pub fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// Keeps a conversation until it ends.
    pub(crate) fn begin(
        &self,
        state: State,
        conversation: Conversation,
        now: Instant,
        metrics: &Metrics,
    ) {
        let mut shard = self.shard(&state);
        shard.expire(now, metrics);
        if SHARD_MAX <= shard.under_way.len() {
            shard.forget_first(metrics);
        }
        shard.drop_stale_deadlines();
        shard.deadlines.push_back((now + LIFETIME, state));
        shard.under_way.insert(state, conversation);
    }

    /// What this router may go on with.
    pub(crate) fn find(
        &self,
        state: &State,
        nas: NasId,
        now: Instant,
        metrics: &Metrics,
    ) -> Option<Conversation> {
        let mut shard = self.shard(state);
        shard.expire(now, metrics);
        let found = shard.under_way.get(state)?;
        (found.nas == nas).then(|| found.clone())
    }

    /// It was answered, so nothing else answers it.
    pub(crate) fn end(&self, state: &State, nas: NasId) {
        let mut shard = self.shard(state);
        if shard
            .under_way
            .get(state)
            .is_some_and(|found| found.nas == nas)
        {
            shard.under_way.remove(state);
        }
    }

    fn shard(&self, state: &State) -> MutexGuard<'_, Shard> {
        let shard = &self.0[usize::from(state[0]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Conversations {
    fn default() -> Self {
        Self::new()
    }
}

impl Shard {
    fn expire(&mut self, now: Instant, metrics: &Metrics) {
        while let Some((deadline, state)) = self.deadlines.front()
            && *deadline <= now
        {
            if self.under_way.remove(state).is_some() {
                metrics.count(Count::EapExpired);
            }
            self.deadlines.pop_front();
        }
    }

    fn forget_first(&mut self, metrics: &Metrics) {
        while let Some((_, state)) = self.deadlines.pop_front() {
            if self.under_way.remove(&state).is_some() {
                return metrics.count(Count::EapForgotten);
            }
        }
    }

    /// Most conversations end long before their deadline, which then only takes room.
    fn drop_stale_deadlines(&mut self) {
        if self.deadlines.len() < 2 * SHARD_MAX {
            return;
        }
        let under_way = &self.under_way;
        self.deadlines
            .retain(|(_, state)| under_way.contains_key(state));
    }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;

    struct Play {
        conversations: Conversations,
        metrics: Metrics,
        start: Instant,
    }

    impl Play {
        fn new() -> Self {
            Self {
                conversations: Conversations::new(),
                metrics: Metrics::new(),
                start: Instant::now(),
            }
        }

        fn begin(&self, number: u32, after: Duration) {
            let conversation = Conversation {
                nas: nas(1),
                identity: Box::from(&b"ana"[..]),
                challenge: Challenge::after(1, [7; 16]),
            };
            let (state, now) = (state(number), self.start + after);
            self.conversations
                .begin(state, conversation, now, &self.metrics);
        }

        fn has(&self, number: u32, asker: u8, after: Duration) -> bool {
            let (state, now) = (state(number), self.start + after);
            let found = self
                .conversations
                .find(&state, nas(asker), now, &self.metrics);
            found.is_some()
        }

        fn kept(&self) -> [usize; 2] {
            let shards = self.conversations.0.iter();
            let sizes = shards.map(|shard| {
                let shard = shard.lock().expect("nobody panicked");
                [shard.under_way.len(), shard.deadlines.len()]
            });
            sizes.fold([0; 2], |[all, dues], [more, due]| [all + more, dues + due])
        }
    }

    fn nas(number: u8) -> NasId {
        NasId::new(Timestamp::from_seconds(1), [number; 10])
    }

    /// All of one shard.
    fn state(number: u32) -> State {
        let mut state = State::default();
        state[12..].copy_from_slice(&number.to_be_bytes());
        state
    }

    #[test]
    fn a_conversation_is_its_routers_until_it_ends() {
        let play = Play::new();
        play.begin(1, Duration::ZERO);
        assert!(!play.has(2, 1, Duration::ZERO));
        assert!(!play.has(1, 2, Duration::ZERO));
        play.conversations.end(&state(1), nas(2));
        assert!(play.has(1, 1, Duration::ZERO));
        // An answer that was not decided, for want of room, may come again.
        assert!(play.has(1, 1, Duration::ZERO));
        play.conversations.end(&state(1), nas(1));
        assert!(!play.has(1, 1, Duration::ZERO));
        assert_eq!(play.metrics.value(Count::EapExpired), 0);
    }

    #[test]
    fn an_answer_that_takes_too_long_comes_to_nothing() {
        let play = Play::new();
        play.begin(1, Duration::ZERO);
        play.begin(2, Duration::from_secs(1));
        assert!(play.has(1, 1, LIFETIME - Duration::from_millis(1)));
        assert!(!play.has(1, 1, LIFETIME));
        assert!(play.has(2, 1, LIFETIME));
        assert_eq!(play.metrics.value(Count::EapExpired), 1);
        play.begin(3, LIFETIME * 3);
        assert_eq!(play.kept(), [1, 1]);
        assert_eq!(play.metrics.value(Count::EapExpired), 2);
    }

    #[test]
    fn the_one_that_began_first_makes_room() {
        let play = Play::new();
        let count = u32::try_from(SHARD_MAX).expect("it is small");
        for number in 0..=count {
            play.begin(number, Duration::ZERO);
        }
        assert_eq!(play.metrics.value(Count::EapForgotten), 1);
        assert!(!play.has(0, 1, Duration::ZERO));
        assert!(play.has(1, 1, Duration::ZERO) && play.has(count, 1, Duration::ZERO));
        assert_eq!(play.kept(), [SHARD_MAX, SHARD_MAX]);
    }

    #[test]
    fn what_is_over_takes_no_room() {
        let play = Play::new();
        for number in 0..20_000 {
            play.begin(number, Duration::ZERO);
            play.conversations.end(&state(number), nas(1));
        }
        let [under_way, deadlines] = play.kept();
        assert_eq!(under_way, 0);
        assert!(deadlines <= 2 * SHARD_MAX, "{deadlines}");
        assert_eq!(play.metrics.value(Count::EapForgotten), 0);
    }
}
