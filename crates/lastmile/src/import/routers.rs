//! The routers of the table `nas`, as those of our registry.

use std::collections::HashSet;
use std::net::IpAddr;

use domain::id::NasId;
use domain::name::Name;
use domain::nas::{Vendor, show_source};
use domain::row_nas::RowNas;
use ipnet::IpNet;
use storage::error::StoreError;
use storage::foreign::ForeignTables;
use storage::nas::{NasFilter, NewNas};
use storage::page::Page;
use storage::store::Store;

use super::TENANT;
use super::report::{Part, Tally};

/// Kinds that say nothing about what a router understands.
const KINDS_WITHOUT_MEANING: [&str; 2] = ["", "other"];

/// The routers to be added.
#[derive(Debug, Default)]
pub(crate) struct Routers {
    pub(crate) new: Vec<NewNas>,
    /// All routers, those here and the new ones, speak of speeds as MikroTik's do.
    pub(crate) is_all_mikrotik: bool,
}

/// The routers of our registry, to be found by an address.
#[derive(Debug, Default)]
pub(crate) struct Registered(Vec<(IpNet, NasId)>);

impl Registered {
    pub(crate) async fn load(store: &Store) -> Result<Self, StoreError> {
        let all = all(store).await?;
        Ok(Self::of(
            all.into_iter().map(|one| (one.source, one.id)).collect(),
        ))
    }

    pub(crate) fn of(mut all: Vec<(IpNet, NasId)>) -> Self {
        all.sort_by_key(|(source, _)| std::cmp::Reverse(source.prefix_len()));
        Self(all)
    }

    /// The router of the longest prefix that has this address.
    pub(crate) fn find(&self, address: IpAddr) -> Option<NasId> {
        let mut all = self.0.iter();
        all.find(|(source, _)| source.contains(&address))
            .map(|(_, id)| *id)
    }
}

/// A router of the registry, as far as it matters here.
struct Here {
    id: NasId,
    name: Name,
    source: IpNet,
    vendor: Vendor,
}

async fn all(store: &Store) -> Result<Vec<Here>, StoreError> {
    let mut routers = Vec::new();
    let mut page = Page::first(Page::<Name>::LIMIT_MAX);
    loop {
        let found = store.nas_list(TENANT, &NasFilter::default(), &page).await?;
        let is_last = found.len() < page.limit() as usize;
        page.after = found.last().map(|nas| nas.name.clone());
        routers.extend(found.into_iter().map(|nas| Here {
            id: nas.id,
            name: nas.name,
            source: nas.source,
            vendor: nas.settings.vendor,
        }));
        if is_last {
            return Ok(routers);
        }
    }
}

/// Looks at the routers of the other database.
pub(crate) async fn survey(
    tables: &ForeignTables,
    store: Option<&Store>,
    tally: &mut Tally,
) -> Result<Routers, StoreError> {
    let here = match store {
        Some(store) => all(store).await?,
        None => Vec::new(),
    };
    let mut names: HashSet<String> = here.iter().map(|one| one.name.key().to_owned()).collect();
    let mut sources: HashSet<IpNet> = here.iter().map(|one| one.source).collect();
    let mut vendors: Vec<Vendor> = here.iter().map(|one| one.vendor).collect();
    let has_mikrotik_rows = has_mikrotik_rows(tables);
    if tables.routers.is_empty() {
        let text =
            "the table nas is empty: add the routers of clients.conf with `lastmile nas add`";
        tally.note(Part::Remark, "no_routers", text, "");
    }
    let mut new = Vec::new();
    for row in &tables.routers {
        let nas = match row.to_nas() {
            Ok(nas) => nas,
            Err(problem) => {
                let text = problem.to_string();
                tally.note(Part::LeftOut, "router_refused", &text, row.nasname.trim());
                continue;
            }
        };
        let shown = show_source(nas.source);
        if !sources.insert(nas.source) {
            let text = "routers whose address is here";
            tally.note(Part::Here, "routers", text, &shown);
            continue;
        }
        let mut settings = nas.settings;
        if has_mikrotik_rows && is_kind_without_meaning(row) {
            settings.vendor = Vendor::Mikrotik;
        }
        vendors.push(settings.vendor);
        let Some(name) = free_name(nas.name, &shown, &mut names) else {
            tally.note(
                Part::LeftOut,
                "router_name",
                "routers without a free name",
                &shown,
            );
            continue;
        };
        let text = format!(
            "routers with sealed secrets, of the vendor {}",
            settings.vendor.as_str()
        );
        let what = format!("routers_{}", settings.vendor.as_str());
        tally.note(Part::Becomes, &what, &text, name.as_str());
        new.push(NewNas {
            tenant: TENANT,
            name,
            source: nas.source,
            secret: nas.secret,
            settings,
        });
    }
    Ok(Routers {
        new,
        is_all_mikrotik: vendors.iter().all(|vendor| *vendor == Vendor::Mikrotik),
    })
}

/// The name of the row, or its address when another router has the name.
fn free_name(name: Name, shown: &str, names: &mut HashSet<String>) -> Option<Name> {
    if names.insert(name.key().to_owned()) {
        return Some(name);
    }
    let name: Name = shown.parse().ok()?;
    names.insert(name.key().to_owned()).then_some(name)
}

/// Most tables say `other` of every router, and the rows tell which it is.
fn has_mikrotik_rows(tables: &ForeignTables) -> bool {
    let users = tables.users.iter().flat_map(|user| &user.reply);
    let groups = tables.groups.iter().flat_map(|group| &group.reply);
    users.chain(groups).any(|row| {
        let head = row.attribute.get(.."mikrotik-".len());
        head.is_some_and(|head| head.eq_ignore_ascii_case("mikrotik-"))
    })
}

fn is_kind_without_meaning(row: &RowNas) -> bool {
    let kind = row.kind.as_deref().unwrap_or_default().trim();
    KINDS_WITHOUT_MEANING
        .iter()
        .any(|one| one.eq_ignore_ascii_case(kind))
}
