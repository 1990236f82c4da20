//! The tables that FreeRADIUS reads, under its names, for whatever writes them, and the triggers
//! that tell of a change. Our own registry of routers leaves its name to them.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0009_rows",
    common: "
ALTER TABLE nas RENAME TO router;
DROP INDEX nas_name_key_unique;
DROP INDEX nas_source_unique;
CREATE UNIQUE INDEX router_name_key_unique ON router (tenant, name_key);
CREATE UNIQUE INDEX router_source_unique ON router (source);

-- What changed is a row with an id, or everything that these tables say about a name.
ALTER TABLE change ADD COLUMN name TEXT;
",
    sqlite: "
CREATE TABLE radcheck (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username varchar(64) NOT NULL DEFAULT '',
    attribute varchar(64) NOT NULL DEFAULT '',
    op char(2) NOT NULL DEFAULT '==',
    value varchar(253) NOT NULL DEFAULT ''
);
CREATE INDEX check_username ON radcheck (username);
CREATE TABLE radreply (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username varchar(64) NOT NULL DEFAULT '',
    attribute varchar(64) NOT NULL DEFAULT '',
    op char(2) NOT NULL DEFAULT '=',
    value varchar(253) NOT NULL DEFAULT ''
);
CREATE INDEX reply_username ON radreply (username);
CREATE TABLE radgroupcheck (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    groupname varchar(64) NOT NULL DEFAULT '',
    attribute varchar(64) NOT NULL DEFAULT '',
    op char(2) NOT NULL DEFAULT '==',
    value varchar(253) NOT NULL DEFAULT ''
);
CREATE INDEX check_groupname ON radgroupcheck (groupname);
CREATE TABLE radgroupreply (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    groupname varchar(64) NOT NULL DEFAULT '',
    attribute varchar(64) NOT NULL DEFAULT '',
    op char(2) NOT NULL DEFAULT '=',
    value varchar(253) NOT NULL DEFAULT ''
);
CREATE INDEX reply_groupname ON radgroupreply (groupname);
CREATE TABLE radusergroup (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username varchar(64) NOT NULL DEFAULT '',
    groupname varchar(64) NOT NULL DEFAULT '',
    priority int(11) NOT NULL DEFAULT 1
);
CREATE INDEX usergroup_username ON radusergroup (username);
CREATE TABLE nas (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    nasname varchar(128) NOT NULL,
    shortname varchar(32),
    type varchar(30) DEFAULT 'other',
    ports int(5),
    secret varchar(60) NOT NULL DEFAULT 'secret',
    server varchar(64),
    community varchar(50),
    description varchar(200) DEFAULT 'RADIUS Client'
);
CREATE INDEX nasname ON nas (nasname);

-- What a row tells the change feed. Rows of one name that are written one after the other are told
-- once: the entry moves to the end, where whoever has read it finds it again.
CREATE VIEW row_change AS SELECT kind, name FROM change WHERE name IS NOT NULL;
CREATE TRIGGER row_change_told INSTEAD OF INSERT ON row_change BEGIN
    DELETE FROM change WHERE seq = (SELECT MAX(seq) FROM change)
        AND kind = NEW.kind AND name = CAST(NEW.name AS TEXT);
    INSERT INTO change (tenant, kind, key, name, at) VALUES (
        {default_tenant}, NEW.kind, zeroblob(16), CAST(NEW.name AS TEXT),
        CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
    );
END;

CREATE TRIGGER radcheck_inserted AFTER INSERT ON radcheck BEGIN
    INSERT INTO row_change VALUES ('row_user', NEW.username);
END;
CREATE TRIGGER radcheck_deleted AFTER DELETE ON radcheck BEGIN
    INSERT INTO row_change VALUES ('row_user', OLD.username);
END;
CREATE TRIGGER radcheck_updated AFTER UPDATE ON radcheck BEGIN
    INSERT INTO row_change SELECT 'row_user', OLD.username WHERE OLD.username <> NEW.username;
    INSERT INTO row_change VALUES ('row_user', NEW.username);
END;
CREATE TRIGGER radreply_inserted AFTER INSERT ON radreply BEGIN
    INSERT INTO row_change VALUES ('row_user', NEW.username);
END;
CREATE TRIGGER radreply_deleted AFTER DELETE ON radreply BEGIN
    INSERT INTO row_change VALUES ('row_user', OLD.username);
END;
CREATE TRIGGER radreply_updated AFTER UPDATE ON radreply BEGIN
    INSERT INTO row_change SELECT 'row_user', OLD.username WHERE OLD.username <> NEW.username;
    INSERT INTO row_change VALUES ('row_user', NEW.username);
END;
CREATE TRIGGER radusergroup_inserted AFTER INSERT ON radusergroup BEGIN
    INSERT INTO row_change VALUES ('row_user', NEW.username);
END;
CREATE TRIGGER radusergroup_deleted AFTER DELETE ON radusergroup BEGIN
    INSERT INTO row_change VALUES ('row_user', OLD.username);
END;
CREATE TRIGGER radusergroup_updated AFTER UPDATE ON radusergroup BEGIN
    INSERT INTO row_change SELECT 'row_user', OLD.username WHERE OLD.username <> NEW.username;
    INSERT INTO row_change VALUES ('row_user', NEW.username);
END;
CREATE TRIGGER radgroupcheck_inserted AFTER INSERT ON radgroupcheck BEGIN
    INSERT INTO row_change VALUES ('row_group', NEW.groupname);
END;
CREATE TRIGGER radgroupcheck_deleted AFTER DELETE ON radgroupcheck BEGIN
    INSERT INTO row_change VALUES ('row_group', OLD.groupname);
END;
CREATE TRIGGER radgroupcheck_updated AFTER UPDATE ON radgroupcheck BEGIN
    INSERT INTO row_change SELECT 'row_group', OLD.groupname WHERE OLD.groupname <> NEW.groupname;
    INSERT INTO row_change VALUES ('row_group', NEW.groupname);
END;
CREATE TRIGGER radgroupreply_inserted AFTER INSERT ON radgroupreply BEGIN
    INSERT INTO row_change VALUES ('row_group', NEW.groupname);
END;
CREATE TRIGGER radgroupreply_deleted AFTER DELETE ON radgroupreply BEGIN
    INSERT INTO row_change VALUES ('row_group', OLD.groupname);
END;
CREATE TRIGGER radgroupreply_updated AFTER UPDATE ON radgroupreply BEGIN
    INSERT INTO row_change SELECT 'row_group', OLD.groupname WHERE OLD.groupname <> NEW.groupname;
    INSERT INTO row_change VALUES ('row_group', NEW.groupname);
END;
CREATE TRIGGER nas_inserted AFTER INSERT ON nas BEGIN
    INSERT INTO row_change VALUES ('row_nas', '');
END;
CREATE TRIGGER nas_deleted AFTER DELETE ON nas BEGIN
    INSERT INTO row_change VALUES ('row_nas', '');
END;
CREATE TRIGGER nas_updated AFTER UPDATE ON nas BEGIN
    INSERT INTO row_change VALUES ('row_nas', '');
END;
",
    postgres: "
ALTER INDEX nas_pkey RENAME TO router_pkey;
ALTER TABLE router RENAME CONSTRAINT nas_tenant_fkey TO router_tenant_fkey;

-- Names sort by octet, as they do in the program, which reads several tables side by side.
CREATE TABLE radcheck (
    id SERIAL PRIMARY KEY,
    username TEXT COLLATE \"C\" NOT NULL DEFAULT '',
    attribute TEXT NOT NULL DEFAULT '',
    op VARCHAR(2) NOT NULL DEFAULT '==',
    value TEXT NOT NULL DEFAULT ''
);
CREATE INDEX radcheck_username ON radcheck (username, id);
CREATE TABLE radreply (
    id SERIAL PRIMARY KEY,
    username TEXT COLLATE \"C\" NOT NULL DEFAULT '',
    attribute TEXT NOT NULL DEFAULT '',
    op VARCHAR(2) NOT NULL DEFAULT '=',
    value TEXT NOT NULL DEFAULT ''
);
CREATE INDEX radreply_username ON radreply (username, id);
CREATE TABLE radgroupcheck (
    id SERIAL PRIMARY KEY,
    groupname TEXT COLLATE \"C\" NOT NULL DEFAULT '',
    attribute TEXT NOT NULL DEFAULT '',
    op VARCHAR(2) NOT NULL DEFAULT '==',
    value TEXT NOT NULL DEFAULT ''
);
CREATE INDEX radgroupcheck_groupname ON radgroupcheck (groupname, id);
CREATE TABLE radgroupreply (
    id SERIAL PRIMARY KEY,
    groupname TEXT COLLATE \"C\" NOT NULL DEFAULT '',
    attribute TEXT NOT NULL DEFAULT '',
    op VARCHAR(2) NOT NULL DEFAULT '=',
    value TEXT NOT NULL DEFAULT ''
);
CREATE INDEX radgroupreply_groupname ON radgroupreply (groupname, id);
CREATE TABLE radusergroup (
    id SERIAL PRIMARY KEY,
    username TEXT COLLATE \"C\" NOT NULL DEFAULT '',
    groupname TEXT COLLATE \"C\" NOT NULL DEFAULT '',
    priority INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX radusergroup_username ON radusergroup (username, id);
CREATE TABLE nas (
    id SERIAL PRIMARY KEY,
    nasname TEXT NOT NULL,
    shortname TEXT NOT NULL,
    type TEXT NOT NULL DEFAULT 'other',
    ports INTEGER,
    secret TEXT NOT NULL,
    server TEXT,
    community TEXT,
    description TEXT
);
CREATE INDEX nas_nasname ON nas (nasname);

-- What a statement changed, once for each name, or as everything when there are very many. It runs
-- as the owner of the schema, so that a role which may only write these tables needs no other.
CREATE FUNCTION row_change() RETURNS TRIGGER LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    told_kind TEXT := TG_ARGV[0];
    name_column TEXT := TG_ARGV[1];
    source TEXT;
    names BIGINT;
BEGIN
    source := CASE TG_OP
        WHEN 'INSERT' THEN format('SELECT %I AS name FROM new_rows', name_column)
        WHEN 'DELETE' THEN format('SELECT %I AS name FROM old_rows', name_column)
        ELSE format(
            'SELECT %1$I AS name FROM old_rows UNION ALL SELECT %1$I FROM new_rows', name_column
        )
    END;
    EXECUTE format('SELECT COUNT(DISTINCT name) FROM (%s) AS rows', source) INTO names;
    IF 10000 < names THEN
        source := 'SELECT NULL::TEXT AS name';
        told_kind := 'everything';
    END IF;
    EXECUTE format(
        'INSERT INTO change (tenant, kind, key, name, at)
         SELECT %L::UUID, %L, %L::UUID, name, (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT
         FROM (SELECT DISTINCT name FROM (%s) AS rows) AS names',
        {default_tenant}, told_kind, '00000000-0000-0000-0000-000000000000', source
    );
    RETURN NULL;
END
$$;
CREATE FUNCTION row_truncated() RETURNS TRIGGER LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO change (tenant, kind, key, at) VALUES (
        {default_tenant}, 'everything', '00000000-0000-0000-0000-000000000000',
        (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT
    );
    RETURN NULL;
END
$$;
CREATE FUNCTION row_nas_change() RETURNS TRIGGER LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO change (tenant, kind, key, name, at) VALUES (
        {default_tenant}, 'row_nas', '00000000-0000-0000-0000-000000000000', '',
        (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT
    );
    RETURN NULL;
END
$$;

DO $$
DECLARE
    target RECORD;
BEGIN
    FOR target IN SELECT * FROM (VALUES
        ('radcheck', 'row_user', 'username'),
        ('radreply', 'row_user', 'username'),
        ('radusergroup', 'row_user', 'username'),
        ('radgroupcheck', 'row_group', 'groupname'),
        ('radgroupreply', 'row_group', 'groupname')
    ) AS targets (tab, kind, col) LOOP
        EXECUTE format(
            'CREATE TRIGGER %1$I AFTER INSERT ON %2$I REFERENCING NEW TABLE AS new_rows
             FOR EACH STATEMENT EXECUTE FUNCTION row_change(%3$L, %4$L)',
            target.tab || '_inserted', target.tab, target.kind, target.col
        );
        EXECUTE format(
            'CREATE TRIGGER %1$I AFTER DELETE ON %2$I REFERENCING OLD TABLE AS old_rows
             FOR EACH STATEMENT EXECUTE FUNCTION row_change(%3$L, %4$L)',
            target.tab || '_deleted', target.tab, target.kind, target.col
        );
        EXECUTE format(
            'CREATE TRIGGER %1$I AFTER UPDATE ON %2$I
             REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
             FOR EACH STATEMENT EXECUTE FUNCTION row_change(%3$L, %4$L)',
            target.tab || '_updated', target.tab, target.kind, target.col
        );
        EXECUTE format(
            'CREATE TRIGGER %1$I AFTER TRUNCATE ON %2$I
             FOR EACH STATEMENT EXECUTE FUNCTION row_truncated()',
            target.tab || '_truncated', target.tab
        );
    END LOOP;
END
$$;
CREATE TRIGGER nas_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON nas
    FOR EACH STATEMENT EXECUTE FUNCTION row_nas_change();
",
};
