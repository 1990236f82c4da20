//! What a decision grants as values of their own, which can be kept and shown.

use std::net::Ipv4Addr;

use ipnet::Ipv6Net;
use serde::Serialize;

use super::Grants;
use crate::limit::{ByteAmount, DurationAmount};
use crate::rate_limit::RateLimit;
use crate::subscriber::state::AccessState;

/// The terms of an accepted session, owned. Volumes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
pub struct GrantedTerms {
    pub rate: Option<RateLimit>,
    pub session_timeout_seconds: Option<u32>,
    pub idle_timeout_seconds: Option<u32>,
    pub interim_seconds: u32,
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6_prefix: Option<Ipv6Net>,
    pub ipv6_delegated: Option<Ipv6Net>,
    pub pool: Option<String>,
    pub session_limit: Option<u16>,
    pub sessions_to_end: u32,
    pub traffic_left_bytes: Option<u64>,
    pub upload_left_bytes: Option<u64>,
    pub download_left_bytes: Option<u64>,
    /// The name of the walled garden that all this is of.
    pub garden: Option<String>,
    pub address_list: Option<String>,
    pub redirect: Option<String>,
    pub notice: Option<AccessState>,
}

impl GrantedTerms {
    pub fn of(grants: &Grants<'_>) -> Self {
        let left = grants.volume_left;
        Self {
            rate: grants.rate.copied(),
            session_timeout_seconds: grants.session_timeout_seconds,
            idle_timeout_seconds: grants.idle_timeout_seconds,
            interim_seconds: grants.interim_seconds,
            ipv4: grants.ipv4,
            ipv6_prefix: grants.ipv6_prefix,
            ipv6_delegated: grants.ipv6_delegated,
            pool: grants.pool.map(str::to_owned),
            session_limit: grants.session_limit,
            sessions_to_end: grants.sessions_to_end,
            traffic_left_bytes: left.traffic.map(Into::into),
            upload_left_bytes: left.upload.map(Into::into),
            download_left_bytes: left.download.map(Into::into),
            garden: grants.garden.map(|garden| garden.name.as_str().to_owned()),
            address_list: grants.address_list().map(str::to_owned),
            redirect: grants.redirect().map(str::to_owned),
            notice: grants.notice,
        }
    }

    /// What is granted in plain words, one thing a sentence.
    pub fn sentences(&self) -> Vec<String> {
        let seconds = |seconds: u32| DurationAmount(seconds.into());
        let mut all = Vec::new();
        if let Some(garden) = &self.garden {
            all.push(format!("only the walled garden {garden} is open"));
        }
        all.push(match &self.rate {
            Some(rate) => {
                let shown = rate.rate();
                format!("speed {} up and {} down", shown.upload, shown.download)
            }
            None => "no limit of speed".to_owned(),
        });
        if let Some(timeout) = self.session_timeout_seconds {
            all.push(format!("the session ends after {}", seconds(timeout)));
        }
        if let Some(timeout) = self.idle_timeout_seconds {
            all.push(format!("it ends when it is idle for {}", seconds(timeout)));
        }
        for (left, what) in [
            (self.traffic_left_bytes, "of data"),
            (self.upload_left_bytes, "of upload"),
            (self.download_left_bytes, "of download"),
        ] {
            if let Some(left) = left {
                all.push(format!("{}B {what} are left", ByteAmount(left)));
            }
        }
        all.extend(self.address_sentences());
        if let Some(limit) = self.session_limit {
            all.push(format!("sessions at the same time: {limit}"));
        }
        if self.sessions_to_end != 0 {
            all.push(format!(
                "other sessions that have to end for it: {}",
                self.sessions_to_end
            ));
        }
        all.push(format!(
            "the router reports every {}",
            seconds(self.interim_seconds)
        ));
        all
    }

    fn address_sentences(&self) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(address) = self.ipv4 {
            all.push(format!("the address {address}"));
        }
        if let Some(pool) = &self.pool {
            all.push(format!("an address of the router's pool {pool}"));
        }
        if let Some(prefix) = self.ipv6_prefix {
            all.push(format!("the IPv6 prefix {prefix}"));
        }
        if let Some(prefix) = self.ipv6_delegated {
            all.push(format!("the delegated IPv6 prefix {prefix}"));
        }
        if let Some(list) = &self.address_list {
            all.push(format!("the address goes into the router's list {list}"));
        }
        if let Some(redirect) = &self.redirect {
            all.push(format!("the browser is sent to {redirect}"));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_told_one_by_one() {
        let terms = GrantedTerms {
            rate: Some("1M/2M".parse().expect("a rate")),
            session_timeout_seconds: Some(5_400),
            interim_seconds: 300,
            pool: Some("home".to_owned()),
            session_limit: Some(2),
            sessions_to_end: 1,
            download_left_bytes: Some(5_000_000_000),
            garden: Some("unpaid".to_owned()),
            address_list: Some("walled".to_owned()),
            redirect: Some("https://pay.example/".to_owned()),
            ..GrantedTerms::default()
        };
        let expected = [
            "only the walled garden unpaid is open",
            "speed 1M up and 2M down",
            "the session ends after 1h30m",
            "5GB of download are left",
            "an address of the router's pool home",
            "the address goes into the router's list walled",
            "the browser is sent to https://pay.example/",
            "sessions at the same time: 2",
            "other sessions that have to end for it: 1",
            "the router reports every 5m",
        ];
        assert_eq!(terms.sentences(), expected);
    }

    #[test]
    fn what_is_not_limited_is_told_too() {
        let terms = GrantedTerms {
            interim_seconds: 60,
            ..GrantedTerms::default()
        };
        let expected = ["no limit of speed", "the router reports every 1m"];
        assert_eq!(terms.sentences(), expected);
    }
}
