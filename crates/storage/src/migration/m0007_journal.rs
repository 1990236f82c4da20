//! What the journal writes becomes cheaper: fewer indexes, and no roll-up that a sum can give.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0007_journal",
    common: "
-- A closed session is found by what its key was made of; the key itself is random and tells it
-- from the few others.
DROP INDEX session_closed_by_key;
DROP INDEX session_closed_by_acct_session_id;
CREATE INDEX session_closed_by_acct_session_id ON session_closed (tenant, acct_session_id, nas);

-- A day is the sum of its hours, none of which was ever removed; the table is for days whose hours
-- are removed.
DELETE FROM usage_daily;
",
    sqlite: "",
    postgres: "",
};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::time::Timestamp;
    use sea_orm::ConnectionTrait;
    use testkit::database::{Database, DatabaseKind};

    use super::super::{MIGRATIONS, migrate, run};
    use super::MIGRATION;
    use crate::connection::{Connections, create_sqlite_file};
    use crate::location::Location;
    use crate::store::OpenOptions;

    /// One row of each table that the migration touches, as the version before wrote them.
    const ROWS: &str = "
INSERT INTO session_open (id, key, tenant, nas, username, started_at, updated_at, upload_bytes,
    download_bytes, session_seconds, acct_session_id)
VALUES ({one}, {one}, {one}, {one}, 'ana', 1, 2, 3, 4, 5, '81000001');
INSERT INTO session_closed (id, key, tenant, nas, username, started_at, updated_at, upload_bytes,
    download_bytes, session_seconds, acct_session_id, stopped_at)
VALUES ({one}, {one}, {one}, {one}, 'ana', 1, 2, 3, 4, 5, '81000001', 6);
INSERT INTO usage_hourly VALUES ({one}, 'ana', 0, 3, 4, 5);
INSERT INTO usage_daily VALUES ({one}, 'ana', 0, 3, 4, 5);
";

    async fn check_rows_survive(kind: DatabaseKind) {
        let database = Database::empty(kind).await;
        let location = Location::parse(database.url(), database.data_dir()).unwrap();
        if let Location::Sqlite(path) = &location {
            create_sqlite_file(path).unwrap();
        }
        let connections = Connections::open(&location).await.unwrap();
        let older = (1..).zip(&MIGRATIONS);
        for (version, migration) in older.take_while(|(_, one)| one.name < MIGRATION.name) {
            let done = run(
                &connections.writer,
                version,
                migration,
                Timestamp::default(),
            );
            done.await.unwrap();
        }
        let one = connections.dialect().id_literal(uuid::Uuid::from_u128(1));
        let rows = ROWS.replace("{one}", &one);
        connections.writer.execute_unprepared(&rows).await.unwrap();
        let options = OpenOptions {
            url: database.url().into(),
            data_dir: database.data_dir().into(),
            clock: Arc::new(Timestamp::default),
        };
        migrate(&options).await.unwrap();
        let count = async |table: &str| -> i64 {
            let select = format!("SELECT COUNT(*) FROM {table}");
            let select = connections.dialect().statement(select, []);
            let row = connections.reader.query_one_raw(select).await.unwrap();
            row.unwrap().try_get_by_index(0).unwrap()
        };
        for table in ["session_open", "session_closed", "usage_hourly"] {
            assert_eq!(count(table).await, 1, "{table}");
        }
        // It is the sum of its hours, which are there.
        assert_eq!(count("usage_daily").await, 0);
        connections.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_of_the_version_before_survive_on_sqlite() {
        check_rows_survive(DatabaseKind::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_of_the_version_before_survive_on_postgres() {
        check_rows_survive(DatabaseKind::Postgres).await;
    }
}
