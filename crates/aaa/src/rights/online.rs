//! A session, as far as it bears on what is due to it.

use std::cell::Cell;
use std::net::IpAddr;

use domain::id::{NasId, SubscriberId};
use domain::session::Session;
use domain::time::Timestamp;
use radius::attribute::kind;
use radius::code::Code;
use radius::packet::Packet;
use radius::writer::{PacketWriter, WriteError};
use rows::request::Request;

use crate::session_table::{Device, OpenSession};

/// Who is online, where and since when.
#[derive(Clone, Debug)]
pub(super) struct Online<'a> {
    pub(super) subscriber: SubscriberId,
    pub(super) username: &'a str,
    pub(super) nas: NasId,
    pub(super) device: Option<Device>,
    pub(super) accepted_at: Timestamp,
    source: Option<IpAddr>,
    /// What else the database knows.
    stored: Option<&'a Session>,
}

impl<'a> Online<'a> {
    /// A session as this node has it in memory.
    pub(super) fn known(subscriber: SubscriberId, open: &'a OpenSession) -> Self {
        Self {
            subscriber,
            username: &open.username,
            nas: open.nas,
            device: open.device.clone(),
            accepted_at: open.accepted_at(),
            source: open.nas_address,
            stored: None,
        }
    }

    /// A session as it is stored; `None` for one of a user whom nobody knew.
    pub(super) fn stored(session: &'a Session) -> Option<Self> {
        let station = session.place.calling_station.as_deref();
        Some(Self {
            subscriber: session.subscriber?,
            username: &session.username,
            nas: session.nas,
            device: station.map(Device::from_calling_station),
            accepted_at: session
                .auth
                .map_or(session.started_at, |auth| auth.made_at()),
            source: session.place.nas_address,
            stored: Some(session),
        })
    }

    /// Shows the request that a login of this session would be now, without a credential; `None`
    /// when that cannot be written. `gaps` is set when something is looked for in it that only the
    /// login has said.
    pub(super) fn with_request<T>(
        &self,
        now: Timestamp,
        gaps: &Cell<bool>,
        look: impl FnOnce(&Request<'_>) -> T,
    ) -> Option<T> {
        let mut octets = Vec::new();
        self.write(&mut octets).ok()?;
        let packet = Packet::parse(&octets).ok()?;
        let request = Request {
            packet: &packet,
            user_name: self.username.as_bytes(),
            password: None,
            source: self.source?,
            now,
            gaps: Some(gaps),
        };
        Some(look(&request))
    }

    fn write(&self, octets: &mut Vec<u8>) -> Result<(), WriteError> {
        let mut writer = PacketWriter::new(octets, Code::AccessRequest, 0);
        writer.push_text(kind::USER_NAME, self.username)?;
        if let Some(device) = &self.device
            && self.stored.is_none()
        {
            writer.push_text(kind::CALLING_STATION_ID, &device.to_text())?;
        }
        if let Some(session) = self.stored {
            let place = &session.place;
            if let Some(address) = place.framed_ipv4 {
                writer.push_ipv4(kind::FRAMED_IP_ADDRESS, address)?;
            }
            for (kind, text) in [
                (kind::CALLING_STATION_ID, &place.calling_station),
                (kind::CALLED_STATION_ID, &place.called_station),
            ] {
                if let Some(text) = text {
                    writer.push_text(kind, text)?;
                }
            }
            match place.nas_port.as_deref().map(|port| (port, port.parse())) {
                Some((_, Ok(number))) => writer.push_integer(kind::NAS_PORT, number)?,
                Some((text, Err(_))) => writer.push_text(kind::NAS_PORT_ID, text)?,
                None => {}
            }
        }
        writer.finish_access_request(&[0; 16], &[]);
        Ok(())
    }
}
