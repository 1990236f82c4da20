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
