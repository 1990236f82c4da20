//! How accounts end and where they may be used: walled gardens, messages, groups of routers, and
//! devices.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0012_access",
    common: "
CREATE TABLE garden (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key {key} NOT NULL,
    pool TEXT,
    address_list TEXT,
    rate TEXT,
    redirect TEXT,
    session_timeout_seconds {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
){strict};
CREATE UNIQUE INDEX garden_name_key_unique ON garden (tenant, name_key);

ALTER TABLE tenant ADD COLUMN language TEXT NOT NULL DEFAULT 'en';
ALTER TABLE tenant ADD COLUMN garden {id} REFERENCES garden (id);

CREATE TABLE state_message (
    tenant {id} NOT NULL REFERENCES tenant (id),
    state {key} NOT NULL,
    language {key} NOT NULL,
    template TEXT NOT NULL,
    updated_at {int} NOT NULL,
    PRIMARY KEY (tenant, state, language)
){strict};

ALTER TABLE plan ADD COLUMN grace_days {int} NOT NULL DEFAULT 0;
ALTER TABLE plan ADD COLUMN after_expiry TEXT NOT NULL DEFAULT 'hard';
ALTER TABLE plan ADD COLUMN garden {id} REFERENCES garden (id);
ALTER TABLE plan ADD COLUMN device_limit {int};
ALTER TABLE plan ADD COLUMN private_device_limit {int};

ALTER TABLE router ADD COLUMN mac_authentication TEXT NOT NULL DEFAULT 'off';
ALTER TABLE router ADD COLUMN sharing TEXT NOT NULL DEFAULT 'own';

-- One of all tenants: the name alone says whose it is.
CREATE TABLE realm (
    name {key} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL REFERENCES tenant (id),
    handling TEXT NOT NULL,
    created_at {int} NOT NULL
){strict};

CREATE TABLE nas_group (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key {key} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
){strict};
CREATE UNIQUE INDEX nas_group_name_key_unique ON nas_group (tenant, name_key);

CREATE TABLE nas_group_member (
    nas_group {id} NOT NULL REFERENCES nas_group (id) ON DELETE CASCADE,
    nas {id} NOT NULL REFERENCES router (id) ON DELETE CASCADE,
    PRIMARY KEY (nas_group, nas)
){strict};
CREATE INDEX nas_group_member_by_nas ON nas_group_member (nas);

-- A router that is removed stays in the bindings that name it: they are not to fall open.
CREATE TABLE subscriber_nas (
    subscriber {id} NOT NULL REFERENCES subscriber (id) ON DELETE CASCADE,
    nas {id} NOT NULL,
    PRIMARY KEY (subscriber, nas)
){strict};

CREATE TABLE subscriber_nas_group (
    subscriber {id} NOT NULL REFERENCES subscriber (id) ON DELETE CASCADE,
    nas_group {id} NOT NULL REFERENCES nas_group (id),
    PRIMARY KEY (subscriber, nas_group)
){strict};
CREATE INDEX subscriber_nas_group_by_group ON subscriber_nas_group (nas_group);

CREATE TABLE subscriber_device (
    subscriber {id} NOT NULL REFERENCES subscriber (id) ON DELETE CASCADE,
    mac {key} NOT NULL,
    bound_at {int} NOT NULL,
    PRIMARY KEY (subscriber, mac)
){strict};

CREATE TABLE device_event (
    number {number},
    tenant {id} NOT NULL,
    subscriber {id} NOT NULL,
    username {key} NOT NULL,
    mac TEXT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    at {int} NOT NULL
){strict};
CREATE INDEX device_event_by_user ON device_event (tenant, username, number);
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

    /// A plan and its subscribers, as the version before wrote them.
    const ROWS: &str = "
INSERT INTO plan (id, tenant, name, name_key, interim_seconds, created_at, updated_at)
VALUES ({one}, {tenant}, 'Home', 'home', 300, 1, 1);
INSERT INTO subscriber (id, tenant, username, credential_kind, credential, plan, status,
    created_at, updated_at)
VALUES ({one}, {tenant}, 'ana', 'cleartext', {octets}, {one}, 'active', 1, 1),
    ({two}, {tenant}, 'fay', 'cleartext', {octets}, {one}, 'disabled', 1, 1);
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
        let dialect = connections.dialect();
        let id = |number| dialect.id_literal(uuid::Uuid::from_u128(number));
        let octets = match kind {
            DatabaseKind::Sqlite => "X'00'",
            DatabaseKind::Postgres => "'\\x00'::BYTEA",
        };
        let tenant = dialect.id_literal(domain::id::TenantId::DEFAULT.as_uuid());
        let rows = ROWS
            .replace("{one}", &id(1))
            .replace("{two}", &id(2))
            .replace("{tenant}", &tenant)
            .replace("{octets}", octets);
        connections.writer.execute_unprepared(&rows).await.unwrap();
        let options = OpenOptions {
            url: database.url().into(),
            data_dir: database.data_dir().into(),
            clock: Arc::new(Timestamp::default),
        };
        migrate(&options).await.unwrap();
        let sql = "SELECT s.username, s.status, p.grace_days, p.after_expiry, t.language \
            FROM subscriber s JOIN plan p ON p.id = s.plan JOIN tenant t ON t.id = s.tenant \
            ORDER BY s.username";
        let statement = dialect.statement(sql, []);
        let rows = connections.reader.query_all_raw(statement).await.unwrap();
        let read = |row: &sea_orm::QueryResult| -> (String, String, i64, String, String) {
            let text = |index| row.try_get_by_index::<String>(index).unwrap();
            (
                text(0),
                text(1),
                row.try_get_by_index(2).unwrap(),
                text(3),
                text(4),
            )
        };
        let found: Vec<_> = rows.iter().map(read).collect();
        let expected = |name: &str, status: &str| {
            (
                name.to_owned(),
                status.to_owned(),
                0,
                "hard".to_owned(),
                "en".to_owned(),
            )
        };
        assert_eq!(
            found,
            [expected("ana", "active"), expected("fay", "disabled")]
        );
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
