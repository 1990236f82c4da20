//! Open sessions by what routers say of them.
//!
//! There are indices for all of it, and none of them is paid for by a report that only counts on.

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

/// What a user name is compared with: that of the account, and then the one that the router sent,
/// with its realm or as a device's address.
pub(crate) const NAMED_BY_ACCOUNT: &str = "s.username";
const NAMED_AS_SENT: &str = "LOWER(s.user_name)";

/// A calling station without what notations of MAC addresses differ by, as its index has it.
pub(crate) const CALLING_DIGITS: &str =
    "LOWER(REPLACE(REPLACE(REPLACE(s.calling_station, ':', ''), '-', ''), '.', ''))";

impl Store {
    /// The open sessions of all tenants of which all of it holds, at most `limit`, the oldest first.
    pub async fn session_open_matching(
        &self,
        wanted: &SessionMatch,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let by_account = self.match_query(wanted, NAMED_BY_ACCOUNT, limit);
        let mut rows = by_account.all(self.reader()).await?;
        if rows.is_empty() && wanted.username.is_some() {
            let as_sent = self.match_query(wanted, NAMED_AS_SENT, limit);
            rows = as_sent.all(self.reader()).await?;
        }
        let sessions = rows.iter().map(|row| Ok(read_live(row)?.session));
        sessions.collect()
    }

    pub(crate) fn match_query(
        &self,
        wanted: &SessionMatch,
        name_column: &str,
        limit: u32,
    ) -> Query {
        let select = format!("SELECT {LIVE_COLUMNS} FROM session_open s");
        let mut query = Query::new(self.dialect(), &select);
        query.and(OF_ANY_TENANT, []);
        let usernames = wanted.usernames();
        if !usernames.is_empty() {
            let names = usernames.iter().map(|name| Value::from(stored_text(name)));
            query.and_any(name_column, names);
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
