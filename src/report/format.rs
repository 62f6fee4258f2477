//! The file formats of a report.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::types::enums::labels;

/// The file format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An HTML page for people, self-contained in one file.
    Html,
    /// Comma-separated values (RFC 4180) with a header line.
    Csv,
    /// Newline-delimited JSON: one object per line.
    Ndjson,
    /// Apache Parquet: typed columns, for data analysis. Needs the feature `parquet`.
    #[cfg(feature = "parquet")]
    Parquet,
}

labels!(
    Format,
    "report format",
    Html = "html",
    Csv = "csv",
    Ndjson = "ndjson",
    #[cfg(feature = "parquet")]
    Parquet = "parquet"
);
