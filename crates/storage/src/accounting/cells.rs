//! A session from the columns of a row, by their place, whichever driver brought it.

use std::str::FromStr;

use compact_str::CompactString;
use domain::accounting::{SessionKey, SessionPlace, TerminateCause};
use domain::id::{AuthId, Id, NasId, PlanId, SubscriberId, TenantId};
use domain::session::{ClosedSession, Session};
use domain::terms::TermsMark;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use uuid::Uuid;

use crate::column::{RowName, loaded_count};
use crate::error::StoreError;

/// The values of one row, in the order of `session::COLUMNS`, then the end and its cause.
pub(super) trait Cells {
    fn id(&self, index: usize) -> Result<Uuid, StoreError>;
    fn find_id(&self, index: usize) -> Result<Option<Uuid>, StoreError>;
    fn find_integer(&self, index: usize) -> Result<Option<i64>, StoreError>;
    fn find_text(&self, index: usize) -> Result<Option<CompactString>, StoreError>;
    fn find_octets(&self, index: usize) -> Result<Option<&[u8]>, StoreError>;

    fn integer(&self, index: usize) -> Result<i64, StoreError> {
        self.find_integer(index).map(Option::unwrap_or_default)
    }

    fn text(&self, index: usize) -> Result<CompactString, StoreError> {
        self.find_text(index).map(Option::unwrap_or_default)
    }
}

/// A row of `session_open`, with its terms in the column of this place, and then the name that the
/// router sent.
pub(super) fn read_open<C: Cells>(cells: &C, terms: usize) -> Result<Session, StoreError> {
    let mut session = read_session("session_open", cells)?;
    session.place.user_name = cells.find_text(terms + 1)?;
    let terms = cells.find_octets(terms)?;
    // Those of another version are not known.
    session.terms = terms.and_then(TermsMark::from_octets);
    Ok(session)
}

/// The plan of an open session's subscriber, which comes behind its terms and that name.
pub(super) fn find_plan<C: Cells>(cells: &C, terms: usize) -> Result<Option<PlanId>, StoreError> {
    Ok(cells.find_id(terms + 2)?.map(PlanId::from_uuid))
}

/// The columns that open and closed sessions have in common.
fn read_session<C: Cells>(table: &'static str, cells: &C) -> Result<Session, StoreError> {
    let id = cells.id(0)?;
    let name = RowName { table, id };
    Ok(Session {
        id: Id::from_uuid(id),
        key: SessionKey(cells.id(1)?.into_bytes()),
        tenant: TenantId::from_uuid(cells.id(2)?),
        nas: NasId::from_uuid(cells.id(3)?),
        auth: cells.find_id(4)?.map(AuthId::from_uuid),
        subscriber: cells.find_id(5)?.map(SubscriberId::from_uuid),
        username: cells.text(6)?.into(),
        started_at: Timestamp::from_micros(cells.integer(7)?),
        updated_at: Timestamp::from_micros(cells.integer(8)?),
        total: UsageAmount {
            upload_bytes: loaded_count(cells.integer(9)?),
            download_bytes: loaded_count(cells.integer(10)?),
            session_seconds: loaded_count(cells.integer(11)?),
        },
        place: SessionPlace {
            acct_session_id: cells.text(12)?,
            user_name: None,
            nas_address: find_parsed(name, "nas_address", cells, 13)?,
            nas_port: cells.find_text(14)?,
            framed_ipv4: find_parsed(name, "framed_ipv4", cells, 15)?,
            framed_ipv6_prefix: find_parsed(name, "framed_ipv6_prefix", cells, 16)?,
            delegated_ipv6_prefix: find_parsed(name, "delegated_ipv6_prefix", cells, 17)?,
            calling_station: cells.find_text(18)?,
            called_station: cells.find_text(19)?,
        },
        terms: None,
    })
}

/// A row of `session_closed`.
pub(super) fn read_closed<C: Cells>(cells: &C) -> Result<ClosedSession, StoreError> {
    let session = read_session("session_closed", cells)?;
    let name = RowName {
        table: "session_closed",
        id: session.id.as_uuid(),
    };
    let cause = cells
        .find_integer(21)?
        .map(|stored| TerminateCause::from_stored(stored).ok_or_else(|| name.corrupt("cause")));
    Ok(ClosedSession {
        session,
        stopped_at: Timestamp::from_micros(cells.integer(20)?),
        cause: cause.transpose()?,
    })
}

fn find_parsed<C: Cells, T: FromStr>(
    name: RowName,
    column: &'static str,
    cells: &C,
    index: usize,
) -> Result<Option<T>, StoreError> {
    name.find_parsed(column, cells.find_text(index)?.as_deref())
}
