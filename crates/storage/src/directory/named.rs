//! What a decision about one login may need: no more than those whom its user name can mean.

use domain::id::{Id, SubscriberId};
use domain::mac::Mac;
use domain::session::LiveSession;
use domain::subscriber::Subscriber;
use sea_orm::{ConnectionTrait, QueryResult, Value};
use uuid::Uuid;

use crate::bulk::select_in;
use crate::error::StoreError;
use crate::session::{LIVE_COLUMNS, read_live};
use crate::store::Store;

impl Store {
    /// The subscribers of every tenant who have one of these names, folded.
    pub async fn directory_subscribers_named(
        &self,
        names: &[String],
    ) -> Result<Vec<Subscriber>, StoreError> {
        let ids = "SELECT id FROM subscriber \
            WHERE tenant IN (SELECT id FROM tenant) AND username IN";
        let keys: Vec<Value> = names.iter().map(Value::from).collect();
        let rows = select_in(self.reader(), ids, &keys, "").await?;
        self.directory_subscribers(&ids_of(&rows)?).await
    }

    /// The subscribers of every tenant who have a device.
    pub async fn directory_device_owners(&self, mac: Mac) -> Result<Vec<Subscriber>, StoreError> {
        let sql = "SELECT subscriber FROM subscriber_device WHERE mac = $1";
        let statement = self.dialect().statement(sql, [mac.to_string().into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        self.directory_subscribers(&ids_of(&rows)?).await
    }

    /// The open sessions of every tenant under these names, folded.
    pub async fn directory_sessions_named(
        &self,
        names: &[String],
    ) -> Result<Vec<LiveSession>, StoreError> {
        let head = format!(
            "SELECT {LIVE_COLUMNS} FROM session_open s \
             WHERE s.tenant IN (SELECT id FROM tenant) AND s.username IN"
        );
        let keys: Vec<Value> = names.iter().map(Value::from).collect();
        let rows = select_in(self.reader(), &head, &keys, "").await?;
        rows.iter().map(read_live).collect()
    }
}

fn ids_of(rows: &[QueryResult]) -> Result<Vec<SubscriberId>, StoreError> {
    let id = |row: &QueryResult| Ok(Id::from_uuid(row.try_get_by_index::<Uuid>(0)?));
    rows.iter().map(id).collect()
}
