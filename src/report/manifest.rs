//! The manifest that is written beside a report.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::format::Format;
use crate::error::Error;
use crate::files::{CompleteFile, NewFile};
use crate::types::filter::Filter;

/// The manifest of a report: what was selected, what was found, and the hash of each file.
///
/// `docs/report.md` describes its JSON.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Manifest<'a> {
    /// Name and version of the program that wrote the report.
    pub program: &'static str,
    /// Which entries were selected.
    pub filter: Filter<'a>,
    /// What the report contains.
    #[serde(flatten)]
    pub contents: Contents,
    /// The files of the report.
    pub files: Vec<ReportFile>,
}

/// One file of a report.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReportFile {
    /// File name without the directory.
    pub name: String,
    /// File format.
    pub format: Format,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 hash of the file, as 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl CompleteFile {
    /// Returns what a manifest says of this file.
    pub(super) fn description(&self, format: Format) -> ReportFile {
        let name = self.path().file_name();
        ReportFile {
            name: name.map(|name| name.display().to_string()).unwrap_or_default(),
            format,
            bytes: self.bytes,
            sha256: self.sha256.clone(),
        }
    }
}

/// Writes a manifest to its file.
pub(super) fn write(
    file: &mut NewFile,
    path: &Path,
    manifest: &impl serde::Serialize,
) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut *file, manifest)
        .map_err(io::Error::from)
        .and_then(|()| writeln!(file))
        .map_err(|why| Error::file(path.display(), why))
}

impl Manifest<'_> {
    /// Name and version of this build.
    pub(super) const PROGRAM: &'static str = concat!("tradeblotter ", env!("CARGO_PKG_VERSION"));

    /// Returns the path of a report's manifest: the path of the report with `.manifest.json` appended.
    pub fn path(report: &Path) -> PathBuf {
        let mut path = OsString::from(report);
        path.push(".manifest.json");
        path.into()
    }
}
