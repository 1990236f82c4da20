//! Who is signed in: sessions of operators, known by the hashes of what their cookies carry.

use domain::id::{Id, OperatorId, OperatorSessionId, TenantId};
use domain::name::Name;
use domain::operator::OperatorStatus;
use domain::operator::session::{AGE_SECONDS_MAX, IDLE_SECONDS, SESSIONS_MAX, ends_at};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryResult};
use serde::Serialize;
use serde_json::json;

use super::{Entity, KEYED, OperatorSummary, summary};
use crate::column::{Row, stored_text};
use crate::deed::Deed;
use crate::error::{Resource, StoreError};
use crate::operator::attempt::{self, Begun};
use crate::store::Store;
use crate::tenant;
use crate::write::Write;

/// The use of a session is written down again after this time.
const SEEN_NOTED_EVERY_SECONDS: i64 = 60;

/// The most octets of what a browser says about itself.
const AGENT_LEN_MAX: usize = 256;

const COLUMNS: &str = "id, operator, created_at, seen_at, address, agent";

/// A session to be made for somebody who proved who they are.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub operator: OperatorId,
    /// SHA-256 of what the cookie carries.
    pub hash: [u8; 32],
    pub address: String,
    /// What the browser says about itself.
    pub agent: String,
    /// How somebody proved who they are.
    pub proof: Proof,
}

/// How somebody proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    Password,
    PasswordAndCode,
    PasswordAndRecoveryCode,
}

/// A session as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorSession {
    pub id: OperatorSessionId,
    pub operator: OperatorId,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
    /// When it ends if it is not used again.
    pub ends_at: Timestamp,
    pub address: String,
    pub agent: String,
}

/// A session with whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    pub session: OperatorSession,
    pub operator: OperatorSummary,
}

impl Store {
    /// Signs somebody in whose attempt went well: it was not a failure, then.
    pub async fn operator_sign_in(
        &self,
        new: NewSession,
        begun: &Begun,
    ) -> Result<SignedIn, StoreError> {
        let mut write = self.write().await?;
        let at = write.at();
        let sql = "UPDATE operator SET signed_in_at = $2, signed_in_from = $3 \
            WHERE id = $1 AND status = 'active'";
        let values = [
            new.operator.as_uuid().into(),
            at.as_micros().into(),
            new.address.clone().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        let model = Entity::find_by_id(new.operator.as_uuid())
            .one(write.connection())
            .await?;
        let operator = model.as_ref().map(summary).transpose()?;
        let operator = operator
            .filter(|operator| operator.status == OperatorStatus::Active)
            .ok_or_else(|| not_found(&new.operator.to_string()))?;
        make_room(&write, new.operator).await?;
        let session = OperatorSession {
            id: self.new_id(),
            operator: new.operator,
            created_at: at,
            seen_at: at,
            ends_at: ends_at(at, at),
            address: new.address,
            agent: stored_agent(&new.agent),
        };
        insert(&write, &session, &new.hash).await?;
        attempt::take_back(&write, begun).await?;
        attempt::forget_operator(&write, new.operator).await?;
        let after = json!({
            "address": session.address,
            "agent": session.agent,
            "proof": new.proof,
        });
        let named = (operator.id.as_uuid(), operator.name.as_str());
        let what = (operator.tenant, Resource::Operator);
        write.record(Deed::signed_in(what, named, after));
        write.commit().await?;
        Ok(SignedIn { session, operator })
    }

    /// Whose session this is. Nobody's when it is over, or its operator or their tenant is disabled.
    pub async fn operator_session_find(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<SignedIn>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM operator_session WHERE hash = $1");
        let statement = self.dialect().statement(sql, [hash.to_vec().into()]);
        let Some(row) = self.reader().query_one_raw(statement).await? else {
            return Ok(None);
        };
        let session = session(&row)?;
        let model = Entity::find_by_id(session.operator.as_uuid())
            .one(self.reader())
            .await?;
        let Some(operator) = model.as_ref().map(summary).transpose()? else {
            return Ok(None);
        };
        let is_good = self.now() < session.ends_at
            && operator.status == OperatorStatus::Active
            && tenant::is_open(self.reader(), operator.tenant).await?;
        Ok(is_good.then_some(SignedIn { session, operator }))
    }

    /// Writes down that a session was used, once a minute at most.
    pub async fn operator_session_seen(&self, session: &OperatorSession) -> Result<(), StoreError> {
        let now = self.now();
        if now.seconds_since(session.seen_at) < SEEN_NOTED_EVERY_SECONDS {
            return Ok(());
        }
        let write = self.write().await?;
        let sql = "UPDATE operator_session SET seen_at = $2 WHERE id = $1 AND seen_at < $2";
        let values = [session.id.as_uuid().into(), now.as_micros().into()];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        write.commit().await
    }

    /// The open sessions of an operator, the one that was used last first.
    pub async fn operator_session_list(
        &self,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Vec<OperatorSession>, StoreError> {
        let model = KEYED.one(tenant, name.key()).one(self.reader()).await?;
        let model = model.ok_or_else(|| not_found(name.as_str()))?;
        let sql = format!(
            "SELECT {COLUMNS} FROM operator_session WHERE operator = $1 \
            ORDER BY seen_at DESC, id DESC LIMIT {SESSIONS_MAX}"
        );
        let statement = self.dialect().statement(sql, [model.id.into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        let sessions: Vec<OperatorSession> = rows.iter().map(session).collect::<Result<_, _>>()?;
        let now = self.now();
        let is_open = |session: &OperatorSession| now < session.ends_at;
        Ok(sessions.into_iter().filter(is_open).collect())
    }

    /// Ends one session of an operator, or all of them, and says how many there were.
    pub async fn operator_session_end(
        &self,
        tenant: TenantId,
        name: &Name,
        only: Option<OperatorSessionId>,
    ) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, name.key()).await?;
        let operator = summary(&model)?;
        let ended = match only {
            Some(session) => end_one(&write, operator.id, session).await?,
            None => end_all(&write, operator.id, None).await?,
        };
        if let (Some(session), 0) = (only, ended) {
            return Err(StoreError::NotFound {
                what: Resource::OperatorSession,
                name: session.to_string(),
            });
        }
        let after = json!({ "sessions_ended": ended, "session": only });
        let named = (operator.id.as_uuid(), operator.name.as_str());
        write.record(Deed::signed_out((tenant, Resource::Operator), named, after));
        write.commit().await?;
        Ok(ended)
    }

    /// Forgets sessions that are over, `limit` at most, and says how many.
    pub async fn operator_session_forget(&self, limit: u32) -> Result<u64, StoreError> {
        let write = self.write().await?;
        let sql = format!(
            "DELETE FROM operator_session WHERE id IN (SELECT id FROM operator_session \
            WHERE seen_at < $1 OR created_at < $2 ORDER BY seen_at LIMIT {limit})"
        );
        let values = [
            write.at().plus_seconds(-IDLE_SECONDS).as_micros().into(),
            write.at().plus_seconds(-AGE_SECONDS_MAX).as_micros().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        let done = write.connection().execute_raw(statement).await?;
        write.commit().await?;
        Ok(done.rows_affected())
    }
}

/// Ends all sessions of an operator but one.
pub(super) async fn end_all(
    write: &Write,
    operator: OperatorId,
    kept: Option<OperatorSessionId>,
) -> Result<u64, DbErr> {
    let kept = kept.map_or(uuid::Uuid::nil(), |session| session.as_uuid());
    let sql = "DELETE FROM operator_session WHERE operator = $1 AND id <> $2";
    let values = [operator.as_uuid().into(), kept.into()];
    let statement = write.dialect().statement(sql, values);
    let done = write.connection().execute_raw(statement).await?;
    Ok(done.rows_affected())
}

async fn end_one(
    write: &Write,
    operator: OperatorId,
    session: OperatorSessionId,
) -> Result<u64, DbErr> {
    let sql = "DELETE FROM operator_session WHERE operator = $1 AND id = $2";
    let values = [operator.as_uuid().into(), session.as_uuid().into()];
    let statement = write.dialect().statement(sql, values);
    let done = write.connection().execute_raw(statement).await?;
    Ok(done.rows_affected())
}

/// Ends the sessions that one more would be too many beside.
async fn make_room(write: &Write, operator: OperatorId) -> Result<(), DbErr> {
    let others = SESSIONS_MAX - 1;
    let sql = format!(
        "DELETE FROM operator_session WHERE operator = $1 AND id NOT IN (SELECT id \
        FROM operator_session WHERE operator = $1 ORDER BY seen_at DESC, id DESC LIMIT {others})"
    );
    let statement = write.dialect().statement(sql, [operator.as_uuid().into()]);
    write.connection().execute_raw(statement).await?;
    Ok(())
}

async fn insert(write: &Write, session: &OperatorSession, hash: &[u8; 32]) -> Result<(), DbErr> {
    let sql = "INSERT INTO operator_session \
        (id, operator, hash, created_at, seen_at, address, agent) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = [
        session.id.as_uuid().into(),
        session.operator.as_uuid().into(),
        hash.to_vec().into(),
        session.created_at.as_micros().into(),
        session.seen_at.as_micros().into(),
        session.address.clone().into(),
        session.agent.clone().into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    Ok(())
}

fn stored_agent(agent: &str) -> String {
    let end = agent.floor_char_boundary(AGENT_LEN_MAX);
    stored_text(&agent[..end])
}

fn session(row: &QueryResult) -> Result<OperatorSession, StoreError> {
    let row = Row::new("operator_session", row)?;
    let (created_at, seen_at) = (row.time("created_at")?, row.time("seen_at")?);
    Ok(OperatorSession {
        id: row.id(),
        operator: Id::from_uuid(row.raw("operator")?),
        created_at,
        seen_at,
        ends_at: ends_at(created_at, seen_at),
        address: row.raw("address")?,
        agent: row.raw("agent")?,
    })
}

fn not_found(name: &str) -> StoreError {
    StoreError::NotFound {
        what: Resource::Operator,
        name: name.to_owned(),
    }
}
