//! `blotter log`: lists the execution log, follows it, or exports it as events.

use std::io::Write;
use std::mem;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tradeblotter::ingest::{self, Csv, Ndjson};
use tradeblotter::role::Reader;
use tradeblotter::{Session, Tail, TailFrom};

use crate::database::Database;
use crate::failure::Failure;
use crate::list_options::{self, Selection, Window};
use crate::output;
use crate::terminal::{Output, eprintln};

/// Time between two polls of a followed log.
const POLL: Duration = Duration::from_millis(500);

/// Time between two looks at what is held back.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two attempts to connect again.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Args)]
pub struct Log {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    window: Window,
    /// Output format; the events-* formats ignore --limit and --after
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Keep printing entries as they are committed, each once, until interrupted
    ///
    /// Polls twice a second. Entries come in the order of their numbers: one that is committed waits while an open
    /// transaction may still commit one with a lower number, which standard error names after a second. Connects again
    /// when the connection is lost. On a hot standby, every open transaction of the primary with an id counts.
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
        if !self.follow {
            let mut listing = session.snapshot(|tx| {
                self.window.load(tx, |tx, page| tx.execution_logs().recent(&filter, page))
            })?;
            listing.rows.reverse();
            return list_options::print(out, &listing, format);
        }
        let limit = self.window.limit();
        let entries = session.snapshot(|tx| tx.execution_logs().newest(&filter, limit))?;
        match format {
            output::Format::Json => output::more(out, &entries, format)?,
            _ => output::rows(out, &entries, format)?,
        }
        out.flush()?;
        let tail = session.tail(TailFrom::Listed(&entries), filter)?;
        follow(tail.every(POLL), out, format)
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
        let mut is_begun = false;
        session.snapshot(|tx| {
            // A standby cancels a query that is in the way of what it has to replay, and the session tries again.
            if mem::replace(&mut is_begun, true) {
                return Err(Failure::Failed(Some(
                    "the export is incomplete: the server cancelled it because of a conflict; on a standby, set \
                     hot_standby_feedback = on (docs/scale.md), and export again"
                        .to_owned(),
                )));
            }
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

/// Prints entries as they are committed, until the output is closed or the command is interrupted. Connects again
/// when the connection is lost; says so, and which transactions hold entries back.
fn follow(
    mut tail: Tail<'_, Reader>,
    out: &mut Output,
    format: output::Format,
) -> Result<(), Failure> {
    let mut is_lost = false;
    let mut told = None;
    loop {
        match tail.wait(PATIENCE) {
            Ok(entries) => {
                if is_lost {
                    eprintln!("connected again; no entry was missed");
                    is_lost = false;
                }
                output::more(out, &entries, format)?;
                let held_back = tail.held_back();
                if let Some(held_back) = held_back.filter(|it| told != Some(it.since)) {
                    eprintln!("{held_back}");
                }
                told = held_back.map(|it| it.since);
            }
            Err(error) if error.is_connection() => {
                if !is_lost {
                    // The rest of the message, if there is more, is libpq's guess at the cause.
                    let error = error.to_string();
                    let reason = error.lines().next().unwrap_or_default();
                    eprintln!("connection lost, trying again: {reason}");
                    is_lost = true;
                }
                thread::sleep(RETRY);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
