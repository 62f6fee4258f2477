//! Compliance reports: every action in a time range, with the full state of the order at that moment.
//!
//! A [`Report`] writes one [`ReportRow`] for each matching log entry, as HTML, CSV, NDJSON or Parquet. It is read
//! in one safe snapshot by a session of compliance, which reads every trader's rows and writes nothing; memory
//! does not grow with the log. Its [`Manifest`] is written beside it: what was selected, what was found, which
//! seals cover it, and the hash of the file. Both files appear under their names only when they are complete.
//!
//! ```
//! # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
//! # use tradeblotter::{Blotter, NewOrder, Side, embedded, migrations, role};
//! use tradeblotter::Filter;
//! use tradeblotter::report::{Format, Manifest, Report};
//!
//! # let server = embedded::Server::start()?;
//! # migrations::run(&mut server.connect()?)?;
//! # let engine = Blotter::connect(&server.login::<role::Engine>()?)?.engine();
//! # let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
//! # let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
//! # engine.transaction(|tx| tx.orders().submit(&new))?;
//! # let directory = tempfile::tempdir().expect("a directory");
//! # let path = directory.path().join("ada.csv");
//! let officer = Blotter::connect(&server.login::<role::Compliance>()?)?.compliance();
//! let filter = Filter::of_trader(ada.id);
//! let report = Report { filter, format: Format::Csv, public_keys: &[] };
//! let manifest = report.write(&officer, &path, |_, _| ())?;
//! assert_eq!((manifest.contents.rows, manifest.contents.orders), (1, 1));
//! assert!(Manifest::path(&path).exists());
//! # Ok(()) }
//! # #[cfg(not(feature = "embedded"))] fn main() {}
//! ```
//!
//! `docs/report.md` describes the fields, and `docs/compliance.md` the duties that they serve.

mod contents;
mod csv_records;
mod desks;
mod format;
mod html;
mod manifest;
mod notation;
#[cfg(feature = "parquet")]
mod parquet;
mod row;
mod row_reader;
mod running_totals;
mod scope;

use std::io::{self, Write};
use std::path::Path;

pub use contents::{Contents, SealCoverage};
pub use csv_records::{escape_csv_text, unescape_csv_text, write_csv_record};
pub use desks::{DeskReport, DesksManifest};
pub use format::Format;
pub use manifest::{Manifest, ReportFile};
pub use row::ReportRow;
pub use row_reader::for_each_row;

use self::contents::RowCounter;
use self::csv_records::CsvWriter;
use self::html::{BreakSummary, HtmlPage, Summary};
#[cfg(feature = "parquet")]
use self::parquet::ParquetWriter;
use self::scope::Scope;
use crate::audit::PublicKey;
use crate::database::role::Compliance;
use crate::database::session::Session;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::files::{CompleteFile, NewFile};
use crate::types::filter::Filter;

/// A compliance report to write: a filter on log entries, and a file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// The log entries to select. Its time range applies to the time of recording, so that reports of adjacent
    /// ranges contain every entry exactly once, however late a venue reports.
    pub filter: Filter<'a>,
    /// The file format.
    pub format: Format,
    /// Public keys that seals may be signed with; any key if there is none.
    ///
    /// The report says which rows are sealed, and so reads no seal that is signed with another key.
    pub public_keys: &'a [PublicKey],
}

impl<'a> Report<'a> {
    /// Writes the report to `path` and its manifest [beside it](Manifest::path).
    ///
    /// Everything is read in one [safe snapshot](Session::safe_snapshot). `progress` is called with the number of
    /// rows written so far and the number of all rows. Both files are written under temporary names ending in
    /// `.part`, with mode 600, and renamed when they are complete ([`files`](crate::files)); nothing is overwritten, and no link
    /// followed.
    ///
    /// # Errors
    ///
    /// - [`Error::is_file`]: one of the two files exists or can't be written.
    /// - [`Error::is_unproven`]: the order of an entry does not exist, because somebody has bypassed the
    ///   constraints of the database; or a seal is not signed with a trusted key.
    /// - Those of [`Session::safe_snapshot`], such as [`Error::is_blocked`] after the wait for it.
    pub fn write(
        &self,
        session: &Session<Compliance>,
        path: &Path,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Manifest<'a>, Error> {
        let mut manifest_file = NewFile::create(&Manifest::path(path))?;
        let (file, contents) = self.write_file(session, path, &mut progress)?;
        let manifest = Manifest {
            program: Manifest::PROGRAM,
            filter: self.filter,
            contents,
            files: vec![file.description(self.format)],
        };
        manifest::write(&mut manifest_file, &Manifest::path(path), &manifest)?;
        publish(vec![file], manifest_file)?;
        Ok(manifest)
    }

    /// Writes the file of a report under its temporary name.
    fn write_file(
        &self,
        session: &Session<Compliance>,
        path: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(CompleteFile, Contents), Error> {
        let (file, contents) = session.safe_snapshot(|tx| {
            let mut file = NewFile::create(path)?;
            let contents = self.write_to(tx, &mut file, &mut *progress)?;
            Ok::<_, Error>((file, contents))
        })?;
        Ok((file.complete()?, contents))
    }

    /// Writes the report to `out`, without a manifest, in an open transaction.
    ///
    /// Use a [safe snapshot](Session::safe_snapshot), so that the parts of the report agree with each other. The
    /// same snapshot gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`] if `out` fails; otherwise those of [`Report::write`].
    pub fn write_to(
        &self,
        tx: &mut Tx<'_, Compliance>,
        out: &mut (impl Write + Send),
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Contents, Error> {
        let failed = |why: io::Error| Error::file("the report", why);
        let scope = Scope::load(tx, &self.filter)?;
        let mut counter = RowCounter::default();
        let mut read = |tx: &mut Tx<'_, Compliance>,
                        each: &mut dyn FnMut(ReportRow) -> io::Result<()>| {
            for_each_row(tx, &self.filter, self.public_keys, |row| {
                counter.add(&row);
                progress(counter.rows(), scope.rows);
                each(row).map_err(failed)
            })
        };
        match self.format {
            Format::Csv => {
                let mut csv = CsvWriter::new(&mut *out).map_err(failed)?;
                read(tx, &mut |row| csv.add(row))?;
                csv.finish().map_err(failed)?;
            }
            Format::Ndjson => read(tx, &mut |row| {
                serde_json::to_writer(&mut *out, &row)?;
                writeln!(out)
            })?,
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let mut parquet = ParquetWriter::new(&mut *out).map_err(failed)?;
                read(tx, &mut |row| parquet.add(row))?;
                parquet.finish().map_err(failed)?;
            }
            Format::Html => {
                let mut summary = Summary::new(scope.fill_times);
                read(tx, &mut |row| {
                    summary.add(row);
                    Ok(())
                })?;
                let contents = counter.finish(tx, &scope)?;
                let breaks = BreakSummary::load(tx, &self.filter)?;
                let page = HtmlPage { filter: &self.filter, contents: &contents, summary, breaks };
                page.write(out).map_err(failed)?;
                return Ok(contents);
            }
        }
        counter.finish(tx, &scope)
    }
}

/// Gives complete files their names, and the manifest its own last. If one can't have its name, none has.
fn publish(files: Vec<CompleteFile>, manifest: NewFile) -> Result<(), Error> {
    let manifest = manifest.complete()?;
    let mut published = Vec::new();
    for file in files.into_iter().chain([manifest]) {
        let path = file.path().to_owned();
        file.publish().inspect_err(|_| {
            for path in &published {
                // Return the first error; a failure to remove a file would hide it.
                let _ = std::fs::remove_file(path);
            }
        })?;
        published.push(path);
    }
    Ok(())
}
