//! Attempts to sign in: counted before they are looked at, and taken back when they were good.

use std::net::IpAddr;

use domain::id::{OperatorId, TenantId};
use domain::name::Name;
use domain::operator::OperatorStatus;
use domain::operator::lock_out::{Attempts, Counter, FORGOTTEN_AFTER_SECONDS};
use domain::secret::Secret;
use domain::time::Timestamp;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Column, Entity, OperatorSummary, summary};
use crate::deed::Deed;
use crate::error::{Resource, StoreError};
use crate::seal::{OPERATOR_PASSWORD, TOTP_SECRET};
use crate::store::Store;
use crate::tenant;
use crate::write::Write;

/// What the audit log calls a name that nobody has: it may be a password in the wrong field.
const UNKNOWN_NAME: &str = "(unknown)";

/// Somebody whose name was given, with what proves who they are.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub operator: OperatorSummary,
    /// The hash of the password, in PHC form.
    pub password: Secret,
    /// The secret of the second factor, if there is one.
    pub totp_secret: Option<Secret>,
}

/// An attempt that was counted as a failure until more is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Nothing is compared: there were too many.
    pub is_refused: bool,
    counted: Vec<Counted>,
}

/// One row that counted it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counted {
    counter: Counter,
    key: String,
    /// The lock that this attempt set.
    lock: Option<Timestamp>,
}

impl Begun {
    /// Whether this attempt begins a lock, if it fails.
    fn locks(&self) -> bool {
        self.counted.iter().any(|counted| counted.lock.is_some())
    }
}

impl Store {
    /// Who may sign in under a name: nobody who is disabled, or whose tenant is.
    pub async fn operator_candidate(&self, name: &Name) -> Result<Option<Candidate>, StoreError> {
        let model = Entity::find()
            .filter(Column::NameKey.eq(name.key()))
            .one(self.reader())
            .await?;
        let Some(model) = model else {
            return Ok(None);
        };
        let operator = summary(&model)?;
        let may_sign_in = operator.status == OperatorStatus::Active
            && tenant::is_open(self.reader(), operator.tenant).await?;
        if !may_sign_in {
            return Ok(None);
        }
        let keys = self.keys();
        let confirmed = model.totp_secret.filter(|_| operator.has_second_factor);
        let totp_secret = confirmed.map(|sealed| TOTP_SECRET.unseal(keys, model.id, &sealed));
        Ok(Some(Candidate {
            password: OPERATOR_PASSWORD.unseal(keys, model.id, &model.password)?,
            totp_secret: totp_secret.transpose()?,
            operator,
        }))
    }

    /// Counts an attempt, unless there were too many. From the address of the last sign-in an operator
    /// is not kept back by what others tried, only by what was tried from there.
    pub async fn operator_attempt_begin(
        &self,
        name: &Name,
        candidate: Option<&Candidate>,
        from: Option<IpAddr>,
    ) -> Result<Begun, StoreError> {
        let address = from.map(address_key).unwrap_or_default();
        let is_known = candidate.is_some_and(|candidate| {
            let last = candidate.operator.signed_in_from.as_deref();
            from.is_some_and(|from| last == Some(from.to_string().as_str()))
        });
        let operator = operator_key(name, candidate);
        let mut begun = Begun {
            is_refused: false,
            counted: Vec::new(),
        };
        // In one order, so that no two transactions wait for each other.
        let counters = [(Counter::Address, address), (Counter::Operator, operator)];
        let holds = |counter: Counter| counter == Counter::Address || !is_known;
        // Who is refused keeps nobody else from writing.
        for (counter, key) in &counters {
            begun.is_refused |= holds(*counter) && self.is_refused(*counter, key).await?;
        }
        if begun.is_refused {
            return Ok(begun);
        }
        let write = self.write().await?;
        for (counter, key) in counters {
            let known = locked_attempts(&write, counter, &key).await?;
            if holds(counter) && known.are_refused(write.at()) {
                begun.is_refused = true;
                return Ok(begun);
            }
            let next = known.and_one(counter, write.at());
            store_attempts(&write, counter, &key, &next).await?;
            begun.counted.push(Counted {
                counter,
                key,
                lock: next.locked_until,
            });
        }
        write.commit().await?;
        Ok(begun)
    }

    async fn is_refused(&self, counter: Counter, key: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM sign_in_attempt \
            WHERE counter = $1 AND key = $2 AND $3 < locked_until";
        let now = self.now().as_micros();
        let values = [counter.as_str().into(), key.into(), now.into()];
        let statement = self.dialect().statement(sql, values);
        Ok(self.reader().query_one_raw(statement).await?.is_some())
    }

    /// Writes down that an attempt failed, and that a lock begins if it does.
    pub async fn operator_attempt_failed(
        &self,
        candidate: Option<&Candidate>,
        begun: &Begun,
        from: Option<IpAddr>,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let operator = candidate.map(|candidate| &candidate.operator);
        let tenant = operator.map_or(TenantId::DEFAULT, |operator| operator.tenant);
        let name = operator.map_or(UNKNOWN_NAME, |operator| operator.name.as_str());
        let id = operator.map(|operator| operator.id.as_uuid());
        let what = (tenant, Resource::Operator);
        let address = from.map(|from| from.to_string());
        let after = json!({ "address": address });
        write.record(Deed::sign_in_failed(what, (id, name), after));
        if begun.locks() {
            let until: Vec<_> = begun
                .counted
                .iter()
                .filter(|counted| counted.lock.is_some())
                .map(|counted| json!({ "of": counted.counter.as_str(), "until": counted.lock }))
                .collect();
            let after = json!({ "address": address, "locks": until });
            write.record(Deed::locked_out(what, (id, name), after));
        }
        write.commit().await
    }

    /// Takes an attempt back that was no failure, and proved nothing either.
    pub async fn operator_attempt_withdraw(&self, begun: &Begun) -> Result<(), StoreError> {
        let write = self.write().await?;
        take_back(&write, begun).await?;
        write.commit().await
    }

    /// Forgets attempts that no longer count, and says how many.
    pub async fn operator_attempt_forget(&self, limit: u32) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let sql = format!(
            "DELETE FROM sign_in_attempt WHERE (counter, key) IN (SELECT counter, key \
            FROM sign_in_attempt WHERE last_at < $1 AND (locked_until IS NULL OR locked_until < $1) \
            ORDER BY last_at LIMIT {limit})"
        );
        let before = write.at().plus_seconds(-FORGOTTEN_AFTER_SECONDS);
        let statement = write.dialect().statement(sql, [before.as_micros().into()]);
        let done = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }
}

/// Takes an attempt back: there is one failure less. A lock that another attempt set stays.
pub(super) async fn take_back(write: &Write, begun: &Begun) -> Result<(), DbErr> {
    for counted in &begun.counted {
        let sql = "UPDATE sign_in_attempt SET failures = failures - 1, locked_until = CASE \
            WHEN locked_until = $3 THEN NULL ELSE locked_until END \
            WHERE counter = $1 AND key = $2 AND 0 < failures";
        let values = [
            counted.counter.as_str().into(),
            counted.key.clone().into(),
            counted.lock.map(Timestamp::as_micros).into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
    }
    Ok(())
}

/// Forgets what was tried for an operator, who has proved to be the one.
pub(super) async fn forget_operator(write: &Write, operator: OperatorId) -> Result<(), DbErr> {
    let sql = "DELETE FROM sign_in_attempt WHERE counter = $1 AND key = $2";
    let values = [
        Counter::Operator.as_str().into(),
        operator.to_string().into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    Ok(())
}

/// Names that nobody has share 65,536 keys, so that who makes names up fills no table.
fn operator_key(name: &Name, candidate: Option<&Candidate>) -> String {
    match candidate {
        Some(candidate) => candidate.operator.id.to_string(),
        None => {
            let [a, b, ..] = <[u8; 32]>::from(Sha256::digest(name.key().as_bytes()));
            format!("?{a:02x}{b:02x}")
        }
    }
}

/// One address of IPv4, or the network of one customer of IPv6.
fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// What was counted, kept from other writers until the transaction ends.
async fn locked_attempts(
    write: &Write,
    counter: Counter,
    key: &str,
) -> Result<Attempts, StoreError> {
    let sql = "INSERT INTO sign_in_attempt (counter, key, failures, last_at, locked_until) \
        VALUES ($1, $2, 0, 0, NULL) ON CONFLICT (counter, key) \
        DO UPDATE SET failures = sign_in_attempt.failures \
        RETURNING failures, last_at, locked_until";
    let values = [counter.as_str().into(), key.into()];
    let statement = write.dialect().statement(sql, values);
    let row = write.connection().query_one_raw(statement).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("sign_in_attempt".to_owned()))?;
    let failures: i64 = row.try_get_by_index(0)?;
    let locked_until: Option<i64> = row.try_get_by_index(2)?;
    Ok(Attempts {
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        last_at: Timestamp::from_micros(row.try_get_by_index(1)?),
        locked_until: locked_until.map(Timestamp::from_micros),
    })
}

async fn store_attempts(
    write: &Write,
    counter: Counter,
    key: &str,
    attempts: &Attempts,
) -> Result<(), DbErr> {
    let sql = "UPDATE sign_in_attempt SET failures = $3, last_at = $4, locked_until = $5 \
        WHERE counter = $1 AND key = $2";
    let values = [
        counter.as_str().into(),
        key.into(),
        i64::from(attempts.failures).into(),
        attempts.last_at.as_micros().into(),
        attempts.locked_until.map(Timestamp::as_micros).into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: &str) {
        let address = address.parse().expect("the test gives an address");
        assert_eq!(address_key(address), expected);
    }

    #[test]
    fn an_address_is_counted_as_one_customer() {
        check("192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("2001:db8:0:7:1:2:3:4", "2001:db8:0:7::/64");
    }
}
