//! What became of a reported execution.

use uuid::Uuid;

use super::rows::Break;
use crate::fills::Fill;

/// What became of a reported execution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome {
    /// It was stored as a new fill, bust or correction.
    Recorded(Fill),
    /// It was stored before: as this fill, bust or correction of its order, or of the order that its break
    /// was booked to.
    Known(Fill),
    /// It could not be applied and is stored as this break, now or earlier; the break may have been
    /// dismissed since.
    Broken(Break),
}

impl Outcome {
    /// Tells a new fill from a known one: a new fill has the id that it was to be stored under.
    pub(super) fn of(id: Uuid, fill: Fill) -> Self {
        match fill.id == id {
            true => Self::Recorded(fill),
            false => Self::Known(fill),
        }
    }
}
