//! The reply attributes of rows, in their order, as they are written there.

use std::num::NonZeroU64;

use domain::nas::Vendor;
use domain::terms::Term;
use radius::attribute::{self, kind, mikrotik, vendor};
use radius::avp::Keys;
use radius::writer::{PacketWriter, WriteError};
use rows::access::Access;
use rows::attribute::Place;

use super::volume::VolumePair;
use crate::row_terms;

const NOT_CHANGEABLE: [Place; 2] = [
    Place::Vendor {
        vendor: vendor::MIKROTIK,
        kind: mikrotik::TOTAL_LIMIT,
    },
    Place::Vendor {
        vendor: vendor::MIKROTIK,
        kind: mikrotik::TOTAL_LIMIT_GIGAWORDS,
    },
];

/// What rows and the limits in them reply.
#[derive(Clone, Copy, Debug)]
pub struct RowReply<'a> {
    pub access: Option<&'a Access>,
    /// The session ends then, if the rows do not end it sooner. Never 0.
    pub seconds_left: Option<u32>,
    /// The session ends after so many bytes in both directions, if the rows do not end it sooner.
    pub volume_left: Option<NonZeroU64>,
    /// Whose attributes say so.
    pub vendor: Vendor,
}

impl RowReply<'_> {
    /// Writes the attributes. Session-Timeout is at most what is left, and is added when it is not
    /// among them, and so is the volume; Reply-Message is left out beside EAP (RFC 3579 §2.6.5).
    /// The salt of `keys` and the next one are taken.
    pub(crate) fn write(
        &self,
        writer: &mut PacketWriter<'_>,
        mut keys: Keys<'_>,
        is_eap: bool,
    ) -> Result<(), WriteError> {
        let mut seconds_left = self.seconds_left;
        let volume = self.find_volume();
        for attribute in self.access.into_iter().flat_map(Access::reply) {
            keys.salt = keys.salt.wrapping_add(2);
            let place = attribute.place;
            if is_eap && place == Place::Standard(kind::REPLY_MESSAGE) {
                continue;
            }
            if volume.is_some_and(|(pair, _)| place == pair.low() || place == pair.high()) {
                continue;
            }
            let is_timeout = place == Place::Standard(kind::SESSION_TIMEOUT);
            match seconds_left.take_if(|_| is_timeout) {
                Some(left) => push_timeout(writer, attribute.value(), left)?,
                None => attribute.write(writer, &keys)?,
            }
        }
        if let Some(seconds) = seconds_left {
            writer.push_integer(kind::SESSION_TIMEOUT, seconds)?;
        }
        match volume {
            Some((pair, left)) => pair.push(writer, Some(left)),
            None => Ok(()),
        }
    }

    /// Writes one term for a session that is open. Of RouterOS only what its manual lists as
    /// changeable is sent, and Mikrotik-Total-Limit is not.
    pub(crate) fn write_term(
        &self,
        writer: &mut PacketWriter<'_>,
        term: Term,
    ) -> Result<(), WriteError> {
        // Nothing that can be changed is hidden.
        let keys = Keys {
            secret: &[],
            request_authenticator: &[0; 16],
            salt: 0,
        };
        let mut seconds_left = self.seconds_left.filter(|_| term == Term::Limits);
        for attribute in self.access.into_iter().flat_map(Access::reply) {
            let place = attribute.place;
            let is_meant = row_terms::term_of(place) == Some(term)
                && attribute.encryption.is_none()
                && !NOT_CHANGEABLE.contains(&place);
            if !is_meant {
                continue;
            }
            let is_timeout = place == Place::Standard(kind::SESSION_TIMEOUT);
            match seconds_left.take_if(|_| is_timeout) {
                Some(left) => push_timeout(writer, attribute.value(), left)?,
                None => attribute.write(writer, &keys)?,
            }
        }
        match seconds_left {
            Some(seconds) => writer.push_integer(kind::SESSION_TIMEOUT, seconds),
            None => Ok(()),
        }
    }

    /// The volume that is told in the place of what the rows say, if they do not say less.
    fn find_volume(&self) -> Option<(VolumePair, NonZeroU64)> {
        let left = self.volume_left?;
        let pair = VolumePair::find_total(self.vendor)?;
        let own = |place| {
            let mut all = self.access.into_iter().flat_map(Access::reply);
            let found = all.find(|attribute| attribute.place == place)?;
            attribute::integer(found.value()).map(u64::from)
        };
        let high = own(pair.high()).unwrap_or(0);
        let own = own(pair.low()).map(|low| high << 32 | low);
        // Routers take 0 for no limit.
        let is_less = own.is_some_and(|own| 0 < own && own <= left.get());
        (!is_less).then_some((pair, left))
    }
}

/// Session-Timeout as rows say it, and at most what is left. Routers take 0 for no limit.
fn push_timeout(writer: &mut PacketWriter<'_>, own: &[u8], left: u32) -> Result<(), WriteError> {
    let own = attribute::integer(own).filter(|own| 0 < *own);
    let seconds = own.map_or(left, |own| own.min(left));
    writer.push_integer(kind::SESSION_TIMEOUT, seconds)
}
