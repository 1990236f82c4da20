//! `cargo xtask CHORE`: runs one chore of the repository.

use std::io::{self, Write};
use std::process::ExitCode;

use xtask::tidy;

const USAGE: &str = "usage: cargo xtask tidy    check the rules that no compiler checks";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => run_tidy(),
        _ => fail(2, USAGE),
    };
    outcome.unwrap_or(ExitCode::FAILURE)
}

fn run_tidy() -> io::Result<ExitCode> {
    match tidy::root().and_then(|root| tidy::check(&root)) {
        Ok(findings) if findings.is_empty() => Ok(ExitCode::SUCCESS),
        Ok(findings) => fail(1, &tidy::report(&findings)),
        Err(error) => fail(1, &format!("error: {}", tidy::chain(&error))),
    }
}

fn fail(code: u8, message: &str) -> io::Result<ExitCode> {
    writeln!(io::stderr(), "{message}")?;
    Ok(ExitCode::from(code))
}
