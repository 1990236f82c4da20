//! Answers that are given again: a request with an Idempotency-Key is carried out once.

use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr};

use crate::act::Claim;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::seal::ANSWER;
use crate::store::Store;

/// How long an answer is kept.
const KEPT_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// How long a request that began and changed nothing keeps others with its key waiting.
const BEGUN_MICROS: i64 = 60 * 1_000_000;

/// What a request has under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is to be carried out now.
    Now,
    /// It was answered before, with this status and body.
    Before { status: u16, answer: Vec<u8> },
    /// Something else was asked under this key.
    Otherwise,
    /// The same is being carried out at this moment.
    UnderWay,
    /// It was carried out, and the program ended before the answer was kept.
    Done,
}

const BEGUN: &str = "begun";
const DONE: &str = "done";
const ANSWERED: &str = "answered";

impl Store {
    /// Takes a key for a request, unless it is taken.
    pub async fn idempotency_claim(
        &self,
        claim: &Claim,
        fingerprint: &[u8],
    ) -> Result<Claimed, StoreError> {
        let write = self.write().await?;
        let now = write.at().as_micros();
        let sql = "DELETE FROM idempotency WHERE tenant = $1 AND caller = $2 AND key = $3 \
            AND (at < $4 OR (state = 'begun' AND at < $5))";
        let values = [
            claim.tenant.as_uuid().into(),
            claim.caller.into(),
            claim.key.clone().into(),
            (now - KEPT_MICROS).into(),
            (now - BEGUN_MICROS).into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        let sql = "INSERT INTO idempotency (tenant, caller, key, fingerprint, state, at) \
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, caller, key) DO NOTHING";
        let values = [
            claim.tenant.as_uuid().into(),
            claim.caller.into(),
            claim.key.clone().into(),
            fingerprint.to_vec().into(),
            BEGUN.into(),
            now.into(),
        ];
        let statement = write.dialect().statement(sql, values);
        let inserted = write.connection().execute_raw(statement).await?;
        if inserted.rows_affected() == 1 {
            write.commit().await?;
            return Ok(Claimed::Now);
        }
        let sql = "SELECT fingerprint, state, status, answer FROM idempotency \
            WHERE tenant = $1 AND caller = $2 AND key = $3";
        let values = [
            claim.tenant.as_uuid().into(),
            claim.caller.into(),
            claim.key.clone().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        let row = write.connection().query_one_raw(statement).await?;
        let Some(row) = row else {
            return Ok(Claimed::UnderWay);
        };
        let known: Vec<u8> = row.try_get_by_index(0)?;
        if known != fingerprint {
            return Ok(Claimed::Otherwise);
        }
        let state: String = row.try_get_by_index(1)?;
        let status: Option<i64> = row.try_get_by_index(2)?;
        let answer: Option<Vec<u8>> = row.try_get_by_index(3)?;
        Ok(match (state.as_str(), status, answer) {
            (ANSWERED, Some(status), Some(answer)) => Claimed::Before {
                status: u16::try_from(status).unwrap_or(500),
                answer: ANSWER
                    .unseal(self.keys(), claim.caller, &answer)?
                    .expose()
                    .to_vec(),
            },
            (BEGUN, _, _) => Claimed::UnderWay,
            _ => Claimed::Done,
        })
    }

    /// Keeps the answer to a request, to be given again.
    pub async fn idempotency_answer(
        &self,
        claim: &Claim,
        (status, answer): (u16, &[u8]),
    ) -> Result<(), StoreError> {
        let write = self.write().await?;
        let sealed = ANSWER.seal(self.keys(), claim.caller, answer);
        let sql = "UPDATE idempotency SET state = $4, status = $5, answer = $6 \
            WHERE tenant = $1 AND caller = $2 AND key = $3";
        let values = [
            claim.tenant.as_uuid().into(),
            claim.caller.into(),
            claim.key.clone().into(),
            ANSWERED.into(),
            i64::from(status).into(),
            sealed.into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        write.commit().await
    }

    /// Lets a key go whose request changed nothing, so that it can be tried again.
    pub async fn idempotency_release(&self, claim: &Claim) -> Result<(), StoreError> {
        let write = self.write().await?;
        let sql = "DELETE FROM idempotency \
            WHERE tenant = $1 AND caller = $2 AND key = $3 AND state = 'begun'";
        let values = [
            claim.tenant.as_uuid().into(),
            claim.caller.into(),
            claim.key.clone().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        write.commit().await
    }

    /// Forgets answers that are older than they are kept, `limit` at most, and says how many.
    pub async fn idempotency_forget(&self, limit: u32) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let oldest = Timestamp::from_micros(write.at().as_micros() - KEPT_MICROS);
        let sql = format!(
            "DELETE FROM idempotency WHERE (tenant, caller, key) IN (SELECT tenant, caller, key \
            FROM idempotency WHERE at < $1 ORDER BY at LIMIT {limit})"
        );
        let statement = write.dialect().statement(sql, [oldest.as_micros().into()]);
        let done = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }
}

/// Marks a request as carried out, in the transaction that does it.
pub(crate) async fn mark_done<C: ConnectionTrait>(
    connection: &C,
    claim: &Claim,
) -> Result<(), DbErr> {
    let sql = "UPDATE idempotency SET state = $4 WHERE tenant = $1 AND caller = $2 AND key = $3";
    let values = [
        claim.tenant.as_uuid().into(),
        claim.caller.into(),
        claim.key.clone().into(),
        DONE.into(),
    ];
    let statement = Dialect::of(connection).statement(sql, values);
    connection.execute_raw(statement).await?;
    Ok(())
}
