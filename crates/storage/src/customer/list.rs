//! Lists of customers: narrowed, sorted, searched and counted.

use domain::customer::CustomerState;
use domain::id::TenantId;
use domain::search::{Question, folded};

use super::CustomerSummary;
use crate::listing::{
    Field, FieldKind, Filter, Index, ListCondition, ListError, ListFailure, ListQuery, Listed,
    MATCHES_MAX, Schema, Scope, Total,
};
use crate::search::EntryKind;
use crate::store::Store;

const STATES: [&str; 3] = {
    let all = CustomerState::ALL;
    [all[0].as_str(), all[1].as_str(), all[2].as_str()]
};

const TABLE: (&str, &str) = ("customer", "id");
const TAGS: (&str, &str) = ("customer_tag", "customer");

/// What lists of customers are narrowed and sorted by.
pub(crate) const SCHEMA: Schema = Schema {
    table: "customer",
    order: "name",
    fields: &[
        field("name", "name_key", FieldKind::Text(folded)),
        field("number", "number", FieldKind::Text(str::to_ascii_uppercase)),
        field(
            "created_at",
            "created_at",
            FieldKind::Instant { is_last: false },
        ),
        field(
            "updated_at",
            "updated_at",
            FieldKind::Instant { is_last: false },
        ),
        field("state", "state", FieldKind::Choice(&STATES)),
        Field {
            elsewhere: Some(
                "EXISTS (SELECT 1 FROM customer_tag t WHERE t.customer = m.id AND t.tag = ?)",
            ),
            ..field("tag", "tag", FieldKind::Word(str::to_ascii_lowercase))
        },
    ],
    others: &[],
    indexes: &[
        index("customer_by_state_name", TABLE, &["state"], "name"),
        index(
            "customer_by_state_created_at",
            TABLE,
            &["state"],
            "created_at",
        ),
        index("customer_by_updated_at", TABLE, &[], "updated_at"),
        Index {
            is_unique: true,
            ..index("customer_number_unique", TABLE, &[], "number")
        },
        index(
            "customer_tag_by_state_name",
            TAGS,
            &["tag", "state"],
            "name",
        ),
        index(
            "customer_tag_by_state_created_at",
            TAGS,
            &["tag", "state"],
            "created_at",
        ),
    ],
};

const fn field(name: &'static str, column: &'static str, kind: FieldKind) -> Field {
    Field {
        name,
        column,
        kind,
        elsewhere: None,
    }
}

const fn index(
    name: &'static str,
    table: (&'static str, &'static str),
    equal: &'static [&'static str],
    order: &'static str,
) -> Index {
    Index {
        name,
        table,
        has_tenant: true,
        equal,
        order,
        is_unique: false,
    }
}

/// What lists of customers are narrowed by.
pub fn filters() -> Vec<Filter> {
    SCHEMA.filters()
}

/// What lists of customers are sorted by.
pub fn sorts() -> Vec<&'static str> {
    SCHEMA.orders()
}

impl Store {
    /// A page of the customers that are asked for.
    pub async fn customer_list(
        &self,
        tenant: TenantId,
        query: &ListQuery,
    ) -> Result<Listed<CustomerSummary>, ListFailure> {
        let conditions: Vec<&ListCondition> = query.conditions.iter().collect();
        let scope = self.customer_scope(tenant, query).await?;
        let keys = SCHEMA
            .page(self, tenant, (query, &conditions), scope)
            .await?;
        Ok(Listed {
            rows: self.customers_of(&keys.ids).await?,
            next: keys.next,
        })
    }

    /// How many customers a list has.
    pub async fn customer_total(
        &self,
        tenant: TenantId,
        query: &ListQuery,
    ) -> Result<Total, ListFailure> {
        let conditions: Vec<&ListCondition> = query.conditions.iter().collect();
        let scope = self.customer_scope(tenant, query).await?;
        SCHEMA
            .total(self, tenant, (query, &conditions), scope)
            .await
    }

    async fn customer_scope(
        &self,
        tenant: TenantId,
        query: &ListQuery,
    ) -> Result<Scope, ListFailure> {
        let mut scope = Scope::default();
        if let Some(raw) = &query.search {
            let question = Question::parse(raw).map_err(ListError::Search)?;
            let kind = EntryKind::Customer;
            let found = self
                .search_ids(tenant, kind, &question, MATCHES_MAX)
                .await?;
            scope.among = Some(found);
        }
        Ok(scope)
    }
}
