//! `blotter sandbox`: any command, with a private PostgreSQL to work on.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;

use clap::Args;
use tradeblotter::embedded::Server;

use crate::failure::{FAILED, Failure};

#[derive(Args)]
pub struct Sandbox {
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

impl Sandbox {
    pub fn run(&self) -> Result<(), Failure> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::Usage("which command?".to_owned()));
        };
        let server = Server::start()?;
        // A Ctrl-C is for the command, which may live on after it and needs the server still.
        ctrlc::set_handler(|| ()).map_err(|why| Failure::Failed(Some(why.to_string())))?;
        let status = server.command(program).args(arguments).status().map_err(|why| {
            Failure::Failed(Some(format!("can't run {}: {why}", program.display())))
        })?;
        if status.success() {
            return Ok(());
        }
        // As a shell tells it: 128 and the signal's number.
        let code = status.code().unwrap_or(128 + status.signal().unwrap_or(0));
        Err(Failure::Exit(u8::try_from(code).unwrap_or(FAILED)))
    }
}
