//! `lastmile customer`: who pays, and how they are reached.

use std::collections::BTreeMap;

use domain::customer::contact::{Coordinates, ENTRIES_MAX, EmailAddress, Phone, PostalAddress};
use domain::customer::field::{CustomFields, FieldValue};
use domain::customer::{CustomerNumber, CustomerState, NoteText, Tag, Title};
use domain::id::{CustomerNoteId, TenantId};
use domain::time::Timestamp;
use serde::Serialize;
use storage::customer::note::CustomerNote;
use storage::customer::{CustomerPatch, CustomerSummary, NewCustomer};
use storage::error::Resource;
use storage::listing::{ListCondition, ListQuery};
use storage::page::Page;
use storage::store::Store;

use super::change::Change;
use super::context::{Context, Deed, DryRun, ListSize, actor};
use super::error::CliError;
use super::value;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum CustomerCommand {
    /// Add a customer; the number is the next one unless it is given
    #[command(after_help = "Examples:
  lastmile customer add 'José Kamau' --phone '+254 712 345 678' --email jose@example.net
  lastmile customer add 'Paz Ltd' --number C-0042 --city Nairobi --tag business --field meter=7")]
    Add(Box<AddArgs>),
    /// List customers
    #[command(after_help = "Examples:
  lastmile customer list --state lead
  lastmile customer list --tag business --output csv > business.csv
  lastmile customer list --search 0712345678")]
    List(ListArgs),
    /// Show one customer
    #[command(after_help = "Examples:
  lastmile customer show C-0042 --output json")]
    Show {
        /// Number of the customer
        number: CustomerNumber,
    },
    /// Change a customer; lists are replaced as a whole
    #[command(after_help = "Examples:
  lastmile customer set C-0042 --state closed
  lastmile customer set C-0042 --phone 0712345678 --clear-emails --dry-run")]
    Set(Box<SetArgs>),
    /// Remove a customer who has no subscribers, with all notes
    #[command(after_help = "Examples:
  lastmile customer remove C-0042 --dry-run")]
    Remove {
        /// Number of the customer
        number: CustomerNumber,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// What is written down about a customer
    #[command(subcommand)]
    Note(NoteCommand),
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum NoteCommand {
    /// Write something down
    #[command(after_help = "Examples:
  lastmile customer note add C-0042 'called, no answer'")]
    Add {
        /// Number of the customer
        number: CustomerNumber,
        /// What to write down
        text: NoteText,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// List what is written down, the newest first
    #[command(after_help = "Examples:
  lastmile customer note list C-0042")]
    List {
        /// Number of the customer
        number: CustomerNumber,
        #[command(flatten)]
        size: ListSize,
    },
    /// Remove a note
    #[command(after_help = "Examples:
  lastmile customer note remove C-0042 01931b5e-8f6a-7c11-a6f5-2f2c3a1b4d5e")]
    Remove {
        /// Number of the customer
        number: CustomerNumber,
        /// Id of the note, as `list` shows it
        id: CustomerNoteId,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct AddArgs {
    /// What the customer is called
    name: Title,
    /// A number of your own
    #[arg(long, value_name = "NUMBER")]
    number: Option<CustomerNumber>,
    #[command(flatten)]
    facts: FactArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Number of the customer
    number: CustomerNumber,
    /// Another number
    #[arg(long, value_name = "NUMBER")]
    renumber: Option<CustomerNumber>,
    /// What the customer is called
    #[arg(long, value_name = "NAME")]
    name: Option<Title>,
    #[command(flatten)]
    facts: FactArgs,
    /// No company
    #[arg(long, conflicts_with = "company")]
    clear_company: bool,
    /// No e-mail addresses
    #[arg(long, conflicts_with = "email")]
    clear_emails: bool,
    /// No telephones
    #[arg(long, conflicts_with = "phone")]
    clear_phones: bool,
    /// No postal addresses
    #[arg(long)]
    clear_addresses: bool,
    /// No tags
    #[arg(long, conflicts_with = "tag")]
    clear_tags: bool,
    /// No fields of your own
    #[arg(long, conflicts_with = "field")]
    clear_fields: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

/// What both commands say about a customer.
#[derive(Debug, clap::Args)]
struct FactArgs {
    /// Company that the customer is or belongs to
    #[arg(long, value_name = "NAME")]
    company: Option<Title>,
    /// How the customer stands to you: lead, active or closed [default: active]
    #[arg(long, value_name = "STATE")]
    state: Option<CustomerState>,
    /// E-mail address; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<EmailAddress>,
    /// Telephone, best with + and the country; may be given several times
    #[arg(long, value_name = "NUMBER")]
    phone: Vec<Phone>,
    /// Street and house of the postal address
    #[arg(long, value_name = "TEXT")]
    street: Option<String>,
    /// City of the postal address
    #[arg(long, value_name = "TEXT")]
    city: Option<String>,
    /// Postcode of the postal address
    #[arg(long, value_name = "TEXT")]
    postcode: Option<String>,
    /// Country of the postal address: two letters
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// Where it is, in degrees: LATITUDE,LONGITUDE
    #[arg(long, value_name = "DEGREES", value_parser = parse_coordinates, allow_hyphen_values = true)]
    coordinates: Option<Coordinates>,
    /// Word to sort customers by; may be given several times
    #[arg(long, value_name = "WORD")]
    tag: Vec<Tag>,
    /// Field of your own: NAME=VALUE; true, false and numbers are what they look like
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_field)]
    field: Vec<(String, FieldValue)>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only customers whose name, company, number, e-mail or telephone has this: any part of a word
    /// from three letters on
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only customers in this state: lead, active, closed
    #[arg(long, value_name = "STATE")]
    state: Option<CustomerState>,
    /// Only customers with this tag
    #[arg(long, value_name = "WORD")]
    tag: Option<Tag>,
    #[command(flatten)]
    size: ListSize,
}

#[derive(Debug, thiserror::Error)]
enum FactError {
    #[error("'{raw}' is no place: write LATITUDE,LONGITUDE in degrees (-1.2921,36.8219)")]
    Coordinates { raw: String },
    #[error("'{raw}' is no field: write NAME=VALUE")]
    Field { raw: String },
}

fn parse_coordinates(raw: &str) -> Result<Coordinates, FactError> {
    let refuse = || FactError::Coordinates {
        raw: raw.to_owned(),
    };
    let (latitude, longitude) = raw.split_once(',').ok_or_else(refuse)?;
    let degrees = |raw: &str| raw.trim().parse::<f64>().map_err(|_| refuse());
    Coordinates::from_degrees(degrees(latitude)?, degrees(longitude)?).map_err(|_| refuse())
}

fn parse_field(raw: &str) -> Result<(String, FieldValue), FactError> {
    let (name, value) = raw.split_once('=').ok_or_else(|| FactError::Field {
        raw: raw.to_owned(),
    })?;
    let value = match (value, value.parse::<f64>()) {
        ("true", _) => FieldValue::Bool(true),
        ("false", _) => FieldValue::Bool(false),
        (_, Ok(number)) if number.is_finite() => FieldValue::Number(number),
        (text, _) => FieldValue::Text(text.to_owned()),
    };
    Ok((name.to_owned(), value))
}

#[derive(Clone, Debug, Serialize)]
struct CustomerRecord {
    number: String,
    name: String,
    company: Option<String>,
    state: CustomerState,
    phones: Vec<String>,
    emails: Vec<String>,
    addresses: Vec<PostalAddress>,
    tags: Vec<Tag>,
    fields: CustomFields,
    created_at: Timestamp,
    updated_at: Timestamp,
    id: String,
}

impl Record for CustomerRecord {
    const FIELDS: &'static [&'static str] = &[
        "number",
        "name",
        "company",
        "state",
        "phones",
        "emails",
        "addresses",
        "tags",
        "fields",
        "created_at",
        "updated_at",
        "id",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "number", "name", "company", "state", "phones", "emails", "tags",
    ];
}

#[derive(Clone, Debug, Serialize)]
struct NoteRecord {
    at: Timestamp,
    author: String,
    text: String,
    id: String,
}

impl Record for NoteRecord {
    const FIELDS: &'static [&'static str] = &["at", "author", "text", "id"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, command: CustomerCommand) -> Result<(), CliError> {
    match command {
        CustomerCommand::Add(args) => add(context, *args).await,
        CustomerCommand::List(args) => list(context, args).await,
        CustomerCommand::Show { number } => show(context, &number).await,
        CustomerCommand::Set(args) => set(context, *args).await,
        CustomerCommand::Remove { number, dry_run } => remove(context, &number, dry_run).await,
        CustomerCommand::Note(command) => note(context, command).await,
    }
}

async fn add(context: &mut Context, args: AddArgs) -> Result<(), CliError> {
    let addresses = args.facts.address()?.into_iter().collect();
    let fields = args.facts.fields()?;
    let facts = args.facts;
    let new = NewCustomer {
        tenant: TENANT,
        number: args.number,
        name: args.name,
        company: facts.company,
        state: facts.state.unwrap_or_default(),
        emails: few("--email", facts.email)?,
        phones: few("--phone", facts.phone)?,
        addresses,
        fields,
        tags: few("--tag", facts.tag)?,
    };
    let store = args.dry_run.store(&context.app).await?;
    let customer = store.customer_insert(new).await?;
    let deed = Deed {
        what: format!("Customer {}", customer.name),
        verb: "added",
        details: format!(" under the number {}", customer.number),
    };
    Ok(context.report(args.dry_run, &deed, &CustomerRecord::from(customer))?)
}

async fn list(context: &mut Context, args: ListArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let conditions = [
        ("state", args.state.map(CustomerState::as_str)),
        ("tag", args.tag.as_ref().map(Tag::as_str)),
    ];
    let equal = |(field, value): (&str, Option<&str>)| Some(ListCondition::equal(field, value?));
    let query = ListQuery {
        conditions: conditions.into_iter().filter_map(equal).collect(),
        search: args.search,
        ..ListQuery::first(0)
    };
    let none = "No customer matches";
    let load = async |query: &ListQuery| store.customer_list(TENANT, query).await;
    context
        .narrowed_list::<CustomerRecord, _>(args.size, none, query, load)
        .await
}

async fn show(context: &mut Context, number: &CustomerNumber) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let customer = find(&store, number).await?;
    Ok(context.output.show(&CustomerRecord::from(customer))?)
}

async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let address = args.facts.address()?.map(|address| vec![address]);
    let fields = args.facts.fields()?;
    let has_fields = !args.facts.field.is_empty() || args.clear_fields;
    let facts = args.facts;
    let patch = CustomerPatch {
        number: args.renumber,
        name: args.name,
        company: value::replacement(facts.company, args.clear_company),
        state: facts.state,
        emails: replaced(few("--email", facts.email)?, args.clear_emails),
        phones: replaced(few("--phone", facts.phone)?, args.clear_phones),
        addresses: address.or_else(|| args.clear_addresses.then(Vec::new)),
        fields: has_fields.then_some(fields),
        tags: replaced(few("--tag", facts.tag)?, args.clear_tags),
    };
    let store = args.dry_run.store(&context.app).await?;
    let before = find(&store, &args.number).await?;
    let change = Change {
        what: format!("Customer {}", args.number),
        before: CustomerRecord::from(before),
        hidden: None,
    };
    let update = async |store: &Store| {
        let changed = store.customer_update(TENANT, &args.number, patch.clone());
        Ok(CustomerRecord::from(changed.await?))
    };
    change.make(context, args.dry_run, &store, update).await
}

async fn remove(
    context: &mut Context,
    number: &CustomerNumber,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let customer = find(&store, number).await?;
    store.customer_delete(TENANT, number).await?;
    let deed = Deed {
        what: format!("Customer {}", customer.name),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &CustomerRecord::from(customer))?)
}

async fn note(context: &mut Context, command: NoteCommand) -> Result<(), CliError> {
    match command {
        NoteCommand::Add {
            number,
            text,
            dry_run,
        } => {
            let store = dry_run.store(&context.app).await?;
            find(&store, &number).await?;
            let actor = actor();
            let note = store.customer_note_insert(TENANT, &number, &text, &actor);
            let deed = Deed {
                what: format!("Note about customer {number}"),
                verb: "added",
                details: String::new(),
            };
            Ok(context.report(dry_run, &deed, &NoteRecord::from(note.await?))?)
        }
        NoteCommand::List { number, size } => {
            let store = context.app.store_read().await?;
            find(&store, &number).await?;
            let key = |note: &CustomerNote| note.id;
            let load = async |page: &Page<CustomerNoteId>| {
                store.customer_note_list(TENANT, &number, page).await
            };
            context
                .list::<NoteRecord, _, _>(size, "Nothing is written down", key, load)
                .await
        }
        NoteCommand::Remove {
            number,
            id,
            dry_run,
        } => {
            let store = dry_run.store(&context.app).await?;
            find(&store, &number).await?;
            store.customer_note_delete(TENANT, &number, id).await?;
            context.note(if dry_run.is_dry {
                "Dry run: the note would be removed. Nothing is changed."
            } else {
                "Note removed"
            });
            Ok(())
        }
    }
}

async fn find(store: &Store, number: &CustomerNumber) -> Result<CustomerSummary, CliError> {
    let customer = store.customer_find(TENANT, number).await?;
    customer.ok_or_else(|| not_found(number))
}

pub(super) fn not_found(number: &CustomerNumber) -> CliError {
    CliError::NotFound {
        what: Resource::Customer,
        name: number.to_string(),
        remedy: "`lastmile customer list --search TEXT` looks for one",
    }
}

/// As many as a customer has of one kind.
fn few<T>(option: &'static str, values: Vec<T>) -> Result<Vec<T>, CliError> {
    if ENTRIES_MAX < values.len() {
        return Err(CliError::Usage {
            option,
            reason: "at most 16 are kept of one customer",
        });
    }
    Ok(values)
}

/// What a list becomes: other values, nothing, or what it was.
fn replaced<T>(values: Vec<T>, is_cleared: bool) -> Option<Vec<T>> {
    (is_cleared || !values.is_empty()).then_some(values)
}

impl FactArgs {
    fn address(&self) -> Result<Option<PostalAddress>, CliError> {
        let address = PostalAddress {
            label: None,
            street: self.street.clone(),
            city: self.city.clone(),
            region: None,
            postcode: self.postcode.clone(),
            country: self.country.clone(),
            coordinates: self.coordinates,
        };
        if address == PostalAddress::default() {
            return Ok(None);
        }
        address.checked().map(Some).map_err(|_| CliError::Usage {
            option: "--street, --city, --postcode, --country",
            reason: "a line has 1 to 200 characters, and a country two letters (KE)",
        })
    }

    fn fields(&self) -> Result<CustomFields, CliError> {
        let fields: BTreeMap<String, FieldValue> = self.field.iter().cloned().collect();
        CustomFields::new(fields).map_err(|_| CliError::Usage {
            option: "--field",
            reason: "a name is a letter a-z and up to 63 of a-z, 0-9 and _, a text has up to 500 characters, and there are at most 64",
        })
    }
}

impl From<CustomerSummary> for CustomerRecord {
    fn from(customer: CustomerSummary) -> Self {
        Self {
            number: customer.number.to_string(),
            name: customer.name.to_string(),
            company: customer.company.map(|company| company.to_string()),
            state: customer.state,
            phones: customer.phones.iter().map(ToString::to_string).collect(),
            emails: customer
                .emails
                .iter()
                .map(|email| email.as_str().to_owned())
                .collect(),
            addresses: customer.addresses,
            tags: customer.tags,
            fields: customer.fields,
            created_at: customer.created_at,
            updated_at: customer.updated_at,
            id: customer.id.to_string(),
        }
    }
}

impl From<CustomerNote> for NoteRecord {
    fn from(note: CustomerNote) -> Self {
        Self {
            at: note.at,
            author: note.author,
            text: note.text,
            id: note.id.to_string(),
        }
    }
}
