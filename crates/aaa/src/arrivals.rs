//! Datagrams that have arrived and wait to be looked at: several are verified at a time.

use arrayvec::ArrayVec;
use radius::verifier::SIDE_BY_SIDE;

use crate::engine::{Moment, Received};

/// The datagrams that wait. It is never full: whoever fills it looks at them.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// Without their octets, which are in the buffers of the same places.
    envelopes: ArrayVec<(Received<'static>, Moment), SIDE_BY_SIDE>,
    buffers: [Vec<u8>; SIDE_BY_SIDE],
}

impl Arrivals {
    /// Copies a datagram, whose octets belong to the socket.
    pub(crate) fn push(&mut self, received: &Received<'_>, now: Moment) {
        let buffer = &mut self.buffers[self.envelopes.len()];
        buffer.clear();
        buffer.extend_from_slice(received.octets);
        let Received {
            listener,
            role,
            peer,
            local,
            waited,
            octets: _,
        } = *received;
        let envelope = Received {
            listener,
            role,
            peer,
            local,
            waited,
            octets: &[],
        };
        self.envelopes.push((envelope, now));
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.envelopes.is_empty()
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.envelopes.is_full()
    }

    /// The datagrams with the moments of their arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Received<'_>, Moment)> {
        let arrivals = self.envelopes.iter().zip(&self.buffers);
        arrivals.map(|((envelope, now), octets)| {
            (
                Received {
                    octets,
                    ..*envelope
                },
                *now,
            )
        })
    }

    pub(crate) fn clear(&mut self) {
        self.envelopes.clear();
    }
}
