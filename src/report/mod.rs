//! The compliance report: what the log says of a range of time, in a file for whoever asks for records.
//!
//! A [`Report`] has one [`Row`] for each action, with all that it takes to make the order again as it was
//! then. It is read in one safe snapshot, by those who read everything and write nothing, however large it
//! is with the same memory. Beside the file stands its [`Manifest`]: what was asked for, what there was,
//! which seal covers it, and the hash of the file. Neither has its name before both are whole.
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
//! let report = Report { filter: Filter::of_trader(ada.id), format: Format::Csv };
//! let manifest = report.write(&officer, &path, |_, _| ())?;
//! assert_eq!((manifest.contents.rows, manifest.contents.orders), (1, 1));
//! assert!(Manifest::path(&path).exists());
//! # Ok(()) }
//! # #[cfg(not(feature = "embedded"))] fn main() {}
//! ```
//!
//! The fields are described in `docs/report.md`, and which duty they serve in `docs/compliance.md`.

mod atomic_file;
mod contents;
mod format;
mod html;
mod manifest;
#[cfg(feature = "parquet")]
mod parquet;
mod row;
mod rows;
mod running_totals;
mod scope;
mod summary;

use std::io::{self, Write};
use std::path::Path;

pub use contents::{Contents, Sealed};
pub use format::Format;
pub use manifest::{Manifest, ReportFile};
pub use row::Row;
pub use rows::rows;

use self::atomic_file::Draft;
use self::contents::Count;
use self::html::Page;
#[cfg(feature = "parquet")]
use self::parquet::Table;
use self::scope::Scope;
use self::summary::{Breaks, Summary};
use crate::database::role::Compliance;
use crate::database::session::{Session, Tx};
use crate::error::Error;
use crate::types::filter::Filter;

/// What to report, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// Which entries of the log. Its time is when they were recorded, so that reports of ranges that meet
    /// miss nothing and say nothing twice, however late a venue tells something.
    pub filter: Filter<'a>,
    /// What to write.
    pub format: Format,
}

impl<'a> Report<'a> {
    /// Writes the report to `path` and its manifest [beside it](Manifest::path), in one
    /// [safe snapshot](Session::safe_snapshot). `progress` hears how many rows are done, and of how many.
    ///
    /// Both files are written under another name, `.….part`, and get their own at the end. A file that is
    /// there is never written over. Only who has written them may read them.
    ///
    /// # Errors
    ///
    /// - [`Error::is_file`]: a file of this name is there, or it can't be written.
    /// - [`Error::is_unproven`]: an entry could not be made a row, because somebody has got past the rules of
    ///   the database.
    /// - Those of [`Session::safe_snapshot`].
    pub fn write(
        &self,
        session: &Session<Compliance>,
        path: &Path,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Manifest<'a>, Error> {
        let manifest_path = Manifest::path(path);
        let mut beside = Draft::new(&manifest_path)?;
        let (draft, contents) = session.safe_snapshot(|tx| {
            let mut draft = Draft::new(path)?;
            let contents = self.write_to(tx, &mut draft, &mut progress)?;
            Ok::<_, Error>((draft, contents))
        })?;
        let finished = draft.finish()?;
        let manifest = Manifest {
            program: Manifest::PROGRAM,
            filter: self.filter,
            contents,
            files: vec![ReportFile {
                name: path.file_name().map(|name| name.display().to_string()).unwrap_or_default(),
                format: self.format,
                bytes: finished.bytes,
                sha256: finished.sha256.clone(),
            }],
        };
        serde_json::to_writer_pretty(&mut beside, &manifest)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(beside))
            .map_err(|why| Error::file(manifest_path.display(), why))?;
        let beside = beside.finish()?;
        finished.keep()?;
        beside.keep().inspect_err(|_| {
            // The reason is worth more than a failure of this.
            let _ = std::fs::remove_file(path);
        })?;
        Ok(manifest)
    }

    /// Writes the report alone, in a transaction that is there: in a
    /// [safe snapshot](Session::safe_snapshot), if it is to agree with itself. The same snapshot gives the
    /// same bytes.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`] when `out` takes no more; otherwise those of [`Report::write`].
    pub fn write_to(
        &self,
        tx: &mut Tx<'_, Compliance>,
        out: &mut (impl Write + Send),
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Contents, Error> {
        let failed = |why: io::Error| Error::file("the report", why);
        let scope = Scope::load(tx, &self.filter)?;
        let mut count = Count::default();
        let mut read = |tx: &mut Tx<'_, Compliance>,
                        each: &mut dyn FnMut(Row) -> io::Result<()>| {
            rows(tx, &self.filter, |row| {
                count.add(&row);
                progress(count.rows(), scope.rows);
                each(row).map_err(failed)
            })
        };
        match self.format {
            Format::Csv => {
                let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(&mut *out);
                csv.write_record(Row::FIELDS).map_err(|why| failed(why.into()))?;
                read(tx, &mut |row| Ok(csv.serialize(row)?))?;
                csv.flush().map_err(failed)?;
            }
            Format::Ndjson => read(tx, &mut |row| {
                serde_json::to_writer(&mut *out, &row)?;
                writeln!(out)
            })?,
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let mut table = Table::new(&mut *out).map_err(failed)?;
                read(tx, &mut |row| table.add(row))?;
                table.finish().map_err(failed)?;
            }
            Format::Html => {
                let mut summary = Summary::new(&scope);
                read(tx, &mut |row| {
                    summary.add(row);
                    Ok(())
                })?;
                let contents = count.finish(tx, &scope)?;
                let breaks = Breaks::load(tx, &self.filter)?;
                let page = Page { filter: &self.filter, contents: &contents, summary, breaks };
                page.write(out).map_err(failed)?;
                return Ok(contents);
            }
        }
        count.finish(tx, &scope)
    }
}
