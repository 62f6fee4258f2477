//! `blotter ingest`: reads execution reports from a file and applies them.

mod diagnostics;
pub mod summary;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use tradeblotter::ingest::{
    AnyFormat, Event, FormatName, Options, Problem, Reader, Writer, detect,
};
use tradeblotter::role::Engine;
use tradeblotter::{Error, Session};

use self::diagnostics::Diagnostics;
use crate::database::Database;
use crate::failure::Failure;
use crate::feed_options::FeedOptions;
use crate::terminal::Output;
use crate::{arguments, output, traders};

/// Characters of the name of a source to which the trading day is added, so that both have at most 50.
const MAX_DAILY_SOURCE: usize = 39;

#[derive(Args)]
pub struct Ingest {
    /// File to read, or - for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Format of the file [default: detected from its beginning]
    ///
    /// fix: FIX tag=value messages, or logs that contain them. ndjson, csv: events, as
    /// `blotter log --format events-ndjson` writes them. alpaca: trade updates and account activities of
    /// Alpaca.
    #[arg(long, value_name = "FORMAT", value_parser = arguments::format())]
    format: Option<FormatName>,
    /// Record every order for this registered trader (name or id), whatever trader the reports name
    #[arg(long, value_name = "TRADER", conflicts_with_all = ["trader_from", "register_traders"])]
    trader: Option<String>,
    #[command(flatten)]
    feed: FeedOptions,
    /// Register the traders whom reports name and the store does not know
    ///
    /// The summary lists their names. Without this option their reports are kept as breaks.
    #[arg(long)]
    register_traders: bool,
    /// Venue to record when a report names none (ISO 10383 MIC, 1 to 50 characters)
    #[arg(long, value_name = "NAME", default_value = "UNKNOWN", value_parser = arguments::venue)]
    venue: String,
    /// Who assigns the execution ids, 1 to 50 characters, such as a broker [default: the name of --venue]
    ///
    /// Give the same name to all sessions that report the same executions: an execution is known by its id and
    /// its source, whatever the session calls the venue.
    #[arg(long, value_name = "NAME", value_parser = arguments::venue)]
    source: Option<String>,
    /// Apply everything in one transaction and roll it back: nothing is stored
    #[arg(long)]
    dry_run: bool,
    /// Apply at most this many reports in one transaction, 1 to 100000
    #[arg(long, value_name = "N", default_value_t = 2000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Exit with 1 also if a report is kept as a break, totals differ, or there is a note
    #[arg(long)]
    strict: bool,
}

type Input = Reader<Box<dyn Read>, AnyFormat>;

/// Why a dry run ends without a commit.
enum Stop {
    /// All input was applied, but for these reports.
    DryRun(Vec<Problem>),
    Failed(Failure),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Ingest {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let mut options = self.options()?;
        let (bytes, length) = self.open()?;
        let engine = database.engine()?;
        // Before anything is read: a mistyped name must not cost a break for each report.
        let trader = self.trader.as_deref();
        options.trader = trader.map(|trader| traders::find(&engine, trader)).transpose()?;
        let (format, bytes) = self.detect(bytes)?;
        options.format = format;
        let input = Reader::new(bytes, AnyFormat::new(format, &options.reading));
        let mut writer = Writer::new(options);
        let mut diagnostics = Diagnostics::new(self.name(), length);
        let applied = match self.dry_run {
            true => self.apply_and_roll_back(input, database, &mut writer, &mut diagnostics),
            false => self.apply(input, &engine, &mut writer, &mut diagnostics),
        };
        let problems = applied.as_ref().map_or(&[][..], Vec::as_slice);
        let tally = writer.tally();
        diagnostics.finish(problems, tally.open_breaks());
        applied?;
        let unreadable = diagnostics.unreadable;
        let reports = output::counted(tally.reports + unreadable, "report", "reports");
        let dry_run = if self.dry_run { "; nothing is stored (dry run)" } else { "" };
        writeln!(out, "{}: {reports}{dry_run}", self.name())?;
        summary::print(out, tally, unreadable)?;
        let has_doubts = tally.broken > 0 || tally.open_breaks() > 0 || diagnostics.notes > 0;
        match unreadable > 0 || self.strict && has_doubts {
            true => Err(Failure::Failed(None)),
            false => Ok(()),
        }
    }

    /// Returns what holds for all reports of the input, without its trader and its format.
    fn options(&self) -> Result<Options, Failure> {
        let source = self.source.as_ref().unwrap_or(&self.venue);
        // The trading day is added to the name, after a space.
        let options = self.feed.options()?;
        if options.daily_ids.is_some() && source.chars().count() > MAX_DAILY_SOURCE {
            return Err(Failure::Usage(format!(
                "with --daily-ids the name of --source, or else of --venue, has at most \
                 {MAX_DAILY_SOURCE} characters"
            )));
        }
        Ok(Options {
            register_traders: self.register_traders,
            venue: self.venue.clone(),
            source: self.source.clone(),
            ..options
        })
    }

    fn name(&self) -> String {
        match self.is_stdin() {
            true => "standard input".to_owned(),
            false => self.file.display().to_string(),
        }
    }

    fn is_stdin(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    /// Names the input in an error.
    fn failed(&self, why: io::Error) -> Failure {
        Failure::Failed(Some(format!("{}: {why}", self.name())))
    }

    /// Opens the input. Returns its length in bytes if that is known.
    fn open(&self) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
        if self.is_stdin() {
            return Ok((Box::new(io::stdin().lock()), None));
        }
        let file = File::open(&self.file).map_err(|why| self.failed(why))?;
        let length = file.metadata().map_err(|why| self.failed(why))?;
        Ok((Box::new(file), length.is_file().then_some(length.len())))
    }

    /// Detects the format of the input, unless it is given.
    fn detect(&self, bytes: Box<dyn Read>) -> Result<(FormatName, Box<dyn Read>), Failure> {
        if let Some(format) = self.format {
            return Ok((format, bytes));
        }
        let (format, bytes) = detect(bytes).map_err(|why| self.failed(why))?;
        Ok((format, Box::new(bytes)))
    }

    fn apply(
        &self,
        input: Input,
        engine: &Session<Engine>,
        writer: &mut Writer,
        diagnostics: &mut Diagnostics,
    ) -> Result<Vec<Problem>, Failure> {
        self.apply_all(input, writer, diagnostics, |writer, events| writer.write(engine, events))?;
        Ok(writer.finish(engine)?)
    }

    /// Applies the input in one transaction, so that each report finds what those before it have made. It is
    /// not retried after a conflict, because the input has been consumed.
    fn apply_and_roll_back(
        &self,
        input: Input,
        database: &Database,
        writer: &mut Writer,
        diagnostics: &mut Diagnostics,
    ) -> Result<Vec<Problem>, Failure> {
        let dry = database.transaction_of_engine(|tx| {
            self.apply_all(input, writer, diagnostics, |writer, events| {
                writer.write_in(tx, events)
            })?;
            Err::<Vec<Problem>, _>(Stop::DryRun(writer.finish_in(tx)?))
        });
        match dry {
            Ok(problems) | Err(Stop::DryRun(problems)) => Ok(problems),
            Err(Stop::Failed(failure)) => Err(failure),
        }
    }

    /// Reads the input to its end and applies it batch by batch.
    fn apply_all(
        &self,
        mut input: Input,
        writer: &mut Writer,
        diagnostics: &mut Diagnostics,
        mut write: impl FnMut(&mut Writer, &[Event<'_>]) -> Result<(), Error>,
    ) -> Result<(), Failure> {
        while let Some(batch) = input.batch(self.batch as usize).map_err(|why| self.failed(why))? {
            diagnostics.note(&batch);
            write(writer, &batch.events)?;
            diagnostics.advance(batch.bytes, writer.tally());
        }
        Ok(())
    }
}
