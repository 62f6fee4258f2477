//! `blotter sandbox`: runs a command with a private PostgreSQL.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;

use clap::Args;
use tradeblotter::embedded::Server;

use crate::failure::{FAILED, Failure};

#[derive(Args)]
pub struct Sandbox {
    /// Command to run, with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

impl Sandbox {
    pub fn run(&self) -> Result<(), Failure> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::Usage("no command is given".to_owned()));
        };
        let server = Server::start()?;
        // Ctrl-C goes to the command, which may continue after it and then still needs the server.
        ctrlc::set_handler(|| ()).map_err(|why| Failure::Failed(Some(why.to_string())))?;
        let status = server.command(program).args(arguments).status().map_err(|why| {
            Failure::Failed(Some(format!("cannot run {}: {why}", program.display())))
        })?;
        if status.success() {
            return Ok(());
        }
        // The convention of shells: 128 plus the number of the signal.
        let code = status.code().unwrap_or(128 + status.signal().unwrap_or(0));
        Err(Failure::Exit(u8::try_from(code).unwrap_or(FAILED)))
    }
}
