//! What explaining needs: how long an account has stood as it does, whose a device is, and the last
//! decisions about each user, which stay when the log forgets them.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0013_explaining",
    common: "
-- Of accounts that were changed before it is not known.
ALTER TABLE subscriber ADD COLUMN status_at {int};
UPDATE subscriber SET status_at = created_at WHERE updated_at = created_at;

CREATE INDEX subscriber_device_by_mac ON subscriber_device (mac);

-- One row for what was accepted last, and one for what was rejected last.
CREATE TABLE auth_last (
    tenant {id} NOT NULL,
    username {key} NOT NULL,
    is_accepted {int} NOT NULL,
    id {id} NOT NULL,
    at {int} NOT NULL,
    nas {id} NOT NULL,
    subscriber {id},
    method TEXT NOT NULL,
    reason TEXT,
    trace TEXT NOT NULL,
    calling_station TEXT,
    called_station TEXT,
    count {int} NOT NULL,
    last_at {int} NOT NULL,
    PRIMARY KEY (tenant, username, is_accepted)
){keyed};
CREATE INDEX auth_last_by_time ON auth_last (last_at);
",
    sqlite: "",
    postgres: "",
};
