//! A page of a list: the first rows of all its ranges, merged.

use domain::id::TenantId;
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::condition::Narrowed;
use super::cursor::{Place, fingerprint};
use super::route::{Route, combine};
use super::schema::{Field, Schema};
use super::sql::{Text, Window, read_key};
use super::{Direction, ListCondition, ListFailure, ListQuery, Scope, TOTAL_MAX, Total};
use crate::error::StoreError;
use crate::store::Store;

/// Ranges in one statement: SQLite takes 500.
const SPANS_PER_STATEMENT: usize = 64;

/// Ids in one statement.
const IDS_PER_STATEMENT: usize = 512;

/// The rows of a page by their ids, and where the next one begins.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) next: Option<String>,
}

impl Schema {
    /// The ids of the rows of a page, in their order.
    pub(crate) async fn page(
        &self,
        store: &Store,
        tenant: TenantId,
        (query, conditions): (&ListQuery, &[&ListCondition]),
        scope: Scope,
    ) -> Result<Keys, ListFailure> {
        let narrowed = Narrowed::read(self, conditions)?;
        let limit = u64::from(query.limit());
        let sort = query.sort.as_ref();
        let Some(among) = scope.among else {
            let route = Route::find(self, &narrowed, scope.alternatives, sort)?;
            let asked = (route.order, route.direction);
            let after = after(query, asked)?;
            let window = window(tenant, asked, after.as_ref(), limit + 1);
            let mut places = Vec::new();
            for spans in route.spans.chunks(SPANS_PER_STATEMENT) {
                let mut text = Text::new(store.dialect());
                text.push_page(spans, window);
                places.extend(read(store, text, route.order).await?);
            }
            return Ok(cut(
                places,
                query,
                asked,
                route.spans.len() <= SPANS_PER_STATEMENT,
            ));
        };
        let asked = Route::among(self, sort)?;
        let alternatives = combine(&narrowed, scope.alternatives)?;
        let after = after(query, asked)?;
        let window = window(tenant, asked, after.as_ref(), limit + 1);
        let mut places = Vec::new();
        for ids in among.chunks(IDS_PER_STATEMENT) {
            let mut text = Text::new(store.dialect());
            text.push_among(self, ids, &alternatives, window);
            places.extend(read(store, text, asked.0).await?);
        }
        Ok(cut(places, query, asked, among.len() <= IDS_PER_STATEMENT))
    }

    /// How many rows a list has, if they are not too many.
    pub(crate) async fn total(
        &self,
        store: &Store,
        tenant: TenantId,
        (query, conditions): (&ListQuery, &[&ListCondition]),
        scope: Scope,
    ) -> Result<Total, ListFailure> {
        let narrowed = Narrowed::read(self, conditions)?;
        let sort = query.sort.as_ref();
        let mut rows = 0;
        if let Some(among) = scope.among {
            let asked = Route::among(self, sort)?;
            let alternatives = combine(&narrowed, scope.alternatives)?;
            let window = window(tenant, asked, None, TOTAL_MAX);
            for ids in among.chunks(IDS_PER_STATEMENT) {
                let mut text = Text::new(store.dialect());
                text.push_among(self, ids, &alternatives, window);
                rows += read(store, text, asked.0).await?.len() as u64;
            }
            return Ok(Total {
                rows,
                is_more: super::MATCHES_MAX <= among.len(),
            });
        }
        let route = Route::find(self, &narrowed, scope.alternatives, sort)?;
        for span in &route.spans {
            let asked = (route.order, route.direction);
            let window = window(tenant, asked, None, TOTAL_MAX + 1 - rows);
            let mut text = Text::new(store.dialect());
            text.push_count(span, window);
            rows += count(store, text).await?;
            if TOTAL_MAX < rows {
                return Ok(Total {
                    rows: TOTAL_MAX,
                    is_more: true,
                });
            }
        }
        Ok(Total {
            rows,
            is_more: false,
        })
    }
}

const fn window<'a>(
    tenant: TenantId,
    (order, direction): (&'static Field, Direction),
    after: Option<&'a Place>,
    limit: u64,
) -> Window<'a> {
    Window {
        tenant: tenant.as_uuid(),
        order,
        direction,
        after,
        limit,
    }
}

fn after(
    query: &ListQuery,
    (order, direction): (&'static Field, Direction),
) -> Result<Option<Place>, ListFailure> {
    let list = fingerprint(query, (order.name, direction));
    let after = query.after.as_deref();
    let place = after.map(|token| Place::from_token(token, list));
    Ok(place.transpose()?)
}

/// The first rows of a page, and where the next begins if there are more.
fn cut(
    mut places: Vec<Place>,
    query: &ListQuery,
    (order, direction): (&'static Field, Direction),
    is_sorted: bool,
) -> Keys {
    if !is_sorted {
        places.sort_unstable();
        if direction == Direction::Descending {
            places.reverse();
        }
    }
    let limit = query.limit() as usize;
    let is_more = limit < places.len();
    places.truncate(limit);
    let last = places.last().filter(|_| is_more);
    let list = fingerprint(query, (order.name, direction));
    Keys {
        next: last.map(|place| place.to_token(list)),
        ids: places.into_iter().map(|place| place.id).collect(),
    }
}

async fn read(store: &Store, text: Text, order: &'static Field) -> Result<Vec<Place>, StoreError> {
    let statement = text.dialect.statement(text.sql, text.values);
    let rows = store.reader().query_all_raw(statement).await?;
    let places: Result<Vec<Place>, DbErr> =
        rows.iter().map(|row| read_key(row, order.kind)).collect();
    Ok(places?)
}

async fn count(store: &Store, text: Text) -> Result<u64, StoreError> {
    let statement = text.dialect.statement(text.sql, text.values);
    let row = store.reader().query_one_raw(statement).await?;
    let counted: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(crate::column::loaded_count(counted.unwrap_or_default()))
}
