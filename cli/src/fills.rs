//! `blotter fills`: lists fills.

use clap::Args;

use crate::database::Database;
use crate::failure::Failure;
use crate::list_options::ListOptions;
use crate::terminal::Output;

#[derive(Args)]
pub struct Fills {
    #[command(flatten)]
    options: ListOptions,
}

impl Fills {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let filter = self.options.filter();
        self.options.list(database, out, |tx, page| tx.fills().recent(&filter, page))
    }
}
