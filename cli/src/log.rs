//! `blotter log`: lists the execution log, follows it, or exports it as events.

use std::collections::HashSet;
use std::io::Write;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, ValueEnum};
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use tradeblotter::ingest::{self, Csv, Ndjson};
use tradeblotter::role::Reader;
use tradeblotter::{Error, ExecutionLog, Filter, Page, Session, Tx};
use uuid::Uuid;

use crate::database::Database;
use crate::failure::Failure;
use crate::list_options::{self, Selection, Window};
use crate::output;
use crate::terminal::Output;

/// Time between two polls of a followed log.
const POLL: Duration = Duration::from_millis(500);

/// How far before the previous poll each poll begins. An entry bears the time at which it was written, so
/// one that takes longer than this to commit is missed.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

#[derive(Args)]
pub struct Log {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    window: Window,
    /// Output format; the events-* formats ignore --limit and --after
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Keep printing entries as they are written, until interrupted
    ///
    /// Polls twice a second. An entry that takes more than 60 seconds to commit is missed.
    #[arg(long, conflicts_with_all = ["until", "after"])]
    follow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned columns, for people
    Table,
    /// Comma-separated values with a header line, safe to open in a spreadsheet (see docs/report.md)
    Csv,
    /// A JSON array of objects; with --follow, one object per line
    Json,
    /// Events for `blotter ingest`, one JSON object per line; not with --follow
    EventsNdjson,
    /// Events for `blotter ingest`, as CSV, exactly as recorded: not for a spreadsheet; not with --follow
    EventsCsv,
}

/// The two ways to export events.
enum EventFormat {
    Ndjson,
    Csv,
}

impl Log {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let session = database.reader(self.selection.trader)?;
        let format = match self.format {
            Format::EventsNdjson => return self.export(&session, EventFormat::Ndjson, out),
            Format::EventsCsv => return self.export(&session, EventFormat::Csv, out),
            Format::Table => output::Format::Table,
            Format::Csv => output::Format::Csv,
            Format::Json => output::Format::Json,
        };
        let filter = self.selection.filter();
        // One snapshot for both, so that no entry is lost between the listing and the following.
        let (mut listing, tail) = session.snapshot(|tx| {
            let listing =
                self.window.load(tx, |tx, page| tx.execution_logs().recent(&filter, page))?;
            let tail = self.follow.then(|| Tail::begin(tx, filter)).transpose()?;
            Ok::<_, Error>((listing, tail))
        })?;
        listing.rows.reverse();
        let Some(tail) = tail else {
            return list_options::print(out, &listing, format);
        };
        match format {
            output::Format::Json => output::more(out, &listing.rows, format)?,
            _ => output::rows(out, &listing.rows, format)?,
        }
        out.flush()?;
        tail.follow(out, &session, format)
    }

    /// Exports every entry that matches as events.
    fn export(
        &self,
        session: &Session<Reader>,
        format: EventFormat,
        out: &mut Output,
    ) -> Result<(), Failure> {
        if self.follow {
            return Err(Failure::Usage(
                "--follow does not work with events: they are exported up to the present end of the log; \
                 leave out --follow"
                    .to_owned(),
            ));
        }
        if matches!(format, EventFormat::Csv) {
            let mut header = Vec::new();
            Csv::write_header(&mut header)?;
            out.write_record(&header)?;
        }
        let mut record = Vec::new();
        session.snapshot(|tx| {
            ingest::export(tx, &self.selection.filter(), |event| {
                record.clear();
                match format {
                    EventFormat::Csv => Csv::write(event, &mut record)?,
                    EventFormat::Ndjson => Ndjson::write(event, &mut record)?,
                }
                Ok::<_, Failure>(out.write_record(&record)?)
            })
        })
    }
}

/// Follows the log by polling.
///
/// Each poll begins [`OVERLAP`] before the previous one, by the clock of the database, and skips the entries
/// seen already. So entries that commit out of order are not lost, and an entry with a time in the future
/// does not hide others.
struct Tail<'f> {
    filter: Filter<'f>,
    /// When the log was last polled.
    read: DateTime<Utc>,
    /// The entries seen since [`OVERLAP`] before that.
    seen: HashSet<(DateTime<Utc>, Uuid)>,
}

impl<'f> Tail<'f> {
    /// Marks the entries that exist now as seen.
    fn begin(tx: &mut Tx<'_, Reader>, filter: Filter<'f>) -> Result<Self, Error> {
        let mut tail = Self { filter, read: now(tx)?, seen: HashSet::new() };
        tail.fresh(tx)?;
        Ok(tail)
    }

    /// Polls and prints until the output is closed or the command is interrupted.
    fn follow(
        mut self,
        out: &mut Output,
        session: &Session<Reader>,
        format: output::Format,
    ) -> Result<(), Failure> {
        loop {
            let fresh = session.snapshot(|tx| self.fresh(tx))?;
            output::more(out, &fresh, format)?;
            thread::sleep(POLL);
        }
    }

    /// Returns the entries not seen before, oldest first.
    fn fresh(&mut self, tx: &mut Tx<'_, Reader>) -> Result<Vec<ExecutionLog>, Error> {
        let since = self.read - OVERLAP;
        self.read = now(tx)?;
        self.seen.retain(|(at, _)| *at >= since);
        let filter = Filter { from: self.filter.from.max(Some(since)), ..self.filter };
        let mut fresh = Vec::new();
        let mut page = Page::first(Page::MAX);
        loop {
            let listing = tx.execution_logs().trail(&filter, page)?;
            let rows = listing.rows.into_iter();
            fresh.extend(rows.filter(|entry| self.seen.insert((entry.timestamp, entry.id))));
            let Some(next) = listing.next else {
                return Ok(fresh);
            };
            page = Page::after(next, Page::MAX);
        }
    }
}

/// Returns the time of the database, which the entries bear.
fn now(tx: &mut Tx<'_, Reader>) -> Result<DateTime<Utc>, Error> {
    Ok(diesel::select(diesel::dsl::now.into_sql::<Timestamptz>()).get_result(tx.connection())?)
}
