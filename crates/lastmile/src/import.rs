//! A FreeRADIUS that is to be left: what there is, what becomes of it, and making it so.

pub(crate) mod apply;
pub(crate) mod history;
mod plans;
pub(crate) mod report;
mod routers;
pub(crate) mod survey;

use domain::id::TenantId;

/// Whose everything becomes.
const TENANT: TenantId = TenantId::DEFAULT;
