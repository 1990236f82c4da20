//! The reply attributes of rows, in their order, as they are written there.

use radius::attribute::{self, kind};
use radius::avp::Keys;
use radius::writer::{PacketWriter, WriteError};
use rows::access::Access;
use rows::attribute::Place;

/// What rows and the limits in them reply.
#[derive(Clone, Copy, Debug)]
pub struct RowReply<'a> {
    pub access: Option<&'a Access>,
    /// The session ends then, if the rows do not end it sooner. Never 0.
    pub seconds_left: Option<u32>,
}

impl RowReply<'_> {
    /// Writes the attributes. Session-Timeout is at most what is left, and is added when it is not
    /// among them; Reply-Message is left out beside EAP (RFC 3579 §2.6.5). The salt of `keys` and
    /// the next one are taken.
    pub(crate) fn write(
        &self,
        writer: &mut PacketWriter<'_>,
        mut keys: Keys<'_>,
        is_eap: bool,
    ) -> Result<(), WriteError> {
        let mut seconds_left = self.seconds_left;
        for attribute in self.access.into_iter().flat_map(Access::reply) {
            keys.salt = keys.salt.wrapping_add(2);
            if is_eap && attribute.place == Place::Standard(kind::REPLY_MESSAGE) {
                continue;
            }
            let is_timeout = attribute.place == Place::Standard(kind::SESSION_TIMEOUT);
            match seconds_left.take_if(|_| is_timeout) {
                Some(left) => {
                    // Routers take 0 for no limit.
                    let own = attribute::integer(attribute.value()).filter(|own| 0 < *own);
                    let seconds = own.map_or(left, |own| own.min(left));
                    writer.push_integer(kind::SESSION_TIMEOUT, seconds)?;
                }
                None => attribute.write(writer, &keys)?,
            }
        }
        match seconds_left {
            Some(seconds) => writer.push_integer(kind::SESSION_TIMEOUT, seconds),
            None => Ok(()),
        }
    }
}
