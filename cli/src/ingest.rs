//! `blotter ingest`: reads execution reports from a file and applies them.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use anstream::eprintln;
use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use tradeblotter::ingest::{
    AnyFormat, Batch, Event, FormatName, Options, Problem, ReadOptions, Reader, Tally, TraderTag,
    Writer, detect,
};
use tradeblotter::role::Engine;
use tradeblotter::{BreakReason, Error, transaction_on};
use uuid::Uuid;

use crate::database::Database;
use crate::failure::Failure;
use crate::{arguments, output};

/// Lines printed to standard error about reports; beyond that they are only counted.
const MAX_DIAGNOSTICS: u64 = 100;

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
    /// Venue to record when a report names none (ISO 10383 MIC, 1 to 50 characters)
    #[arg(long, value_name = "NAME", default_value = "UNKNOWN", value_parser = arguments::venue)]
    venue: String,
    /// Record every order for this trader (id), whatever trader the reports name
    #[arg(long, value_name = "UUID", conflicts_with = "trader_from")]
    trader: Option<Uuid>,
    /// FIX tags that hold the trader, by id or by name; for example 1 (Account)
    ///
    /// The first tag of the list that is present and not blank counts. A tag may be given as one of requests
    /// and one of reports: 1,49/56 is Account, or else SenderCompID of requests and TargetCompID of reports.
    /// A name that is not known is registered as a new trader. If neither this nor --trader is given, FIX
    /// reports name no trader and cannot create orders.
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    trader_from: Vec<TraderTag>,
    /// Apply everything in one transaction and roll it back: nothing is stored
    #[arg(long)]
    dry_run: bool,
    /// Apply at most this many reports in one transaction, 1 to 100000
    #[arg(long, value_name = "N", default_value_t = 2000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Exit with 1 if there is an open break, or a report that could not be read or applied
    #[arg(long)]
    strict: bool,
}

/// Progress and diagnostics on standard error.
struct Diagnostics {
    progress: ProgressBar,
    name: String,
    /// Lines printed.
    lines: u64,
    /// Reports that could not be read.
    malformed: u64,
}

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
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        let (input, length) = self.open()?;
        let mut diagnostics = Diagnostics::new(self.name(), length);
        let mut writer = Writer::new(Options {
            trader: self.trader,
            venue: self.venue.clone(),
            register_traders: true,
            ..Options::default()
        });
        let problems = self.ingest(input, database, &mut writer, &mut diagnostics)?;
        diagnostics.note_broken(&problems);
        diagnostics.progress.finish_and_clear();
        let reports = output::counted(writer.tally().reports, "report", "reports");
        let dry_run = if self.dry_run { "; nothing is stored (dry run)" } else { "" };
        writeln!(out, "{}: {reports}{dry_run}", diagnostics.name)?;
        summary(out, writer.tally(), diagnostics.malformed)?;
        let is_whole = diagnostics.malformed == 0;
        if self.strict && !(is_whole && writer.tally().open_breaks() == 0) {
            return Err(Failure::Failed(None));
        }
        Ok(())
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

    fn ingest(
        &self,
        input: Box<dyn Read>,
        database: &Database,
        writer: &mut Writer,
        diagnostics: &mut Diagnostics,
    ) -> Result<Vec<Problem>, Failure> {
        let (name, input): (_, Box<dyn Read>) = match self.format {
            Some(name) => (name, input),
            None => {
                let (name, input) = detect(input).map_err(|why| self.failed(why))?;
                (name, Box::new(input))
            }
        };
        let options =
            ReadOptions { trader_from: self.trader_from.clone(), ..ReadOptions::default() };
        let mut reader = Reader::new(input, AnyFormat::new(name, &options));
        if !self.dry_run {
            let engine = database.engine()?;
            self.apply_all(&mut reader, writer, diagnostics, |writer, events| {
                writer.write(&engine, events)
            })?;
            return Ok(writer.finish(&engine)?);
        }
        // One transaction, so that each report finds what those before it have made. It is not retried
        // after a conflict, because the input has been consumed.
        let dry = transaction_on(&mut database.connection_as::<Engine>()?, Engine, |tx| {
            self.apply_all(&mut reader, writer, diagnostics, |writer, events| {
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
        reader: &mut Reader<Box<dyn Read>, AnyFormat>,
        writer: &mut Writer,
        diagnostics: &mut Diagnostics,
        mut write: impl FnMut(&mut Writer, &[Event<'_>]) -> Result<(), Error>,
    ) -> Result<(), Failure> {
        while let Some(batch) = reader.batch(self.batch as usize).map_err(|why| self.failed(why))? {
            diagnostics.note_malformed(&batch);
            write(writer, &batch.events)?;
            diagnostics.note_applied(batch.bytes, writer.tally());
        }
        Ok(())
    }
}

impl Diagnostics {
    fn new(name: String, length: Option<u64>) -> Self {
        let progress = match length {
            _ if !io::stderr().is_terminal() => ProgressBar::hidden(),
            Some(length) => ProgressBar::new(length),
            None => ProgressBar::new_spinner(),
        };
        let template = match length {
            Some(_) => "{bar:30} {bytes}/{total_bytes}, {msg}, {eta} left",
            None => "{spinner} {bytes}, {msg}",
        };
        // The template is constant and valid.
        if let Ok(style) = ProgressStyle::with_template(template) {
            progress.set_style(style);
        }
        progress.enable_steady_tick(Duration::from_millis(200));
        Self { progress, name, lines: 0, malformed: 0 }
    }

    /// Prints what could not be read, and notes on what could.
    fn note_malformed(&mut self, batch: &Batch<'_>) {
        self.malformed += batch.malformed.len() as u64;
        for problem in &batch.malformed {
            self.print(problem);
        }
        for event in &batch.events {
            if let Some(note) = &event.note {
                self.print(&format_args!("line {}: {note}", event.line));
            }
        }
    }

    /// Prints the reports that are kept as breaks.
    fn note_broken(&mut self, problems: &[Problem]) {
        for problem in problems {
            self.print(problem);
        }
    }

    /// Advances the progress.
    fn note_applied(&mut self, bytes: u64, tally: &Tally) {
        self.progress.inc(bytes);
        let seconds = self.progress.elapsed().as_secs_f64();
        let rate = tally.reports as f64 / seconds.max(0.001);
        let breaks = output::counted(tally.open_breaks(), "break", "breaks");
        self.progress.set_message(format!("{rate:.0} reports/s, {breaks}"));
    }

    /// Prints a line that begins with the name of the input, up to [`MAX_DIAGNOSTICS`] lines.
    fn print(&mut self, what: &dyn std::fmt::Display) {
        self.lines += 1;
        if self.lines <= MAX_DIAGNOSTICS {
            self.progress.suspend(|| eprintln!("{}: {what}", self.name));
        } else if self.lines == MAX_DIAGNOSTICS + 1 {
            self.progress
                .suspend(|| eprintln!("{}: more of these are counted and not printed", self.name));
        }
    }
}

/// Prints how many reports were applied, and as what. Leaves out what did not occur.
pub fn summary(out: &mut impl Write, tally: &Tally, malformed: u64) -> Result<(), Failure> {
    let mut line = |count: u64, one: &str, many: &str| match count {
        0 => Ok(()),
        1 => writeln!(out, "{count:>8} {one}"),
        _ => writeln!(out, "{count:>8} {many}"),
    };
    line(tally.orders, "new order", "new orders")?;
    line(tally.fills, "fill, bust or correction", "fills, busts and corrections")?;
    line(
        tally.late_fills,
        "of them booked after its order had ended, because the venue's total counts it",
        "of them booked after their orders had ended, because the venue's totals count them",
    )?;
    line(tally.cancels, "cancel or expiry", "cancels and expiries")?;
    line(tally.rejects, "reject", "rejects")?;
    line(tally.actions, "other action", "other actions")?;
    line(tally.known, "duplicate, stored already", "duplicates, stored already")?;
    line(
        tally.without_effect,
        "report without effect (request, pending acknowledgement, status)",
        "reports without effect (requests, pending acknowledgements, status)",
    )?;
    line(malformed, "report that could not be read", "reports that could not be read")?;
    for (reason, count) in &tally.breaks {
        let meaning = meaning(*reason);
        line(
            *count,
            &format!("break: {meaning} ({reason})"),
            &format!("breaks: {meaning} ({reason})"),
        )?;
    }
    Ok(())
}

/// Returns what a reason for a break means.
fn meaning(reason: BreakReason) -> &'static str {
    match reason {
        BreakReason::UnknownOrder => "execution for an unknown order",
        BreakReason::UnknownFill => "bust or correction of an unknown fill",
        BreakReason::OverFill => "fill beyond the order's quantity",
        BreakReason::OrderEnded => "fill after the order had ended",
        BreakReason::Precision => "more decimal places than the store keeps",
        BreakReason::Mismatch => "same execution id as a different execution",
        BreakReason::Invalid => "execution that is not valid",
        BreakReason::Totals => "the venue's totals differ from the store's",
        BreakReason::InvalidOrder => "order that cannot be stored",
        BreakReason::UnappliedAction => "report that cannot be applied",
    }
}
