//! `blotter traders`: registers traders and lists them.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use diesel::dsl::exists;
use diesel::prelude::*;
use serde::Serialize;
use tradeblotter::role::Engine;
use tradeblotter::schema::traders;
use tradeblotter::{Error, Session, Trader};
use uuid::Uuid;

use crate::database::Database;
use crate::failure::Failure;
use crate::output::{self, Cell, Detail, Format, Row};
use crate::terminal::Output;

#[derive(Subcommand)]
pub enum Traders {
    /// Register a trader, and print the new id
    ///
    /// Refuses the name of a registered trader, because reports and --trader could then not tell the two apart.
    /// Needs a login that is a member of blotter_engine.
    #[command(after_long_help = "\
Example:
  blotter traders add Ada")]
    Add(Add),
    /// List the registered traders, by name
    List(List),
}

#[derive(Args)]
pub struct Add {
    /// Name of the trader, 1 to 100 characters
    name: String,
}

#[derive(Args)]
pub struct List {
    /// Only this trader (id); required if the login may read only one trader's rows
    #[arg(long, value_name = "UUID")]
    trader: Option<Uuid>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Traders {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(database, out),
            Self::List(list) => list.run(database, out),
        }
    }
}

impl Add {
    fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let engine = database.engine()?;
        let added = engine.transaction(|tx| match tx.traders().named(&self.name)?.first() {
            Some(registered) => Ok::<_, Error>(Err(registered.id)),
            None => Ok(Ok(tx.traders().register(&self.name)?.id)),
        })?;
        match added {
            Ok(id) => Ok(writeln!(out, "{id}")?),
            Err(id) => Err(Failure::Failed(Some(format!(
                "trader {:?} is registered already, as {id}",
                self.name
            )))),
        }
    }
}

impl List {
    fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let session = database.reader(self.trader)?;
        let traders = session.snapshot(|tx| tx.traders().list())?;
        let wanted = traders.into_iter().filter(|it| self.trader.is_none_or(|id| id == it.id));
        let rows: Vec<_> = wanted.map(TraderRow::from).collect();
        output::rows(out, &rows, self.format)
    }
}

/// Finds the trader of this name or id.
///
/// # Errors
///
/// No trader has it, or several have the name.
pub fn find(engine: &Session<Engine>, name_or_id: &str) -> Result<Uuid, Failure> {
    let unknown = || {
        Failure::Failed(Some(format!(
            "trader {name_or_id:?} is not registered; `blotter traders list` shows those that are, \
             `blotter traders add` registers another"
        )))
    };
    if let Ok(id) = name_or_id.parse::<Uuid>() {
        // Only the id: a table of traders that the application brought may have no other column in common.
        let registered = diesel::select(exists(traders::table.find(id)));
        return match engine.snapshot(|tx| Ok::<_, Error>(registered.get_result(tx.connection())?)) {
            Ok(true) => Ok(id),
            Ok(false) => Err(unknown()),
            // Nor may everybody read that table. The database refuses the orders of an unknown trader.
            Err(error) if error.is_permission_denied() => Ok(id),
            Err(error) => Err(error.into()),
        };
    }
    let named = engine.snapshot(|tx| tx.traders().named(name_or_id))?;
    match named.as_slice() {
        [] => Err(unknown()),
        [trader] => Ok(trader.id),
        several => {
            let ids: Vec<_> = several.iter().map(|trader| trader.id.to_string()).collect();
            Err(Failure::Failed(Some(format!(
                "{name_or_id:?} is the name of several traders; pass the id of one of them: {}",
                ids.join(", ")
            ))))
        }
    }
}

#[derive(Serialize)]
struct TraderRow {
    id: Uuid,
    name: String,
    created_at: DateTime<Utc>,
}

impl From<Trader> for TraderRow {
    fn from(Trader { id, name, created_at }: Trader) -> Self {
        Self { id, name, created_at }
    }
}

impl Row for TraderRow {
    const HEADINGS: &'static [&'static str] = &["trader", "name", "registered"];

    const FIELDS: &'static [&'static str] = &["id", "name", "created_at"];

    fn cells(&self, detail: Detail) -> Vec<Cell> {
        vec![output::id(self.id, detail), output::text(&self.name), output::time(self.created_at)]
    }
}
