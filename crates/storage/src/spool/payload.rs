//! The octets of a parcel: its records, compact, with a format number and a checksum.
//!
//! The format is of this module alone, so a domain type may change without making old parcels
//! unreadable: what is changed here is a new [`Payload`] variant beside the old one.

use std::net::{IpAddr, Ipv4Addr};

use crc::{CRC_32_ISCSI, Crc};
use domain::accounting::{
    AccountingRecord, NasRestart, SessionEvent, SessionKey, SessionPlace, SessionRecord,
    TerminateCause,
};
use domain::id::Id;
use domain::terms::TermsMark;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The octets are not what this program, or an older one, has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the records cannot be read")]
pub(super) struct Unreadable;

/// The variant's number is the first octet.
#[derive(Serialize, Deserialize)]
enum Payload {
    V1(Vec<Record<Session>>),
    V2(Vec<Record<MarkedSession>>),
}

#[derive(Serialize, Deserialize)]
enum Record<S> {
    Session(Box<S>),
    NasRestart {
        tenant: [u8; 16],
        nas: [u8; 16],
        source: Option<IpAddr>,
        at_micros: i64,
    },
}

#[derive(Serialize, Deserialize)]
struct Session {
    event: Event,
    tenant: [u8; 16],
    nas: [u8; 16],
    key: [u8; 16],
    auth: Option<[u8; 16]>,
    subscriber: Option<[u8; 16]>,
    username: String,
    at_micros: i64,
    upload_bytes: u64,
    download_bytes: u64,
    session_seconds: u64,
    /// As `TerminateCause::to_stored`.
    terminate_cause: Option<i64>,
    acct_session_id: String,
    nas_address: Option<IpAddr>,
    nas_port: Option<String>,
    framed_ipv4: Option<Ipv4Addr>,
    framed_ipv6_prefix: Option<Ipv6Net>,
    delegated_ipv6_prefix: Option<Ipv6Net>,
    calling_station: Option<String>,
    called_station: Option<String>,
}

/// What the second format has in addition.
#[derive(Serialize, Deserialize)]
struct MarkedSession {
    session: Session,
    terms: Option<[u8; TermsMark::OCTETS]>,
    user_name: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum Event {
    Start,
    Interim,
    Stop,
    Silence,
}

pub(super) fn encode(records: &[AccountingRecord]) -> Vec<u8> {
    let payload = Payload::V2(records.iter().map(Record::from).collect());
    postcard::to_stdvec_crc32(&payload, CHECKSUM.digest())
        .expect("a list in memory is written without failure")
}

pub(super) fn decode(octets: &[u8]) -> Result<Vec<AccountingRecord>, Unreadable> {
    let payload = postcard::from_bytes_crc32(octets, CHECKSUM.digest());
    match payload.map_err(|_| Unreadable)? {
        Payload::V1(records) => into_domain(records, Session::into_domain),
        Payload::V2(records) => into_domain(records, MarkedSession::into_domain),
    }
}

fn into_domain<S>(
    records: Vec<Record<S>>,
    read: fn(S) -> Result<SessionRecord, Unreadable>,
) -> Result<Vec<AccountingRecord>, Unreadable> {
    let records = records.into_iter();
    records.map(|record| record.into_domain(read)).collect()
}

impl From<&AccountingRecord> for Record<MarkedSession> {
    fn from(record: &AccountingRecord) -> Self {
        match record {
            AccountingRecord::Session(record) => Self::Session(Box::new(record.into())),
            AccountingRecord::NasRestart(restart) => Self::NasRestart {
                tenant: *restart.tenant.as_bytes(),
                nas: *restart.nas.as_bytes(),
                source: restart.source,
                at_micros: restart.at.as_micros(),
            },
        }
    }
}

impl<S> Record<S> {
    fn into_domain(
        self,
        read: fn(S) -> Result<SessionRecord, Unreadable>,
    ) -> Result<AccountingRecord, Unreadable> {
        Ok(match self {
            Self::Session(session) => AccountingRecord::Session(read(*session)?),
            Self::NasRestart {
                tenant,
                nas,
                source,
                at_micros,
            } => AccountingRecord::NasRestart(NasRestart {
                tenant: Id::from_bytes(tenant),
                nas: Id::from_bytes(nas),
                source,
                at: Timestamp::from_micros(at_micros),
            }),
        })
    }
}

impl From<&SessionRecord> for MarkedSession {
    fn from(record: &SessionRecord) -> Self {
        Self {
            session: record.into(),
            terms: record.terms.map(TermsMark::to_octets),
            user_name: record.place.user_name.as_ref().map(ToString::to_string),
        }
    }
}

impl MarkedSession {
    fn into_domain(self) -> Result<SessionRecord, Unreadable> {
        let mut record = self.session.into_domain()?;
        let terms = self.terms;
        record.terms = terms.and_then(|terms| TermsMark::from_octets(&terms));
        record.place.user_name = self.user_name.map(Into::into);
        Ok(record)
    }
}

impl From<&SessionRecord> for Session {
    fn from(record: &SessionRecord) -> Self {
        let place = &record.place;
        Self {
            event: match record.event {
                SessionEvent::Start => Event::Start,
                SessionEvent::Interim => Event::Interim,
                SessionEvent::Stop => Event::Stop,
                SessionEvent::Silence => Event::Silence,
            },
            tenant: *record.tenant.as_bytes(),
            nas: *record.nas.as_bytes(),
            key: record.key.0,
            auth: record.auth.map(|id| *id.as_bytes()),
            subscriber: record.subscriber.map(|id| *id.as_bytes()),
            username: record.username.to_string(),
            at_micros: record.at.as_micros(),
            upload_bytes: record.total.upload_bytes,
            download_bytes: record.total.download_bytes,
            session_seconds: record.total.session_seconds,
            terminate_cause: record.terminate_cause.map(TerminateCause::to_stored),
            acct_session_id: place.acct_session_id.to_string(),
            nas_address: place.nas_address,
            nas_port: place.nas_port.as_ref().map(ToString::to_string),
            framed_ipv4: place.framed_ipv4,
            framed_ipv6_prefix: place.framed_ipv6_prefix,
            delegated_ipv6_prefix: place.delegated_ipv6_prefix,
            calling_station: place.calling_station.as_ref().map(ToString::to_string),
            called_station: place.called_station.as_ref().map(ToString::to_string),
        }
    }
}

impl Session {
    fn into_domain(self) -> Result<SessionRecord, Unreadable> {
        let cause = self.terminate_cause;
        let terminate_cause =
            cause.map(|stored| TerminateCause::from_stored(stored).ok_or(Unreadable));
        Ok(SessionRecord {
            event: match self.event {
                Event::Start => SessionEvent::Start,
                Event::Interim => SessionEvent::Interim,
                Event::Stop => SessionEvent::Stop,
                Event::Silence => SessionEvent::Silence,
            },
            tenant: Id::from_bytes(self.tenant),
            nas: Id::from_bytes(self.nas),
            key: SessionKey(self.key),
            auth: self.auth.map(Id::from_bytes),
            terms: None,
            subscriber: self.subscriber.map(Id::from_bytes),
            username: self.username.into(),
            at: Timestamp::from_micros(self.at_micros),
            total: UsageAmount {
                upload_bytes: self.upload_bytes,
                download_bytes: self.download_bytes,
                session_seconds: self.session_seconds,
            },
            terminate_cause: terminate_cause.transpose()?,
            place: SessionPlace {
                acct_session_id: self.acct_session_id.into(),
                user_name: None,
                nas_address: self.nas_address,
                nas_port: self.nas_port.map(Into::into),
                framed_ipv4: self.framed_ipv4,
                framed_ipv6_prefix: self.framed_ipv6_prefix,
                delegated_ipv6_prefix: self.delegated_ipv6_prefix,
                calling_station: self.calling_station.map(Into::into),
                called_station: self.called_station.map(Into::into),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> AccountingRecord {
        AccountingRecord::Session(SessionRecord {
            event: SessionEvent::Stop,
            tenant: Id::from_bytes([1; 16]),
            nas: Id::from_bytes([2; 16]),
            key: SessionKey([3; 16]),
            auth: Some(Id::from_bytes([4; 16])),
            terms: TermsMark::from_octets(&[1; TermsMark::OCTETS]),
            subscriber: Some(Id::from_bytes([5; 16])),
            username: "ana".into(),
            at: Timestamp::from_micros(-1),
            total: UsageAmount {
                upload_bytes: u64::MAX,
                download_bytes: 1 << 40,
                session_seconds: 7,
            },
            terminate_cause: Some(TerminateCause::Reported(1)),
            place: SessionPlace {
                acct_session_id: "80a".into(),
                user_name: Some("Ana@isp.example".into()),
                nas_address: Some([192, 0, 2, 1].into()),
                nas_port: Some("ether1".into()),
                framed_ipv4: Some([100, 64, 0, 1].into()),
                framed_ipv6_prefix: "2001:db8::/64".parse().ok(),
                delegated_ipv6_prefix: "2001:db8:1::/56".parse().ok(),
                calling_station: Some("02:00:00:00:00:01".into()),
                called_station: Some("pop".into()),
            },
        })
    }

    fn bare() -> AccountingRecord {
        AccountingRecord::Session(SessionRecord {
            event: SessionEvent::Start,
            tenant: Id::from_bytes([0; 16]),
            nas: Id::from_bytes([0; 16]),
            key: SessionKey([0; 16]),
            auth: None,
            terms: None,
            subscriber: None,
            username: "".into(),
            at: Timestamp::from_micros(0),
            total: UsageAmount::default(),
            terminate_cause: None,
            place: SessionPlace::default(),
        })
    }

    fn restart() -> AccountingRecord {
        AccountingRecord::NasRestart(NasRestart {
            tenant: Id::from_bytes([1; 16]),
            nas: Id::from_bytes([2; 16]),
            source: Some([192, 0, 2, 1].into()),
            at: Timestamp::from_micros(3),
        })
    }

    #[test]
    fn records_come_back_as_they_were() {
        for records in [vec![], vec![bare()], vec![full(), restart(), bare()]] {
            assert_eq!(decode(&encode(&records)), Ok(records));
        }
    }

    #[test]
    fn the_first_format_is_read_too() {
        let AccountingRecord::Session(record) = full() else {
            panic!("it is a session");
        };
        let old = Payload::V1(vec![Record::Session(Box::new(Session::from(&record)))]);
        let octets = postcard::to_stdvec_crc32(&old, CHECKSUM.digest()).unwrap();
        let mut unmarked = SessionRecord {
            terms: None,
            ..record
        };
        unmarked.place.user_name = None;
        let expected = vec![AccountingRecord::Session(unmarked)];
        assert_eq!((octets[0], decode(&octets)), (0, Ok(expected)));
    }

    #[test]
    fn every_damage_is_noticed() {
        let octets = encode(&[full(), restart()]);
        for index in 0..octets.len() {
            let mut damaged = octets.clone();
            damaged[index] ^= 0x10;
            assert_eq!(decode(&damaged), Err(Unreadable), "octet {index}");
            assert_eq!(decode(&octets[..index]), Err(Unreadable), "cut at {index}");
        }
    }

    #[test]
    fn a_format_keeps_its_number() {
        assert_eq!(encode(&[]).first(), Some(&1));
    }

    #[test]
    fn a_full_record_takes_less_than_250_octets() {
        assert!(encode(&[full()]).len() < 250, "{}", encode(&[full()]).len());
    }
}
