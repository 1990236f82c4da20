//! pyrad, a RADIUS client in Python, with an MS-CHAPv2 written from the RFCs.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, python};
use crate::process;

const LIMIT: Duration = Duration::from_secs(120);
const CLIENT: &str = include_str!("pyrad.py");
const MSCHAPV2: &str = include_str!("mschapv2.py");

/// Who is asked, and with which secret.
#[derive(Clone, Copy, Debug)]
pub struct Target<'t> {
    /// The authentication port.
    pub auth: SocketAddr,
    /// The accounting port of the same address.
    pub acct: SocketAddr,
    /// The shared secret.
    pub secret: &'t str,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request(Value);

impl Request {
    /// An Access-Request with User-Password.
    pub fn pap(user: &str, password: &str) -> Self {
        Self::access("pap", user, password)
    }

    /// An Access-Request with CHAP-Password and CHAP-Challenge.
    pub fn chap(user: &str, password: &str) -> Self {
        Self::access("chap", user, password)
    }

    /// An Access-Request with MS-CHAP2-Response. Of an accept, the server's proof and both keys
    /// are verified.
    pub fn ms_chap_v2(user: &str, password: &str) -> Self {
        Self::access("mschapv2", user, password)
    }

    /// An Accounting-Request. Numbers are numbers, everything else is text, Class is hexadecimal.
    pub fn accounting(attributes: Value) -> Self {
        Self(json!({"kind": "accounting", "attributes": attributes}))
    }

    /// Status-Server to the authentication port.
    pub fn status_auth() -> Self {
        Self(json!({"kind": "status_auth", "attributes": {}}))
    }

    /// Status-Server to the accounting port.
    pub fn status_acct() -> Self {
        Self(json!({"kind": "status_acct", "attributes": {}}))
    }

    fn access(kind: &str, user: &str, password: &str) -> Self {
        Self(json!({"kind": kind, "user": user, "password": password, "attributes": {}}))
    }
}

/// Sends requests one after the other; `None` where no reply could be believed.
pub fn ask(target: Target<'_>, requests: &[Request]) -> Vec<Option<Answer>> {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let script = dir.path().join("ask.py");
    fs::write(&script, CLIENT).expect("the temporary directory is writable");
    fs::write(dir.path().join("mschapv2.py"), MSCHAPV2).expect("the directory is writable");
    let requests: Vec<&Value> = requests.iter().map(|request| &request.0).collect();
    let job = json!({
        "server": target.auth.ip().to_string(),
        "auth_port": target.auth.port(),
        "acct_port": target.acct.port(),
        "secret": target.secret,
        "requests": requests,
    });
    let mut command = Command::new(python());
    command.arg("-B").arg(&script);
    let outcome = process::run(&mut command, job.to_string().as_bytes(), LIMIT);
    assert!(outcome.is_success(), "pyrad failed: {outcome:?}");
    let replies: Vec<Value> = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("pyrad wrote no JSON: {error}: {}", outcome.stdout));
    assert_eq!(replies.len(), requests.len());
    replies.iter().map(answer).collect()
}

fn answer(reply: &Value) -> Option<Answer> {
    let code = match reply.get("code")?.as_u64()? {
        2 => "Access-Accept".to_owned(),
        3 => "Access-Reject".to_owned(),
        5 => "Accounting-Response".to_owned(),
        11 => "Access-Challenge".to_owned(),
        other => format!("code {other}"),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pairs = reply["attributes"].as_array().into_iter().flatten();
    let attributes = pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
    Some(Answer { code, attributes })
}
