//! What becomes of each user, each group and each router; nothing is changed.

use std::collections::{HashMap, HashSet};

use domain::id::PlanId;
use domain::subscriber::StaticAddresses;
use radius::dictionary::Dictionary;
use rows::compiler::Compiler;
use rows::conversion::{Conversion, Converter, Obstacle};
use rows::lint::{Finding, GroupFacts, Linter, Severity};
use rows::row;
use storage::error::StoreError;
use storage::foreign::ForeignTables;
use storage::rows::{AttributeRow, GroupRows, UserRows};
use storage::store::Store;
use storage::subscriber::NewSubscriber;

use super::TENANT;
use super::plans::{PlannedPlan, Plans};
use super::report::{Part, Tally};
use super::routers::{self, Routers};
use crate::wiring::rows as wired;

/// Users whose names are looked up together.
const CHUNK_USERS: usize = 5_000;

/// Who becomes a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Nobody: a panel goes on writing rows.
    AllRows,
    /// Everybody whose rows mean what a subscriber on a plan means.
    RowsThatSayMore,
}

/// What an import will do.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) routers: Routers,
    pub(crate) plans: Vec<PlannedPlan>,
    pub(crate) drafts: Vec<Draft>,
    pub(crate) row_users: Vec<UserRows>,
    pub(crate) row_groups: Vec<GroupRows>,
    pub(crate) tally: Tally,
}

/// A subscriber to be, with the place of the plan among those of the survey.
#[derive(Debug)]
pub(crate) struct Draft {
    conversion: Conversion,
    plan: usize,
}

impl Draft {
    pub(crate) const fn plan(&self) -> usize {
        self.plan
    }

    /// The subscriber, on the plan that was made meanwhile.
    pub(crate) fn subscriber(&self, plan: PlanId) -> NewSubscriber {
        let Conversion {
            username,
            credential,
            status,
            expires_at,
            addresses,
            sessions,
            ..
        } = &self.conversion;
        NewSubscriber {
            starts_at: None,
            tenant: TENANT,
            username: username.clone(),
            credential: credential.clone(),
            plan,
            status: *status,
            expires_at: *expires_at,
            addresses: *addresses,
            sessions: *sessions,
            customer: None,
        }
    }
}

/// What is known while users are looked at.
struct Work<'a> {
    compiler: &'a Compiler,
    converter: Converter<'a>,
    linter: Linter<'a>,
    facts: HashMap<String, GroupFacts>,
    keeping: Keeping,
    is_all_mikrotik: bool,
    plans: Plans,
    /// Folded names that more than one user has: a subscriber would stand before the rows of all.
    shared_names: HashSet<String>,
    /// Addresses of subscribers to be.
    addresses: HashSet<String>,
    drafts: Vec<Draft>,
    row_users: Vec<UserRows>,
    tally: Tally,
}

/// Looks at everything. `store` is absent when nothing is here yet; `progress` is told how many
/// users were looked at.
pub(crate) async fn survey(
    tables: ForeignTables,
    store: Option<&Store>,
    keeping: Keeping,
    mut tally: Tally,
    progress: impl Fn(usize),
) -> Result<Survey, StoreError> {
    let compiler = Compiler::new(Dictionary::builtin());
    let linter = Linter::new(&compiler);
    let routers = routers::survey(&tables, store, &mut tally).await?;
    let groups = tables.groups.iter().cloned().map(wired::group);
    let groups: HashMap<String, row::GroupRows> =
        groups.map(|named| (named.name, named.rows)).collect();
    let named = groups.iter().map(|(name, rows)| (name.as_str(), rows));
    let facts = groups
        .iter()
        .map(|(name, rows)| (name.clone(), linter.group_facts(rows)));
    let mut work = Work {
        compiler: &compiler,
        converter: Converter::new(&compiler, named),
        linter,
        facts: facts.collect(),
        keeping,
        is_all_mikrotik: routers.is_all_mikrotik,
        plans: Plans::load(store).await?,
        shared_names: shared_names(&tables.users),
        addresses: HashSet::new(),
        drafts: Vec::new(),
        row_users: Vec::new(),
        tally,
    };
    for group in &tables.groups {
        let findings = work.linter.group(&group.name, &groups[&group.name]);
        work.tell(&group.name, findings);
    }
    let mut users = tables.users.into_iter();
    let mut seen = 0;
    loop {
        let chunk: Vec<UserRows> = users.by_ref().take(CHUNK_USERS).collect();
        if chunk.is_empty() {
            break;
        }
        seen += chunk.len();
        work.chunk(chunk, store).await?;
        progress(seen);
    }
    let row_groups = work.groups_to_copy(tables.groups, store).await?;
    Ok(work.finish(routers, row_groups))
}

impl Work<'_> {
    async fn chunk(
        &mut self,
        users: Vec<UserRows>,
        store: Option<&Store>,
    ) -> Result<(), StoreError> {
        let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        let (subscribers, with_rows) = match store {
            Some(store) => (
                store.row_namesakes(&names).await?,
                store.row_user_names(&names).await?,
            ),
            None => (HashSet::new(), HashSet::new()),
        };
        let mut found = Vec::new();
        for user in users {
            let rows = wired::user(user.clone()).rows;
            let facts = |name: &str| self.facts.get(name).cloned();
            let findings = self.linter.user(&user.name, &rows, &facts);
            self.tell(&user.name, findings);
            if subscribers.contains(&user.name) {
                let text = "users whose name a subscriber has here";
                self.tally.note(Part::Here, "subscribers", text, &user.name);
            } else if with_rows.contains(&user.name) {
                let text = "users whose name has rows here";
                self.tally
                    .note(Part::Here, "users_with_rows", text, &user.name);
            } else {
                let conversion = self.convert(&user, &rows);
                found.push((user, conversion));
            }
        }
        let addresses = found
            .iter()
            .filter_map(|(_, one)| Some(one.as_ref()?.addresses));
        let addresses: Vec<StaticAddresses> = addresses.collect();
        let taken = match store {
            Some(store) => store.subscriber_addresses_taken(TENANT, &addresses).await?,
            None => HashSet::new(),
        };
        for (user, conversion) in found {
            match conversion.and_then(|one| self.accept(&user, one, &taken)) {
                Some(draft) => self.drafts.push(draft),
                None => self.row_users.push(user),
            }
        }
        Ok(())
    }

    /// What a user's rows are, unless they stay rows; then it is noted why.
    fn convert(&mut self, user: &UserRows, rows: &row::UserRows) -> Option<Conversion> {
        if self.keeping == Keeping::AllRows {
            return None;
        }
        match self.converter.user(&user.name, rows) {
            Ok(conversion) => Some(conversion),
            Err(obstacle) => {
                let (code, text) = (obstacle.code(), obstacle.to_string());
                // Each attribute is counted by itself.
                let what = match find_attribute(&obstacle) {
                    Some(attribute) => format!("{code} {attribute}"),
                    None => code.to_owned(),
                };
                self.tally.note(Part::StaysRows, &what, &text, &user.name);
                None
            }
        }
    }

    /// Finds a plan for a subscriber to be, unless something else is in the way.
    fn accept(
        &mut self,
        user: &UserRows,
        conversion: Conversion,
        taken: &HashSet<String>,
    ) -> Option<Draft> {
        let name = user.name.as_str();
        if conversion.plan.terms.rate.is_some() && !self.is_all_mikrotik {
            let text = "Mikrotik-Rate-Limit goes to routers of other vendors too";
            self.tally.note(Part::StaysRows, "rate_vendor", text, name);
            return None;
        }
        let addresses = shown(&conversion.addresses);
        let is_taken =
            |address: &String| taken.contains(address) || self.addresses.contains(address);
        if addresses.iter().any(is_taken) {
            let text = "somebody else has the static address";
            self.tally
                .note(Part::StaysRows, "address_taken", text, name);
            return None;
        }
        if self.shared_names.contains(conversion.username.as_str()) {
            let text = "another user's name differs in letter case only";
            self.tally.note(Part::StaysRows, "name_case", text, name);
            return None;
        }
        let Some(plan) = self.plans.place(&conversion.plan) else {
            let text = "too many users have plans of their own";
            self.tally
                .note(Part::StaysRows, "too_many_plans", text, name);
            return None;
        };
        self.addresses.extend(addresses);
        self.note_subscriber(&conversion, name);
        Some(Draft { conversion, plan })
    }

    fn note_subscriber(&mut self, conversion: &Conversion, name: &str) {
        let what = format!("subscribers_{}", conversion.status);
        let text = format!("subscribers with sealed passwords, {}", conversion.status);
        self.tally.note(Part::Becomes, &what, &text, name);
        let additions = conversion.additions;
        let has_both = conversion.addresses.ipv4.is_some() && conversion.plan.terms.pool.is_some();
        let told = [
            (
                has_both,
                "pool_left_out",
                "subscribers whose routers are told their static address alone, and no Framed-Pool beside it",
            ),
            (
                additions.interim,
                "interim_added",
                "subscribers whose routers are told to report every 5 minutes; the rows say nothing",
            ),
            (
                additions.port_limit,
                "port_limit_added",
                "subscribers whose routers are told Port-Limit, from Simultaneous-Use",
            ),
            (
                additions.service,
                "service_when_asked",
                "subscribers whose Service-Type and Framed-Protocol are sent to routers that ask for framed service, and not to others",
            ),
        ];
        for (_, what, text) in told.into_iter().filter(|(is_added, ..)| *is_added) {
            self.tally.add(Part::Remark, what, text, 1);
        }
    }

    fn tell(&mut self, name: &str, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            let remark = finding.remark;
            let severity = match remark.severity() {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Notice => "notice",
            };
            let text = format!("{severity}: {remark}");
            self.tally.note(Part::Lint, remark.code(), &text, name);
        }
    }

    /// The groups of users who stay rows, less those that have rows here.
    async fn groups_to_copy(
        &mut self,
        groups: Vec<GroupRows>,
        store: Option<&Store>,
    ) -> Result<Vec<GroupRows>, StoreError> {
        let memberships = self.row_users.iter().flat_map(|user| &user.groups);
        let used: HashSet<&str> = memberships
            .map(|membership| membership.group.as_str())
            .collect();
        let groups = groups.into_iter();
        let wanted = groups
            .filter(|group| self.keeping == Keeping::AllRows || used.contains(group.name.as_str()));
        let wanted: Vec<GroupRows> = wanted.collect();
        let names: Vec<&str> = wanted.iter().map(|group| group.name.as_str()).collect();
        let here = match store {
            Some(store) => store.row_groups(&names).await?,
            None => Vec::new(),
        };
        let here: HashMap<String, GroupRows> = here
            .into_iter()
            .map(|group| (group.name.clone(), group))
            .collect();
        let mut new = Vec::new();
        for group in wanted {
            match here.get(&group.name) {
                None => new.push(group),
                Some(known) if is_alike(known, &group) => {
                    let text = "groups whose rows are here";
                    self.tally.note(Part::Here, "groups", text, &group.name);
                }
                Some(_) => {
                    let text = "groups with other rows here, which stay as they are and hold for the users that are copied";
                    self.tally
                        .note(Part::Here, "groups_that_differ", text, &group.name);
                }
            }
        }
        Ok(new)
    }

    fn finish(mut self, routers: Routers, row_groups: Vec<GroupRows>) -> Survey {
        for plan in &self.plans.all {
            let (what, text) = match plan.known {
                Some(_) => ("plans_here", "plans that are here with the same terms"),
                None => ("plans", "plans"),
            };
            self.tally
                .note(Part::Becomes, what, text, plan.name.as_str());
        }
        for group in &row_groups {
            let text = "groups whose rows are copied";
            self.tally
                .note(Part::Becomes, "groups_with_rows", text, &group.name);
        }
        for user in &self.row_users {
            let text = "users whose rows are copied, unchanged";
            self.tally
                .note(Part::Becomes, "users_with_rows", text, &user.name);
            let has_secret = user
                .check
                .iter()
                .any(|row| self.compiler.is_secret(&row.attribute));
            let text = "users whose passwords stay in rows, unsealed";
            self.tally.add(
                Part::Remark,
                "unsealed_passwords",
                text,
                u64::from(has_secret),
            );
        }
        Survey {
            routers,
            plans: self.plans.all,
            drafts: self.drafts,
            row_users: self.row_users,
            row_groups,
            tally: self.tally,
        }
    }
}

/// The attribute that an obstacle is about, where there may be several.
fn find_attribute(obstacle: &Obstacle) -> Option<&str> {
    match obstacle {
        Obstacle::Comparison(attribute)
        | Obstacle::Limit(attribute)
        | Obstacle::Reply(attribute)
        | Obstacle::Value(attribute) => Some(attribute),
        Obstacle::PasswordKind(attribute) => Some(attribute),
        Obstacle::Name
        | Obstacle::Row(_)
        | Obstacle::Expansion
        | Obstacle::AuthType
        | Obstacle::UserPassword
        | Obstacle::NoPassword
        | Obstacle::SeveralPasswords => None,
    }
}

fn shared_names(users: &[UserRows]) -> HashSet<String> {
    let mut seen = HashSet::with_capacity(users.len());
    let folded = users.iter().map(|user| user.name.to_ascii_lowercase());
    folded.filter(|name| !seen.insert(name.clone())).collect()
}

fn shown(addresses: &StaticAddresses) -> Vec<String> {
    let StaticAddresses {
        ipv4,
        ipv6_prefix,
        ipv6_delegated,
    } = addresses;
    let ipv4 = ipv4.iter().map(ToString::to_string);
    let prefixes = [ipv6_prefix, ipv6_delegated].into_iter().flatten();
    ipv4.chain(prefixes.map(ToString::to_string)).collect()
}

/// Whether both have the same rows in the same order, whatever their numbers.
fn is_alike(here: &GroupRows, there: &GroupRows) -> bool {
    let is_same = |here: &[AttributeRow], there: &[AttributeRow]| {
        let says = |row: &AttributeRow| {
            (
                row.attribute.clone(),
                row.op.trim().to_owned(),
                row.value.clone(),
            )
        };
        here.iter().map(says).eq(there.iter().map(says))
    };
    is_same(&here.check, &there.check) && is_same(&here.reply, &there.reply)
}
