//! `lastmile message`: what subscribers are told about their account.

use domain::id::TenantId;
use domain::message::{Language, MessageTemplate, default_template};
use domain::subscriber::state::AccessState;
use domain::tenant::TenantPolicy;
use serde::Serialize;
use storage::error::{Resource, StoreError};

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum MessageCommand {
    /// List what is told in each state, and in which language
    #[command(after_help = "Examples:
  lastmile message list")]
    List(ListSize),
    /// Set what is told in a state
    #[command(after_help = "Examples:
  lastmile message set expired 'Your {plan} ended on {expires_at}. Pay at pay.example.net'
  lastmile message set expired 'Kifurushi {plan} kimeisha' --language sw")]
    Set {
        /// pending, grace, suspended_walled, suspended_hard, expired, disabled
        state: AccessState,
        /// Text with {username}, {plan}, {expires_at}, {ends_at}; 253 octets at most
        text: MessageTemplate,
        /// Language of the text [default: the one that is in use]
        #[arg(long, value_name = "TAG")]
        language: Option<Language>,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Go back to the built-in text for a state
    #[command(after_help = "Examples:
  lastmile message clear expired")]
    Clear {
        /// The state
        state: AccessState,
        /// Language of the text [default: the one that is in use]
        #[arg(long, value_name = "TAG")]
        language: Option<Language>,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Choose the language in use; a state without a text in it has the built-in English one
    #[command(after_help = "Examples:
  lastmile message language sw")]
    Language {
        /// A tag such as en, sw, pt-br
        language: Language,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Clone, Debug, Serialize)]
struct MessageRecord {
    state: AccessState,
    language: String,
    text: String,
    is_in_use: bool,
    is_built_in: bool,
}

impl Record for MessageRecord {
    const FIELDS: &'static [&'static str] =
        &["state", "language", "text", "is_in_use", "is_built_in"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, command: MessageCommand) -> Result<(), CliError> {
    match command {
        MessageCommand::List(size) => list(context, size).await,
        MessageCommand::Set {
            state,
            text,
            language,
            dry_run,
        } => set(context, state, &text, language, dry_run).await,
        MessageCommand::Clear {
            state,
            language,
            dry_run,
        } => clear(context, state, language, dry_run).await,
        MessageCommand::Language { language, dry_run } => choose(context, &language, dry_run).await,
    }
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let policy = store.tenant_policy(TENANT).await?;
    let mut listing = context.output.listing::<MessageRecord>(size.extent());
    for state in told() {
        let mut is_built_in_used = true;
        for message in policy.messages.iter().filter(|one| one.state == state) {
            let is_in_use = message.language == policy.language;
            is_built_in_used &= !is_in_use;
            listing.push(&MessageRecord {
                state,
                language: message.language.to_string(),
                text: message.template.to_string(),
                is_in_use,
                is_built_in: false,
            })?;
        }
        if is_built_in_used {
            listing.push(&built_in(state))?;
        }
    }
    let listed = listing.finish()?;
    context.note_listed(listed, "No message");
    Ok(())
}

async fn set(
    context: &mut Context,
    state: AccessState,
    text: &MessageTemplate,
    language: Option<Language>,
    dry_run: DryRun,
) -> Result<(), CliError> {
    check_told(state)?;
    let store = dry_run.store(&context.app).await?;
    let in_use = store.tenant_policy(TENANT).await?.language;
    let language = language.unwrap_or_else(|| in_use.clone());
    store.message_set(TENANT, state, &language, text).await?;
    let deed = Deed {
        what: format!("The message for {state} in {language}"),
        verb: "set",
        details: String::new(),
    };
    let record = MessageRecord {
        state,
        text: text.to_string(),
        is_in_use: language == in_use,
        is_built_in: false,
        language: language.to_string(),
    };
    Ok(context.report(dry_run, &deed, &record)?)
}

async fn clear(
    context: &mut Context,
    state: AccessState,
    language: Option<Language>,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let policy = store.tenant_policy(TENANT).await?;
    let language = language.unwrap_or_else(|| policy.language.clone());
    let done = store.message_clear(TENANT, state, &language).await;
    done.map_err(not_there)?;
    let deed = Deed {
        what: format!("The message for {state} in {language}"),
        verb: "removed",
        details: String::new(),
    };
    let told = told_without(&policy, state, &language);
    Ok(context.report(dry_run, &deed, &told)?)
}

async fn choose(
    context: &mut Context,
    language: &Language,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    store.tenant_set_language(TENANT, language).await?;
    let policy = store.tenant_policy(TENANT).await?;
    let has_text = |state: &AccessState| {
        policy
            .messages
            .iter()
            .any(|one| one.state == *state && one.language == *language)
    };
    let built_in = told().filter(|state| !has_text(state)).count();
    let dry = if dry_run.is_dry {
        "Dry run, nothing is changed: "
    } else {
        ""
    };
    context.note(format_args!(
        "{dry}The language of messages is {language}; states with the built-in English text: {built_in}"
    ));
    Ok(())
}

fn not_there(error: StoreError) -> CliError {
    let StoreError::NotFound { name, .. } = error else {
        return error.into();
    };
    CliError::NotFound {
        what: Resource::Message,
        name,
        remedy: "`lastmile message list` shows them",
    }
}

/// The states that anybody is told about.
fn told() -> impl Iterator<Item = AccessState> {
    AccessState::ALL
        .into_iter()
        .filter(|state| *state != AccessState::Active)
}

fn check_told(state: AccessState) -> Result<(), CliError> {
    if state == AccessState::Active {
        return Err(CliError::Usage {
            option: "STATE",
            reason: "who is active is told nothing: write pending, grace, suspended_walled, suspended_hard, expired or disabled",
        });
    }
    Ok(())
}

/// What is told in a state when the text in one language is gone.
fn told_without(policy: &TenantPolicy, state: AccessState, gone: &Language) -> MessageRecord {
    let left = policy.messages.iter().find(|message| {
        message.state == state && message.language == policy.language && message.language != *gone
    });
    left.map_or_else(
        || built_in(state),
        |message| MessageRecord {
            state,
            language: message.language.to_string(),
            text: message.template.to_string(),
            is_in_use: true,
            is_built_in: false,
        },
    )
}

fn built_in(state: AccessState) -> MessageRecord {
    MessageRecord {
        state,
        language: Language::default().to_string(),
        text: default_template(state).to_owned(),
        is_in_use: true,
        is_built_in: true,
    }
}
