//! The program `lastmile`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    lastmile::cli::main()
}
