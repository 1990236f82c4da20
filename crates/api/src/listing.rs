//! Lists: how much of one is asked for, and how it is answered.

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json_;
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;

pub(crate) mod asked;

const LIMIT_DEFAULT: u32 = 100;

/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 2_048;

/// How much of a list is asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Entries of a page.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(crate) limit: Option<u32>,
    /// Where the page before this one ended: its `next_page_token`.
    #[serde(default)]
    #[param(max_length = 2048)]
    pub(crate) page_token: Option<String>,
    /// Only these members of each entry, separated by commas.
    #[serde(default)]
    pub(crate) fields: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    pub(crate) items: Vec<T>,
    /// Ask for the next page with it; `null` on the last one.
    pub(crate) next_page_token: Option<String>,
    /// How many there are, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) total: Option<TotalView>,
}

/// How many entries a list has.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct TotalView {
    /// Up to 10000 are counted.
    #[schema(minimum = 0, maximum = 10000)]
    pub(crate) count: u64,
    /// There are more than were counted.
    pub(crate) is_more: bool,
}

/// The same, with the members that were asked for.
pub(crate) struct Shown<T> {
    listing: Listing<T>,
    fields: Option<String>,
}

impl ListParams {
    pub(crate) fn limit(&self) -> Result<u32, Problem> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=1_000 => Ok(limit),
            _ => Err(Problem::bad_request("limit: a page has 1 to 1000 entries")),
        }
    }

    /// The key behind which the page begins.
    pub(crate) fn after<Key: DeserializeOwned>(&self) -> Result<Option<Key>, Problem> {
        let Some(token) = &self.page_token else {
            return Ok(None);
        };
        let wrong = || Problem::field("page_token", "this is not one that a list gave");
        if TOKEN_BYTES_MAX < token.len() {
            return Err(wrong());
        }
        let octets = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
        serde_json::from_slice(&octets)
            .map(Some)
            .map_err(|_| wrong())
    }
}

impl<T> Listing<T> {
    /// A page of `limit` entries at most, of which `found` are all that were found, one more than
    /// fits if there are more.
    pub(crate) fn cut<Key: Serialize>(
        mut found: Vec<T>,
        limit: u32,
        key: impl Fn(&T) -> Key,
    ) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_cut = limit < found.len();
        found.truncate(limit);
        let last = found.last().filter(|_| is_cut);
        Self {
            next_page_token: last.map(|last| token(&key(last))),
            items: found,
            total: None,
        }
    }

    /// With the members that `params` ask for.
    pub(crate) fn shown(self, params: ListParams) -> Shown<T> {
        self.with_fields(params.fields)
    }

    /// With these members alone, if any are named.
    pub(crate) fn with_fields(self, fields: Option<String>) -> Shown<T> {
        Shown {
            listing: self,
            fields,
        }
    }
}

impl<T: Serialize> IntoResponse for Shown<T> {
    fn into_response(self) -> Response {
        let Some(fields) = self.fields.filter(|fields| !fields.is_empty()) else {
            return Json(self.listing).into_response();
        };
        let wanted: Vec<&str> = fields.split(',').map(str::trim).collect();
        let mut page = serde_json::to_value(self.listing).unwrap_or_default();
        if let Some(items) = page.get_mut("items").and_then(Json_::as_array_mut) {
            for item in items.iter_mut().filter_map(Json_::as_object_mut) {
                if let Some(unknown) = wanted.iter().find(|name| !item.contains_key(**name)) {
                    let known: Vec<&str> = item.keys().map(String::as_str).collect();
                    let known = known.join(", ");
                    let detail = format!("'{unknown}' is no member of an entry; there are {known}");
                    return Problem::field("fields", detail).into_response();
                }
                item.retain(|name, _| wanted.contains(&name.as_str()));
            }
        }
        Json(page).into_response()
    }
}

/// Names the place behind a key in a list.
pub(crate) fn token(key: &impl Serialize) -> String {
    let json = serde_json::to_vec(key).expect("a key is made of texts and numbers");
    URL_SAFE_NO_PAD.encode(json)
}
