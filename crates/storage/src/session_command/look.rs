//! Looking in the books what has become of sessions about which something was asked.

use domain::session_command::ladder::{Books, CHANGE_EVIDENCE_SECONDS};
use domain::session_command::verdict::Verdict;
use domain::time::Timestamp;

use sea_orm::ConnectionTrait;

use super::{Row, TABLE, read_command, read_progress, settle};
use crate::column::loaded_count;
use crate::error::StoreError;
use crate::job;
use crate::query::Query;
use crate::store::Store;

/// For how long after a router has agreed its session is looked at often.
const RECENT_SECONDS: i64 = 30;

/// Commands that one look gives their verdict.
const LOOKED_MAX: u32 = 1_000;

/// Which commands are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Those that a router has agreed to in the last half minute.
    Recent,
    All,
}

impl Store {
    /// Gives commands their verdict whose sessions the books show to have ended, or to go on as was
    /// wanted, and says which.
    pub async fn session_command_look(&self, look: Look) -> Result<Vec<Verdict>, StoreError> {
        let now = self.now();
        let rows = self.look_query(look, now).all(self.reader()).await?;
        let mut settled = Vec::new();
        for row in &rows {
            let row = Row::new(TABLE, row)?;
            let heard_at: Option<i64> = row.raw("heard_at")?;
            let books = heard_at.map_or(Books::Closed, |at| Books::Open {
                updated_at: Timestamp::from_micros(at),
            });
            // Whoever takes it puts aside what cannot be read.
            let (Ok(command), Ok(progress)) = (read_command(&row), read_progress(&row)) else {
                continue;
            };
            let verdict = progress.look(&command.wish, books, now);
            settled.extend(verdict.map(|verdict| (command.id, verdict, None)));
        }
        if settled.is_empty() {
            return Ok(Vec::new());
        }
        let mut write = self.write().await?;
        settle(&mut write, &settled).await?;
        let jobs: Vec<_> = settled.iter().map(|(id, _, _)| id.as_uuid()).collect();
        job::withdraw(&write, &jobs).await?;
        write.commit().await?;
        Ok(settled.iter().map(|(_, verdict, _)| *verdict).collect())
    }

    /// How many commands have no verdict yet.
    pub async fn session_command_open_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) AS open FROM session_command WHERE settled_at IS NULL";
        let statement = self.dialect().statement(sql, []);
        let row = self.reader().query_one_raw(statement).await?;
        Ok(match row {
            Some(row) => loaded_count(row.try_get_by_index(0)?),
            None => 0,
        })
    }

    fn look_query(&self, look: Look, now: Timestamp) -> Query {
        let select = "SELECT c.*, s.updated_at AS heard_at FROM session_command c \
            LEFT JOIN session_open s ON s.id = c.session";
        let mut query = Query::new(self.dialect(), select);
        query.and("c.settled_at IS NULL", []);
        if look == Look::Recent {
            let since = now.plus_seconds(-RECENT_SECONDS).as_micros();
            query.and(
                "c.state = 'acknowledged' AND c.acknowledged_at > ?",
                [since.into()],
            );
        }
        let unproven = now.plus_seconds(-CHANGE_EVIDENCE_SECONDS).as_micros();
        query.and(
            "(s.id IS NULL OR c.wish <> 'end' AND c.fallback IS NULL \
             AND c.acknowledged_at IS NOT NULL \
             AND (c.acknowledged_at < s.updated_at OR c.acknowledged_at <= ?))",
            [unproven.into()],
        );
        query.end(&format!("LIMIT {LOOKED_MAX}"));
        query
    }
}

#[cfg(test)]
mod tests;
