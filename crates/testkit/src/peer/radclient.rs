//! FreeRADIUS' client: it signs, retransmits and verifies by itself.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Answer, debian};
use crate::process;

const LIMIT: Duration = Duration::from_secs(60);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Access-Request.
    Access,
    /// Accounting-Request.
    Accounting,
    /// Status-Server.
    Status,
    /// Disconnect-Request.
    Disconnect,
    /// CoA-Request.
    Coa,
}

impl Kind {
    const fn command(self) -> &'static str {
        match self {
            Self::Access => "auth",
            Self::Accounting => "acct",
            Self::Status => "status",
            Self::Disconnect => "disconnect",
            Self::Coa => "coa",
        }
    }
}

/// Sends one request, three times at most; `None` when no reply could be believed.
///
/// `Message-Authenticator` is added to an Access-Request and a Status-Server.
pub fn ask(
    server: SocketAddr,
    secret: &str,
    kind: Kind,
    attributes: &[(&str, &str)],
) -> Option<Answer> {
    let mut request = String::new();
    for (name, value) in attributes {
        writeln!(request, "{name} = {value}").expect("a String takes everything");
    }
    if matches!(kind, Kind::Access | Kind::Status) {
        request.push_str("Message-Authenticator = 0x00\n");
    }
    let family = if server.is_ipv6() { "-6" } else { "-4" };
    let mut command = debian("radclient", "freeradius-utils");
    command.args(["-x", "-r", "3", "-t", "2", family]);
    command
        .arg(server.to_string())
        .args([kind.command(), secret]);
    let outcome = process::run(&mut command, request.as_bytes(), LIMIT);
    let answer = parse(&outcome.stdout);
    assert!(
        answer.is_some() || outcome.stdout.contains("No reply"),
        "radclient could not ask: {outcome:?}"
    );
    answer
}

/// Reads the last reply that was received and believed.
fn parse(output: &str) -> Option<Answer> {
    let mut answer = None;
    let mut is_inside = false;
    for line in output.lines() {
        if let Some(rest) = line.strip_prefix("Received ") {
            let code = rest.split(' ').next().unwrap_or_default().to_owned();
            answer = Some(Answer {
                code,
                attributes: Vec::new(),
            });
            is_inside = true;
        } else if let (true, Some(pair)) = (is_inside, line.strip_prefix('\t')) {
            let (name, value) = pair.split_once(" = ").unwrap_or((pair, ""));
            let value = value.trim_matches('"').to_owned();
            if let Some(answer) = &mut answer {
                answer.attributes.push((name.to_owned(), value));
            }
        } else {
            is_inside = false;
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_not_taken_for_the_reply() {
        let output = "Sent Access-Request Id 1 from 0.0.0.0:1 to 127.0.0.1:2 length 59\n\
                      \tUser-Name = \"ana\"\n\
                      Received Access-Accept Id 1 from 127.0.0.1:2 to 0.0.0.0:1 length 30\n\
                      \tMikrotik-Rate-Limit = \"25M/50M\"\n\
                      \tAcct-Interim-Interval = 300\n";
        let answer = parse(output).expect("a reply");
        assert_eq!(answer.code, "Access-Accept");
        assert_eq!(answer.find("Mikrotik-Rate-Limit"), Some("25M/50M"));
        assert_eq!(
            answer.names(),
            ["Mikrotik-Rate-Limit", "Acct-Interim-Interval"]
        );
        assert_eq!(parse("(0) No reply from server for ID 61 socket 3\n"), None);
    }
}
