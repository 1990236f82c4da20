//! How much is asked, and from which seed: `make oracle` asks more.

use std::env;
use std::str::FromStr;

/// Users of a run when nothing else is said.
const USERS: usize = 2_000;

/// Users of a run, of `LASTMILE_ORACLE_USERS`.
pub fn users() -> usize {
    from_environment("LASTMILE_ORACLE_USERS").unwrap_or(USERS)
}

/// The seed of a run when nothing else is said: a change is judged by what the one before it was.
const SEED: u64 = 1;

/// The seed of a run, of `LASTMILE_ORACLE_SEED`; `make oracle` gives a fresh one.
pub fn seed() -> u64 {
    from_environment("LASTMILE_ORACLE_SEED").unwrap_or(SEED)
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
