//! Two accounts of the same row, held against each other field by field.

use std::fmt::Display;

use chrono::{DateTime, SubsecRound, Utc};

/// Decimal places of a second that the database keeps.
pub(crate) const MICROSECONDS: u16 = 6;

/// A field of which the two accounts differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Difference {
    /// The field.
    pub field: &'static str,
    /// What is stored.
    pub stored: String,
    /// What it should be by the other account.
    pub other: String,
}

/// Collects the fields that differ.
#[derive(Default)]
pub(crate) struct Comparison(Vec<Difference>);

impl Comparison {
    pub fn field<T: PartialEq + Display>(&mut self, field: &'static str, stored: T, other: T) {
        self.optional(field, Some(stored), Some(other));
    }

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

    /// A moment, which the database has cut to the microsecond.
    pub fn moment(
        &mut self,
        field: &'static str,
        stored: Option<DateTime<Utc>>,
        other: Option<DateTime<Utc>>,
    ) {
        self.optional(field, stored, other.map(|at| at.trunc_subsecs(MICROSECONDS)));
    }

    pub fn differences(self) -> Vec<Difference> {
        self.0
    }
}
