//! The plans that groups become, beside those that are here.

use std::collections::HashMap;

use domain::id::PlanId;
use domain::name::Name;
use domain::plan::PlanTerms;
use rows::conversion::PlanBasis;
use storage::error::StoreError;
use storage::page::Page;
use storage::store::Store;

use super::TENANT;

/// Plans for users who have something else than their group; more is no plan any more.
const OWN_PLANS_MAX: usize = 256;
/// Names that are tried when others are taken.
const NAMES_TRIED: u32 = 9;

/// A plan that subscribers are put on.
#[derive(Clone, Debug)]
pub(crate) struct PlannedPlan {
    pub(crate) name: Name,
    pub(crate) terms: PlanTerms,
    /// It is here already.
    pub(crate) known: Option<PlanId>,
    pub(crate) users: u64,
}

/// All of them, and where each basis leads.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    pub(crate) all: Vec<PlannedPlan>,
    /// By folded name.
    here: HashMap<String, (PlanId, PlanTerms)>,
    /// Places in `all`, by group.
    places: HashMap<Option<String>, Vec<usize>>,
    own: usize,
}

impl Plans {
    /// The plans that are here.
    pub(crate) async fn load(store: Option<&Store>) -> Result<Self, StoreError> {
        let mut plans = Self::default();
        let Some(store) = store else {
            return Ok(plans);
        };
        let mut page = Page::first(Page::<Name>::LIMIT_MAX);
        loop {
            let found = store.plan_list(TENANT, &page).await?;
            let is_last = found.len() < page.limit() as usize;
            page.after = found.last().map(|plan| plan.name.clone());
            let named = found.into_iter().map(|plan| {
                let key = plan.name.key().to_owned();
                (key, (plan.id, plan.terms))
            });
            plans.here.extend(named);
            if is_last {
                return Ok(plans);
            }
        }
    }

    /// The place of the plan of somebody, who is counted; `None` when there is none.
    pub(crate) fn place(&mut self, basis: &PlanBasis) -> Option<usize> {
        let known = self.places.get(&basis.group).into_iter().flatten();
        let known = known.copied().find(|at| self.all[*at].terms == basis.terms);
        let at = match known {
            Some(at) => at,
            None => self.make(basis)?,
        };
        self.all[at].users += 1;
        Some(at)
    }

    fn make(&mut self, basis: &PlanBasis) -> Option<usize> {
        if !basis.is_of_group {
            if self.own == OWN_PLANS_MAX {
                return None;
            }
            self.own += 1;
        }
        let base = base_name(basis);
        let tried = (0..NAMES_TRIED).map(|turn| numbered(&base, turn));
        let name = tried
            .filter_map(|name| name.parse::<Name>().ok())
            .find(|name| {
                let is_planned = self.all.iter().any(|plan| plan.name.key() == name.key());
                let is_other = self
                    .here
                    .get(name.key())
                    .is_some_and(|(_, terms)| *terms != basis.terms);
                !is_planned && !is_other
            })?;
        let known = self.here.get(name.key()).map(|(id, _)| *id);
        let at = self.all.len();
        self.all.push(PlannedPlan {
            name,
            terms: basis.terms.clone(),
            known,
            users: 0,
        });
        self.places.entry(basis.group.clone()).or_default().push(at);
        Some(at)
    }
}

/// What a plan is called first: the group, and what its user has instead.
fn base_name(basis: &PlanBasis) -> String {
    let group = basis.group.as_deref().unwrap_or("imported");
    if basis.is_of_group {
        return group.to_owned();
    }
    let terms = &basis.terms;
    let mut name = group.to_owned();
    let parts = [
        terms.rate.map(|rate| rate.to_string()),
        terms.pool.as_ref().map(ToString::to_string),
        terms
            .session_timeout_seconds
            .map(|limit| format!("{} s", limit.as_seconds())),
    ];
    for part in parts.into_iter().flatten() {
        name.push(' ');
        name.push_str(&part);
    }
    name
}

/// A name that a plan can have, and others like it.
fn numbered(base: &str, turn: u32) -> String {
    let mark = match turn {
        0 => String::new(),
        1 => " (imported)".to_owned(),
        turn => format!(" (imported {turn})"),
    };
    let room = Name::CHARS_MAX - mark.len();
    let plain = base.chars().filter(|character| !character.is_control());
    let text: String = plain.take(room).collect();
    let text = text.trim();
    match text.is_empty() {
        true => format!("imported{mark}"),
        false => format!("{text}{mark}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis(group: Option<&str>, rate: &str, is_of_group: bool) -> PlanBasis {
        PlanBasis {
            group: group.map(ToOwned::to_owned),
            terms: PlanTerms {
                rate: rate.parse().ok(),
                ..PlanTerms::default()
            },
            is_of_group,
        }
    }

    #[test]
    fn each_basis_is_one_plan_under_a_name_that_is_free() {
        let mut plans = Plans::default();
        let same = basis(Some("Gold"), "1M/1M", true).terms;
        let other = basis(None, "9M/9M", true).terms;
        plans
            .here
            .insert("gold".to_owned(), (PlanId::from_bytes([1; 16]), same));
        plans
            .here
            .insert("home".to_owned(), (PlanId::from_bytes([2; 16]), other));
        for (basis, at) in [
            (basis(Some("Gold"), "1M/1M", true), 0),
            (basis(Some("Home"), "1M/1M", true), 1),
            (basis(Some("Home"), "2M/2M", false), 2),
            (basis(None, "2M/2M", false), 3),
            (basis(Some("Home"), "2M/2M", false), 2),
            (basis(Some(" \n"), "2M/2M", true), 4),
        ] {
            assert_eq!(plans.place(&basis), Some(at));
        }
        let names: Vec<_> = plans.all.iter().map(|plan| plan.name.to_string()).collect();
        let expected = [
            "Gold",
            "Home (imported)",
            "Home 2M/2M",
            "imported 2M/2M",
            "imported",
        ];
        assert_eq!(names, expected);
        let known: Vec<_> = plans.all.iter().map(|plan| plan.known.is_some()).collect();
        assert_eq!(known, [true, false, false, false, false]);
        assert_eq!(plans.all[2].users, 2);
    }

    #[test]
    fn plans_of_single_users_come_to_an_end() {
        let mut plans = Plans::default();
        let placed = (1..=300)
            .filter(|rate| {
                let basis = basis(None, &format!("{rate}k/{rate}k"), false);
                plans.place(&basis).is_some()
            })
            .count();
        assert_eq!(placed, OWN_PLANS_MAX);
    }
}
