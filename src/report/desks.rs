//! Reports of several desks, one after another.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::manifest::{self, Manifest, ReportFile};
use super::{Report, publish};
use crate::database::desk::Desk;
use crate::database::role::Compliance;
use crate::database::session::Session;
use crate::error::Error;
use crate::files::NewFile;
use crate::types::filter::Filter;

/// The manifest of a report of several desks. `docs/report.md` describes its JSON.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DesksManifest<'a> {
    /// Name and version of the program that wrote the report.
    pub program: &'static str,
    /// Which entries were selected.
    pub filter: Filter<'a>,
    /// The desks in the sequence in which they were read.
    pub desks: Vec<DeskReport>,
}

/// What the report has of one desk. Each desk is read in a snapshot of its own.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeskReport {
    /// The desk.
    pub desk: Desk,
    /// What its file contains.
    #[serde(flatten)]
    pub contents: Contents,
    /// Its file.
    pub files: Vec<ReportFile>,
}

impl<'a> Report<'a> {
    /// Writes a report of several desks, one after another: a file for each, named after `path` with the desk before the
    /// extension (`day.csv`: `day.desk_a.csv`), and one manifest for all [beside](Manifest::path) `path`.
    ///
    /// Each desk is read as [`Report::write`] reads it. `progress` is called with the desk, the rows of it written so far
    /// and all of its rows. The files get their names when all are complete, the manifest last.
    ///
    /// # Errors
    ///
    /// Those of [`Report::write`]. No file has its name then.
    pub fn write_desks(
        &self,
        desks: &[(Desk, Session<Compliance>)],
        path: &Path,
        mut progress: impl FnMut(&Desk, u64, u64),
    ) -> Result<DesksManifest<'a>, Error> {
        let mut manifest_file = NewFile::create(&Manifest::path(path))?;
        let mut files = Vec::new();
        let mut manifest =
            DesksManifest { program: Manifest::PROGRAM, filter: self.filter, desks: Vec::new() };
        for (desk, session) in desks {
            let mut progress = |done, of| progress(desk, done, of);
            let (file, contents) = self.write_file(session, &path_of(desk, path), &mut progress)?;
            let described = vec![file.description(self.format)];
            manifest.desks.push(DeskReport { desk: desk.clone(), contents, files: described });
            files.push(file);
        }
        manifest::write(&mut manifest_file, &Manifest::path(path), &manifest)?;
        publish(files, manifest_file)?;
        Ok(manifest)
    }
}

/// Returns the path of the file of one desk.
fn path_of(desk: &Desk, path: &Path) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(format!(".{desk}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
