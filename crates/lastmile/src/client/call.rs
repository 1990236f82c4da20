//! One request: what is asked of which thing.

use reqwest::{Method, Url};
use serde::Serialize;
use serde_json::Value as Json;

/// Where the interface is, below the address of a server.
const ROOT: [&str; 2] = ["api", "v1"];

/// A request. It may carry a secret, so it shows itself nowhere.
#[derive(Clone)]
pub(crate) struct Call {
    method: Method,
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Json>,
}

impl Call {
    pub(crate) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &[&str]) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn patch(path: &[&str]) -> Self {
        Self::new(Method::PATCH, path)
    }

    pub(crate) fn put(path: &[&str]) -> Self {
        Self::new(Method::PUT, path)
    }

    pub(crate) fn delete(path: &[&str]) -> Self {
        Self::new(Method::DELETE, path)
    }

    fn new(method: Method, path: &[&str]) -> Self {
        Self {
            method,
            segments: path.iter().map(|segment| (*segment).to_owned()).collect(),
            query: Vec::new(),
            body: None,
        }
    }

    /// With a parameter of the query.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// With a parameter of the query, if there is one.
    #[must_use]
    pub(crate) fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a body.
    #[must_use]
    pub(crate) fn carrying(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_value(body).expect("a body is made of texts and numbers"));
        self
    }

    pub(super) const fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn body(&self) -> Option<Vec<u8>> {
        let body = self.body.as_ref()?;
        Some(body.to_string().into_bytes())
    }

    pub(super) fn is_mutation(&self) -> bool {
        self.method != Method::GET
    }

    /// The address of the request below that of a server.
    pub(super) fn url(&self, server: &Url) -> Url {
        let mut url = server.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(ROOT).extend(&self.segments);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(call: &Call, server: &str, expected: &str) {
        assert_eq!(call.url(&server.parse().unwrap()).as_str(), expected);
    }

    #[test]
    fn names_are_quoted_where_a_path_has_a_meaning_for_them() {
        let call = Call::get(&["nas", "a/b ?#%é"]).with("q", "x&y=z");
        let expected = "https://isp.example/api/v1/nas/a%2Fb%20%3F%23%25%C3%A9?q=x%26y%3Dz";
        check(&call, "https://isp.example", expected);
    }

    #[test]
    fn a_server_may_be_below_a_path() {
        let call = Call::get(&["plans"]);
        let expected = "https://isp.example/lastmile/api/v1/plans";
        check(&call, "https://isp.example/lastmile", expected);
        check(&call, "https://isp.example/lastmile/", expected);
    }
}
