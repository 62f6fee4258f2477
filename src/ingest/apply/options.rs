//! What the caller states about all reports of an input.

use uuid::Uuid;

use crate::ingest::event::Event;

/// Defaults that a [`Writer`](super::Writer) applies to every report of an input.
///
/// ```
/// use tradeblotter::ingest::Options;
///
/// // Traders are taken from the reports; executions without a venue are recorded as UNKNOWN.
/// let options = Options { trader: None, venue: "UNKNOWN".to_owned() };
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The trader of every report; `None` takes the trader from each report
    /// ([`Event::trader`](crate::ingest::Event::trader)). If set, the traders in the reports are ignored.
    pub trader: Option<Uuid>,
    /// The venue to record for a report that names none, 1 to 50 characters; an ISO 10383 MIC such as
    /// `XNAS` where it is known.
    pub venue: String,
}

impl Options {
    /// Returns the venue to record for a report: its own, or else the default.
    pub(super) fn venue_of<'e>(&'e self, event: &'e Event<'_>) -> &'e str {
        event.venue.as_deref().unwrap_or(&self.venue)
    }
}
