//! `blotter report`: what the log says of a range of time, into a file.

use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::{Args, ValueHint};
use tradeblotter::Filter;
use tradeblotter::report::{self, Format, Manifest};
use uuid::Uuid;

use crate::database::Database;
use crate::failure::Failure;
use crate::{arguments, progress};

#[derive(Args)]
pub struct Report {
    /// Only what was recorded on this day or at this moment, or later.
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    from: DateTime<Utc>,
    /// Only what was recorded before this day or moment.
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    until: DateTime<Utc>,
    /// Only this trader's.
    #[arg(long, value_name = "UUID")]
    trader: Option<Uuid>,
    /// Only in this symbol.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// What to write.
    #[arg(long, value_name = "FORMAT", value_parser = arguments::report_format())]
    format: Format,
    /// The file, which must not be there yet; its manifest goes beside it, to FILE.manifest.json.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

impl Report {
    pub fn run(&self, database: &Database, out: &mut impl Write) -> Result<(), Failure> {
        if self.from >= self.until {
            return Err(Failure::Usage("--from is not before --until".to_owned()));
        }
        let session = database.compliance()?;
        let filter = Filter {
            trader_id: self.trader,
            symbol: self.symbol.as_deref(),
            from: Some(self.from),
            until: Some(self.until),
            ..Filter::default()
        };
        let progress = progress::bar("rows");
        let report = report::Report { filter, format: self.format };
        let manifest = report.write(&session, &self.output, |done, of| {
            progress.set_length(of);
            progress.set_position(done);
        });
        progress.finish_and_clear();
        summary(out, &self.output, &manifest?)
    }
}

fn summary(out: &mut impl Write, path: &Path, manifest: &Manifest<'_>) -> Result<(), Failure> {
    let contents = &manifest.contents;
    let sealed = &contents.sealed;
    writeln!(
        out,
        "{}: {} rows of {} orders; {} of them sealed, {} not yet",
        path.display(),
        contents.rows,
        contents.orders,
        sealed.rows,
        sealed.unsealed_rows
    )?;
    if contents.breaks_without_order > 0 {
        let count = contents.breaks_without_order;
        writeln!(
            out,
            "breaks that name no known order, and are in no row: {count}; blotter breaks list --all"
        )?;
    }
    for file in &manifest.files {
        writeln!(out, "{}  {}", file.sha256, file.name)?;
    }
    Ok(())
}
