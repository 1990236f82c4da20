//! Replies that wait to be sent, in buffers that are used again.

use crate::duplicate::Key;
use crate::engine::Outgoing;

/// Buffers kept for the next replies.
const SPARE_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Vec<Outgoing>,
    spare: Vec<Vec<u8>>,
}

impl Outbox {
    /// Queues a reply for whoever sent the request of this key.
    pub(crate) fn push(&mut self, key: Key, reply: &[u8]) {
        let mut octets = self.spare.pop().unwrap_or_default();
        octets.clear();
        octets.extend_from_slice(reply);
        self.queue.push(Outgoing {
            listener: key.listener,
            peer: key.peer,
            local: key.local,
            octets,
        });
    }

    pub(crate) fn take(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.queue)
    }

    /// Takes what was given out back, to use its memory again.
    pub(crate) fn recycle(&mut self, mut sent: Vec<Outgoing>) {
        self.spare
            .extend(sent.drain(..).map(|outgoing| outgoing.octets));
        self.spare.truncate(SPARE_MAX);
        self.queue = sent;
    }
}
