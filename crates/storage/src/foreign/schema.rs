//! Which tables and columns there are, and whose they are.

use std::collections::HashMap;

use sqlx::Error;

use super::ForeignError;
use super::connection::ForeignConnection;
use super::text::Charset;

/// Columns without which no table of FreeRADIUS is one.
const NEEDED: [(&str, &str); 8] = [
    ("radcheck", "username"),
    ("radcheck", "attribute"),
    ("radcheck", "op"),
    ("radcheck", "value"),
    ("radreply", "value"),
    ("radgroupcheck", "value"),
    ("radgroupreply", "value"),
    ("radusergroup", "groupname"),
];

/// Tables that are counted and not taken.
const OTHERS: [&str; 17] = [
    "userinfo",
    "userbillinfo",
    "billing_plans",
    "billing_plans_profiles",
    "billing_history",
    "batch_history",
    "invoice",
    "payment",
    "hotspots",
    "operators",
    "dictionary",
    "node",
    "proxys",
    "realms",
    "radhuntgroup",
    "radippool",
    "cui",
];

/// A column, as the catalogue of its database describes it.
#[derive(Clone, Debug, Default)]
struct Column {
    kind: String,
    charset: String,
    collation: String,
}

/// The catalogue.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    columns: HashMap<(String, String), Column>,
}

impl Schema {
    pub(super) async fn read(connection: &mut ForeignConnection) -> Result<Self, Error> {
        let sql = match connection {
            ForeignConnection::Sqlite(_) => {
                "SELECT LOWER(master.name), LOWER(info.name), LOWER(info.type), '', '' \
                 FROM sqlite_master AS master JOIN pragma_table_info(master.name) AS info \
                 WHERE master.type IN ('table', 'view')"
            }
            ForeignConnection::Postgres(_) => {
                "SELECT LOWER(CAST(table_name AS TEXT)), LOWER(CAST(column_name AS TEXT)), \
                 CAST(data_type AS TEXT), CAST('' AS TEXT), CAST('' AS TEXT) \
                 FROM information_schema.columns \
                 WHERE table_schema = ANY (current_schemas(false)::TEXT[])"
            }
            ForeignConnection::MySql(_) => {
                "SELECT CAST(LOWER(table_name) AS BINARY), CAST(LOWER(column_name) AS BINARY), \
                 CAST(data_type AS BINARY), CAST(character_set_name AS BINARY), \
                 CAST(collation_name AS BINARY) \
                 FROM information_schema.columns WHERE table_schema = DATABASE()"
            }
        };
        let mut columns = HashMap::new();
        for row in connection.fetch(sql.to_owned(), None).await? {
            let mut texts = row.into_iter().map(|cell| {
                let octets = cell.unwrap_or_default();
                String::from_utf8_lossy(&octets).into_owned()
            });
            let mut next = || texts.next().unwrap_or_default();
            let place = (next(), next());
            let column = Column {
                kind: next(),
                charset: next(),
                collation: next(),
            };
            columns.insert(place, column);
        }
        Ok(Self { columns })
    }

    /// Refuses what is not FreeRADIUS', and what is ours.
    pub(super) fn check(&self, place: &str) -> Result<(), ForeignError> {
        if self.has("key_check", "sealed") && self.has("schema_version", "version") {
            return Err(ForeignError::Ours {
                place: place.to_owned(),
            });
        }
        let missing = NEEDED
            .into_iter()
            .find(|(table, column)| !self.has(table, column));
        match missing {
            None => Ok(()),
            Some((table, column)) => Err(ForeignError::NotFreeRadius {
                place: place.to_owned(),
                table,
                column,
            }),
        }
    }

    pub(super) fn has(&self, table: &str, column: &str) -> bool {
        self.find(table, column).is_some()
    }

    /// Whose tables these are.
    pub(super) fn name(&self) -> String {
        let version = if self.has("radacct", "class") || self.has("radacct", "framedipv6address") {
            "3.2"
        } else if self.has("radacct", "acctupdatetime") || !self.has("radacct", "radacctid") {
            "3.0"
        } else {
            "2"
        };
        let panel = match (
            self.has("userinfo", "username"),
            self.has("operators", "id"),
        ) {
            (true, true) => ", daloRADIUS",
            (true, false) | (false, true) => ", a panel",
            (false, false) => "",
        };
        format!("FreeRADIUS {version}{panel}")
    }

    /// The tables that are counted.
    pub(super) fn others(&self) -> Vec<&'static str> {
        let has_table = |name: &&str| self.columns.keys().any(|(table, _)| table == name);
        OTHERS.into_iter().filter(has_table).collect()
    }

    /// The character set of the values, as the server calls it.
    pub(super) fn charset(&self) -> String {
        let value = self.find("radcheck", "value");
        let named = value.map(|column| column.charset.as_str());
        named
            .filter(|name| !name.is_empty())
            .unwrap_or("utf8")
            .to_owned()
    }

    /// How the texts of a column are to be read.
    pub(super) fn charset_of(&self, table: &str, column: &str) -> Charset {
        let column = self.find(table, column);
        Charset::of_name(column.map_or("", |column| column.charset.as_str()))
    }

    /// Whether the server takes user names that differ in case for equal.
    pub(super) fn is_case_ignored(&self) -> bool {
        let name = self.find("radcheck", "username");
        name.is_some_and(|column| column.collation.ends_with("_ci"))
    }

    /// Whether a column is an instant, and not what a clock on a wall showed.
    pub(super) fn is_instant(&self, table: &str, column: &str) -> bool {
        let column = self.find(table, column);
        column.is_some_and(|column| column.kind == "timestamp with time zone")
    }

    fn find(&self, table: &str, column: &str) -> Option<&Column> {
        self.columns.get(&(table.to_owned(), column.to_owned()))
    }
}
