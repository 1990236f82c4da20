//! The database and what is registered in it.

use std::collections::BTreeMap;

use domain::id::TenantId;
use domain::nas::{MessageAuthenticatorPolicy, Nas, show_source};
use domain::time::Timestamp;
use services::nas_secret::OCTETS_MIN;
use storage::auth_log::KnockRow;
use storage::error::{OpenError, StoreError};
use storage::migration::SchemaStatus;
use storage::page::Page;
use storage::store::Store;

use super::Check;
use crate::app::{App, StartError};
use crate::exit::ErrorChain;

const TENANT: TenantId = TenantId::DEFAULT;
const DATABASE: &str = "database";
const LOOK_AT_THE_SERVER: &str = "check the database server and its log";
const KNOCKS_SHOWN: u32 = 5;
/// How far a stored time may be ahead of the clock.
const AHEAD_SECONDS_MAX: i64 = 300;

/// What the other checks need to know.
#[derive(Default)]
pub(super) struct Registry {
    pub(super) routers: Vec<Nas>,
}

pub(super) async fn check(app: &App, checks: &mut Vec<Check>) -> Registry {
    let status = match app.schema_status().await {
        Ok(status) => status,
        Err(error) => {
            checks.push(Check::fail(
                DATABASE,
                ErrorChain(&error).to_string(),
                "correct database.url, or start the database; `lastmile config check` shows the URL",
            ));
            return Registry::default();
        }
    };
    if status.found != status.known {
        checks.push(unfit(app, &status));
        return Registry::default();
    }
    let store = match app.store_read().await {
        Ok(store) => store,
        Err(error) => {
            let is_about_keys = matches!(
                error,
                StartError::KeyRing(_) | StartError::Open(OpenError::KeyRing(_))
            );
            let remedy = if is_about_keys {
                "restore the key ring that belongs to this database"
            } else {
                LOOK_AT_THE_SERVER
            };
            checks.push(Check::fail(
                DATABASE,
                ErrorChain(&error).to_string(),
                remedy,
            ));
            return Registry::default();
        }
    };
    match look_inside(app, &store, &status, checks).await {
        Ok(registry) => registry,
        Err(error) => {
            checks.push(Check::fail(
                DATABASE,
                ErrorChain(&error).to_string(),
                LOOK_AT_THE_SERVER,
            ));
            Registry::default()
        }
    }
}

fn unfit(app: &App, status: &SchemaStatus) -> Check {
    let found = format!(
        "the schema of {} is version {}, this program knows {}",
        status.place, status.found, status.known
    );
    if status.found == 0 {
        Check::warn(
            DATABASE,
            format!("{} is not prepared yet", status.place),
            format!(
                "start the server once: lastmile serve --data-dir {}",
                app.config.data_dir.display()
            ),
        )
    } else if status.known < status.found {
        Check::fail(DATABASE, found, "run the newer lastmile that made it")
    } else {
        Check::fail(DATABASE, found, "lastmile migrate")
    }
}

async fn look_inside(
    app: &App,
    store: &Store,
    status: &SchemaStatus,
    checks: &mut Vec<Check>,
) -> Result<Registry, StoreError> {
    store.ping().await?;
    checks.push(Check::ok(
        DATABASE,
        format!("{} answers, schema version {}", status.place, status.found),
    ));
    checks.extend(newest_entry(app.now(), store).await?);
    let routers = store.directory_nas_all().await?;
    let plans = store.plan_list(TENANT, &Page::first(1)).await?;
    let subscribers = store.subscriber_count(TENANT).await?;
    checks.push(contents(routers.len(), plans.len(), subscribers));
    check_secrets(&routers, checks);
    checks.extend(unsigned(&routers));
    checks.extend(knocks(&store.knock_list(KNOCKS_SHOWN).await?));
    Ok(Registry { routers })
}

/// A stored time from the future shows that a clock was, or is, wrong.
async fn newest_entry(now: Timestamp, store: &Store) -> Result<Option<Check>, StoreError> {
    let newest = store.auth_log_latest().await?;
    Ok(newest
        .filter(|at| AHEAD_SECONDS_MAX < at.seconds_since(now))
        .map(|at| {
            Check::warn(
                "clock",
                format!("the newest authentication was at {at}, and now is {now}"),
                "check the clock of every node: timedatectl status",
            )
        }))
}

fn contents(routers: usize, plans: usize, subscribers: u64) -> Check {
    const NAME: &str = "registry";
    let found = format!("NAS: {routers}, subscribers: {subscribers}");
    let remedy = if routers == 0 {
        "lastmile nas add NAME --address ADDRESS"
    } else if plans == 0 {
        "lastmile plan add NAME --rate 25M/50M"
    } else if subscribers == 0 {
        "lastmile subscriber add USER --password - --plan NAME"
    } else {
        return Check::ok(NAME, found);
    };
    Check::warn(NAME, format!("{found}: nobody can log in yet"), remedy)
}

fn check_secrets(routers: &[Nas], checks: &mut Vec<Check>) {
    const NAME: &str = "NAS secrets";
    let before = checks.len();
    let short: Vec<&str> = routers
        .iter()
        .filter(|nas| nas.secret.len() < OCTETS_MIN)
        .map(|nas| nas.name.as_str())
        .collect();
    if !short.is_empty() {
        checks.push(Check::warn(
            NAME,
            format!(
                "shorter than {OCTETS_MIN} octets: {}",
                short.join(", ")
            ),
            "one captured packet is enough to guess a short secret: lastmile nas set NAME --secret -",
        ));
    }
    let mut by_secret: BTreeMap<&[u8], Vec<&str>> = BTreeMap::new();
    for nas in routers {
        by_secret
            .entry(nas.secret.expose())
            .or_default()
            .push(nas.name.as_str());
    }
    for names in by_secret.values().filter(|names| 1 < names.len()) {
        checks.push(Check::warn(
            NAME,
            format!("the same for {}", names.join(", ")),
            "who takes one router over can speak for the others: give each its own",
        ));
    }
    if checks.len() == before && !routers.is_empty() {
        checks.push(Check::ok(NAME, "long enough, and each its own"));
    }
}

fn unsigned(routers: &[Nas]) -> Option<Check> {
    let names: Vec<String> = routers
        .iter()
        .filter(|nas| nas.settings.message_authenticator == MessageAuthenticatorPolicy::Off)
        .map(|nas| format!("{} ({})", nas.name, show_source(nas.source)))
        .collect();
    if names.is_empty() {
        return None;
    }
    Some(Check::warn(
        "Message-Authenticator",
        format!("not demanded from {}", names.join(", ")),
        "answers can be forged on the way (CVE-2024-3596): update the router, then lastmile nas set NAME --message-authenticator required",
    ))
}

fn knocks(rows: &[KnockRow]) -> Option<Check> {
    let first = rows.first()?;
    let sources: Vec<String> = rows.iter().map(|row| row.source.to_string()).collect();
    Some(Check::warn(
        "knocking",
        format!("unregistered sources send packets: {}", sources.join(", ")),
        format!(
            "lastmile nas knocking; if it is a router of yours: lastmile nas add NAME --address {}",
            first.source
        ),
    ))
}

#[cfg(test)]
mod tests {
    use domain::id::NasId;
    use domain::nas::{NasSettings, parse_source};
    use domain::secret::Secret;

    use super::super::Health;
    use super::*;

    fn nas(name: &str, secret: &str, policy: MessageAuthenticatorPolicy) -> Nas {
        Nas {
            id: NasId::from_bytes([1; 16]),
            tenant: TENANT,
            name: name.parse().expect("the name is good"),
            source: parse_source("192.0.2.1").expect("the source is good"),
            secret: Secret::from(secret),
            settings: NasSettings {
                message_authenticator: policy,
                ..NasSettings::default()
            },
            groups: Vec::new(),
        }
    }

    #[test]
    fn weak_and_shared_secrets_are_told_without_showing_them() {
        let policy = MessageAuthenticatorPolicy::Required;
        let routers = [
            nas("a", "kookaburra", policy),
            nas("b", "kookaburra", policy),
            nas("c", "a-long-secret-of-its-own", policy),
        ];
        let mut checks = Vec::new();
        check_secrets(&routers, &mut checks);
        let found: Vec<&str> = checks.iter().map(|check| check.found.as_str()).collect();
        assert_eq!(found, ["shorter than 16 octets: a, b", "the same for a, b"]);
        assert!(!format!("{checks:?}").contains("kookaburra"));
    }

    #[test]
    fn good_secrets_are_one_good_line() {
        let routers = [nas(
            "c",
            "a-long-secret-of-its-own",
            MessageAuthenticatorPolicy::Off,
        )];
        let mut checks = Vec::new();
        check_secrets(&routers, &mut checks);
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].status, Health::Ok);
        assert_eq!(
            unsigned(&routers).map(|check| check.found),
            Some("not demanded from c (192.0.2.1)".to_owned())
        );
    }
}
