//! `lastmile doctor`: looks at everything that has to be right, and says what to do about the rest.

use serde::Serialize;

use super::context::Context;
use super::error::CliError;
use crate::output::{Extent, Record};

mod machine;
mod ports;
mod registry;
mod web;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It changes nothing, and may be run beside a running server. The exit code is 1 when a check fails;
warnings do not count.

Examples:
  lastmile doctor
  lastmile doctor --output json"
)]
pub(crate) struct DoctorArgs {}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    status: Health,
    check: &'static str,
    found: String,
    remedy: Option<String>,
}

impl Record for Check {
    const FIELDS: &'static [&'static str] = &["status", "check", "found", "remedy"];
    const COLUMNS: &'static [&'static str] = &["status", "check", "found"];
}

impl Check {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            status: Health::Ok,
            check,
            found: found.into(),
            remedy: None,
        }
    }

    fn warn(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            status: Health::Warn,
            check,
            found: found.into(),
            remedy: Some(remedy.into()),
        }
    }

    fn fail(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            status: Health::Fail,
            ..Self::warn(check, found, remedy)
        }
    }
}

pub(crate) async fn run(context: &mut Context, _args: DoctorArgs) -> Result<(), CliError> {
    let app = &context.app;
    let mut checks = Vec::new();
    machine::check(app, &mut checks);
    let registry = registry::check(app, &mut checks).await;
    ports::check(app, &registry, &mut checks).await;
    web::check(app, &mut checks).await;
    tell(context, &checks)?;
    let failed = checks
        .iter()
        .filter(|check| check.status == Health::Fail)
        .count();
    if failed == 0 {
        Ok(())
    } else {
        Err(CliError::Unhealthy { failed })
    }
}

fn tell(context: &mut Context, checks: &[Check]) -> Result<(), CliError> {
    let mut listing = context.output.listing(Extent::All);
    for check in checks {
        listing.push(check)?;
    }
    listing.finish()?;
    if context.output.is_for_programs() {
        return Ok(());
    }
    for check in checks {
        if let Some(remedy) = &check.remedy {
            context
                .output
                .line(&format!("-> {}: {remedy}", check.check))?;
        }
    }
    Ok(())
}
