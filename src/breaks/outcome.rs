//! The outcome of a reported execution: recorded, known already, or kept as a break.

use super::rows::Break;
use crate::fills::{Fill, StoredFill};

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

impl From<StoredFill> for Outcome {
    fn from(fill: StoredFill) -> Self {
        match fill {
            StoredFill::New(fill) => Self::Recorded(fill),
            StoredFill::Known(fill) => Self::Known(fill),
        }
    }
}
