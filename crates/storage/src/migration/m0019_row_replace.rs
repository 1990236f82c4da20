//! On SQLite a `REPLACE` removes the row that was there without its triggers for removal, so what
//! takes the place of another row tells whose that was. And what is left of a plan's quotas goes
//! where the quotas went before.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0019_row_replace",
    common: "
UPDATE plan SET at_limit_rate = NULL, at_limit_plan = NULL, resets = NULL WHERE quotas IS NULL;
",
    sqlite: "
CREATE TRIGGER radcheck_replaced BEFORE INSERT ON radcheck
    WHEN EXISTS (SELECT 1 FROM radcheck WHERE id = NEW.id) BEGIN
    INSERT INTO row_change SELECT 'row_user', username FROM radcheck WHERE id = NEW.id;
END;
CREATE TRIGGER radcheck_displaced BEFORE UPDATE OF id ON radcheck
    WHEN OLD.id <> NEW.id AND EXISTS (SELECT 1 FROM radcheck WHERE id = NEW.id) BEGIN
    INSERT INTO row_change SELECT 'row_user', username FROM radcheck WHERE id = NEW.id;
END;
CREATE TRIGGER radreply_replaced BEFORE INSERT ON radreply
    WHEN EXISTS (SELECT 1 FROM radreply WHERE id = NEW.id) BEGIN
    INSERT INTO row_change SELECT 'row_user', username FROM radreply WHERE id = NEW.id;
END;
CREATE TRIGGER radreply_displaced BEFORE UPDATE OF id ON radreply
    WHEN OLD.id <> NEW.id AND EXISTS (SELECT 1 FROM radreply WHERE id = NEW.id) BEGIN
    INSERT INTO row_change SELECT 'row_user', username FROM radreply WHERE id = NEW.id;
END;
CREATE TRIGGER radusergroup_replaced BEFORE INSERT ON radusergroup
    WHEN EXISTS (SELECT 1 FROM radusergroup WHERE id = NEW.id) BEGIN
    INSERT INTO row_change SELECT 'row_user', username FROM radusergroup WHERE id = NEW.id;
END;
CREATE TRIGGER radusergroup_displaced BEFORE UPDATE OF id ON radusergroup
    WHEN OLD.id <> NEW.id AND EXISTS (SELECT 1 FROM radusergroup WHERE id = NEW.id) BEGIN
    INSERT INTO row_change SELECT 'row_user', username FROM radusergroup WHERE id = NEW.id;
END;
CREATE TRIGGER radgroupcheck_replaced BEFORE INSERT ON radgroupcheck
    WHEN EXISTS (SELECT 1 FROM radgroupcheck WHERE id = NEW.id) BEGIN
    INSERT INTO row_change SELECT 'row_group', groupname FROM radgroupcheck WHERE id = NEW.id;
END;
CREATE TRIGGER radgroupcheck_displaced BEFORE UPDATE OF id ON radgroupcheck
    WHEN OLD.id <> NEW.id AND EXISTS (SELECT 1 FROM radgroupcheck WHERE id = NEW.id) BEGIN
    INSERT INTO row_change SELECT 'row_group', groupname FROM radgroupcheck WHERE id = NEW.id;
END;
CREATE TRIGGER radgroupreply_replaced BEFORE INSERT ON radgroupreply
    WHEN EXISTS (SELECT 1 FROM radgroupreply WHERE id = NEW.id) BEGIN
    INSERT INTO row_change SELECT 'row_group', groupname FROM radgroupreply WHERE id = NEW.id;
END;
CREATE TRIGGER radgroupreply_displaced BEFORE UPDATE OF id ON radgroupreply
    WHEN OLD.id <> NEW.id AND EXISTS (SELECT 1 FROM radgroupreply WHERE id = NEW.id) BEGIN
    INSERT INTO row_change SELECT 'row_group', groupname FROM radgroupreply WHERE id = NEW.id;
END;
",
    postgres: "",
};
