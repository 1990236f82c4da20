//! Asks routers to end open sessions, or to change them, and hears what they say (RFC 5176).
//!
//! [`courier`] is the protocol as a value, and [`carrier`] gives it sockets. Everybody who wants
//! something of a router asks through one [`Sender`], so that a router is asked politely whoever
//! asks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use domain::id::NasId;
use domain::nas::Vendor;
use domain::session::Session;
use domain::session_command::{EndReason, NakCause, NotAsked, RouterAnswer, Wish};
use domain::session_identity::IdentitySet;
use domain::time::Timestamp;
use radius::dynamic_authorization::{Action, Answer, ErrorCause, encode_attributes};
use radius::writer::WriteError;
use tokio::sync::{mpsc, oneshot};

use crate::directory::Directory;
use crate::encode::change;
use crate::metrics::{Count, Metrics};
use crate::nas_table::NasEntry;
use crate::port::Clock;
use carrier::Carrier;
use courier::{Outcome, Parcel};

pub mod carrier;
pub mod courier;
mod identity;

/// Requests that wait to be taken over by the carrier.
const QUEUE: usize = 1_024;

/// Says what is due to a session, at the moment at which its router is about to be told.
pub trait DueTerms: Send + Sync + 'static {
    /// What the terms of a session are compared by.
    type Mark: Send;

    fn due(&self, session: &Session, vendor: Vendor, now: Timestamp) -> Due<Self::Mark>;
}

/// What is due to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due<Mark> {
    /// It is as it should be.
    Nothing,
    /// It goes on with these attributes, encoded by [`encode_attributes`], and then on these terms.
    Change { attributes: Box<[u8]>, mark: Mark },
    /// It cannot go on.
    End(EndReason),
}

/// What came of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<Mark> {
    pub answer: RouterAnswer,
    /// There is no other way to tell the router which session is meant.
    pub is_last_set: bool,
    /// The terms that are in force now, when the router has agreed to a change of them.
    pub mark: Option<Mark>,
}

/// What came of a request that somebody else made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    Answered(Answer),
    Silent,
    NotAsked(NotAsked),
}

/// Where everybody asks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sender {
    directory: Arc<Directory>,
    queue: mpsc::Sender<Job>,
    clock: ClockHandle,
    metrics: Arc<Metrics>,
}

type Job = Parcel<oneshot::Sender<Outcome>>;
type Receiver = mpsc::Receiver<Job>;

#[derive(Clone)]
struct ClockHandle(Arc<dyn Clock>);

impl std::fmt::Debug for ClockHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clock")
    }
}

/// A router, and with which set of attributes it is asked about a session.
struct Addressed<'s> {
    nas: Arc<NasEntry>,
    session: &'s Session,
    set: IdentitySet,
    is_last_set: bool,
}

/// What a router is asked for, and the terms that are in force when it agrees.
struct Asked<Mark> {
    action: Action,
    attributes: Box<[u8]>,
    mark: Option<Mark>,
}

impl Sender {
    /// A sender, and the task that carries what it sends. Requests leave from the address that the
    /// node listens on, if it is one only.
    pub fn open(
        listeners: &[SocketAddr],
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> io::Result<(Self, Carrier)> {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let carrier = Carrier::open(
            listeners,
            receiver,
            Arc::clone(&clock),
            Arc::clone(&metrics),
        )?;
        let sender = Self {
            directory,
            queue,
            clock: ClockHandle(clock),
            metrics,
        };
        Ok((sender, carrier))
    }

    /// Asks the router of a session for what is wished. `attempt` counts the sets of attributes by
    /// which it is told which session is meant, from 0; after the last one it stays at that.
    pub async fn ask<D: DueTerms>(
        &self,
        due: &D,
        session: &Session,
        wish: &Wish,
        attempt: u8,
    ) -> Reply<D::Mark> {
        let addressed = match self.address(session, attempt) {
            Ok(addressed) => addressed,
            Err(why) => return Reply::not_asked(why),
        };
        let is_last_set = addressed.is_last_set;
        let asked = match self.request(due, &addressed, wish) {
            Ok(asked) => asked,
            Err(why) => return Reply::not_asked(why),
        };
        let answer = match self.send(addressed, asked.action, &asked.attributes).await {
            Forwarded::Answered(Answer::Acknowledged) => RouterAnswer::Acknowledged,
            Forwarded::Answered(Answer::Refused(cause)) => RouterAnswer::Refused(nak_cause(cause)),
            Forwarded::Silent => RouterAnswer::Silent,
            Forwarded::NotAsked(why) => RouterAnswer::NotAsked(why),
        };
        Reply {
            answer,
            is_last_set,
            mark: asked.mark.filter(|_| answer == RouterAnswer::Acknowledged),
        }
    }

    /// Asks the router of a session for something that was encoded by somebody else, with each set
    /// of attributes until one is understood.
    pub(crate) async fn forward(
        &self,
        session: &Session,
        action: Action,
        attributes: &[u8],
    ) -> Forwarded {
        let mut attempt = 0;
        loop {
            let addressed = match self.address(session, attempt) {
                Ok(addressed) => addressed,
                Err(why) => return Forwarded::NotAsked(why),
            };
            let is_last_set = addressed.is_last_set;
            let outcome = self.send(addressed, action, attributes).await;
            match outcome {
                Forwarded::Answered(Answer::Refused(cause))
                    if !is_last_set && is_about_attributes(nak_cause(cause)) =>
                {
                    attempt += 1;
                }
                Forwarded::Answered(_) | Forwarded::Silent | Forwarded::NotAsked(_) => {
                    return outcome;
                }
            }
        }
    }

    /// The router with this id, with its secret.
    pub(crate) fn find_nas(&self, id: NasId) -> Option<Arc<NasEntry>> {
        self.directory.nas_table().find_id(id).map(Arc::clone)
    }

    fn address<'s>(&self, session: &'s Session, attempt: u8) -> Result<Addressed<'s>, NotAsked> {
        let nas = self.find_nas(session.nas).ok_or(NotAsked::NasRemoved)?;
        let mut sets = identity::sets_of(&nas.nas, session);
        let last = sets.len().checked_sub(1).ok_or(NotAsked::Ambiguous)?;
        let index = usize::from(attempt).min(last);
        let set = sets.swap_remove(index);
        Ok(Addressed {
            nas,
            session,
            set,
            is_last_set: index == last,
        })
    }

    /// What is asked for, unless nothing is.
    fn request<D: DueTerms>(
        &self,
        due: &D,
        addressed: &Addressed<'_>,
        wish: &Wish,
    ) -> Result<Asked<D::Mark>, NotAsked> {
        let vendor = addressed.nas.nas.settings.vendor;
        let change = |attributes, mark| Asked {
            action: Action::Change,
            attributes,
            mark,
        };
        let now = self.clock.0.timestamp();
        let owed = || due.due(addressed.session, vendor, now);
        match wish {
            // The router may have been away until the user had the right again.
            Wish::End(reason) if reason.is_for_rights() && matches!(owed(), Due::Nothing) => {
                Err(NotAsked::NothingToChange)
            }
            Wish::End(_) => Ok(Asked {
                action: Action::Disconnect,
                attributes: Box::default(),
                mark: None,
            }),
            Wish::SetRate(rate) if change::has_rate(vendor) => {
                let attributes =
                    encode_attributes(|writer| change::write_rate(writer, vendor, rate));
                let attributes = attributes.map_err(|_| NotAsked::CannotChange)?;
                Ok(change(attributes, None))
            }
            Wish::SetRate(_) => Err(NotAsked::CannotChange),
            Wish::Apply => match owed() {
                Due::Nothing => Err(NotAsked::NothingToChange),
                Due::End(reason) => Err(NotAsked::HasToEnd(reason)),
                Due::Change { attributes, mark } => Ok(change(attributes, Some(mark))),
            },
        }
    }

    async fn send(&self, addressed: Addressed<'_>, action: Action, attributes: &[u8]) -> Forwarded {
        let Some(to) = identity::address_of(&addressed.nas.nas, addressed.session) else {
            return Forwarded::NotAsked(NotAsked::NoAddress);
        };
        let Ok(attributes) = addressed.encode(attributes) else {
            return Forwarded::NotAsked(NotAsked::CannotChange);
        };
        let (ticket, outcome) = oneshot::channel();
        let parcel = Parcel {
            to,
            nas: addressed.nas,
            action,
            attributes,
            ticket,
        };
        if self.queue.send(parcel).await.is_err() {
            return self.busy();
        }
        match outcome.await {
            Ok(Outcome::Answered(answer)) => {
                self.metrics.count(match answer {
                    Answer::Acknowledged => Count::CoaAcknowledged,
                    Answer::Refused(_) => Count::CoaRefused,
                });
                Forwarded::Answered(answer)
            }
            Ok(Outcome::Silent) => {
                self.metrics.count(Count::CoaSilent);
                Forwarded::Silent
            }
            Ok(Outcome::TooLarge) => Forwarded::NotAsked(NotAsked::CannotChange),
            // There was no room, or the carrier starts again.
            Err(_) => self.busy(),
        }
    }

    fn busy(&self) -> Forwarded {
        self.metrics.count(Count::CoaBusy);
        Forwarded::NotAsked(NotAsked::Busy)
    }
}

impl Addressed<'_> {
    fn encode(&self, attributes: &[u8]) -> Result<Box<[u8]>, WriteError> {
        encode_attributes(|writer| {
            identity::write(writer, &self.set, &self.nas.nas, self.session)?;
            writer.push_encoded(attributes)
        })
    }
}

impl<Mark> Reply<Mark> {
    const fn not_asked(why: NotAsked) -> Self {
        Self {
            answer: RouterAnswer::NotAsked(why),
            is_last_set: true,
            mark: None,
        }
    }
}

/// What an Error-Cause changes about what is done next.
const fn nak_cause(cause: Option<ErrorCause>) -> NakCause {
    let Some(cause) = cause else {
        return NakCause::Missing;
    };
    match cause {
        ErrorCause::SESSION_CONTEXT_NOT_FOUND => NakCause::SessionNotFound,
        ErrorCause::RESOURCES_UNAVAILABLE => NakCause::ResourcesUnavailable,
        ErrorCause::UNSUPPORTED_ATTRIBUTE
        | ErrorCause::MISSING_ATTRIBUTE
        | ErrorCause::INVALID_REQUEST
        | ErrorCause::INVALID_ATTRIBUTE_VALUE
        | ErrorCause::MULTIPLE_SESSION_SELECTION_UNSUPPORTED => NakCause::Attributes(cause.0),
        ErrorCause(number) => NakCause::Other(number),
    }
}

const fn is_about_attributes(cause: NakCause) -> bool {
    match cause {
        NakCause::Attributes(_) => true,
        NakCause::SessionNotFound
        | NakCause::ResourcesUnavailable
        | NakCause::Other(_)
        | NakCause::Missing => false,
    }
}
