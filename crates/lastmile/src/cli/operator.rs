//! `lastmile operator`: people who sign in, and what they may do.

use domain::id::OperatorSessionId;
use domain::name::Name;
use domain::operator::OperatorStatus;
use domain::permission::{Role, Scope};
use storage::error::Resource;
use storage::operator::{OperatorPatch, OperatorSummary};
use storage::page::Page;
use storage::store::Store;

use self::record::OperatorRecord;
use super::change::Change;
use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::tenant::TenantArg;
use super::value::{self, HiddenArg};

mod password;
mod record;
mod sessions;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum OperatorCommand {
    /// Add an operator; without --password one is made for the first sign-in
    #[command(after_help = "Examples:
  lastmile operator add ana --role support
  lastmile operator add ben --role billing --scope sessions:write
  lastmile operator add root --role owner --password -      # read it from standard input")]
    Add(AddArgs),
    /// List the operators
    #[command(after_help = "Examples:
  lastmile operator list")]
    List {
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        size: ListSize,
    },
    /// Show one operator
    #[command(after_help = "Examples:
  lastmile operator show ana")]
    Show {
        /// Name of the operator
        name: Name,
        #[command(flatten)]
        tenant: TenantArg,
    },
    /// Change an operator; who is disabled is signed out at once
    #[command(after_help = "Examples:
  lastmile operator set ana --role admin
  lastmile operator set ana --disable
  lastmile operator set ana --rename ana.paz --dry-run")]
    Set(SetArgs),
    /// Give an operator another password, and sign them out everywhere
    #[command(after_help = "Examples:
  lastmile operator reset-password ana                      # one for the next sign-in is shown
  lastmile operator reset-password ana --password -")]
    ResetPassword(ResetArgs),
    /// Take away a second factor that was lost, and sign the operator out everywhere
    #[command(after_help = "Examples:
  lastmile operator reset-second-factor ana")]
    ResetSecondFactor {
        /// Name of the operator
        name: Name,
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Remove an operator; the audit log keeps what they did
    #[command(after_help = "Examples:
  lastmile operator remove ana --dry-run")]
    Remove {
        /// Name of the operator
        name: Name,
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// List where an operator is signed in, or end that
    #[command(after_help = "Examples:
  lastmile operator sessions ana
  lastmile operator sessions ana --end-all")]
    Sessions(SessionsArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// What they sign in with
    name: Name,
    /// What they may do: owner, admin, billing, support, installer, read_only
    #[arg(long, value_name = "ROLE", required_unless_present = "scopes")]
    role: Option<Role>,
    /// One thing more that they may do: AREA:read, AREA:write, secrets:reveal, vouchers:sync
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// A password that lasts; `-` reads it from standard input
    #[arg(long, value_name = "PASSWORD")]
    password: Option<HiddenArg>,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Name of the operator
    name: Name,
    /// A new name
    #[arg(long, value_name = "NAME")]
    rename: Option<Name>,
    /// What they may do: owner, admin, billing, support, installer, read_only
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
    /// No role: only what --scope permits
    #[arg(long, conflicts_with = "role")]
    clear_role: bool,
    /// What they may do beside the role, in place of what it was
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// Nothing beside the role
    #[arg(long, conflicts_with = "scopes")]
    clear_scopes: bool,
    /// Refuse them, and sign them out
    #[arg(long)]
    disable: bool,
    /// Let them sign in again
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ResetArgs {
    /// Name of the operator
    name: Name,
    /// A password that lasts; `-` reads it from standard input
    #[arg(long, value_name = "PASSWORD")]
    password: Option<HiddenArg>,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SessionsArgs {
    /// Name of the operator
    name: Name,
    /// End this one
    #[arg(long, value_name = "ID")]
    end: Option<OperatorSessionId>,
    /// End all of them
    #[arg(long, conflicts_with = "end")]
    end_all: bool,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    dry_run: DryRun,
}

pub(crate) async fn run(context: &mut Context, command: OperatorCommand) -> Result<(), CliError> {
    match command {
        OperatorCommand::Add(args) => password::add(context, args).await,
        OperatorCommand::List { tenant, size } => list(context, &tenant, size).await,
        OperatorCommand::Show { name, tenant } => show(context, &name, &tenant).await,
        OperatorCommand::Set(args) => set(context, args).await,
        OperatorCommand::ResetPassword(args) => password::reset(context, args).await,
        OperatorCommand::ResetSecondFactor {
            name,
            tenant,
            dry_run,
        } => reset_second_factor(context, &name, (&tenant, dry_run)).await,
        OperatorCommand::Remove {
            name,
            tenant,
            dry_run,
        } => remove(context, &name, (&tenant, dry_run)).await,
        OperatorCommand::Sessions(args) => sessions::run(context, args).await,
    }
}

async fn list(context: &mut Context, tenant: &TenantArg, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let tenant = tenant.find(&store).await?;
    let none = "No operator yet: add one with `lastmile operator add NAME --role ROLE`";
    let load = async |page: &Page<Name>| store.operator_list(tenant, page).await;
    let key = |operator: &OperatorSummary| operator.name.clone();
    context
        .list::<OperatorRecord, _, _>(size, none, key, load)
        .await
}

async fn show(context: &mut Context, name: &Name, tenant: &TenantArg) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let operator = found(&store, name, tenant).await?;
    Ok(context.output.show(&OperatorRecord::from(operator))?)
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let scopes = match (args.scopes.is_empty(), args.clear_scopes) {
        (true, false) => None,
        (_, _) => Some(args.scopes.into_iter().collect()),
    };
    let patch = OperatorPatch {
        name: args.rename,
        status: match (args.disable, args.enable) {
            (true, _) => Some(OperatorStatus::Disabled),
            (_, true) => Some(OperatorStatus::Active),
            (false, false) => None,
        },
        role: value::replacement(args.role, args.clear_role),
        scopes,
    };
    let store = args.dry_run.store(&context.app).await?;
    let before = found(&store, &args.name, &args.tenant).await?;
    let tenant = before.tenant;
    let change = Change {
        what: format!("Operator {}", before.name),
        before: OperatorRecord::from(before),
        hidden: None,
    };
    let update = async |store: &Store| {
        let patch = patch.clone();
        let operator = store.operator_update(tenant, &args.name, patch).await?;
        Ok(OperatorRecord::from(operator))
    };
    change.make(context, args.dry_run, &store, update).await
}

async fn reset_second_factor(
    context: &mut Context,
    name: &Name,
    (tenant, dry_run): (&TenantArg, DryRun),
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let operator = found(&store, name, tenant).await?;
    let operator = store
        .operator_totp_clear(operator.tenant, name, None)
        .await?;
    let deed = Deed {
        what: format!("The second factor of operator {}", operator.name),
        verb: "taken",
        details: " away".to_owned(),
    };
    Ok(context.report(dry_run, &deed, &OperatorRecord::from(operator))?)
}

async fn remove(
    context: &mut Context,
    name: &Name,
    (tenant, dry_run): (&TenantArg, DryRun),
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let operator = found(&store, name, tenant).await?;
    store.operator_delete(operator.tenant, name).await?;
    let deed = Deed {
        what: format!("Operator {}", operator.name),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &OperatorRecord::from(operator))?)
}

/// The operator of a name.
async fn found(
    store: &Store,
    name: &Name,
    tenant: &TenantArg,
) -> Result<OperatorSummary, CliError> {
    let tenant = tenant.find(store).await?;
    let operator = store.operator_find(tenant, name).await?;
    operator.ok_or_else(|| CliError::NotFound {
        what: Resource::Operator,
        name: name.to_string(),
        remedy: "`lastmile operator list` shows them, `lastmile operator add` adds one",
    })
}
