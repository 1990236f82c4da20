//! Requests that the relay has taken, so that one that is repeated is answered alike (RFC 5080 §2.2.2).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests that are remembered.
const REMEMBERED_MAX: usize = 4_096;

/// For how long: longer than a tool repeats itself.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// One request, as its sender tells it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RequestKey {
    pub(super) from: SocketAddr,
    pub(super) identifier: u8,
    pub(super) authenticator: [u8; 16],
}

/// What is known of a request that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    New,
    UnderWay,
    Answered(Arc<[u8]>),
}

/// The requests of the last half minute.
#[derive(Debug, Default)]
pub(super) struct Answered {
    known: HashMap<RequestKey, Known>,
    order: VecDeque<(Instant, RequestKey)>,
}

impl Answered {
    /// Takes note of a request, and says what is known of it.
    pub(super) fn admit(&mut self, key: RequestKey, now: Instant) -> Known {
        self.forget(now);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        if REMEMBERED_MAX <= self.order.len() {
            self.forget_oldest();
        }
        self.known.insert(key, Known::UnderWay);
        self.order.push_back((now, key));
        Known::New
    }

    /// Keeps the answer to a request.
    pub(super) fn answer(&mut self, key: RequestKey, reply: &Arc<[u8]>) {
        if let Some(known) = self.known.get_mut(&key) {
            *known = Known::Answered(Arc::clone(reply));
        }
    }

    fn forget(&mut self, now: Instant) {
        let is_old = |at: Instant| REMEMBERED_FOR <= now.saturating_duration_since(at);
        while self.order.front().is_some_and(|(at, _)| is_old(*at)) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.known.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(identifier: u8, number: u8) -> RequestKey {
        RequestKey {
            from: SocketAddr::from(([127, 0, 0, 1], 40_000)),
            identifier,
            authenticator: [number; 16],
        }
    }

    #[test]
    fn a_repeated_request_is_answered_alike_for_a_while() {
        let mut answered = Answered::default();
        let now = Instant::now();
        assert_eq!(answered.admit(key(1, 1), now), Known::New);
        assert_eq!(answered.admit(key(1, 1), now), Known::UnderWay);
        let reply: Arc<[u8]> = vec![41].into();
        answered.answer(key(1, 1), &reply);
        assert_eq!(answered.admit(key(1, 1), now), Known::Answered(reply));
        // Another request under the same identifier.
        assert_eq!(answered.admit(key(1, 2), now), Known::New);
        let later = now + REMEMBERED_FOR;
        assert_eq!(answered.admit(key(1, 1), later), Known::New);
    }

    #[test]
    fn the_oldest_are_forgotten_when_there_are_very_many() {
        let mut answered = Answered::default();
        let now = Instant::now();
        for number in 0..=u16::try_from(REMEMBERED_MAX).expect("it is small") {
            let [high, low] = number.to_be_bytes();
            assert_eq!(answered.admit(key(low, high), now), Known::New);
        }
        assert_eq!(answered.known.len(), REMEMBERED_MAX);
        assert_eq!(answered.admit(key(1, 0), now), Known::UnderWay);
        assert_eq!(answered.admit(key(0, 0), now), Known::New);
    }
}
