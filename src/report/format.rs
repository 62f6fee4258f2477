//! What a report is written as.

use std::fmt;
use std::str::FromStr;

use crate::enums::labels;
use crate::error::Error;

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A page for people, whole in one file.
    Html,
    /// Comma-separated values (RFC 4180), with a header line.
    Csv,
    /// An object to a line.
    Ndjson,
    /// Columns of the types that the fields have (Apache Parquet), for tools that analyse tables.
    Parquet,
}

labels!(
    Format,
    "report format",
    Html = "html",
    Csv = "csv",
    Ndjson = "ndjson",
    Parquet = "parquet"
);
