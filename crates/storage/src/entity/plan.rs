//! The table `plan`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "plan")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: Uuid,
    pub name: String,
    pub name_key: String,
    pub rate: Option<String>,
    pub session_timeout_seconds: Option<i64>,
    pub idle_timeout_seconds: Option<i64>,
    pub interim_seconds: i64,
    pub pool: Option<String>,
    pub session_limit: Option<i64>,
    pub session_policy: String,
    pub quotas: Option<String>,
    pub windows: Option<String>,
    pub validity_seconds: Option<i64>,
    pub validity_start: Option<String>,
    pub resets: Option<String>,
    pub at_limit_rate: Option<String>,
    pub at_limit_plan: Option<Uuid>,
    pub grace_days: i64,
    pub after_expiry: String,
    pub garden: Option<Uuid>,
    pub device_limit: Option<i64>,
    pub private_device_limit: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
