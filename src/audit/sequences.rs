//! Numbers of entries of the log, as runs.

use std::fmt;
use std::ops::{Bound, RangeInclusive};

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{Int8, Multirange};
use rangemap::RangeInclusiveSet;

type Bounds = Vec<(Bound<i64>, Bound<i64>)>;

/// A set of numbers of entries: `int8multirange` in the database, an array of `[first, last]` in JSON.
#[derive(
    AsExpression, FromSqlRow, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize,
)]
#[serde(from = "Vec<(i64, i64)>", into = "Vec<(i64, i64)>")]
#[diesel(sql_type = Multirange<Int8>)]
pub struct Sequences {
    runs: RangeInclusiveSet<i64>,
}

impl Sequences {
    /// Whether this number is one of them.
    pub fn contains(&self, sequence: i64) -> bool {
        self.runs.contains(&sequence)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.runs.iter().map(length).fold(0, u64::saturating_add)
    }

    /// The least and the greatest of them; none of none.
    pub fn ends(&self) -> Option<(i64, i64)> {
        Some((*self.runs.first()?.start(), *self.runs.last()?.end()))
    }

    /// How many of them are less than this one; none if it is none of them.
    pub fn place(&self, sequence: i64) -> Option<u64> {
        let run = self.runs.get(&sequence)?;
        let before = self.runs.iter().take_while(|other| other.start() < run.start());
        Some(before.map(length).sum::<u64>() + sequence.abs_diff(*run.start()))
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.runs.iter().cloned().flatten()
    }

    pub(super) fn runs(&self) -> impl ExactSizeIterator<Item = &RangeInclusive<i64>> {
        self.runs.iter().collect::<Vec<_>>().into_iter()
    }

    pub(super) fn insert(&mut self, sequence: i64) {
        self.runs.insert(sequence..=sequence);
    }

    /// Takes up others; whether none of them was one already.
    pub(super) fn absorb(&mut self, others: &Self) -> bool {
        let mut apart = true;
        for run in others.runs.iter() {
            apart &= !self.runs.overlaps(run);
            self.runs.insert(run.clone());
        }
        apart
    }
}

fn length(run: &RangeInclusive<i64>) -> u64 {
    run.end().abs_diff(*run.start()).saturating_add(1)
}

impl From<Vec<(i64, i64)>> for Sequences {
    fn from(runs: Vec<(i64, i64)>) -> Self {
        let runs = runs.into_iter().filter(|(first, last)| first <= last);
        Self { runs: runs.map(|(first, last)| first..=last).collect() }
    }
}

impl From<Sequences> for Vec<(i64, i64)> {
    fn from(sequences: Sequences) -> Self {
        sequences.runs.iter().map(|run| (*run.start(), *run.end())).collect()
    }
}

impl FromIterator<i64> for Sequences {
    fn from_iter<I: IntoIterator<Item = i64>>(sequences: I) -> Self {
        let mut set = Self::default();
        sequences.into_iter().for_each(|sequence| set.insert(sequence));
        set
    }
}

impl fmt::Display for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ends() {
            None => f.write_str("none"),
            Some((first, last)) if first == last => write!(f, "{first}"),
            Some((first, last)) => write!(f, "{first} to {last}"),
        }
    }
}

impl fmt::Debug for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.runs.fmt(f)
    }
}

impl FromSql<Multirange<Int8>, Pg> for Sequences {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let bounds: Bounds = FromSql::<Multirange<Int8>, Pg>::from_sql(value)?;
        let run = |(first, end)| match (first, end) {
            (Bound::Included(first), Bound::Excluded(end)) => {
                Ok(first..=i64::saturating_sub(end, 1))
            }
            _ => Err("a range without an end"),
        };
        let runs = bounds.into_iter().map(run).collect::<Result<_, _>>()?;
        Ok(Self { runs })
    }
}

impl ToSql<Multirange<Int8>, Pg> for Sequences {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let runs: Vec<_> = self.runs.iter().cloned().collect();
        ToSql::<Multirange<Int8>, Pg>::to_sql(&runs, &mut out.reborrow())
    }
}

#[cfg(test)]
mod tests {
    use super::Sequences;

    #[test]
    fn a_number_stands_behind_all_that_are_less() {
        let set: Sequences = [3, 4, 5, 9, 11, 12].into_iter().collect();
        let places: Vec<_> = set.iter().map(|sequence| set.place(sequence)).collect();
        assert_eq!(places, (0..6).map(Some).collect::<Vec<_>>());
        assert_eq!((set.place(2), set.place(6), set.place(13)), (None, None, None));
        assert_eq!((set.count(), set.ends()), (6, Some((3, 12))));
        assert_eq!(Vec::from(set), [(3, 5), (9, 9), (11, 12)]);
    }

    #[test]
    fn what_is_taken_up_twice_is_noticed() {
        let mut set: Sequences = vec![(1, 5), (8, 9)].into();
        assert!(set.absorb(&vec![(6, 7)].into()));
        assert!(!set.absorb(&vec![(9, 20)].into()));
        assert_eq!(Vec::from(set), [(1, 20)]);
    }
}
