//! `lastmile subscriber`: who may log in, with what, on which plan.

use std::net::Ipv4Addr;

use domain::credential::{self, Credential};
use domain::customer::CustomerNumber;
use domain::id::{CustomerId, PlanId, TenantId, TopUpId};
use domain::name::{Name, Username};
use domain::plan::SessionLimit;
use domain::session_policy::{SessionPolicy, SessionTerms};
use domain::subscriber::state::{AccessState, Cause, StateChange};
use domain::subscriber::{StaticAddresses, SubscriberStatus, address};
use domain::time::Timestamp;
use ipnet::Ipv6Net;
use serde::Serialize;
use storage::error::Resource;
use storage::listing::{ListCondition, ListQuery};
use storage::store::Store;
use storage::subscriber::{CredentialKind, NewSubscriber, SubscriberPatch, SubscriberSummary};

use super::change::Change;
use super::context::{Context, Deed, DryRun, ListSize};
use super::customer;
use super::error::CliError;
use super::subscriber_binding::{self, BindingCommand};
use super::subscriber_device::{self, DeviceCommand};
use super::subscriber_import::{self, ImportArgs};
use super::subscriber_top_up::{self, TopUpArgs};
use super::value::{self, HashArg, HiddenArg};
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum SubscriberCommand {
    /// Add a subscriber
    #[command(after_help = "Examples:
  lastmile subscriber add ana --password - --plan home-25      # password from standard input
  lastmile subscriber add ben --password-hash '$2b$12$…' --plan home-25
  lastmile subscriber add cay --password - --plan home-25 --ipv4 100.64.0.7 --expires 2027-01-31")]
    Add(Box<AddArgs>),
    /// List subscribers
    #[command(after_help = "Examples:
  lastmile subscriber list --search an --status active
  lastmile subscriber list --plan home-25 --output csv > home-25.csv")]
    List(ListArgs),
    /// Show one subscriber
    #[command(after_help = "Examples:
  lastmile subscriber show ana
  lastmile subscriber show ana --output json")]
    Show {
        /// User name
        username: Username,
    },
    /// Change a subscriber
    #[command(after_help = "Examples:
  lastmile subscriber set ana --plan home-50
  lastmile subscriber set ana --password -
  lastmile subscriber set ana --expires 2027-02-28 --clear-ipv4 --dry-run
  lastmile subscriber set ana --session-limit 3 --session-policy replace-oldest")]
    Set(Box<SetArgs>),
    /// Let a pending subscriber log in from now on
    #[command(after_help = "Examples:
  lastmile subscriber activate ana")]
    Activate {
        /// User name
        username: Username,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Suspend a subscriber, until they are restored
    #[command(after_help = "Examples:
  lastmile subscriber suspend ana --walled      # into the walled garden
  lastmile subscriber suspend ana --hard        # refused")]
    Suspend(SuspendArgs),
    /// End the suspension of a subscriber
    #[command(after_help = "Examples:
  lastmile subscriber restore ana")]
    Restore {
        /// User name
        username: Username,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// The routers that a subscriber may log in at
    #[command(subcommand)]
    Binding(BindingCommand),
    /// The devices that a subscriber is bound to
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Grant volume or time beyond the quotas of the plan, used when they are used up
    #[command(after_help = "Examples:
  lastmile subscriber top-up ana --data 5G                        # until it is used up
  lastmile subscriber top-up ana --data 5G --time 2h --valid 7d
  lastmile subscriber top-up ana --data 1G --valid period --reference INV-2041")]
    TopUp(TopUpArgs),
    /// List the top-ups of a subscriber, with who granted them and what is left, the newest first
    #[command(after_help = "Examples:
  lastmile subscriber top-ups ana
  lastmile subscriber top-ups ana --output json")]
    TopUps {
        /// User name
        username: Username,
        #[command(flatten)]
        size: ListSize,
    },
    /// Take back what is left of a top-up
    #[command(after_help = "Examples:
  lastmile subscriber revoke-top-up ana 01931b5e-8f6a-7c11-a6f5-2f2c3a1b4d5e --dry-run")]
    RevokeTopUp {
        /// User name
        username: Username,
        /// Id of the top-up, as `top-ups` shows it
        id: TopUpId,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Let a disabled subscriber log in again
    #[command(after_help = "Examples:
  lastmile subscriber enable ana")]
    Enable {
        /// User name
        username: Username,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Refuse every login of a subscriber, and keep their data
    #[command(after_help = "Examples:
  lastmile subscriber disable ana")]
    Disable {
        /// User name
        username: Username,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Remove a subscriber; sessions and usage stay
    #[command(after_help = "Examples:
  lastmile subscriber remove ana --dry-run
  lastmile subscriber remove ana")]
    Remove {
        /// User name
        username: Username,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Add the subscribers of a CSV file, all of them or none
    #[command(after_help = "The first line names the columns:
  username, plan          always
  password                the password as it stands, or empty with password_hash
  password_hash           bcrypt, argon2, SHA-crypt or {NT}
  static_ipv4, ipv6_prefix, ipv6_delegated, starts_at, expires_at, status    may be empty

Examples:
  lastmile subscriber import subscribers.csv --dry-run
  lastmile subscriber import - < subscribers.csv")]
    Import(ImportArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// What the subscriber logs in with; letter case does not matter
    username: Username,
    #[command(flatten)]
    credential: CredentialArgs,
    /// Name of the plan
    #[arg(long, value_name = "NAME")]
    plan: Name,
    /// Number of the customer who pays for it
    #[arg(long, value_name = "NUMBER")]
    customer: Option<CustomerNumber>,
    /// An IPv4 address of their own
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse_static_ipv4)]
    ipv4: Option<Ipv4Addr>,
    /// An IPv6 prefix for the link
    #[arg(long, value_name = "PREFIX", value_parser = address::parse_ipv6_prefix)]
    ipv6_prefix: Option<Ipv6Net>,
    /// An IPv6 prefix to delegate to their router
    #[arg(long, value_name = "PREFIX", value_parser = address::parse_ipv6_prefix)]
    ipv6_delegated: Option<Ipv6Net>,
    /// When access begins: a date (UTC) or a date and time with zone [default: now]
    #[arg(long, value_name = "TIME")]
    starts: Option<Timestamp>,
    /// When access ends: a date (UTC) or a date and time with zone
    #[arg(long, value_name = "TIME")]
    expires: Option<Timestamp>,
    /// Sessions at once [default: as the plan says]
    #[arg(long, value_name = "N", value_parser = value::parse_session_limit)]
    session_limit: Option<SessionLimit>,
    /// What happens to one more: reject-new or replace-oldest [default: as the plan says]
    #[arg(long, value_name = "POLICY")]
    session_policy: Option<SessionPolicy>,
    /// Add without letting them log in yet
    #[arg(long)]
    disabled: bool,
    /// Add as not activated yet
    #[arg(long, conflicts_with = "disabled")]
    pending: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SuspendArgs {
    /// User name
    username: Username,
    #[command(flatten)]
    kind: SuspendKind,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct SuspendKind {
    /// Refuse every login
    #[arg(long)]
    hard: bool,
    /// Let them into the walled garden only
    #[arg(long)]
    walled: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// User name
    username: Username,
    #[command(flatten)]
    credential: CredentialArgs,
    /// Name of the plan
    #[arg(long, value_name = "NAME")]
    plan: Option<Name>,
    /// Number of the customer who pays for it
    #[arg(long, value_name = "NUMBER")]
    customer: Option<CustomerNumber>,
    /// No customer pays for it
    #[arg(long, conflicts_with = "customer")]
    clear_customer: bool,
    /// An IPv4 address of their own
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse_static_ipv4)]
    ipv4: Option<Ipv4Addr>,
    /// An address from the pool again
    #[arg(long, conflicts_with = "ipv4")]
    clear_ipv4: bool,
    /// An IPv6 prefix for the link
    #[arg(long, value_name = "PREFIX", value_parser = address::parse_ipv6_prefix)]
    ipv6_prefix: Option<Ipv6Net>,
    /// No IPv6 prefix for the link
    #[arg(long, conflicts_with = "ipv6_prefix")]
    clear_ipv6_prefix: bool,
    /// An IPv6 prefix to delegate to their router
    #[arg(long, value_name = "PREFIX", value_parser = address::parse_ipv6_prefix)]
    ipv6_delegated: Option<Ipv6Net>,
    /// No delegated IPv6 prefix
    #[arg(long, conflicts_with = "ipv6_delegated")]
    clear_ipv6_delegated: bool,
    /// When access begins: a date (UTC) or a date and time with zone
    #[arg(long, value_name = "TIME")]
    starts: Option<Timestamp>,
    /// Access from now on
    #[arg(long, conflicts_with = "starts")]
    clear_starts: bool,
    /// When access ends: a date (UTC) or a date and time with zone
    #[arg(long, value_name = "TIME")]
    expires: Option<Timestamp>,
    /// Access without end
    #[arg(long, conflicts_with = "expires")]
    clear_expires: bool,
    /// Sessions at once
    #[arg(long, value_name = "N", value_parser = value::parse_session_limit)]
    session_limit: Option<SessionLimit>,
    /// As many sessions as the plan says
    #[arg(long, conflicts_with = "session_limit")]
    clear_session_limit: bool,
    /// What happens to one more: reject-new or replace-oldest
    #[arg(long, value_name = "POLICY")]
    session_policy: Option<SessionPolicy>,
    /// What the plan says happens to one more
    #[arg(long, conflicts_with = "session_policy")]
    clear_session_policy: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
struct CredentialArgs {
    /// The password; `-` reads it from standard input
    #[arg(long, value_name = "PASSWORD")]
    password: Option<HiddenArg>,
    /// A hash instead of the password: bcrypt, argon2, SHA-crypt, {NT}; CHAP cannot work with it
    #[arg(long, value_name = "HASH", conflicts_with = "password")]
    password_hash: Option<HashArg>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only subscribers whose name, or whose customer's name, telephone or e-mail has this: any part
    /// of a word from three letters on
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only subscribers on this plan
    #[arg(long, value_name = "NAME")]
    plan: Option<Name>,
    /// Only subscribers of the customer with this number
    #[arg(long, value_name = "NUMBER")]
    customer: Option<CustomerNumber>,
    /// Only subscribers in this state: pending, active, grace, suspended_walled, suspended_hard,
    /// expired, disabled; what ends is shown by its expiry
    #[arg(long, value_name = "STATUS")]
    status: Option<AccessState>,
    #[command(flatten)]
    size: ListSize,
}

#[derive(Clone, Debug, Serialize)]
struct SubscriberRecord {
    username: String,
    plan: String,
    status: AccessState,
    credential: CredentialKind,
    starts_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    static_ipv4: Option<Ipv4Addr>,
    ipv6_prefix: Option<Ipv6Net>,
    ipv6_delegated: Option<Ipv6Net>,
    session_limit: Option<SessionLimit>,
    session_policy: Option<SessionPolicy>,
    /// Number of the customer who pays for it.
    customer: Option<String>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    id: Option<String>,
}

impl Record for SubscriberRecord {
    const FIELDS: &'static [&'static str] = &[
        "username",
        "plan",
        "status",
        "credential",
        "starts_at",
        "expires_at",
        "static_ipv4",
        "ipv6_prefix",
        "ipv6_delegated",
        "session_limit",
        "session_policy",
        "customer",
        "created_at",
        "updated_at",
        "id",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "username",
        "plan",
        "status",
        "credential",
        "expires_at",
        "static_ipv4",
    ];
}

pub(crate) async fn run(context: &mut Context, command: SubscriberCommand) -> Result<(), CliError> {
    match command {
        SubscriberCommand::Add(args) => add(context, *args).await,
        SubscriberCommand::List(args) => list(context, args).await,
        SubscriberCommand::Show { username } => show(context, &username).await,
        SubscriberCommand::Set(args) => set(context, *args).await,
        SubscriberCommand::Activate { username, dry_run } => {
            transition(context, &username, StateChange::Activate, dry_run).await
        }
        SubscriberCommand::Suspend(args) => {
            let change = args.kind.change();
            transition(context, &args.username, change, args.dry_run).await
        }
        SubscriberCommand::Restore { username, dry_run } => {
            transition(context, &username, StateChange::Restore, dry_run).await
        }
        SubscriberCommand::Binding(command) => subscriber_binding::run(context, command).await,
        SubscriberCommand::Device(command) => subscriber_device::run(context, command).await,
        SubscriberCommand::TopUp(args) => subscriber_top_up::grant(context, args).await,
        SubscriberCommand::TopUps { username, size } => {
            subscriber_top_up::list(context, &username, size).await
        }
        SubscriberCommand::RevokeTopUp {
            username,
            id,
            dry_run,
        } => subscriber_top_up::revoke(context, &username, id, dry_run).await,
        SubscriberCommand::Enable { username, dry_run } => {
            transition(context, &username, StateChange::Enable, dry_run).await
        }
        SubscriberCommand::Disable { username, dry_run } => {
            transition(context, &username, StateChange::Disable, dry_run).await
        }
        SubscriberCommand::Remove { username, dry_run } => {
            remove(context, &username, dry_run).await
        }
        SubscriberCommand::Import(args) => subscriber_import::run(context, args).await,
    }
}

async fn add(context: &mut Context, args: AddArgs) -> Result<(), CliError> {
    let credential = args.credential.resolve()?.ok_or(CliError::Usage {
        option: "--password",
        reason: "give --password PASSWORD (or - to read it), or --password-hash HASH",
    })?;
    let store = args.dry_run.store(&context.app).await?;
    let plan = plan_id(&store, &args.plan).await?;
    let customer = match &args.customer {
        Some(number) => Some(customer_id(&store, number).await?),
        None => None,
    };
    let new = NewSubscriber {
        tenant: TENANT,
        username: args.username,
        credential,
        plan,
        status: match (args.disabled, args.pending) {
            (true, _) => SubscriberStatus::Disabled,
            (false, true) => SubscriberStatus::Pending,
            (false, false) => SubscriberStatus::Active,
        },
        starts_at: args.starts,
        expires_at: args.expires,
        addresses: StaticAddresses {
            ipv4: args.ipv4,
            ipv6_prefix: args.ipv6_prefix,
            ipv6_delegated: args.ipv6_delegated,
        },
        sessions: SessionTerms {
            session_limit: args.session_limit,
            session_policy: args.session_policy,
        },
        customer,
    };
    let deed = Deed {
        what: format!("Subscriber {}", new.username),
        verb: "added",
        details: format!(" on plan {}", args.plan),
    };
    let made = store.subscriber_insert(new).await?;
    let mut record = SubscriberRecord::from(made);
    if args.dry_run.is_dry {
        // Nothing was made, so nothing has these.
        (record.id, record.created_at, record.updated_at) = (None, None, None);
    }
    Ok(context.report(args.dry_run, &deed, &record)?)
}

async fn list(context: &mut Context, args: ListArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    if let Some(name) = &args.plan {
        plan_id(&store, name).await?;
    }
    if let Some(number) = &args.customer {
        customer_id(&store, number).await?;
    }
    let state = args.status.map(AccessState::as_str);
    let conditions = [
        ("plan", args.plan.as_ref().map(Name::as_str)),
        (
            "customer",
            args.customer.as_ref().map(CustomerNumber::as_str),
        ),
        ("state", state),
    ];
    let equal = |(field, value): (&str, Option<&str>)| Some(ListCondition::equal(field, value?));
    let query = ListQuery {
        conditions: conditions.into_iter().filter_map(equal).collect(),
        search: args.search,
        ..ListQuery::first(0)
    };
    let load = async |query: &ListQuery| store.subscriber_list(TENANT, query).await;
    context
        .narrowed_list::<SubscriberRecord, _>(args.size, "No subscriber matches", query, load)
        .await
}

async fn show(context: &mut Context, username: &Username) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let subscriber = store.subscriber_find(TENANT, username).await?;
    let subscriber = subscriber.ok_or_else(|| not_found(username))?;
    Ok(context.output.show(&SubscriberRecord::from(subscriber))?)
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let credential = args.credential.resolve()?;
    let store = args.dry_run.store(&context.app).await?;
    let plan = match &args.plan {
        Some(name) => Some(plan_id(&store, name).await?),
        None => None,
    };
    let customer = match &args.customer {
        Some(number) => Some(customer_id(&store, number).await?),
        None => None,
    };
    let patch = SubscriberPatch {
        credential,
        plan,
        customer: value::replacement(customer, args.clear_customer),
        starts_at: value::replacement(args.starts, args.clear_starts),
        expires_at: value::replacement(args.expires, args.clear_expires),
        ipv4: value::replacement(args.ipv4, args.clear_ipv4),
        ipv6_prefix: value::replacement(args.ipv6_prefix, args.clear_ipv6_prefix),
        ipv6_delegated: value::replacement(args.ipv6_delegated, args.clear_ipv6_delegated),
        session_limit: value::replacement(args.session_limit, args.clear_session_limit),
        session_policy: value::replacement(args.session_policy, args.clear_session_policy),
    };
    update(context, &store, &args.username, patch, args.dry_run).await
}

async fn transition(
    context: &mut Context,
    username: &Username,
    change: StateChange,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let before = store.subscriber_find(TENANT, username).await?;
    let told = Change {
        what: format!("Subscriber {username}"),
        before: SubscriberRecord::from(before.ok_or_else(|| not_found(username))?),
        hidden: None,
    };
    let by = Cause::Operator;
    let update = async |store: &Store| {
        let changed = store.subscriber_transition(TENANT, username, change, by);
        Ok(SubscriberRecord::from(changed.await?))
    };
    told.make(context, dry_run, &store, update).await
}

async fn update(
    context: &mut Context,
    store: &Store,
    username: &Username,
    patch: SubscriberPatch,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let before = store.subscriber_find(TENANT, username).await?;
    let change = Change {
        what: format!("Subscriber {username}"),
        before: SubscriberRecord::from(before.ok_or_else(|| not_found(username))?),
        hidden: patch.credential.as_ref().map(|_| "password"),
    };
    let update = async |store: &Store| {
        let patch = patch.clone();
        let subscriber = store.subscriber_update(TENANT, username, patch).await?;
        Ok(SubscriberRecord::from(subscriber))
    };
    change.make(context, dry_run, store, update).await
}

async fn remove(
    context: &mut Context,
    username: &Username,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let subscriber = store.subscriber_find(TENANT, username).await?;
    let record = SubscriberRecord::from(subscriber.ok_or_else(|| not_found(username))?);
    store.subscriber_delete(TENANT, username).await?;
    let deed = Deed {
        what: format!("Subscriber {username}"),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

async fn plan_id(store: &Store, name: &Name) -> Result<PlanId, CliError> {
    let plan = store.plan_find(TENANT, name).await?;
    plan.map(|plan| plan.id).ok_or_else(|| CliError::NotFound {
        what: Resource::Plan,
        name: name.to_string(),
        remedy: "`lastmile plan list` shows them, `lastmile plan add` adds one",
    })
}

impl SuspendKind {
    const fn change(&self) -> StateChange {
        if self.walled {
            StateChange::SuspendWalled
        } else {
            StateChange::SuspendHard
        }
    }
}

impl CredentialArgs {
    fn resolve(&self) -> Result<Option<Credential>, CliError> {
        const OPTION: &str = "--password";
        if let Some(hash) = &self.password_hash {
            return Ok(Some(Credential::Hashed(hash.0.clone())));
        }
        let Some(password) = &self.password else {
            return Ok(None);
        };
        let password = password.resolve(OPTION)?;
        credential::password(&password)
            .map(Some)
            .map_err(|source| CliError::Password {
                option: OPTION,
                source,
            })
    }
}

impl From<SubscriberSummary> for SubscriberRecord {
    fn from(subscriber: SubscriberSummary) -> Self {
        Self {
            username: subscriber.username.to_string(),
            plan: subscriber.plan.to_string(),
            customer: subscriber.customer,
            status: subscriber.state,
            credential: subscriber.credential_kind,
            starts_at: subscriber.starts_at,
            expires_at: subscriber.expires_at,
            static_ipv4: subscriber.addresses.ipv4,
            ipv6_prefix: subscriber.addresses.ipv6_prefix,
            ipv6_delegated: subscriber.addresses.ipv6_delegated,
            session_limit: subscriber.sessions.session_limit,
            session_policy: subscriber.sessions.session_policy,
            created_at: Some(subscriber.created_at),
            updated_at: Some(subscriber.updated_at),
            id: Some(subscriber.id.to_string()),
        }
    }
}

async fn customer_id(store: &Store, number: &CustomerNumber) -> Result<CustomerId, CliError> {
    let customer = store.customer_find(TENANT, number).await?;
    let customer = customer.ok_or_else(|| customer::not_found(number))?;
    Ok(customer.id)
}

pub(super) fn not_found(username: &Username) -> CliError {
    CliError::NotFound {
        what: Resource::Subscriber,
        name: username.to_string(),
        remedy: "`lastmile subscriber list --search TEXT` looks for one",
    }
}
