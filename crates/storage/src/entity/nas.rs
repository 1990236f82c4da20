//! The table `router`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "router")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: Uuid,
    pub name: String,
    pub name_key: String,
    pub source: String,
    pub secret: Vec<u8>,
    pub vendor: String,
    pub identifier: Option<String>,
    pub message_authenticator: String,
    pub octet_view: String,
    pub coa_port: i64,
    pub mac_authentication: String,
    pub sharing: String,
    pub coa_identity: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
