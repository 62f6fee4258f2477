//! What stands beside a report: what it is of, and the hash of its file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::format::Format;
use crate::types::filter::Filter;

/// What a report is of, and the hashes by which its files are known again. In JSON as `docs/report.md` has
/// it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Manifest<'a> {
    /// The program that has written it, and its version.
    pub program: &'static str,
    /// What was asked for.
    pub filter: Filter<'a>,
    /// What there was.
    #[serde(flatten)]
    pub contents: Contents,
    /// The files of the report.
    pub files: Vec<ReportFile>,
}

/// A file of a report.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReportFile {
    /// Its name, without the directory.
    pub name: String,
    /// What it is written as.
    pub format: Format,
    /// Its length in bytes.
    pub bytes: u64,
    /// The SHA-256 hash of it, in hexadecimal digits.
    pub sha256: String,
}

impl Manifest<'_> {
    /// This build.
    pub(super) const PROGRAM: &'static str = concat!("tradeblotter ", env!("CARGO_PKG_VERSION"));

    /// Where the manifest of this report is: the same name, and `.manifest.json` after it.
    pub fn path(report: &Path) -> PathBuf {
        let mut path = OsString::from(report);
        path.push(".manifest.json");
        path.into()
    }
}
