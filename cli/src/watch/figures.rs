//! The figures of the status line.

use chrono::{DateTime, Utc};

/// What the store says of itself at one moment, as far as the session may see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// When the figures were read, by the clock of the database.
    pub at: DateTime<Utc>,
    /// Entries per second of late.
    pub rate: f64,
    pub last_seal: Option<DateTime<Utc>>,
    pub unsealed: Option<u64>,
    pub open_breaks: u64,
    pub oldest_break: Option<DateTime<Utc>>,
}
