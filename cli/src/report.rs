//! `blotter report`: writes every action in a time range to a file.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, ValueHint};
use tradeblotter::Filter;
use tradeblotter::audit::PublicKey;
use tradeblotter::report::{self, Contents, Format, ReportFile};
use uuid::Uuid;

use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::Output;
use crate::{arguments, output, progress};

#[derive(Args)]
pub struct Report {
    /// Report actions recorded at or after this time (RFC 3339, or YYYY-MM-DD for midnight UTC)
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    from: DateTime<Utc>,
    /// Report actions recorded before this time (RFC 3339, or YYYY-MM-DD for midnight UTC)
    #[arg(long, value_name = "TIME", value_parser = arguments::moment)]
    until: DateTime<Utc>,
    /// Only this trader (id) [default: all]
    #[arg(long, value_name = "UUID")]
    trader: Option<Uuid>,
    /// Only this symbol, for example AAPL [default: all]
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// Format of the file: html for people, the others for programs
    #[arg(long, value_name = "FORMAT", value_parser = arguments::report_format())]
    format: Format,
    /// Fail if no safe snapshot can be had in this time, for example 10min, and say who blocks it: any SERIALIZABLE
    /// transaction that is open on the server and not READ ONLY, even an idle one
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[arg(default_value = "60s")]
    wait: Duration,
    /// Public key that seals may be signed with, as `blotter key` prints it; may be repeated [default: any]
    #[arg(long = "public-key", value_name = "KEY")]
    public_keys: Vec<PublicKey>,
    /// File to write, which must not exist; its manifest is FILE.manifest.json
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

impl Report {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        if self.from >= self.until {
            return Err(Failure::Usage("--from must be before --until".to_owned()));
        }
        let filter = Filter {
            trader_id: self.trader,
            symbol: self.symbol.as_deref(),
            from: Some(self.from),
            until: Some(self.until),
            ..Filter::default()
        };
        let report = report::Report { filter, format: self.format, public_keys: &self.public_keys };
        if database.has_all_desks() {
            return self.run_all(&report, database, out);
        }
        let session = database.compliance()?.wait_for_safe_snapshot(self.wait);
        let progress = progress::bar("rows");
        let manifest = report.write(&session, &self.output, |done, of| {
            progress.set_length(of);
            progress.set_position(done);
        });
        progress.finish_and_clear();
        let manifest = manifest?;
        let name = self.output.display().to_string();
        summary(out, &name, &manifest.contents, &manifest.files)
    }

    /// Reports all desks, one after another.
    fn run_all(
        &self,
        report: &report::Report<'_>,
        database: &Database,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let mut sessions = Vec::new();
        for (desk, url) in database.desks()? {
            let session = Database::at(&url, Some(&desk)).compliance()?;
            sessions.push((desk, session.wait_for_safe_snapshot(self.wait)));
        }
        let progress = progress::bar("rows");
        let manifest = report.write_desks(&sessions, &self.output, |_, done, of| {
            progress.set_length(of);
            progress.set_position(done);
        });
        progress.finish_and_clear();
        for desk in manifest?.desks {
            summary(out, &format!("desk {}", desk.desk), &desk.contents, &desk.files)?;
        }
        Ok(())
    }
}

/// Prints what the report contains, and the SHA-256 of each file.
fn summary(
    out: &mut Output,
    name: &str,
    contents: &Contents,
    files: &[ReportFile],
) -> Result<(), Failure> {
    let sealed = &contents.sealed;
    writeln!(
        out,
        "{}: {} of {}; {} sealed, {} not sealed yet",
        name,
        output::counted(contents.rows, "row", "rows"),
        output::counted(contents.orders, "order", "orders"),
        sealed.rows,
        sealed.unsealed_rows
    )?;
    if contents.breaks_without_order > 0 {
        let breaks = output::counted(contents.breaks_without_order, "break", "breaks");
        writeln!(
            out,
            "not in the rows: {breaks} without an order; see `blotter breaks list --all`"
        )?;
    }
    for archive in &contents.archives {
        writeln!(out, "records of this range may have left the database: {archive}")?;
    }
    for file in files {
        writeln!(out, "{}  {}", file.sha256, file.name)?;
    }
    Ok(())
}
