//! Exact finds: whoever has an address or a device, as theirs or in an open session.

use std::net::IpAddr;

use domain::id::TenantId;
use domain::mac::Mac;
use ipnet::{IpNet, Ipv6Net};
use sea_orm::{QueryResult, Value};

use super::hit::{Hit, HitKind};
use crate::error::StoreError;
use crate::query::Query;
use crate::session_match::CALLING_DIGITS;
use crate::store::Store;

/// Finds of one kind.
const FOUND_MAX: usize = 20;

/// Lengths of IPv6 prefixes that providers give to lines.
const PREFIX_LENGTHS: std::ops::RangeInclusive<u8> = 32..=128;

impl Store {
    /// Who has this address: subscribers, open sessions and routers.
    pub(super) async fn search_address(
        &self,
        tenant: TenantId,
        address: IpAddr,
    ) -> Result<Vec<Hit>, StoreError> {
        let columns: &[(&str, &str)] = match address {
            IpAddr::V4(_) => &[("ipv4", "framed_ipv4")],
            IpAddr::V6(_) => &[
                ("ipv6_prefix", "framed_ipv6_prefix"),
                ("ipv6_delegated", "delegated_ipv6_prefix"),
            ],
        };
        let texts = texts(address);
        let mut hits = Vec::new();
        for (of_subscriber, of_session) in columns {
            let select =
                format!("SELECT id, username AS label, {of_subscriber} AS value FROM subscriber");
            let mut query = Query::new(self.dialect(), &select);
            query.and("tenant = ?", [tenant.as_uuid().into()]);
            query.and_any(of_subscriber, texts.iter().map(Value::from));
            hits.extend(self.found(query, HitKind::Subscriber, "address").await?);
            let select = format!(
                "SELECT id, tenant, username AS label, {of_session} AS value FROM session_open"
            );
            let mut query = Query::new(self.dialect(), &select);
            query.and_any(of_session, texts.iter().map(Value::from));
            query.and("tenant = ?", [tenant.as_uuid().into()]);
            hits.extend(self.found(query, HitKind::Session, "address").await?);
        }
        let source = IpNet::from(address).to_string();
        let select = "SELECT id, name AS label, source AS value FROM router";
        let mut query = Query::new(self.dialect(), select);
        query.and_any(
            "source",
            [source, address.to_string()].iter().map(Value::from),
        );
        query.and("tenant = ?", [tenant.as_uuid().into()]);
        hits.extend(self.found(query, HitKind::Nas, "address").await?);
        Ok(hits)
    }

    /// Who has this device: subscribers to whom it is bound, and open sessions.
    pub(super) async fn search_device(
        &self,
        tenant: TenantId,
        mac: Mac,
    ) -> Result<Vec<Hit>, StoreError> {
        let select = "SELECT s.id, s.username AS label, d.mac AS value FROM subscriber_device d \
            JOIN subscriber s ON s.id = d.subscriber";
        let mut query = Query::new(self.dialect(), select);
        query.and("d.mac = ?", [mac.to_string().into()]);
        query.and("s.tenant = ?", [tenant.as_uuid().into()]);
        let mut hits = self.found(query, HitKind::Subscriber, "mac").await?;
        let select = "SELECT s.id, s.username AS label, s.calling_station AS value \
            FROM session_open s";
        let mut query = Query::new(self.dialect(), select);
        query.and("s.calling_station IS NOT NULL", []);
        query.and(&format!("{CALLING_DIGITS} = ?"), [mac.to_string().into()]);
        query.and("s.tenant = ?", [tenant.as_uuid().into()]);
        hits.extend(self.found(query, HitKind::Session, "mac").await?);
        Ok(hits)
    }

    async fn found(
        &self,
        mut query: Query,
        kind: HitKind,
        field: &'static str,
    ) -> Result<Vec<Hit>, StoreError> {
        query.end(&format!("LIMIT {FOUND_MAX}"));
        let rows = query.all(self.reader()).await?;
        let hit = |row: &QueryResult| {
            Ok(Hit {
                kind,
                id: row.try_get("", "id")?,
                label: row.try_get("", "label")?,
                field,
                value: row.try_get("", "value")?,
            })
        };
        rows.iter().map(hit).collect()
    }
}

/// How an address may be stored: as it is, or as one of the prefixes that it is in.
fn texts(address: IpAddr) -> Vec<String> {
    match address {
        IpAddr::V4(address) => vec![address.to_string()],
        IpAddr::V6(address) => PREFIX_LENGTHS
            .filter_map(|length| Ipv6Net::new(address, length).ok())
            .map(|prefix| prefix.trunc().to_string())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_prefixes_around_it() {
        let of = |raw: &str| raw.parse().map(texts).unwrap_or_default();
        assert_eq!(of("100.64.0.7"), ["100.64.0.7"]);
        let around = of("2001:db8:0:7::1");
        for prefix in ["2001:db8::/32", "2001:db8:0:7::/64", "2001:db8:0:7::1/128"] {
            assert!(around.iter().any(|one| one == prefix), "{prefix}");
        }
    }
}
