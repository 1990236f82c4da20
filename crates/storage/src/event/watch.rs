//! Waiting until there may be new events, whoever added them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::warn;

use crate::change_feed::sqlite::{POLL, data_version};
use crate::connection::sqlite_reader;
use crate::error::StoreError;
use crate::location::Location;
use crate::store::Store;

const CHANNEL: &str = "lastmile_event";

/// How long events of another node may go unnoticed when the database does not tell of them.
const FALLBACK: Duration = Duration::from_secs(1);

/// Knows when events may have come. What comes after it was made is not missed.
pub struct EventWatch(Source);

enum Source {
    Postgres {
        connection: DatabaseConnection,
        /// Only wakes; without it, events are found by looking.
        listener: Option<PgListener>,
    },
    Sqlite {
        /// What changed is told to each connection by itself, so this one is never exchanged.
        connection: DatabaseConnection,
        wake: Arc<Notify>,
        version: Option<i64>,
    },
}

impl Store {
    /// Begins to watch.
    pub async fn event_watch(&self) -> Result<EventWatch, StoreError> {
        Ok(EventWatch(match self.location() {
            Location::Postgres(_) => {
                let connection = self.reader().clone();
                Source::Postgres {
                    listener: Some(listen(&connection).await?),
                    connection,
                }
            }
            Location::Sqlite(path) => Source::sqlite(self, path).await?,
        }))
    }
}

impl EventWatch {
    /// Waits until there may be new events since it last returned. It may be dropped while it waits.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        match &mut self.0 {
            Source::Postgres {
                connection,
                listener,
            } => {
                let Some(ear) = listener else {
                    *listener = Some(listen(connection).await?);
                    return Ok(());
                };
                match timeout(FALLBACK, ear.try_recv()).await {
                    Err(_) | Ok(Ok(Some(_))) => {}
                    Ok(Ok(None)) => warn!("Lost the connection that listens for events"),
                    Ok(Err(error)) => {
                        warn!("Lost the connection that listens for events: {error}");
                        *listener = None;
                    }
                }
                // One reading finds them all.
                while let Some(ear) = listener.as_mut()
                    && let Some(_heard) = ear.next_buffered()
                {}
                Ok(())
            }
            Source::Sqlite {
                connection,
                wake,
                version,
            } => loop {
                let woken = wake.notified();
                tokio::pin!(woken);
                // Enabled before the look, so that no commit falls between.
                woken.as_mut().enable();
                let known = version.take();
                let now = data_version(connection).await?;
                *version = now;
                if known != now {
                    return Ok(());
                }
                // Either way the next turn looks again.
                let _ = timeout(POLL, woken).await;
            },
        }
    }
}

impl Source {
    async fn sqlite(store: &Store, path: &Path) -> Result<Self, StoreError> {
        let connection = sqlite_reader(path, 1);
        Ok(Self::Sqlite {
            version: data_version(&connection).await?,
            connection,
            wake: store.wake(),
        })
    }
}

impl std::fmt::Debug for EventWatch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EventWatch").finish_non_exhaustive()
    }
}

async fn listen(connection: &DatabaseConnection) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(connection.get_postgres_connection_pool()).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
