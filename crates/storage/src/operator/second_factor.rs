//! Second factors of operators: a secret for codes of RFC 6238, and codes for when it is lost.

use domain::id::{OperatorId, TenantId};
use domain::name::Name;
use domain::secret::Secret;
use sea_orm::{ActiveModelTrait, ActiveValue, ConnectionTrait, DbErr};

use super::{ActiveModel, KEYED, Model, OperatorSummary, record_change, session, summary};
use crate::bulk::Insert;
use crate::error::StoreError;
use crate::seal::TOTP_SECRET;
use crate::store::Store;
use crate::write::Write;

const RECOVERY: Insert<'static> = Insert {
    table: "operator_recovery",
    columns: &["operator", "hash"],
    on_conflict: "ON CONFLICT (operator, hash) DO NOTHING",
};

/// A code that proves the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvenCode {
    /// One of RFC 6238, of this step.
    Totp { step: u64 },
    /// One of those for when the device is lost, by its SHA-256.
    Recovery { hash: [u8; 32] },
}

impl Store {
    /// Keeps a secret that does not hold yet: its first code proves that it arrived.
    pub async fn operator_totp_propose(
        &self,
        tenant: TenantId,
        name: &Name,
        secret: &Secret,
    ) -> Result<OperatorSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        if model.totp_confirmed_at.is_some() {
            return Err(StoreError::SecondFactor {
                name: name.to_string(),
                problem: "is in force: disable it first",
            });
        }
        let before = summary(&model)?;
        let sealed = TOTP_SECRET.seal(self.keys(), model.id, secret.expose());
        let mut row = ActiveModel::from(model);
        row.totp_secret = ActiveValue::Set(Some(sealed));
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        let after = summary(&row.update(write.connection()).await?)?;
        record_change(&mut write, &before, &after);
        write.commit().await?;
        Ok(after)
    }

    /// The secret that is to be confirmed.
    pub async fn operator_totp_proposed(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Option<Secret>, StoreError> {
        let model = KEYED.one(tenant, name.key()).one(self.reader()).await?;
        let Some(Model {
            id,
            totp_secret: Some(sealed),
            totp_confirmed_at: None,
            ..
        }) = model
        else {
            return Ok(None);
        };
        TOTP_SECRET.unseal(self.keys(), id, &sealed).map(Some)
    }

    /// Puts the proposed secret in force, with codes for when it is lost.
    pub async fn operator_totp_confirm(
        &self,
        tenant: TenantId,
        name: &Name,
        step: u64,
        recovery: &[[u8; 32]],
    ) -> Result<OperatorSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        if model.totp_secret.is_none() || model.totp_confirmed_at.is_some() {
            return Err(StoreError::SecondFactor {
                name: name.to_string(),
                problem: "is not waiting for its first code: begin with a new secret",
            });
        }
        let before = summary(&model)?;
        let now = write.at().as_micros();
        let mut row = ActiveModel::from(model);
        row.totp_confirmed_at = ActiveValue::Set(Some(now));
        row.totp_step = ActiveValue::Set(stored_step(step));
        row.updated_at = ActiveValue::Set(now);
        let after = summary(&row.update(write.connection()).await?)?;
        replace_recovery(&write, after.id, recovery).await?;
        record_change(&mut write, &before, &after);
        write.commit().await?;
        Ok(after)
    }

    /// Gives an operator other codes for when the device is lost; those before hold no longer.
    pub async fn operator_recovery_replace(
        &self,
        tenant: TenantId,
        name: &Name,
        recovery: &[[u8; 32]],
    ) -> Result<OperatorSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        if model.totp_confirmed_at.is_none() {
            return Err(StoreError::SecondFactor {
                name: name.to_string(),
                problem: "is not set up: set it up first",
            });
        }
        let before = summary(&model)?;
        let mut row = ActiveModel::from(model);
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        let after = summary(&row.update(write.connection()).await?)?;
        replace_recovery(&write, after.id, recovery).await?;
        record_change(&mut write, &before, &after);
        write.commit().await?;
        Ok(after)
    }

    /// Takes the second factor away, and ends all sessions but `kept`.
    pub async fn operator_totp_clear(
        &self,
        tenant: TenantId,
        name: &Name,
        kept: Option<domain::id::OperatorSessionId>,
    ) -> Result<OperatorSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let before = summary(&model)?;
        let mut row = ActiveModel::from(model);
        row.totp_secret = ActiveValue::Set(None);
        row.totp_confirmed_at = ActiveValue::Set(None);
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        let after = summary(&row.update(write.connection()).await?)?;
        replace_recovery(&write, after.id, &[]).await?;
        session::end_all(&write, after.id, kept).await?;
        record_change(&mut write, &before, &after);
        write.commit().await?;
        Ok(after)
    }

    /// Uses a code up, and says whether it was still there to be used.
    pub async fn operator_code_use(
        &self,
        operator: OperatorId,
        code: ProvenCode,
    ) -> Result<bool, StoreError> {
        let write = self.write().await?;
        let id = operator.as_uuid();
        let (sql, values) = match code {
            ProvenCode::Totp { step } => (
                "UPDATE operator SET totp_step = $2 WHERE id = $1 AND totp_step < $2",
                [id.into(), stored_step(step).into()],
            ),
            ProvenCode::Recovery { hash } => (
                "DELETE FROM operator_recovery WHERE operator = $1 AND hash = $2",
                [id.into(), hash.to_vec().into()],
            ),
        };
        let statement = write.dialect().statement(sql, values);
        let done = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// How many codes are left for when the device is lost.
    pub async fn operator_recovery_left(&self, operator: OperatorId) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM operator_recovery WHERE operator = $1";
        let statement = self.dialect().statement(sql, [operator.as_uuid().into()]);
        let row = self.reader().query_one_raw(statement).await?;
        let left: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(left.unsigned_abs())
    }
}

async fn replace_recovery(
    write: &Write,
    operator: OperatorId,
    recovery: &[[u8; 32]],
) -> Result<(), DbErr> {
    let sql = "DELETE FROM operator_recovery WHERE operator = $1";
    let statement = write.dialect().statement(sql, [operator.as_uuid().into()]);
    write.connection().execute_raw(statement).await?;
    let rows = recovery
        .iter()
        .map(|hash| [operator.as_uuid().into(), hash.to_vec().into()]);
    RECOVERY.run(write.connection(), rows).await
}

fn stored_step(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}
