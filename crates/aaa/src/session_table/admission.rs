//! One login among the sessions of its subscriber: counted, decided and given a place while nobody
//! else decides about the same subscriber.

use std::time::Instant;

use domain::access::Presence;
use domain::id::{NasId, SubscriberId};
use domain::time::Timestamp;

use super::reservation::{self, Reservation, Shard};
use super::{Device, OpenSession, RESERVED_FOR, SessionTable};
use crate::engine::Moment;
use crate::metrics::{Count, Metrics};

/// Who asks to come in.
#[derive(Clone, Debug)]
pub struct Login {
    pub subscriber: SubscriberId,
    pub nas: NasId,
    pub device: Option<Device>,
}

/// A login that is being decided. Dropped, it leaves everything as it was.
#[derive(Debug)]
pub struct Admission<'t> {
    table: &'t SessionTable,
    login: Login,
    now: Moment,
    shard: Shard<'t>,
}

impl SessionTable {
    /// Begins to decide about a login.
    pub fn admit(&self, login: Login, now: Moment) -> Admission<'_> {
        Admission {
            shard: self.reservations.lock(login.subscriber),
            table: self,
            login,
            now,
        }
    }

    /// Holds a place that another node gave.
    pub fn reserve(&self, login: Login, now: Moment, metrics: &Metrics) {
        let mut shard = self.reservations.lock(login.subscriber);
        if reservation::hold(&mut shard, reservation_of(login, now), now.instant) {
            metrics.count(Count::ReservationLost);
        }
    }

    /// Notes that a session has to end, as another node said.
    pub fn replace(&self, subscriber: SubscriberId, is_replaced: impl Fn(&OpenSession) -> bool) {
        self.update(subscriber, |known| {
            let is_news = |session: &OpenSession| !session.is_replaced && is_replaced(session);
            if !known.iter().any(is_news) {
                return None;
            }
            let mark = |session: &OpenSession| OpenSession {
                is_replaced: session.is_replaced || is_replaced(session),
                ..session.clone()
            };
            Some(known.iter().map(mark).collect())
        });
    }
}

impl Admission<'_> {
    /// What the subscriber has open and is about to open, besides what is of the same device.
    pub fn presence(&self) -> Presence {
        let map = self.table.by_subscriber.pin();
        let sessions = map.get(&self.login.subscriber);
        let sessions = sessions.map_or(&[][..], |sessions| sessions);
        let others = sessions.iter().filter(|session| self.is_other(session));
        let held = self.held(self.now.instant).filter(|held| {
            // Its session may have been heard of a moment ago.
            let is_open = |session: &OpenSession| {
                !session.is_replaced && held.device.is_some() && session.device == held.device
            };
            !sessions.iter().any(is_open)
        });
        Presence {
            other_sessions: u32::try_from(others.count() + held.count()).unwrap_or(u32::MAX),
        }
    }

    /// Gives the login its place, which `sessions_to_end` others make, the oldest first.
    pub fn accept(mut self, sessions_to_end: u32, metrics: &Metrics) {
        if 0 < sessions_to_end {
            self.make_room(sessions_to_end);
        }
        let reservation = reservation_of(self.login.clone(), self.now);
        if reservation::hold(&mut self.shard, reservation, self.now.instant) {
            metrics.count(Count::ReservationLost);
        }
        let announcements = &self.table.announcements;
        if announcements.has_readers() {
            announcements.reserve(&self.login);
        }
    }

    fn make_room(&mut self, sessions_to_end: u32) {
        let subscriber = self.login.subscriber;
        let mut oldest: Vec<OpenSession> = self
            .table
            .sessions(subscriber)
            .iter()
            .flat_map(|sessions| sessions.iter())
            .filter(|session| self.is_other(session))
            .cloned()
            .collect();
        oldest.sort_by_key(|session| session.started_at);
        oldest.truncate(sessions_to_end as usize);
        self.table.replace(subscriber, |session| {
            oldest.iter().any(|gone| gone.key == session.key)
        });
        for session in &oldest {
            self.table.announcements.end(subscriber, session);
        }
        // Those that were let in and have not begun yet are the youngest.
        let rest = sessions_to_end as usize - oldest.len();
        let (login, now) = (&self.login, self.now.instant);
        let held = self.shard.iter_mut();
        let others = held.filter(|held| is_held_for_other(held, login, now));
        for held in others.take(rest) {
            held.is_replaced = true;
        }
    }

    fn is_other(&self, session: &OpenSession) -> bool {
        let device = &self.login.device;
        !session.is_replaced && (device.is_none() || session.device != *device)
    }

    fn held(&self, now: Instant) -> impl Iterator<Item = &Reservation> {
        let held = self.shard.iter();
        held.filter(move |held| is_held_for_other(held, &self.login, now))
    }
}

fn is_held_for_other(held: &Reservation, login: &Login, now: Instant) -> bool {
    held.subscriber == login.subscriber
        && now < held.until
        && !held.is_replaced
        && !held.is_of(login.device.as_ref(), login.nas)
}

fn reservation_of(login: Login, now: Moment) -> Reservation {
    let Login {
        subscriber,
        nas,
        device,
    } = login;
    let at: Timestamp = now.timestamp;
    Reservation {
        subscriber,
        device,
        nas,
        at,
        until: now.instant + RESERVED_FOR,
        is_replaced: false,
    }
}
