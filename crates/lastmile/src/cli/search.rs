//! `lastmile search`: everything that a text is found in.

use domain::id::TenantId;
use serde::Serialize;
use storage::search::hit::{HITS_MAX, Hit, HitKind};

use super::context::Context;
use super::error::CliError;
use crate::output::{Extent, Record};

const TENANT: TenantId = TenantId::DEFAULT;

const KINDS: [HitKind; 4] = [
    HitKind::Customer,
    HitKind::Subscriber,
    HitKind::Nas,
    HitKind::Session,
];

#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// Parts of words, a telephone number in any form, an address, or a device
    text: String,
}

#[derive(Clone, Debug, Serialize)]
struct HitRecord {
    kind: HitKind,
    label: String,
    field: &'static str,
    value: String,
    id: String,
}

impl Record for HitRecord {
    const FIELDS: &'static [&'static str] = &["kind", "label", "field", "value", "id"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, args: SearchArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let hits = store.search(TENANT, &args.text, &KINDS, HITS_MAX).await?;
    let mut listing = context.output.listing::<HitRecord>(Extent::All);
    for hit in hits {
        listing.push(&HitRecord::from(hit))?;
    }
    let listed = listing.finish()?;
    context.note_listed(listed, "Nothing was found");
    Ok(())
}

impl From<Hit> for HitRecord {
    fn from(hit: Hit) -> Self {
        Self {
            kind: hit.kind,
            label: hit.label,
            field: hit.field,
            value: hit.value,
            id: hit.id.to_string(),
        }
    }
}
