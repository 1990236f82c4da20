"""FreeRADIUS as Debian ships it, in a configuration of its own: files, SQLite or PostgreSQL."""

import os
import pathlib
import sqlite3

from process import BenchError, Server, run, says

BINARY = "/usr/sbin/freeradius"
DEBIAN = "/etc/freeradius/3.0"

# Threads as in Debian's radiusd.conf, and what was found to be best for each back end on one core.
DEBIAN_THREADS = {"start": 5, "max": 32, "min_spare": 3, "max_spare": 10}
# Mikrotik-Rate-Limit, so that its answer says what ours says.
RATE_LIMIT = "25M/50M"


def fixed_threads(count):
    return {"start": count, "max": count, "min_spare": count, "max_spare": count}


class Debian:
    """Debian's queries, schemas and policies, which only root may read in their place."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        sudo = [] if os.getuid() == 0 else ["sudo", "--non-interactive"]
        script = """
            cd "$1"
            mkdir -p "$2"
            cp mods-config/sql/main/sqlite/queries.conf "$2/sqlite.conf"
            cp mods-config/sql/main/sqlite/schema.sql "$2/sqlite.sql"
            cp mods-config/sql/main/postgresql/queries.conf "$2/postgresql.conf"
            cp mods-config/sql/main/postgresql/schema.sql "$2/postgresql.sql"
            cp policy.d/accounting "$2/policy"
            chmod -R a+rX "$2"
        """
        run([*sudo, "sh", "-euc", script, "sh", DEBIAN, self.directory])


class FreeRadius:
    """One way to run it; `prepare` fills its users, `start` serves them."""

    def __init__(self, debian, directory, users, secret, threads):
        self.debian = debian
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.users = users
        self.secret = secret
        self.threads = threads
        self.has_log = False

    def prepare(self):
        raise NotImplementedError

    def module(self):
        raise NotImplementedError

    def start(self, auth, acct, cores):
        self.write("dictionary", "")
        self.write("radiusd.conf", self.configuration(auth, acct))
        log = self.directory / "radius.log"
        log.unlink(missing_ok=True)
        command = [BINARY, "-f", "-d", self.directory, "-n", "radiusd"]
        ready = says(log, "Ready to process requests")
        try:
            return Server(command, cores, self.directory / "out", ready)
        except BenchError as error:
            said = log.read_text(errors="replace")[-1_000:] if log.exists() else ""
            raise BenchError(f"{error}{said}") from error

    def write(self, name, text):
        (self.directory / name).write_text(text)

    def configuration(self, auth, acct):
        directory, threads = self.directory, self.threads
        name = "sql" if "sql {" in self.module() else "files"
        store = "sql" if name == "sql" else ""
        log = "sql" if self.has_log else ""
        return f"""
            prefix = /usr
            logdir = {directory}
            run_dir = {directory}
            libdir = /usr/lib/freeradius
            correct_escapes = true
            max_request_time = 30
            cleanup_delay = 5
            max_requests = 16384
            hostname_lookups = no
            proxy_requests = no
            log {{
                destination = files
                file = {directory}/radius.log
                auth = no
            }}
            security {{
                reject_delay = 1
                status_server = yes
            }}
            thread pool {{
                start_servers = {threads["start"]}
                max_servers = {threads["max"]}
                min_spare_servers = {threads["min_spare"]}
                max_spare_servers = {threads["max_spare"]}
                max_requests_per_server = 0
            }}
            client bench {{
                ipaddr = 127.0.0.1
                secret = {self.secret}
                require_message_authenticator = yes
            }}
            modules {{
                pap {{
                }}
                chap {{
                }}
                mschap {{
                }}
                expr {{
                }}
                {self.module()}
            }}
            policy {{
                $INCLUDE {self.debian.directory}/policy
            }}
            server default {{
                listen {{
                    type = auth
                    ipaddr = 127.0.0.1
                    port = {auth}
                    recv_buff = 4194304
                }}
                listen {{
                    type = acct
                    ipaddr = 127.0.0.1
                    port = {acct}
                    recv_buff = 4194304
                }}
                authorize {{
                    chap
                    mschap
                    {name}
                    pap
                }}
                authenticate {{
                    Auth-Type PAP {{
                        pap
                    }}
                    Auth-Type CHAP {{
                        chap
                    }}
                    Auth-Type MS-CHAP {{
                        mschap
                    }}
                }}
                preacct {{
                    acct_unique
                }}
                accounting {{
                    {store}
                }}
                post-auth {{
                    {log}
                }}
            }}
        """


class Files(FreeRadius):
    """Users in a flat file, which it holds in memory; no log, no accounting."""

    def prepare(self):
        with (self.directory / "users").open("w") as out:
            for name, password in self.users:
                out.write(f'{name} Cleartext-Password := "{password}"\n')
                out.write(f'\tMikrotik-Rate-Limit := "{RATE_LIMIT}"\n\n')

    def module(self):
        return f"""
                files {{
                    filename = {self.directory}/users
                }}"""


class Sql(FreeRadius):
    """Users in a database: as Debian ships it, or without groups and log."""

    def __init__(self, debian, directory, users, secret, threads, is_tuned):
        super().__init__(debian, directory, users, secret, threads)
        self.is_tuned = is_tuned
        self.has_log = not is_tuned

    def dialect(self):
        raise NotImplementedError

    def driver(self):
        raise NotImplementedError

    def rows(self):
        """What the tables hold: a password each, and the rate with the group or with the user."""
        yield "radcheck", (
            (name, "Cleartext-Password", ":=", password) for name, password in self.users
        )
        if self.is_tuned:
            rates = ((name, "Mikrotik-Rate-Limit", ":=", RATE_LIMIT) for name, _ in self.users)
            yield "radreply", rates
            return
        yield "radusergroup", ((name, "bench", 1) for name, _ in self.users)
        yield "radgroupreply", [("bench", "Mikrotik-Rate-Limit", ":=", RATE_LIMIT)]

    def columns(self, table):
        return {
            "radcheck": "username, attribute, op, value",
            "radreply": "username, attribute, op, value",
            "radusergroup": "username, groupname, priority",
            "radgroupreply": "groupname, attribute, op, value",
        }[table]

    def module(self):
        threads = self.threads
        return f"""
                sql {{
                    dialect = "{self.dialect()}"
                    driver = "rlm_sql_{self.dialect()}"
                    {self.driver()}
                    radius_db = "radius"
                    acct_table1 = "radacct"
                    acct_table2 = "radacct"
                    postauth_table = "radpostauth"
                    authcheck_table = "radcheck"
                    groupcheck_table = "radgroupcheck"
                    authreply_table = "radreply"
                    groupreply_table = "radgroupreply"
                    usergroup_table = "radusergroup"
                    client_table = "nas"
                    group_attribute = "SQL-Group"
                    read_groups = {"no" if self.is_tuned else "yes"}
                    delete_stale_sessions = yes
                    pool {{
                        start = {threads["start"]}
                        min = {threads["min_spare"]}
                        max = {threads["max"]}
                        spare = {threads["max_spare"]}
                        uses = 0
                        retry_delay = 30
                        lifetime = 0
                        idle_timeout = 60
                    }}
                    $INCLUDE {self.debian.directory}/{self.dialect()}.conf
                }}"""


class Sqlite(Sql):
    """A file: with the default journal, or tuned with a write-ahead log."""

    def dialect(self):
        return "sqlite"

    def path(self):
        return self.directory / "radius.db"

    def driver(self):
        # Debian's 200 ms, and its 32 threads, make it reject right logins under load.
        return f"""
                    sqlite {{
                        filename = "{self.path()}"
                        busy_timeout = 20000
                    }}"""

    def prepare(self):
        database = sqlite3.connect(self.path())
        try:
            if self.is_tuned:
                database.execute("PRAGMA journal_mode = WAL")
            database.executescript((self.debian.directory / "sqlite.sql").read_text())
            for table, rows in self.rows():
                columns = self.columns(table)
                places = ", ".join("?" for _ in columns.split(","))
                insert = f"INSERT INTO {table} ({columns}) VALUES ({places})"
                database.executemany(insert, rows)
            database.commit()
            database.execute("ANALYZE")
            database.commit()
        finally:
            database.close()


class Postgresql(Sql):
    """A database of the benchmark's cluster."""

    def __init__(self, debian, directory, users, secret, threads, is_tuned, cluster):
        super().__init__(debian, directory, users, secret, threads, is_tuned)
        self.cluster = cluster
        self.database = "radius_tuned" if is_tuned else "radius"

    def dialect(self):
        return "postgresql"

    def driver(self):
        return f"""
                    server = "127.0.0.1"
                    port = {self.cluster.port}
                    login = "postgres"
                    password = "unchecked"
                    postgresql {{
                        send_application_name = yes
                    }}"""

    def module(self):
        return super().module().replace('radius_db = "radius"', f'radius_db = "{self.database}"')

    def prepare(self):
        self.cluster.create(self.database)
        schema = (self.debian.directory / "postgresql.sql").read_text()
        self.cluster.psql(self.database, schema)
        for table, rows in self.rows():
            copy = f"COPY {table} ({self.columns(table)}) FROM STDIN"
            text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
            self.cluster.psql(self.database, copy, input=text.encode())
        self.cluster.psql(self.database, "VACUUM ANALYZE")


def version():
    return run([BINARY, "-v"]).decode().splitlines()[0].removeprefix("radiusd: ").split(",")[0]
