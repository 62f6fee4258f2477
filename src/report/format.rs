//! What a report is written as.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::types::enums::labels;

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
    #[cfg(feature = "parquet")]
    /// Columns of the types that the fields have (Apache Parquet), for tools that analyse tables.
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
