//! What nodes tell each other about sessions, and which sessions have to end.
//!
//! Several nodes share a database only on PostgreSQL, so only there is anything told. The journal
//! names the sessions that it opens and closes in its own transactions; a reader looks how each
//! stands by then, so news may come twice and in any order.

use domain::accounting::SessionKey;
use domain::session::LiveSession;
use domain::session_news::SessionNews;
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use crate::bulk::{Insert, select_in};
use crate::column::find_stored_text;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::session::{LIVE_COLUMNS, read_live};
use crate::store::Store;

mod feed;

pub use feed::SessionNewsFeed;

const ENDING: Insert<'static> = Insert {
    table: "session_ending",
    columns: &["key", "nas", "subscriber", "reason", "at"],
    on_conflict: "ON CONFLICT (key) DO UPDATE SET nas = excluded.nas, \
        subscriber = excluded.subscriber, reason = excluded.reason, at = excluded.at",
};

const NEWS: Insert<'static> = Insert {
    table: "session_news",
    columns: &["kind", "key", "subscriber", "nas", "device", "node"],
    on_conflict: "",
};

const CHANGED: &str = "changed";
const RESERVED: &str = "reserved";
const ENDING_KIND: &str = "ending";

impl Store {
    /// Stores which sessions have to end, and tells other nodes, if there are any.
    pub async fn session_news_append(&self, news: &[SessionNews]) -> Result<(), StoreError> {
        let has_readers = self.has_session_readers();
        let write = self.write().await?;
        let at = write.at().as_micros();
        let endings = news.iter().filter_map(|one| match one {
            SessionNews::Ending(ending) => Some([
                Uuid::from_bytes(ending.key.0).into(),
                ending.nas.as_uuid().into(),
                ending.subscriber.as_uuid().into(),
                ending.reason.as_str().into(),
                at.into(),
            ]),
            SessionNews::Changed { .. }
            | SessionNews::Reserved { .. }
            | SessionNews::Everything => None,
        });
        // One statement cannot write a row twice.
        let mut endings: Vec<[Value; 5]> = endings.collect();
        let mut seen = std::collections::HashSet::new();
        endings.retain(|row| seen.insert(row[0].clone().to_string()));
        ENDING.run(write.connection(), endings).await?;
        if has_readers && write.dialect() == Dialect::Postgres {
            let node = self.node();
            let rows: Vec<_> = news.iter().filter_map(|one| row(one, node)).collect();
            NEWS.run(write.connection(), rows).await?;
        }
        write.commit().await
    }

    /// These sessions, if they are open.
    pub async fn session_open_many(
        &self,
        keys: &[SessionKey],
    ) -> Result<Vec<LiveSession>, StoreError> {
        let head = format!("SELECT {LIVE_COLUMNS} FROM session_open s WHERE s.key IN");
        let keys: Vec<Value> = keys
            .iter()
            .map(|key| Uuid::from_bytes(key.0).into())
            .collect();
        let rows = select_in(self.reader(), &head, &keys, "").await?;
        rows.iter().map(read_live).collect()
    }

    /// Removes what says that sessions have to end which have ended, and says how many.
    pub async fn session_ending_prune(&self) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let delete = "DELETE FROM session_ending WHERE NOT EXISTS \
            (SELECT 1 FROM session_open s WHERE s.key = session_ending.key)";
        let statement = write.dialect().statement(delete, []);
        let result = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(result.rows_affected())
    }
}

fn row(news: &SessionNews, node: Uuid) -> Option<[Value; 6]> {
    let none: Option<Uuid> = None;
    Some(match news {
        SessionNews::Changed { key, subscriber } => [
            CHANGED.into(),
            Uuid::from_bytes(key.0).into(),
            subscriber.as_uuid().into(),
            none.into(),
            None::<String>.into(),
            node.into(),
        ],
        SessionNews::Reserved {
            subscriber,
            nas,
            device,
        } => [
            RESERVED.into(),
            none.into(),
            subscriber.as_uuid().into(),
            nas.as_uuid().into(),
            find_stored_text(device.as_deref()).into(),
            node.into(),
        ],
        SessionNews::Ending(ending) => [
            ENDING_KIND.into(),
            Uuid::from_bytes(ending.key.0).into(),
            ending.subscriber.as_uuid().into(),
            ending.nas.as_uuid().into(),
            None::<String>.into(),
            node.into(),
        ],
        SessionNews::Everything => return None,
    })
}
