//! The outcome of a reported execution: recorded, known already, or kept as a break.

use uuid::Uuid;

use super::rows::Break;
use crate::fills::Fill;

/// The outcome of a reported execution: recorded, known already, or kept as a break.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
// A caller looks at one value at a time, so its size does not matter.
#[allow(clippy::large_enum_variant)]
pub enum Outcome {
    /// The execution was stored as a new fill, bust or correction.
    Recorded(Fill),
    /// The execution was stored before: as this fill, bust or correction of its order, or of the order
    /// that its break was booked to.
    Known(Fill),
    /// The execution could not be applied and is stored as this break, now or earlier; the break may have
    /// been dismissed since.
    Broken(Break),
}

impl Outcome {
    /// Distinguishes a new fill from a known one: a new fill has the id that it was to be stored under.
    pub(super) fn of(id: Uuid, fill: Fill) -> Self {
        match fill.id == id {
            true => Self::Recorded(fill),
            false => Self::Known(fill),
        }
    }
}
