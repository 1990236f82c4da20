//! Lists of subscribers: narrowed, sorted, searched and counted.

use std::collections::HashMap;

use domain::id::{Id, TenantId};
use domain::name::Username;
use domain::plan::access::GraceDays;
use domain::search::Question;
use domain::subscriber::SubscriberStatus;
use domain::subscriber::state::AccessState;
use domain::time::Timestamp;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Value};
use uuid::Uuid;

use super::row::StoredSubscriber;
use super::{KEYED, SubscriberSummary};
use crate::column::MICROS_PER_DAY;
use crate::customer;
use crate::entity::plan;
use crate::entity::subscriber::{Column, Entity, Model};
use crate::error::StoreError;
use crate::listing::{
    Alternative, Field, FieldKind, Filter, FilterKind, Index, Key, ListCondition, ListError,
    ListFailure, ListQuery, Listed, MATCHES_MAX, Operator, Range, Schema, Scope, Total, chosen,
};
use crate::named::{CUSTOMERS, PLANS};
use crate::page::Page;
use crate::search::EntryKind;
use crate::store::Store;

const STATUSES: [&str; 5] = {
    let all = SubscriberStatus::ALL;
    [
        all[0].as_str(),
        all[1].as_str(),
        all[2].as_str(),
        all[3].as_str(),
        all[4].as_str(),
    ]
};

const STATES: [&str; 7] = {
    let all = AccessState::ALL;
    [
        all[0].as_str(),
        all[1].as_str(),
        all[2].as_str(),
        all[3].as_str(),
        all[4].as_str(),
        all[5].as_str(),
        all[6].as_str(),
    ]
};

const TABLE: (&str, &str) = ("subscriber", "id");

/// What lists of subscribers are narrowed and sorted by. `state` is not among it: it is what the clock
/// makes of a status and an expiry.
pub(crate) const SCHEMA: Schema = Schema {
    table: "subscriber",
    order: "username",
    fields: &[
        field(
            "username",
            "username",
            FieldKind::Text(str::to_ascii_lowercase),
        ),
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
        field(
            "expires_at",
            "expires_key",
            FieldKind::Instant { is_last: true },
        ),
        field("status", "status", FieldKind::Choice(&STATUSES)),
        field("plan", "plan", FieldKind::Id),
    ],
    others: &["state", "customer"],
    indexes: &[
        Index {
            is_unique: true,
            ..by_tenant("subscriber_username_unique", &[], "username")
        },
        by_tenant("subscriber_by_updated_at", &[], "updated_at"),
        by_tenant("subscriber_by_status_username", &["status"], "username"),
        by_tenant("subscriber_by_status_created_at", &["status"], "created_at"),
        by_tenant("subscriber_by_status_expires_at", &["status"], "expires_at"),
        Index {
            has_tenant: false,
            ..by_tenant(
                "subscriber_by_plan_username",
                &["plan", "status"],
                "username",
            )
        },
        Index {
            has_tenant: false,
            ..by_tenant(
                "subscriber_by_plan_expires_at",
                &["plan", "status"],
                "expires_at",
            )
        },
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

const fn by_tenant(
    name: &'static str,
    equal: &'static [&'static str],
    order: &'static str,
) -> Index {
    Index {
        name,
        table: TABLE,
        has_tenant: true,
        equal,
        order,
        is_unique: false,
    }
}

/// What lists of subscribers are narrowed by.
pub fn filters() -> Vec<Filter> {
    let of_state = [Operator::Eq, Operator::Ne, Operator::In].map(|operator| Filter {
        field: "state",
        operator,
        kind: FilterKind::Choice(&STATES),
    });
    let of_customer = Filter {
        field: "customer",
        operator: Operator::Eq,
        kind: FilterKind::Reference,
    };
    let mut filters = SCHEMA.filters();
    filters.extend(of_state);
    filters.push(of_customer);
    filters
}

/// What lists of subscribers are sorted by.
pub fn sorts() -> Vec<&'static str> {
    SCHEMA.orders()
}

impl Store {
    /// A page of the subscribers that are asked for.
    pub async fn subscriber_list(
        &self,
        tenant: TenantId,
        query: &ListQuery,
    ) -> Result<Listed<SubscriberSummary>, ListFailure> {
        let (conditions, scope) = self.subscriber_scope(tenant, query).await?;
        let conditions: Vec<&ListCondition> = conditions.iter().collect();
        let keys = SCHEMA
            .page(self, tenant, (query, &conditions), scope)
            .await?;
        Ok(Listed {
            rows: self.subscribers_of(&keys.ids).await?,
            next: keys.next,
        })
    }

    /// Everybody by user name, for whoever goes through all of them.
    pub async fn subscriber_page(
        &self,
        tenant: TenantId,
        page: &Page<Username>,
    ) -> Result<Vec<SubscriberSummary>, StoreError> {
        let after = page.after.as_ref().map(Username::as_str);
        let models = KEYED.page(tenant, after, page.limit());
        let models = models.all(self.reader()).await?;
        self.subscriber_summaries(self.reader(), models).await
    }

    /// How many subscribers a list has.
    pub async fn subscriber_total(
        &self,
        tenant: TenantId,
        query: &ListQuery,
    ) -> Result<Total, ListFailure> {
        let (conditions, scope) = self.subscriber_scope(tenant, query).await?;
        let conditions: Vec<&ListCondition> = conditions.iter().collect();
        SCHEMA
            .total(self, tenant, (query, &conditions), scope)
            .await
    }

    /// The subscribers with these ids, in their order, without those that are gone.
    pub(crate) async fn subscribers_of(
        &self,
        ids: &[Uuid],
    ) -> Result<Vec<SubscriberSummary>, StoreError> {
        let found = Entity::find().filter(Column::Id.is_in(ids.iter().copied()));
        let mut found: HashMap<Uuid, Model> = found
            .all(self.reader())
            .await?
            .into_iter()
            .map(|model| (model.id, model))
            .collect();
        let models = ids.iter().filter_map(|id| found.remove(id)).collect();
        self.subscriber_summaries(self.reader(), models).await
    }

    /// What rows hold, with the names of their plans and the numbers of their customers.
    pub(crate) async fn subscriber_summaries<C: ConnectionTrait>(
        &self,
        connection: &C,
        models: Vec<Model>,
    ) -> Result<Vec<SubscriberSummary>, StoreError> {
        let mut ids: Vec<Uuid> = models.iter().map(|model| model.plan).collect();
        ids.sort_unstable();
        ids.dedup();
        let plans = plan::Entity::find().filter(plan::Column::Id.is_in(ids));
        let plans = plans.all(connection).await?;
        let plans: HashMap<Uuid, plan::Model> =
            plans.into_iter().map(|plan| (plan.id, plan)).collect();
        let customers = models.iter().filter_map(|model| model.customer);
        let customers = customer::numbers(connection, customers).await?;
        let now = self.now();
        let summary = |model: &Model| {
            let customer = model.customer.and_then(|id| customers.get(&id).cloned());
            summary(model, plans.get(&model.plan), customer, now)
        };
        models.iter().map(summary).collect()
    }

    /// What only this resource can work out: states, names in the place of ids, and what is searched.
    async fn subscriber_scope(
        &self,
        tenant: TenantId,
        query: &ListQuery,
    ) -> Result<(Vec<ListCondition>, Scope), ListFailure> {
        let mut conditions = Vec::with_capacity(query.conditions.len());
        let mut scope = Scope {
            among: self.subscriber_matches(tenant, query).await?,
            alternatives: None,
        };
        let mut states: Option<Vec<AccessState>> = None;
        for condition in &query.conditions {
            let mut condition = condition.clone();
            match condition.field.as_str() {
                "state" => {
                    let named = chosen(&STATES, &condition)?;
                    let wanted = states.get_or_insert_with(|| AccessState::ALL.to_vec());
                    wanted.retain(|state| named.contains(&state.as_str()));
                }
                "customer" => {
                    let ids = self.services_of(tenant, &condition).await?;
                    scope.keep(ids);
                }
                "plan" => {
                    self.name_ids(tenant, &PLANS, &mut condition).await?;
                    conditions.push(condition);
                }
                _ => conditions.push(condition),
            }
        }
        if let Some(states) = states {
            let graces = self.graces(tenant).await?;
            scope.alternatives = Some(ranges_of(&states, &graces, self.now()));
        }
        Ok((conditions, scope))
    }

    /// Subscribers whose names are searched for, and those of customers who are.
    async fn subscriber_matches(
        &self,
        tenant: TenantId,
        query: &ListQuery,
    ) -> Result<Option<Vec<Uuid>>, ListFailure> {
        let Some(raw) = &query.search else {
            return Ok(None);
        };
        let question = Question::parse(raw).map_err(ListError::Search)?;
        let named = EntryKind::Subscriber;
        let mut ids = self
            .search_ids(tenant, named, &question, MATCHES_MAX)
            .await?;
        let payers = EntryKind::Customer;
        let payers = self
            .search_ids(tenant, payers, &question, MATCHES_MAX)
            .await?;
        let room = MATCHES_MAX.saturating_sub(ids.len());
        for id in customer::services(self.reader(), &payers, room).await? {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(Some(ids))
    }

    /// The subscribers of one customer, who has not more than a list takes in.
    async fn services_of(
        &self,
        tenant: TenantId,
        condition: &ListCondition,
    ) -> Result<Vec<Uuid>, ListFailure> {
        if condition.operator != Operator::Eq {
            return Err(ListFailure::Query(ListError::Operator {
                field: condition.parameter(),
                known: "eq",
            }));
        }
        let mut condition = condition.clone();
        self.name_ids(tenant, &CUSTOMERS, &mut condition).await?;
        let ids: Vec<Uuid> = condition.value.parse().into_iter().collect();
        Ok(customer::services(self.reader(), &ids, MATCHES_MAX).await?)
    }

    /// The plans of a tenant and the days of grace that they give.
    async fn graces(&self, tenant: TenantId) -> Result<Vec<(Uuid, i64)>, StoreError> {
        let sql = "SELECT id, grace_days FROM plan WHERE tenant = $1";
        let statement = self.dialect().statement(sql, [tenant.as_uuid().into()]);
        let rows = self.reader().query_all_raw(statement).await?;
        let read =
            |row: &sea_orm::QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
        let graces: Result<Vec<(Uuid, i64)>, sea_orm::DbErr> = rows.iter().map(read).collect();
        Ok(graces?)
    }
}

/// Where the rows of these states are. An active account is past its expiry for as long as its plan
/// gives grace: where plans differ in that, each has a range of its own.
fn ranges_of(states: &[AccessState], graces: &[(Uuid, i64)], now: Timestamp) -> Vec<Alternative> {
    // What ends within this second has ended.
    let edge = now.plus_seconds(1).as_micros();
    let mut ranges = Vec::new();
    for state in states {
        match state {
            AccessState::Pending => ranges.push(with_status(SubscriberStatus::Pending)),
            AccessState::SuspendedWalled => {
                ranges.push(with_status(SubscriberStatus::SuspendedWalled));
            }
            AccessState::SuspendedHard => ranges.push(with_status(SubscriberStatus::SuspendedHard)),
            AccessState::Disabled => ranges.push(with_status(SubscriberStatus::Disabled)),
            AccessState::Active => ranges.push(expiring((Some(edge), None), None)),
            AccessState::Grace => ranges.extend(by_grace(graces, |days, plan| {
                (0 < days).then(|| expiring((Some(before(edge, days)), Some(edge)), plan))
            })),
            AccessState::Expired => ranges.extend(by_grace(graces, |days, plan| {
                Some(expiring((None, Some(before(edge, days))), plan))
            })),
        }
    }
    ranges
}

/// One range for all plans if they give the same grace, or else one for each.
fn by_grace(
    graces: &[(Uuid, i64)],
    range: impl Fn(i64, Option<Uuid>) -> Option<Alternative>,
) -> Vec<Alternative> {
    let first = graces.first().map_or(0, |(_, days)| *days);
    if graces.iter().all(|(_, days)| *days == first) {
        return range(first, None).into_iter().collect();
    }
    let each = graces.iter();
    each.filter_map(|(plan, days)| range(*days, Some(*plan)))
        .collect()
}

const fn before(edge: i64, days: i64) -> i64 {
    edge.saturating_sub(days.saturating_mul(MICROS_PER_DAY))
}

fn with_status(status: SubscriberStatus) -> Alternative {
    Alternative {
        equal: vec![("status", status.as_str().into())],
        range: None,
    }
}

/// Active accounts that end from the first instant on, and before the second.
fn expiring((from, to): (Option<i64>, Option<i64>), plan: Option<Uuid>) -> Alternative {
    let mut range = with_status(SubscriberStatus::Active);
    if let Some(plan) = plan {
        range.equal.push(("plan", Value::from(plan)));
    }
    range.range = Some((
        "expires_at",
        Range {
            from: from.map(|at| (Key::Number(at), true)),
            to: to.map(|at| (Key::Number(at), false)),
        },
    ));
    range
}

fn summary(
    model: &Model,
    plan: Option<&plan::Model>,
    customer: Option<String>,
    now: Timestamp,
) -> Result<SubscriberSummary, StoreError> {
    let stored = StoredSubscriber::from(model);
    let row = stored.row_name();
    let plan = plan.ok_or_else(|| row.corrupt("plan"))?;
    let status = stored.status()?;
    let expires_at = model.expires_at.map(Timestamp::from_micros);
    let grace: GraceDays = crate::plan::row::access(plan)?.grace_days;
    Ok(SubscriberSummary {
        id: Id::from_uuid(model.id),
        username: row.parse("username", &model.username)?,
        credential_kind: stored.credential_kind()?,
        plan: row.parse("plan", &plan.name)?,
        plan_id: Id::from_uuid(model.plan),
        customer,
        customer_id: model.customer.map(Id::from_uuid),
        status,
        status_at: model.status_at.map(Timestamp::from_micros),
        state: AccessState::at(status, expires_at, grace, now),
        starts_at: model.starts_at.map(Timestamp::from_micros),
        expires_at,
        addresses: stored.addresses()?,
        sessions: stored.sessions()?,
        created_at: Timestamp::from_micros(model.created_at),
        updated_at: Timestamp::from_micros(model.updated_at),
    })
}
