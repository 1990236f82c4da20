//! Replies that are written and wait to be signed: several are signed at a time.

use std::sync::Arc;
use std::time::Instant;

use arrayvec::ArrayVec;
use radius::signer::{SIDE_BY_SIDE, Signable, Signer, Unsigned};

use crate::duplicate::Ticket;
use crate::nas_table::NasEntry;

/// Routers whose secrets are at hand; more than may join while the replies wait.
const ROUTERS_MAX: usize = 2 * SIDE_BY_SIDE;

/// What becomes of a reply once it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It leaves at once.
    Send,
    /// It is a reject of this moment, and leaves after the delay.
    HoldBack(Instant),
    /// It leaves when the record is durable.
    Keep,
}

/// One written reply; its octets are in the buffer of the same place.
#[derive(Debug)]
struct Written {
    ticket: Ticket,
    purpose: Purpose,
    unsigned: Unsigned,
    /// The place of its router.
    router: usize,
}

/// The replies that wait. It is never full: whoever fills it signs.
#[derive(Debug, Default)]
pub(crate) struct Signing {
    written: ArrayVec<Written, SIDE_BY_SIDE>,
    buffers: [Vec<u8>; SIDE_BY_SIDE],
    /// The last ones, so that the replies to one router do not count it up and down, which
    /// workers that serve the same router would wait for each other for.
    routers: ArrayVec<Arc<NasEntry>, ROUTERS_MAX>,
    signer: Signer,
}

impl Signing {
    /// Where the next reply is written.
    pub(crate) fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffers[self.written.len()]
    }

    /// Takes what was written into the buffer.
    pub(crate) fn push(
        &mut self,
        ticket: Ticket,
        purpose: Purpose,
        unsigned: Unsigned,
        nas: &Arc<NasEntry>,
    ) {
        let router = self.place_of(nas);
        self.written.push(Written {
            ticket,
            purpose,
            unsigned,
            router,
        });
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.written.is_full()
    }

    /// Signs what waits. Then [`Signing::find`] gives it out, until [`Signing::clear`].
    pub(crate) fn sign(&mut self) {
        let replies = self.buffers.iter_mut().zip(&self.written);
        let mut signables: ArrayVec<_, SIDE_BY_SIDE> = replies
            .map(|(octets, written)| Signable {
                octets,
                unsigned: written.unsigned,
                secret: &self.routers[written.router].secret,
            })
            .collect();
        self.signer.sign(&mut signables);
    }

    /// The reply of this place.
    pub(crate) fn find(&self, place: usize) -> Option<(Ticket, Purpose, &[u8])> {
        let written = self.written.get(place)?;
        Some((written.ticket, written.purpose, &self.buffers[place]))
    }

    pub(crate) fn clear(&mut self) {
        self.written.clear();
        if ROUTERS_MAX - SIDE_BY_SIDE < self.routers.len() {
            self.routers.clear();
        }
    }

    fn place_of(&mut self, nas: &Arc<NasEntry>) -> usize {
        let known = self
            .routers
            .iter()
            .position(|known| Arc::ptr_eq(known, nas));
        known.unwrap_or_else(|| {
            self.routers.push(Arc::clone(nas));
            self.routers.len() - 1
        })
    }
}
