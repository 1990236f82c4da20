//! The table `api_key`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: Uuid,
    pub name: String,
    pub name_key: String,
    pub hash: Vec<u8>,
    pub hint: String,
    pub role: Option<String>,
    pub scopes: String,
    pub networks: Option<String>,
    pub expires_at: Option<i64>,
    pub old_hash: Option<Vec<u8>>,
    pub old_until: Option<i64>,
    pub used_at: Option<i64>,
    pub used_from: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
