//! Passwords of operators on the command line: read without being shown, or made and shown once.

use domain::permission::Role;
use domain::secret::Secret;
use services::operator::{self as people, Draft, WithPassword};
use services::password::Passwords;

use super::record::{OperatorRecord, WithPasswordRecord};
use super::{AddArgs, ResetArgs, found};
use crate::cli::context::{Context, Deed, DryRun};
use crate::cli::error::CliError;
use crate::cli::value::HiddenArg;

const OPTION: &str = "--password";

/// `operator add`.
pub(super) async fn add(context: &mut Context, args: AddArgs) -> Result<(), CliError> {
    let password = given(args.password.as_ref())?;
    let store = args.dry_run.store(&context.app).await?;
    let draft = Draft {
        tenant: args.tenant.find(&store).await?,
        name: args.name,
        role: args.role,
        scopes: args.scopes.into_iter().collect(),
        password,
    };
    // Who can run commands can do everything.
    let by = Role::Owner.scopes();
    let made = people::create(&store, &Passwords::default(), &by, draft).await?;
    report(context, args.dry_run, "added", made)
}

/// `operator reset-password`.
pub(super) async fn reset(context: &mut Context, args: ResetArgs) -> Result<(), CliError> {
    let password = given(args.password.as_ref())?;
    let store = args.dry_run.store(&context.app).await?;
    let operator = found(&store, &args.name, &args.tenant).await?;
    let by = Role::Owner.scopes();
    let of = (operator.tenant, &args.name, password.as_ref());
    let made = people::reset_password(&store, &Passwords::default(), &by, of).await?;
    report(context, args.dry_run, "given", made)
}

fn given(password: Option<&HiddenArg>) -> Result<Option<Secret>, CliError> {
    let text = password
        .map(|password| password.resolve(OPTION))
        .transpose()?;
    Ok(text.map(|text| Secret::from(text.as_str())))
}

fn report(
    context: &mut Context,
    dry_run: DryRun,
    verb: &'static str,
    made: WithPassword,
) -> Result<(), CliError> {
    let details = match verb {
        "given" => " another password",
        _ => "",
    };
    let deed = Deed {
        what: format!("Operator {}", made.operator.name),
        verb,
        details: details.to_owned(),
    };
    let record = OperatorRecord::from(made.operator);
    let Some(password) = made.one_time.filter(|_| !dry_run.is_dry) else {
        return Ok(context.report(dry_run, &deed, &record)?);
    };
    let password = String::from_utf8_lossy(password.expose()).into_owned();
    if context.output.is_for_programs() {
        let record = WithPasswordRecord {
            operator: record,
            one_time_password: password,
        };
        return Ok(context.report(dry_run, &deed, &record)?);
    }
    context.report(dry_run, &deed, &record)?;
    context.note("The password for the next sign-in, shown this once:");
    Ok(context.output.line(&password)?)
}
