//! The comparison of two versions of a row, field by field.

use std::fmt::Display;

use chrono::{DateTime, SubsecRound, Utc};

/// Decimal places of a second that the database keeps in a timestamp.
pub(crate) const MICROSECONDS: u16 = 6;

/// A field in which a stored row differs from another version of it: from what was sent again, from what
/// a venue reports, or from what a rebuild computes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Difference {
    /// The name of the field, in words.
    pub field: &'static str,
    /// The stored value, as text; `none` for NULL.
    pub stored: String,
    /// The value of the other version, likewise.
    pub other: String,
}

/// Collects the fields in which two versions of a row differ.
#[derive(Default)]
pub(crate) struct Comparison(Vec<Difference>);

impl Comparison {
    /// Compares a field that is never NULL.
    pub fn field<T: PartialEq + Display>(&mut self, field: &'static str, stored: T, other: T) {
        self.optional(field, Some(stored), Some(other));
    }

    /// Compares a field that may be NULL.
    pub fn optional<T: PartialEq + Display>(
        &mut self,
        field: &'static str,
        stored: Option<T>,
        other: Option<T>,
    ) {
        if stored != other {
            let shown = |value: Option<T>| value.map_or("none".to_owned(), |v| v.to_string());
            self.0.push(Difference { field, stored: shown(stored), other: shown(other) });
        }
    }

    /// Compares a time; the other one is cut to the microsecond, as the database cuts it.
    pub fn moment(
        &mut self,
        field: &'static str,
        stored: Option<DateTime<Utc>>,
        other: Option<DateTime<Utc>>,
    ) {
        self.optional(field, stored, other.map(|at| at.trunc_subsecs(MICROSECONDS)));
    }

    /// Returns the fields that differ; empty when the two versions are the same.
    pub fn differences(self) -> Vec<Difference> {
        self.0
    }
}
