//! Sessions of `radacct`, page by page.

use super::connection::Cells;
use super::text::{Charset, number};
use super::{ForeignDatabase, ForeignError};

/// Sessions read together.
const PAGE_SESSIONS: usize = 2_000;

const TABLE: &str = "radacct";
const TEXTS: [&str; 11] = [
    "acctsessionid",
    "acctuniqueid",
    "username",
    "nasipaddress",
    "nasportid",
    "calledstationid",
    "callingstationid",
    "acctterminatecause",
    "framedipaddress",
    "framedipv6prefix",
    "delegatedipv6prefix",
];
const NUMBERS: [&str; 3] = ["acctsessiontime", "acctinputoctets", "acctoutputoctets"];
const TIMES: [&str; 3] = ["acctstarttime", "acctupdatetime", "acctstoptime"];

/// A row of `radacct`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignSession {
    /// The primary key.
    pub number: i64,
    pub acct_session_id: String,
    pub acct_unique_id: String,
    pub username: String,
    pub nas_address: String,
    pub nas_port: String,
    pub called_station: String,
    pub calling_station: String,
    pub terminate_cause: String,
    pub framed_ipv4: String,
    pub framed_ipv6_prefix: String,
    pub delegated_ipv6_prefix: String,
    /// Seconds, absent when they were never reported.
    pub session_seconds: Option<u64>,
    /// From the user, 64 bits.
    pub upload_bytes: u64,
    /// To the user, 64 bits.
    pub download_bytes: u64,
    pub started: Option<ForeignTime>,
    pub updated: Option<ForeignTime>,
    pub stopped: Option<ForeignTime>,
}

/// A time as its column has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignTime {
    /// Seconds since 1970 UTC.
    Instant(i64),
    /// What a clock on the wall of the server showed.
    Local(String),
}

impl ForeignDatabase {
    /// The next sessions after a number, in the order of their numbers. An empty page is the end.
    pub async fn session_page(&mut self, after: i64) -> Result<Vec<ForeignSession>, ForeignError> {
        if !self.schema.has(TABLE, "radacctid") {
            return Ok(Vec::new());
        }
        let columns = TEXTS.into_iter().chain(NUMBERS);
        let mut expressions: Vec<String> = columns.map(|one| self.column(TABLE, one)).collect();
        expressions.extend(TIMES.map(|column| self.time_column(column)));
        let sql = format!(
            "SELECT {}, {} FROM {TABLE} WHERE {} < radacctid ORDER BY radacctid LIMIT {PAGE_SESSIONS}",
            self.connection.as_octets("radacctid"),
            expressions.join(", "),
            self.connection.placeholder()
        );
        let charset = self.schema.charset_of(TABLE, "username");
        let page = self.fetch(sql, Some(after)).await?;
        Ok(page
            .into_iter()
            .map(|cells| self.session(cells, charset))
            .collect())
    }

    fn time_column(&self, column: &str) -> String {
        if self.schema.is_instant(TABLE, column) {
            let seconds = format!("FLOOR(EXTRACT(EPOCH FROM {column}))::BIGINT");
            return self.connection.as_octets(&seconds);
        }
        self.column(TABLE, column)
    }

    fn session(&mut self, cells: Cells, charset: Charset) -> ForeignSession {
        let mut cells = cells.into_iter().map(Option::unwrap_or_default);
        let mut octets = || cells.next().unwrap_or_default();
        let key = number(&octets()).unwrap_or_default();
        let texts = TEXTS.map(|_| octets());
        let [seconds, upload, download] = NUMBERS.map(|_| number(&octets()));
        let [started, updated, stopped] = TIMES.map(|_| time(&octets()));
        let [
            acct_session_id,
            acct_unique_id,
            username,
            nas_address,
            nas_port,
            called_station,
            calling_station,
            terminate_cause,
            framed_ipv4,
            framed_ipv6_prefix,
            delegated_ipv6_prefix,
        ] = texts.map(|octets| charset.read(octets, &mut self.oddities));
        let count = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        ForeignSession {
            number: key,
            acct_session_id,
            acct_unique_id,
            username,
            nas_address,
            nas_port,
            called_station,
            calling_station,
            terminate_cause,
            framed_ipv4,
            framed_ipv6_prefix,
            delegated_ipv6_prefix,
            session_seconds: count(seconds),
            upload_bytes: count(upload).unwrap_or_default(),
            download_bytes: count(download).unwrap_or_default(),
            started,
            updated,
            stopped,
        }
    }
}

/// Nothing, a number of seconds, or the face of a clock; MySQL's day zero is nothing.
fn time(octets: &[u8]) -> Option<ForeignTime> {
    let text = std::str::from_utf8(octets).ok()?.trim();
    if text.is_empty() || text.starts_with("0000-00-00") {
        return None;
    }
    Some(match text.parse() {
        Ok(seconds) => ForeignTime::Instant(seconds),
        Err(_) => ForeignTime::Local(text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_clocks_or_nothing() {
        for (text, expected) in [
            ("", None),
            ("0000-00-00 00:00:00", None),
            ("1700000000", Some(ForeignTime::Instant(1_700_000_000))),
            (
                "2023-11-14 22:13:20",
                Some(ForeignTime::Local("2023-11-14 22:13:20".to_owned())),
            ),
        ] {
            assert_eq!(time(text.as_bytes()), expected, "{text}");
        }
    }
}
