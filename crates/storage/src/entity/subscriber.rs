//! The table `subscriber`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "subscriber")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: Uuid,
    pub username: String,
    pub credential_kind: String,
    pub credential: Vec<u8>,
    pub plan: Uuid,
    pub status: String,
    pub expires_at: Option<i64>,
    pub ipv4: Option<String>,
    pub ipv6_prefix: Option<String>,
    pub ipv6_delegated: Option<String>,
    pub session_limit: Option<i64>,
    pub session_policy: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub status_at: Option<i64>,
    pub credential_set_at: Option<i64>,
    pub device_forgotten_at: Option<i64>,
    pub starts_at: Option<i64>,
    pub customer: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
