//! Reads an Accounting-Request into a typed record.

use std::net::IpAddr;

use compact_str::{CompactString, ToCompactString};
use domain::accounting::{
    AccountingRecord, NasRestart, SessionEvent, SessionKey, SessionPlace, SessionRecord,
    TerminateCause,
};
use domain::id::{NasId, SubscriberId, TenantId};
use domain::name::Username;
use domain::nas::{Nas, OctetView};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use ipnet::Ipv6Net;
use radius::attribute::{self, kind};
use radius::packet::Packet;
use sha2::{Digest, Sha256};

use crate::class::{self, OurClass};

/// Acct-Status-Type (RFC 2866 §5.1).
const START: u32 = 1;
const STOP: u32 = 2;
const INTERIM_UPDATE: u32 = 3;
const ACCOUNTING_ON: u32 = 7;
const ACCOUNTING_OFF: u32 = 8;

/// An Acct-Delay-Time beyond a week is a broken clock, not a queue.
const DELAY_SECONDS_MAX: u32 = 7 * 86_400;

/// Why a request cannot be recorded. It is not acknowledged, so that the NAS's operator notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrecordable {
    /// Acct-Status-Type or Acct-Session-Id is missing or malformed.
    Incomplete,
    /// An Acct-Status-Type that is not about sessions.
    Unsupported,
}

/// The attributes of an Accounting-Request that are recorded.
#[derive(Clone, Copy, Debug, Default)]
struct Facts<'a> {
    status: Option<u32>,
    session_id: Option<&'a [u8]>,
    user_name: Option<&'a [u8]>,
    class: Option<OurClass>,
    delay_seconds: u32,
    input_octets: u32,
    output_octets: u32,
    input_gigawords: u32,
    output_gigawords: u32,
    session_seconds: u32,
    terminate_cause: Option<u32>,
    nas_port: Option<u32>,
    nas_port_id: Option<&'a [u8]>,
    framed_ipv4: Option<std::net::Ipv4Addr>,
    framed_ipv6_prefix: Option<Ipv6Net>,
    delegated_ipv6_prefix: Option<Ipv6Net>,
    calling_station: Option<&'a [u8]>,
    called_station: Option<&'a [u8]>,
}

/// Whose a session is.
#[derive(Clone, Debug)]
pub struct Accounted {
    pub tenant: TenantId,
    pub subscriber: SubscriberId,
    /// The name of the account, when it is not the name that was sent.
    pub username: Option<CompactString>,
}

/// Reads a request from `nas` whose authenticator has been verified. `find_account` names the
/// owner of a canonical user name.
pub fn read_record(
    packet: &Packet<'_>,
    nas: &Nas,
    source: IpAddr,
    received_at: Timestamp,
    find_account: impl FnOnce(&str) -> Option<Accounted>,
) -> Result<AccountingRecord, Unrecordable> {
    let facts = Facts::read(packet);
    let at = received_at.plus_seconds(-i64::from(facts.delay_seconds.min(DELAY_SECONDS_MAX)));
    let event = match facts.status.ok_or(Unrecordable::Incomplete)? {
        START => SessionEvent::Start,
        STOP => SessionEvent::Stop,
        INTERIM_UPDATE => SessionEvent::Interim,
        ACCOUNTING_ON | ACCOUNTING_OFF => {
            return Ok(AccountingRecord::NasRestart(NasRestart {
                tenant: nas.tenant,
                nas: nas.id,
                source: (!nas.is_one_router()).then_some(source),
                at,
            }));
        }
        _ => return Err(Unrecordable::Unsupported),
    };
    let session_id = facts.session_id.filter(|id| !id.is_empty());
    let session_id = session_id.ok_or(Unrecordable::Incomplete)?;
    let sent = facts.user_name.unwrap_or_default();
    let canonical = canonical_username(sent);
    let key = session_key(nas.id, session_id, &canonical);
    let account = find_account(&canonical);
    let subscriber = account.as_ref().map(|account| account.subscriber);
    let tenant = account
        .as_ref()
        .map_or(nas.tenant, |account| account.tenant);
    let username = account.and_then(|account| account.username);
    let username = username.unwrap_or(canonical);
    let user_name = (sent != username.as_bytes()).then(|| printable(sent));
    Ok(AccountingRecord::Session(SessionRecord {
        event,
        tenant,
        nas: nas.id,
        key,
        auth: facts.class.map(|class| class.auth),
        terms: facts.class.and_then(|class| class.terms),
        subscriber,
        at,
        total: facts.total(nas.settings.octet_view),
        terminate_cause: match event {
            SessionEvent::Stop => facts.terminate_cause.map(TerminateCause::Reported),
            SessionEvent::Start | SessionEvent::Interim | SessionEvent::Silence => None,
        },
        place: facts.place(session_id, user_name, source),
        username,
    }))
}

impl<'a> Facts<'a> {
    fn read(packet: &Packet<'a>) -> Self {
        let mut facts = Self::default();
        for item in packet.attributes() {
            let value = item.value;
            let integer = || attribute::integer(value);
            match item.kind {
                kind::ACCT_STATUS_TYPE => facts.status = integer(),
                kind::ACCT_SESSION_ID => facts.session_id = Some(value),
                kind::USER_NAME => facts.user_name = Some(value),
                kind::CLASS => facts.class = class::read(value).or(facts.class),
                kind::ACCT_DELAY_TIME => facts.delay_seconds = integer().unwrap_or(0),
                kind::ACCT_INPUT_OCTETS => facts.input_octets = integer().unwrap_or(0),
                kind::ACCT_OUTPUT_OCTETS => facts.output_octets = integer().unwrap_or(0),
                kind::ACCT_INPUT_GIGAWORDS => facts.input_gigawords = integer().unwrap_or(0),
                kind::ACCT_OUTPUT_GIGAWORDS => facts.output_gigawords = integer().unwrap_or(0),
                kind::ACCT_SESSION_TIME => facts.session_seconds = integer().unwrap_or(0),
                kind::ACCT_TERMINATE_CAUSE => facts.terminate_cause = integer(),
                kind::NAS_PORT => facts.nas_port = integer(),
                kind::NAS_PORT_ID => facts.nas_port_id = Some(value),
                kind::FRAMED_IP_ADDRESS => facts.framed_ipv4 = attribute::ipv4(value),
                kind::FRAMED_IPV6_PREFIX => facts.framed_ipv6_prefix = prefix(value),
                kind::DELEGATED_IPV6_PREFIX => facts.delegated_ipv6_prefix = prefix(value),
                kind::CALLING_STATION_ID => facts.calling_station = Some(value),
                kind::CALLED_STATION_ID => facts.called_station = Some(value),
                _ => {}
            }
        }
        facts
    }

    fn total(&self, view: OctetView) -> UsageAmount {
        let input = u64::from(self.input_gigawords) << 32 | u64::from(self.input_octets);
        let output = u64::from(self.output_gigawords) << 32 | u64::from(self.output_octets);
        let (upload_bytes, download_bytes) = match view {
            OctetView::Nas => (input, output),
            OctetView::Client => (output, input),
        };
        UsageAmount {
            upload_bytes,
            download_bytes,
            session_seconds: u64::from(self.session_seconds),
        }
    }

    fn place(
        &self,
        session_id: &[u8],
        user_name: Option<CompactString>,
        source: IpAddr,
    ) -> SessionPlace {
        SessionPlace {
            acct_session_id: printable(session_id),
            user_name: user_name.filter(|name| !name.is_empty()),
            nas_address: Some(source),
            nas_port: match self.nas_port_id {
                Some(port) if !port.is_empty() => Some(printable(port)),
                _ => self.nas_port.map(|port| port.to_compact_string()),
            },
            framed_ipv4: self.framed_ipv4,
            framed_ipv6_prefix: self.framed_ipv6_prefix,
            delegated_ipv6_prefix: self.delegated_ipv6_prefix,
            calling_station: self.calling_station.map(printable),
            called_station: self.called_station.map(printable),
        }
    }
}

/// What makes a session the same session. The order and the separators are part of the stored
/// format: changing them splits sessions that are open during an upgrade.
pub fn session_key(nas: NasId, session_id: &[u8], username: &str) -> SessionKey {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(nas.as_bytes())
        .chain_update([session_id.len() as u8])
        .chain_update(session_id)
        .chain_update(username.as_bytes())
        .finalize()
        .into();
    SessionKey(*digest.first_chunk().expect("32 octets begin with 16"))
}

/// The user name as accounting keeps it.
pub(crate) fn canonical_username(raw: &[u8]) -> CompactString {
    match Username::from_wire(raw) {
        Ok(username) => username.as_str().into(),
        Err(_) => printable(raw),
    }
}

/// Octets of the longest text that is kept of an attribute.
const TEXT_OCTETS_MAX: usize = 253;

/// Text that is safe to store and show: what is not UTF-8 or is a control character is replaced,
/// and what then passes 253 octets is cut.
pub fn printable(raw: &[u8]) -> CompactString {
    if raw.len() <= TEXT_OCTETS_MAX
        && let Some(text) = attribute::printable(raw)
    {
        return text.into();
    }
    let mut text = replace_unprintable(CompactString::from_utf8_lossy(raw));
    text.truncate(text.floor_char_boundary(TEXT_OCTETS_MAX));
    text
}

fn replace_unprintable(text: CompactString) -> CompactString {
    if text.contains(char::is_control) {
        text.chars()
            .map(|char| {
                if char.is_control() {
                    char::REPLACEMENT_CHARACTER
                } else {
                    char
                }
            })
            .collect()
    } else {
        text
    }
}

fn prefix(value: &[u8]) -> Option<Ipv6Net> {
    let (address, length) = attribute::ipv6_prefix(value)?;
    Ipv6Net::new(address, length).ok().map(|net| net.trunc())
}

#[cfg(test)]
mod tests {
    use domain::id::TenantId;
    use domain::nas::{NasSettings, parse_source};
    use domain::secret::Secret;
    use radius::code::Code;
    use radius::writer::PacketWriter;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn nas(octet_view: OctetView) -> Nas {
        Nas {
            id: NasId::new(NOW, [1; 10]),
            tenant: TenantId::DEFAULT,
            name: "pop".parse().expect("a valid name"),
            source: parse_source("192.0.2.1").expect("a valid source"),
            secret: Secret::from("secret"),
            settings: NasSettings {
                octet_view,
                ..NasSettings::default()
            },
            groups: Vec::new(),
        }
    }

    fn request(attributes: &[(u8, &[u8])]) -> Vec<u8> {
        let mut buffer = Vec::new();
        let mut writer = PacketWriter::new(&mut buffer, Code::AccountingRequest, 1);
        for (kind, value) in attributes {
            writer.push(*kind, value).expect("it fits");
        }
        writer.finish_accounting_request(b"secret");
        buffer
    }

    fn read(nas: &Nas, attributes: &[(u8, &[u8])]) -> Result<AccountingRecord, Unrecordable> {
        with_packet(&request(attributes), |packet| {
            read_record(packet, nas, [192, 0, 2, 1].into(), NOW, |_| None)
        })
    }

    fn with_packet<T>(octets: &[u8], read: impl FnOnce(&Packet<'_>) -> T) -> T {
        read(&Packet::parse(octets).expect("we wrote it"))
    }

    fn read_session(nas: &Nas, attributes: &[(u8, &[u8])]) -> SessionRecord {
        match read(nas, attributes) {
            Ok(AccountingRecord::Session(record)) => record,
            other => panic!("expected a session record, found {other:?}"),
        }
    }

    const INTERIM: (u8, &[u8]) = (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 3]);
    const SESSION: (u8, &[u8]) = (kind::ACCT_SESSION_ID, b"81000001");
    const USER: (u8, &[u8]) = (kind::USER_NAME, b"Ana");

    #[test]
    fn input_is_upload_unless_the_nas_says_otherwise() {
        let attributes = [
            INTERIM,
            SESSION,
            USER,
            (kind::ACCT_INPUT_OCTETS, &[0, 0, 0, 5]),
            (kind::ACCT_INPUT_GIGAWORDS, &[0, 0, 0, 1]),
            (kind::ACCT_OUTPUT_OCTETS, &[0, 0, 0, 7]),
        ];
        let total = read_session(&nas(OctetView::Nas), &attributes).total;
        assert_eq!(
            (total.upload_bytes, total.download_bytes),
            (4_294_967_301, 7)
        );
        let total = read_session(&nas(OctetView::Client), &attributes).total;
        assert_eq!(
            (total.upload_bytes, total.download_bytes),
            (7, 4_294_967_301)
        );
    }

    #[test]
    fn delay_moves_the_event_into_the_past() {
        let delayed = |delay: &'static [u8]| {
            let attributes = [INTERIM, SESSION, USER, (kind::ACCT_DELAY_TIME, delay)];
            read_session(&nas(OctetView::Nas), &attributes).at
        };
        assert_eq!(delayed(&[0, 0, 0, 30]), NOW.plus_seconds(-30));
        assert_eq!(delayed(&[0xff; 4]), NOW.plus_seconds(-604_800));
        assert_eq!(delayed(&[1]), NOW);
    }

    #[test]
    fn the_same_session_has_the_same_key_in_every_packet() {
        let nas = nas(OctetView::Nas);
        let interim = read_session(&nas, &[INTERIM, SESSION, USER]);
        let stop = (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 2][..]);
        let folded = (kind::USER_NAME, &b"ANA"[..]);
        let stop = read_session(&nas, &[stop, SESSION, folded]);
        assert_eq!(interim.key, stop.key);
        let other = read_session(&nas, &[INTERIM, (kind::ACCT_SESSION_ID, b"81000002"), USER]);
        assert_ne!(interim.key, other.key);
    }

    #[test]
    fn what_cannot_be_recorded_is_refused() {
        let nas = nas(OctetView::Nas);
        assert_eq!(read(&nas, &[SESSION, USER]), Err(Unrecordable::Incomplete));
        assert_eq!(read(&nas, &[INTERIM, USER]), Err(Unrecordable::Incomplete));
        assert_eq!(
            read(&nas, &[INTERIM, (kind::ACCT_SESSION_ID, b"")]),
            Err(Unrecordable::Incomplete)
        );
        let tunnel_start = (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 9][..]);
        assert_eq!(
            read(&nas, &[tunnel_start, SESSION]),
            Err(Unrecordable::Unsupported)
        );
        let short = (kind::ACCT_STATUS_TYPE, &[1][..]);
        assert_eq!(read(&nas, &[short, SESSION]), Err(Unrecordable::Incomplete));
    }

    #[test]
    fn accounting_on_and_off_are_restarts_of_the_router_that_sent_them() {
        let restarted = |source: &str, status: [u8; 4]| {
            let nas = Nas {
                source: parse_source(source).expect("a valid source"),
                ..nas(OctetView::Nas)
            };
            match read(&nas, &[(kind::ACCT_STATUS_TYPE, &status)]) {
                Ok(AccountingRecord::NasRestart(restart)) => restart.source,
                other => panic!("expected a restart, found {other:?}"),
            }
        };
        for status in [[0, 0, 0, 7], [0, 0, 0, 8]] {
            assert_eq!(restarted("192.0.2.1", status), None);
            let sender = Some(IpAddr::from([192, 0, 2, 1]));
            assert_eq!(restarted("192.0.2.0/24", status), sender);
        }
    }

    #[test]
    fn names_that_are_not_text_are_kept_printable() {
        let nas = nas(OctetView::Nas);
        let record = read_session(
            &nas,
            &[INTERIM, SESSION, (kind::USER_NAME, &[0xff, 0x00, b'a'])],
        );
        assert_eq!(record.username, "\u{fffd}\u{fffd}a");
    }

    #[test]
    fn text_is_cut_where_it_passes_what_an_attribute_holds() {
        assert_eq!(printable(&[b'a'; 253]).len(), 253);
        assert_eq!(printable(&[0xff; 253]).len(), 252);
    }
}
