//! The authentication log in rows that cost little to append: short texts, an index by user that
//! grows in one place, and one row for several decisions.
//!
//! A block of the index is 65,536 rows; `auth_log::list` looks a user up block by block. The texts
//! are those of `domain::auth_log::shorthand`.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0006_auth_log_rows",
    common: r#"
CREATE TABLE auth_log_new (
    number {number},
    id {id} NOT NULL,
    at {int} NOT NULL,
    tenant {id} NOT NULL,
    nas {id} NOT NULL,
    subscriber {id},
    username {key},
    method TEXT NOT NULL,
    reason TEXT,
    trace TEXT NOT NULL,
    calling_station TEXT,
    called_station TEXT,
    count {int} NOT NULL,
    last_at {int} NOT NULL
){strict};

-- Reasons and traces were JSON. A brace that opens cannot be written here; it is the second
-- character of a trace. An empty trace becomes one whose inside is empty too.
INSERT INTO auth_log_new (id, at, tenant, nas, subscriber, username, method, reason, trace,
    calling_station, called_station, count, last_at)
SELECT id, at, tenant, nas, subscriber, username, method,
    replace(replace(replace(replace(replace(replace(replace(replace(
        substr(reason, 12, length(reason) - 12),
        '","at":"', ' '), '","method":"', ' '), '","stored":"', ' '), '","open":', ' '),
        ',"limit":', ' '), '"', ''), 'ms_chap_v1', 'mschapv1'), 'ms_chap_v2', 'mschapv2'),
    replace(replace(replace(replace(replace(replace(replace(replace(
    replace(replace(replace(replace(replace(replace(replace(
        replace(substr(refused, 3, length(refused) - 4), '},' || brace, ' '),
        '"rule":"subscriber_found"', 'f'), '"rule":"subscriber_active"', 'a'),
        '"rule":"not_expired"', 'e'), '"rule":"no_expiry"', 'n'),
        '"rule":"password_verified","method":', 'v'), '"rule":"nas_identifier_matches"', 'i'),
        '"rule":"within_session_limit","open":', 'l'), ',"limit":', '/'),
        '"rule":"no_session_limit"', 'u'),
        '"rule":"session_timeout_until_expiry","seconds":', 't'), '"rule":"granted"', 'g'),
        '"rule":"refused"', 'r'), '"', ''),
        'ms_chap_v1', 'mschapv1'), 'ms_chap_v2', 'mschapv2'),
    calling_station, called_station, 1, at
FROM (
    SELECT auth_log.*, substr(trace, 2, 1) AS brace,
        CASE WHEN trace = '[]' THEN '[][]'
            WHEN reason IS NULL THEN trace
            ELSE replace(trace, ',' || substr(reason, 2), '}') END AS refused
    FROM auth_log
) AS written
ORDER BY id;

DROP TABLE auth_log;
ALTER TABLE auth_log_new RENAME TO auth_log;
CREATE UNIQUE INDEX auth_log_by_id ON auth_log (id);
CREATE INDEX auth_log_by_username ON auth_log ((number >> 16), lower(username));
"#,
    // A number is part of every index there.
    sqlite: "CREATE INDEX auth_log_by_nas ON auth_log (nas);",
    postgres: "
CREATE INDEX auth_log_by_nas ON auth_log (nas, number);
ALTER INDEX auth_log_new_pkey RENAME TO auth_log_pkey;
ALTER SEQUENCE auth_log_new_number_seq RENAME TO auth_log_number_seq;
",
};
