//! Open sessions by what routers say of them.
//!
//! By user name and by Acct-Session-Id there are indices. By an address or a device alone all open
//! sessions are read: that is asked seldom, and an index for it would be paid for with each report
//! of accounting.

use domain::session::Session;
use domain::session_match::SessionMatch;
use sea_orm::Value;

use crate::column::stored_text;
use crate::error::StoreError;
use crate::query::Query;
use crate::session::{LIVE_COLUMNS, read_live};
use crate::store::Store;

/// The tenants are few, and the indices begin with them.
const OF_ANY_TENANT: &str = "s.tenant IN (SELECT id FROM tenant)";

/// A calling station without what notations of MAC addresses differ by.
const CALLING_DIGITS: &str =
    "LOWER(REPLACE(REPLACE(REPLACE(s.calling_station, ':', ''), '-', ''), '.', ''))";

impl Store {
    /// The open sessions of all tenants of which all of it holds, at most `limit`, the oldest first.
    pub async fn session_open_matching(
        &self,
        wanted: &SessionMatch,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let rows = self.match_query(wanted, limit).all(self.reader()).await?;
        let sessions = rows.iter().map(|row| Ok(read_live(row)?.session));
        sessions.collect()
    }

    pub(crate) fn match_query(&self, wanted: &SessionMatch, limit: u32) -> Query {
        let select = format!("SELECT {LIVE_COLUMNS} FROM session_open s");
        let mut query = Query::new(self.dialect(), &select);
        query.and(OF_ANY_TENANT, []);
        let usernames = wanted.usernames();
        if !usernames.is_empty() {
            let names = usernames.iter().map(|name| Value::from(stored_text(name)));
            query.and_any("s.username", names);
        }
        let mut equal = |column: &str, value: Option<String>| {
            if let Some(value) = value {
                query.and(&format!("{column} = ?"), [value.into()]);
            }
        };
        equal(
            "s.acct_session_id",
            wanted.acct_session_id.as_deref().map(stored_text),
        );
        equal(
            "s.framed_ipv4",
            wanted.framed_ipv4.map(|address| address.to_string()),
        );
        equal(
            "s.framed_ipv6_prefix",
            wanted.framed_ipv6_prefix.map(|net| net.to_string()),
        );
        equal(
            "s.called_station",
            wanted.called_station.as_deref().map(stored_text),
        );
        equal("s.nas_port", wanted.nas_port.as_deref().map(stored_text));
        match wanted.calling_mac() {
            Some(mac) => equal(CALLING_DIGITS, Some(mac.to_string())),
            None => equal(
                "s.calling_station",
                wanted.calling_station.as_deref().map(stored_text),
            ),
        }
        query.end(&format!("ORDER BY s.id LIMIT {limit}"));
        query
    }
}
