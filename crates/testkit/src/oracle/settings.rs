//! How much is asked, and from which seed: `make oracle` asks more.

use std::env;
use std::str::FromStr;

/// Users of a run when nothing else is said.
const USERS: usize = 2_000;

/// Users of a run, of `LASTMILE_ORACLE_USERS`.
pub fn users() -> usize {
    from_environment("LASTMILE_ORACLE_USERS").unwrap_or(USERS)
}

/// A fresh seed, or that of a run that is repeated, of `LASTMILE_ORACLE_SEED`.
pub fn seed() -> u64 {
    from_environment("LASTMILE_ORACLE_SEED").unwrap_or_else(rand::random)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no configuration, and a seed must come from somewhere"
)]
fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    match text.parse() {
        Ok(value) => Some(value),
        Err(_) => panic!("{name} is '{text}': write a whole number"),
    }
}
