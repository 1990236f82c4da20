//! The table `operator`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operator")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: Uuid,
    pub name: String,
    pub name_key: String,
    pub status: String,
    pub role: Option<String>,
    pub scopes: String,
    pub password: Vec<u8>,
    pub password_set_at: i64,
    pub is_one_time: i64,
    pub totp_secret: Option<Vec<u8>>,
    pub totp_confirmed_at: Option<i64>,
    pub totp_step: i64,
    pub signed_in_at: Option<i64>,
    pub signed_in_from: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
