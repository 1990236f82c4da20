//! What rows limit beside the credential: hours and counters, as the limits of plans are weighed.

use std::sync::Arc;

use domain::accounting::SessionRecord;
use domain::id::SubscriberId;
use domain::limit::{Limits, Manner, Measure, Period, Quota, Quotas, Resets, Validity, Windows};
use domain::time::Timestamp;
use radius::attribute::kind;
use radius::code::Code;
use radius::packet::Packet;
use radius::writer::{PacketWriter, WriteError};
use rows::access::{Access, Authorization};
use rows::authorize::authorize;
use rows::limit::{Counter, CounterPeriod, CounterPeriods, CounterUnit, RowLimit};
use rows::request::Request;

use crate::directory::Directory;
use crate::row_table::{RowTable, RowUser, TENANT};

/// What the limit of Max-All-MB counts.
const MEBIBYTE: u64 = 1 << 20;

/// The hours and counters of rows that match; `None` when there are none.
pub(crate) fn of(access: &Access, directory: &Directory) -> Option<Limits> {
    let mut quotas = Vec::new();
    let mut windows: Option<Arc<Windows>> = None;
    let mut validity: Option<u32> = None;
    for limit in access.limits() {
        match limit {
            RowLimit::LoginTime(hours) => windows = Some(hours),
            RowLimit::Counter(counter, amount) => match quota(counter, amount) {
                Some(quota) => quotas.push(quota),
                None => {
                    let seconds = u32::try_from(amount).unwrap_or(u32::MAX);
                    validity = Some(validity.map_or(seconds, |known| known.min(seconds)));
                }
            },
            RowLimit::Expiration(_) | RowLimit::SimultaneousUse(_) => {}
        }
    }
    if quotas.is_empty() && windows.is_none() && validity.is_none() {
        return None;
    }
    Some(Limits {
        quotas: Quotas::least(quotas),
        windows: windows.as_deref().cloned(),
        validity: validity.map(Validity::from_first_use),
        resets: Resets::FREERADIUS,
        zone: directory.policies().time_zone(TENANT),
        manner: Manner::FreeRadius,
        ..Limits::default()
    })
}

/// The quota that a counter is; `None` for a time that runs from the first login on.
fn quota(counter: Counter, amount: u64) -> Option<Quota> {
    let period = match counter.period {
        CounterPeriod::Hour => Period::Hour,
        CounterPeriod::Day => Period::Day,
        CounterPeriod::Week => Period::Week,
        CounterPeriod::Month => Period::Month,
        CounterPeriod::Total => Period::Total,
        CounterPeriod::SinceFirstLogin => return None,
    };
    let (measure, amount) = match counter.unit {
        CounterUnit::Seconds => (Measure::Time, amount),
        CounterUnit::Octets => (Measure::Traffic, amount),
        CounterUnit::Mebibytes => (Measure::Traffic, amount.saturating_mul(MEBIBYTE)),
    };
    Some(Quota::new(measure, period, amount))
}

/// Whose accounting is followed for limits of rows.
pub(crate) struct RowAccount {
    pub(crate) id: SubscriberId,
    user: Arc<RowUser>,
    periods: CounterPeriods,
}

impl RowAccount {
    /// The user of rows whom a record is of.
    pub(crate) fn find(directory: &Directory, record: &SessionRecord) -> Option<Self> {
        let rows = directory.rows();
        if !rows.has_limits() || record.tenant != TENANT {
            return None;
        }
        let id = record.subscriber?;
        let user = rows.find_accounted(id, &record.username)?;
        let periods = CounterPeriods::of(&user.program, rows);
        Some(Self { id, user, periods })
    }

    /// The periods that may be counted, whichever rows match.
    pub(crate) fn periods(&self) -> impl Iterator<Item = Period> {
        let kinds = [
            (CounterPeriod::Hour, Period::Hour),
            (CounterPeriod::Day, Period::Day),
            (CounterPeriod::Week, Period::Week),
            (CounterPeriod::Month, Period::Month),
            (CounterPeriod::Total, Period::Total),
        ];
        let has = |kind: &(CounterPeriod, Period)| self.periods.has(kind.0);
        kinds.into_iter().filter(has).map(|(_, period)| period)
    }

    /// Whether a time runs from the first session on.
    pub(crate) const fn counts_from_first_use(&self) -> bool {
        self.periods.has(CounterPeriod::SinceFirstLogin)
    }

    /// The limits of the rows that match somebody who is online so. What only a login tells is not
    /// known here: rows that ask for it do not match.
    pub(crate) fn limits(
        &self,
        directory: &Directory,
        record: &SessionRecord,
        now: Timestamp,
    ) -> Option<Limits> {
        let mut octets = Vec::new();
        write_request(&mut octets, record).ok()?;
        let packet = Packet::parse(&octets).ok()?;
        let request = Request {
            packet: &packet,
            user_name: record.username.as_bytes(),
            password: None,
            source: record.place.nas_address?,
            now,
            gaps: None,
        };
        let rows: &RowTable = directory.rows();
        match authorize(Some(&self.user.program), rows, &request, rows.mode()).authorization {
            Authorization::Found(access) => of(&access, directory),
            Authorization::NotFound | Authorization::Failed(_) => None,
        }
    }
}

/// What a login of this session would say, as far as accounting tells.
fn write_request(octets: &mut Vec<u8>, record: &SessionRecord) -> Result<(), WriteError> {
    let place = &record.place;
    let mut writer = PacketWriter::new(octets, Code::AccessRequest, 0);
    writer.push_text(kind::USER_NAME, &record.username)?;
    if let Some(address) = place.framed_ipv4 {
        writer.push_ipv4(kind::FRAMED_IP_ADDRESS, address)?;
    }
    let port = place.nas_port.as_deref();
    match port.map(|port| (port, port.parse())) {
        Some((_, Ok(number))) => writer.push_integer(kind::NAS_PORT, number)?,
        Some((text, Err(_))) => writer.push_text(kind::NAS_PORT_ID, text)?,
        None => {}
    }
    for (kind, text) in [
        (kind::CALLING_STATION_ID, &place.calling_station),
        (kind::CALLED_STATION_ID, &place.called_station),
    ] {
        if let Some(text) = text {
            writer.push_text(kind, text)?;
        }
    }
    writer.finish_unsigned(&[0; 16]);
    Ok(())
}
