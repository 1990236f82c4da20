//! `lastmile test-auth`: a login through the real socket, with everything that came back.

use lab::auth::{AuthOptions, AuthOutcome};
use lab::credentials::Credentials;
use lab::method::Method;

use super::context::Context;
use super::error::CliError;
use super::loopback::{self, Loopback};
use super::remote::ServerArg;
use super::value::HiddenArg;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The request goes to the running server as a router's would: a NAS must be registered for the
address of this machine, and `lastmile nas add loopback --address 127.0.0.1` does that.

Examples:
  lastmile test-auth ana -                       # password from standard input
  lastmile test-auth ana - --method mschapv2 --server '[::1]:1812'"
)]
pub(crate) struct TestAuthArgs {
    /// User name
    user: String,
    /// The password; `-` reads it from standard input
    password: HiddenArg,
    /// How the password is proved: pap, chap, mschapv1, mschapv2
    #[arg(long, value_name = "METHOD", default_value_t = Method::Pap)]
    method: Method,
    /// The server's authentication port [default: the first address of radius.auth]
    #[arg(long, value_name = "ADDRESS:PORT")]
    server: Option<ServerArg>,
}

pub(crate) async fn run(context: &mut Context, args: TestAuthArgs) -> Result<(), CliError> {
    let listeners = &context.app.config.radius.auth;
    let given = args.server.as_ref().map(ServerArg::socket).transpose();
    let given = given.map_err(|source| CliError::Server {
        option: "--server",
        source,
    })?;
    let server = loopback::server(given, listeners, "radius.auth")?;
    let user = credentials(&args.user, &args.password, "PASSWORD")?;
    let Loopback { nas } = Loopback::find(context, server).await?;
    let mut options = AuthOptions::new(server, nas.secret, user);
    options.method = args.method;
    if let Some(identifier) = nas.settings.identifier {
        options.router.identifier = identifier;
    }
    let report = tokio::task::spawn_blocking(move || lab::auth::test_auth(&options))
        .await?
        .map_err(|source| CliError::Line { server, source })?;
    context.output.document(&report)?;
    let outcome = match report.outcome {
        AuthOutcome::Accepted => return Ok(()),
        AuthOutcome::Rejected => "the server rejected it; `lastmile log auth` says why",
        AuthOutcome::Challenged => "the server asked for more, which this test does not answer",
        AuthOutcome::Unanswered => {
            "no answer; check that the server runs, and `lastmile nas list` and `lastmile doctor`"
        }
        AuthOutcome::Untrusted => "the answers were not signed with the secret of this NAS",
    };
    Err(CliError::NotAccepted {
        user_name: report.user_name,
        outcome,
    })
}

/// A login from the command line.
pub(crate) fn credentials(
    user: &str,
    password: &HiddenArg,
    option: &'static str,
) -> Result<Credentials, CliError> {
    let password = password.resolve(option)?;
    Credentials::new(user, &password).map_err(|source| CliError::Credentials { option, source })
}
