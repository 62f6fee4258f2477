//! The command `blotter`: migrate a database, check its schema, look into the store, see a demo.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::run()
}
