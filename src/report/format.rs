//! What a report is written as.

use std::fmt;
use std::str::FromStr;

use crate::enums::labels;
use crate::error::Error;

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values (RFC 4180), with a header line.
    Csv,
    /// An object to a line.
    Ndjson,
}

labels!(Format, "report format", Csv = "csv", Ndjson = "ndjson");
