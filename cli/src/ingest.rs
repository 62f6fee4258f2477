//! `blotter ingest`: what venues, brokers and clients report, into the store.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use anstream::eprintln;
use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use tradeblotter::ingest::{
    AnyFormat, Batch, Event, FormatName, Options, Problem, Reader, Tally, Writer, detect,
};
use tradeblotter::role::Engine;
use tradeblotter::{Error, transaction_on};
use uuid::Uuid;

use crate::arguments;
use crate::database::Database;
use crate::failure::Failure;

/// Lines that say what could not be applied; beyond that they are only counted.
const MAX_TOLD: u64 = 100;

#[derive(Args)]
pub struct Ingest {
    /// The file to read, or - for standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// What it is: FIX tag=value messages, or logs of them; events as NDJSON or CSV; Alpaca's trade
    /// updates and account activities. Looked for in the file, if it is not given.
    #[arg(long, value_name = "FORMAT", value_parser = arguments::format())]
    format: Option<FormatName>,
    /// Where was executed what does not say so itself.
    #[arg(long, value_name = "NAME", default_value = "UNKNOWN", value_parser = arguments::venue)]
    venue: String,
    /// Whose orders they are, all of them.
    #[arg(long, value_name = "UUID", conflicts_with = "trader_from")]
    trader: Option<Uuid>,
    /// The FIX tag that says whose order it is, by id or by name; e.g. 1, Account. A name that is not
    /// known is registered.
    #[arg(long, value_name = "TAG", value_parser = clap::value_parser!(u32).range(1..))]
    trader_from: Option<u32>,
    /// Read and check everything, and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Reports that are written in one transaction, at most.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Fail if there is a break, or a report that could not be read or applied.
    #[arg(long)]
    strict: bool,
}

/// What came of reading, beside what the writer has counted.
struct Told {
    progress: ProgressBar,
    name: String,
    lines: u64,
    unread: u64,
}

/// Why a run ends that is to leave nothing behind.
enum Stop {
    Dry,
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
        let mut told = Told::new(self.name(), length);
        let mut writer = Writer::new(Options { trader: self.trader, venue: self.venue.clone() });
        self.ingest(input, database, &mut writer, &mut told)?;
        told.progress.finish_and_clear();
        let stored = if self.dry_run { "; nothing is stored" } else { "" };
        writeln!(out, "{}: {} reports{stored}", told.name, writer.tally().events)?;
        summary(out, writer.tally(), told.unread)?;
        let is_whole = told.unread == 0 && writer.tally().problems == 0;
        if self.strict && !(is_whole && writer.tally().broken() == 0) {
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

    fn failed(&self, why: io::Error) -> Failure {
        Failure::Failed(Some(format!("{}: {why}", self.name())))
    }

    /// The input, and how long it is if that is known.
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
        told: &mut Told,
    ) -> Result<(), Failure> {
        let (name, input): (_, Box<dyn Read>) = match self.format {
            Some(name) => (name, input),
            None => {
                let (name, input) = detect(input).map_err(|why| self.failed(why))?;
                (name, Box::new(input))
            }
        };
        let mut reader = Reader::new(input, AnyFormat::new(name, self.trader_from));
        if !self.dry_run {
            let engine = database.engine()?;
            self.pass(&mut reader, writer, told, |writer, events| writer.write(&engine, events))?;
            return Ok(writer.finish(&engine)?);
        }
        // In one transaction, so that each report finds what those before it have made; and that is not
        // tried again after a conflict, since the input has been read.
        let dry = transaction_on(&mut database.connection_as::<Engine>()?, Engine, |tx| {
            self.pass(&mut reader, writer, told, |writer, events| writer.write_in(tx, events))?;
            writer.finish_in(tx)?;
            Err::<(), _>(Stop::Dry)
        });
        match dry {
            Ok(()) | Err(Stop::Dry) => Ok(()),
            Err(Stop::Failed(failure)) => Err(failure),
        }
    }

    /// Reads the input to its end, batch by batch, and writes each.
    fn pass(
        &self,
        reader: &mut Reader<Box<dyn Read>, AnyFormat>,
        writer: &mut Writer,
        told: &mut Told,
        mut write: impl FnMut(&mut Writer, &[Event<'_>]) -> Result<Vec<Problem>, Error>,
    ) -> Result<(), Failure> {
        while let Some(batch) = reader.batch(self.batch as usize).map_err(|why| self.failed(why))? {
            told.read(&batch);
            let problems = write(writer, &batch.events)?;
            told.batch(batch.bytes, &problems, writer.tally());
        }
        Ok(())
    }
}

impl Told {
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
        // A template of our own, which is one.
        if let Ok(style) = ProgressStyle::with_template(template) {
            progress.set_style(style);
        }
        progress.enable_steady_tick(Duration::from_millis(200));
        Self { progress, name, lines: 0, unread: 0 }
    }

    fn read(&mut self, batch: &Batch<'_>) {
        self.unread += batch.malformed.len() as u64;
        for what in &batch.malformed {
            self.tell(what);
        }
        for event in &batch.events {
            if let Some(note) = &event.note {
                self.tell(&format_args!("line {}: {note}", event.line));
            }
        }
    }

    fn batch(&mut self, bytes: u64, problems: &[Problem], tally: &Tally) {
        for what in problems {
            self.tell(what);
        }
        self.progress.inc(bytes);
        let seconds = self.progress.elapsed().as_secs_f64();
        let rate = tally.events as f64 / seconds.max(0.001);
        let breaks = tally.broken();
        self.progress.set_message(format!("{rate:.0} reports/s, {breaks} breaks"));
    }

    fn tell(&mut self, what: &dyn std::fmt::Display) {
        self.lines += 1;
        if self.lines <= MAX_TOLD {
            self.progress.suspend(|| eprintln!("{}: {what}", self.name));
        } else if self.lines == MAX_TOLD + 1 {
            self.progress.suspend(|| eprintln!("{}: there is more of it", self.name));
        }
    }
}

/// Says what has become of the reports.
pub fn summary(out: &mut impl Write, tally: &Tally, unread: u64) -> Result<(), Failure> {
    let mut line = |count: u64, what: &str| match count {
        0 => Ok(()),
        count => writeln!(out, "{count:>8} {what}"),
    };
    line(tally.orders, "orders")?;
    line(tally.fills, "fills, busts and corrections")?;
    line(tally.late_fills, "of them after the end of the order, as the venue had counted them")?;
    line(tally.cancels, "cancels")?;
    line(tally.rejects, "rejects")?;
    line(tally.actions, "other actions")?;
    line(tally.duplicates, "known already")?;
    line(tally.unchanged, "by which nothing happened")?;
    line(unread, "that could not be read")?;
    line(tally.problems, "that could not be applied")?;
    for (reason, count) in &tally.breaks {
        line(*count, &format!("breaks: {reason}"))?;
    }
    Ok(())
}
