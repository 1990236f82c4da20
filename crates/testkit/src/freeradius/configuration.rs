//! The configuration of the reference: `preprocess`, `chap`, `mschap`, `sql`, `pap`, with the queries and the filter of a default site.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::database::Database;
use crate::postgres::PostgresDatabase;

/// What it enforces beside the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// Nothing, as a site without `expiration` and `logintime`.
    Ignored,
    /// `Expiration`, `Login-Time`, and the counters of `sqlcounter` over our sessions.
    Enforced,
}

/// Where the rows are.
#[derive(Clone, Debug)]
pub enum SqlPlace {
    Sqlite(PathBuf),
    Postgres {
        port: u16,
        name: String,
    },
    MySql {
        port: u16,
        user: &'static str,
        password: &'static str,
        name: &'static str,
    },
}

impl SqlPlace {
    pub(super) fn of(database: &Database) -> Self {
        match database.postgres() {
            None => Self::Sqlite(database.sqlite_path()),
            Some(postgres) => Self::of_postgres(postgres),
        }
    }

    pub(crate) fn of_postgres(postgres: &PostgresDatabase) -> Self {
        Self::Postgres {
            port: postgres.port(),
            name: postgres.name().to_owned(),
        }
    }
}

/// It wants a file of this name for names of a site's own; there are none.
pub(super) const DICTIONARY: &str = "";

/// What an Access-Reject may carry, as in a default site.
pub(super) const ACCESS_REJECT: &str = "\
DEFAULT
	EAP-Message =* ANY,
	State =* ANY,
	Message-Authenticator =* ANY,
	Error-Cause =* ANY,
	Reply-Message =* ANY,
	MS-CHAP-Error =* ANY,
	Proxy-State =* ANY
";

/// The whole configuration.
pub(super) fn text(
    database: &SqlPlace,
    directory: &Path,
    port: u16,
    secret: &str,
    limits: Limits,
) -> String {
    let (modules, names) = match limits {
        Limits::Ignored => (String::new(), String::new()),
        Limits::Enforced => limit_modules(database),
    };
    SITE.replace("@directory@", &directory.display().to_string())
        .replace("@port@", &port.to_string())
        .replace("@secret@", secret)
        .replace("@sql@", &sql(database))
        .replace("@limit_modules@", &modules)
        .replace("@limit_names@", &names)
}

const SITE: &str = r#"prefix = /usr
logdir = @directory@
run_dir = @directory@
libdir = /usr/lib/freeradius
correct_escapes = true
max_request_time = 30
cleanup_delay = 5
max_requests = 65536
hostname_lookups = no
proxy_requests = no
log {
	destination = files
	file = @directory@/radius.log
	auth = no
}
security {
	reject_delay = 0
	status_server = yes
}
thread pool {
	start_servers = 4
	max_servers = 4
	min_spare_servers = 1
	max_spare_servers = 4
	max_requests_per_server = 0
}
client loopback {
	ipaddr = 127.0.0.1
	secret = @secret@
}
modules {
	preprocess { }
	pap { }
	chap { }
	mschap { }
	expr { }
	attr_filter access_reject {
		key = "%{User-Name}"
		filename = @directory@/access_reject
	}
	@sql@
	@limit_modules@
}
server default {
	listen {
		type = auth
		ipaddr = 127.0.0.1
		port = @port@
		recv_buff = 4194304
	}
	authorize {
		preprocess
		chap
		mschap
		sql
		@limit_names@
		pap
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
		Auth-Type CHAP {
			chap
		}
		Auth-Type MS-CHAP {
			mschap
		}
	}
	post-auth {
		Post-Auth-Type REJECT {
			access_reject
		}
	}
}
"#;

const LIMIT_MODULES: &str = "expiration { }
	logintime {
		minimum_timeout = 60
	}";

/// A counter: its attribute, when it is reset, what it counts, and the attribute of the reply.
type CounterModule = (&'static str, &'static str, Counted, &'static str);

#[derive(Clone, Copy)]
enum Counted {
    Seconds,
    Octets,
    SinceFirstLogin,
}

const COUNTERS: [CounterModule; 11] = [
    ("Max-Hourly-Session", "hourly", Counted::Seconds, TIMEOUT),
    ("Max-Daily-Session", "daily", Counted::Seconds, TIMEOUT),
    ("Max-Weekly-Session", "weekly", Counted::Seconds, TIMEOUT),
    ("Max-Monthly-Session", "monthly", Counted::Seconds, TIMEOUT),
    ("Max-All-Session", "never", Counted::Seconds, TIMEOUT),
    ("Max-Daily-Octets", "daily", Counted::Octets, VOLUME),
    ("Max-Weekly-Octets", "weekly", Counted::Octets, VOLUME),
    ("Max-Monthly-Traffic", "monthly", Counted::Octets, VOLUME),
    ("Max-All-Octets", "never", Counted::Octets, VOLUME),
    ("Access-Period", "never", Counted::SinceFirstLogin, TIMEOUT),
    ("Expire-After", "never", Counted::SinceFirstLogin, TIMEOUT),
];
const TIMEOUT: &str = "Session-Timeout";
const VOLUME: &str = "Mikrotik-Total-Limit";

/// The modules that enforce limits, and their names in the order in which they are asked.
fn limit_modules(database: &SqlPlace) -> (String, String) {
    let mut modules = LIMIT_MODULES.to_owned();
    let mut names = "expiration\n\t\tlogintime".to_owned();
    let (dialect, greatest) = match database {
        SqlPlace::Sqlite(_) => ("sqlite", "MAX"),
        SqlPlace::Postgres { .. } => ("postgresql", "GREATEST"),
        SqlPlace::MySql { .. } => ("mysql", "GREATEST"),
    };
    for (attribute, reset, counted, reply) in COUNTERS {
        let user = "username = '%{tolower:%{${key}}}'";
        let sessions = format!(
            "FROM (SELECT started_at / 1000000 AS begun, session_seconds AS seconds, \
             upload_bytes + download_bytes AS octets FROM session_open WHERE {user} UNION ALL \
             SELECT started_at / 1000000, session_seconds, upload_bytes + download_bytes \
             FROM session_closed WHERE {user}) AS session"
        );
        // As in the queries that FreeRADIUS comes with.
        let query = match counted {
            Counted::Seconds => format!(
                "SELECT SUM(seconds - {greatest}(%%b - begun, 0)) {sessions} \
                 WHERE begun + seconds > %%b"
            ),
            Counted::Octets => {
                format!("SELECT SUM(octets) {sessions} WHERE begun + seconds > %%b")
            }
            Counted::SinceFirstLogin => format!("SELECT %l - MIN(begun) {sessions}"),
        };
        let name = attribute.to_lowercase();
        write!(
            modules,
            "\n\tsqlcounter {name} {{
		sql_module_instance = sql
		dialect = {dialect}
		counter_name = {name}-counter
		check_name = {attribute}
		reply_name = {reply}
		key = User-Name
		reset = {reset}
		query = \"{query}\"
	}}"
        )
        .expect(TAKEN);
        write!(names, "\n\t\t{name}").expect(TAKEN);
    }
    (modules, names)
}

const TAKEN: &str = "a String takes everything";

/// The tables and the queries that a default site has, on any database.
fn sql(database: &SqlPlace) -> String {
    let (dialect, place) = match database {
        SqlPlace::Sqlite(path) => ("sqlite", sqlite(path)),
        SqlPlace::Postgres { port, name } => (
            "postgresql",
            format!(
                r#"server = "127.0.0.1"
		port = {port}
		login = "postgres"
		password = "unchecked"
		radius_db = "{name}""#
            ),
        ),
        SqlPlace::MySql {
            port,
            user,
            password,
            name,
        } => (
            "mysql",
            format!(
                r#"server = "127.0.0.1"
		port = {port}
		login = "{user}"
		password = "{password}"
		radius_db = "{name}""#
            ),
        ),
    };
    format!(
        r#"sql {{
		dialect = "{dialect}"
		driver = "rlm_sql_{dialect}"
		{place}
		group_attribute = "SQL-Group"
		pool {{
			start = 4
			min = 4
			max = 16
			spare = 12
			uses = 0
			lifetime = 0
			idle_timeout = 0
		}}
		{QUERIES}
	}}"#
    )
}

fn sqlite(path: &Path) -> String {
    format!(
        r#"radius_db = "radius"
		sqlite {{
			filename = "{}"
			busy_timeout = 20000
		}}"#,
        path.display()
    )
}

const QUERIES: &str = r#"sql_user_name = "%{User-Name}"
		authorize_check_query = "SELECT id, username, attribute, value, op FROM radcheck WHERE username = '%{SQL-User-Name}' ORDER BY id"
		authorize_reply_query = "SELECT id, username, attribute, value, op FROM radreply WHERE username = '%{SQL-User-Name}' ORDER BY id"
		authorize_group_check_query = "SELECT id, groupname, attribute, value, op FROM radgroupcheck WHERE groupname = '%{SQL-Group}' ORDER BY id"
		authorize_group_reply_query = "SELECT id, groupname, attribute, value, op FROM radgroupreply WHERE groupname = '%{SQL-Group}' ORDER BY id"
		group_membership_query = "SELECT groupname FROM radusergroup WHERE username = '%{SQL-User-Name}' ORDER BY priority""#;
