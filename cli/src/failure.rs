//! Why a command fails, and the exit code for it.

use std::io;
use std::process::ExitCode;

use tradeblotter::Error;

use crate::terminal::eprintln;

/// Exit code: a check found a difference, or the database or a file returned an error.
pub const FAILED: u8 = 1;

/// Exit code: the command line is wrong. clap exits with the same code.
const USAGE: u8 = 2;

/// Why a command did not do what it was asked to do.
pub enum Failure {
    /// The command line asks for something impossible.
    Usage(String),
    /// The command failed. `None` if it has printed the reason already.
    Failed(Option<String>),
    /// The command failed for a reason that may pass by itself; one that keeps running tries again.
    Passing(String),
    /// The reader of standard output closed it. This is not an error: `blotter log | head` is normal.
    OutputClosed,
    /// The command that `blotter sandbox` ran ended with this exit code.
    Exit(u8),
}

impl Failure {
    /// Prints the reason to standard error and returns the exit code.
    pub fn report(self) -> ExitCode {
        let (code, reason) = match self {
            Self::OutputClosed => return ExitCode::SUCCESS,
            Self::Exit(code) => (code, None),
            Self::Failed(reason) => (FAILED, reason),
            Self::Passing(reason) => (FAILED, Some(reason)),
            Self::Usage(reason) => (USAGE, Some(reason)),
        };
        if let Some(reason) = reason {
            eprintln!("blotter: {reason}");
        }
        ExitCode::from(code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(Some(error.to_string()))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(Some(error.to_string())),
        }
    }
}
