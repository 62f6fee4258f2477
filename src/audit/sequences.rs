//! Sets of numbers of records, stored as ranges.

use std::fmt;
use std::ops::{Bound, RangeInclusive};

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{Int8, Multirange};
use rangemap::RangeInclusiveSet;

use super::bytes::Hash;
use super::tree;

type Bounds = Vec<(Bound<i64>, Bound<i64>)>;

/// A set of numbers of records.
///
/// It is an `int8multirange` in the database and an array of `[first, last]` pairs in JSON.
#[derive(
    AsExpression, FromSqlRow, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize,
)]
#[serde(from = "Vec<(i64, i64)>", into = "Vec<(i64, i64)>")]
#[diesel(sql_type = Multirange<Int8>)]
pub struct SequenceSet {
    ranges: RangeInclusiveSet<i64>,
}

impl SequenceSet {
    /// Returns whether the set has this number.
    pub fn contains(&self, sequence: i64) -> bool {
        self.ranges.contains(&sequence)
    }

    /// Returns how many numbers the set has.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(length).fold(0, u64::saturating_add)
    }

    /// Returns the least and the greatest number; none if the set is empty.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        Some((*self.ranges.first()?.start(), *self.ranges.last()?.end()))
    }

    /// Returns the index of a number in the set: how many members are less. `None` if it is not a member.
    ///
    /// In the numbers that a seal covers, it is the index of the record's leaf among those of the seal.
    pub fn index_of(&self, sequence: i64) -> Option<u64> {
        let range = self.ranges.get(&sequence)?;
        let before = self.ranges.iter().take_while(|other| other.start() < range.start());
        Some(before.map(length).sum::<u64>() + sequence.abs_diff(*range.start()))
    }

    /// Returns the numbers in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.ranges.iter().cloned().flatten()
    }

    /// Returns the SHA-256 hash of the numbers as text, which a tree head states: `1-1361,1370,1400-1420`.
    pub fn hash(&self) -> Hash {
        let text: Vec<String> = self
            .ranges
            .iter()
            .map(|range| match range.start() == range.end() {
                true => range.start().to_string(),
                false => format!("{}-{}", range.start(), range.end()),
            })
            .collect();
        tree::digest(&[text.join(",").as_bytes()])
    }

    /// Returns the ranges: the least and the greatest number of each.
    pub(super) fn ranges(&self) -> impl Iterator<Item = RangeInclusive<i64>> + '_ {
        self.ranges.iter().cloned()
    }

    pub(super) fn insert(&mut self, sequence: i64) {
        self.ranges.insert(sequence..=sequence);
    }

    /// Returns whether the two sets have no number in common.
    pub(super) fn is_disjoint(&self, other: &Self) -> bool {
        !other.ranges.iter().any(|range| self.ranges.overlaps(range))
    }

    /// Returns whether the set has every number of another set.
    pub(super) fn includes(&self, other: &Self) -> bool {
        other.ranges.iter().all(|range| {
            self.ranges.get(range.start()).is_some_and(|covering| covering.end() >= range.end())
        })
    }

    /// Returns all numbers of these sets.
    pub(super) fn union(sets: &[Self]) -> Self {
        let mut all = Self::default();
        sets.iter().for_each(|set| all.merge(set));
        all
    }

    /// Adds all numbers of another set.
    pub(super) fn merge(&mut self, other: &Self) {
        self.ranges.extend(other.ranges.iter().cloned());
    }
}

fn length(range: &RangeInclusive<i64>) -> u64 {
    range.end().abs_diff(*range.start()).saturating_add(1)
}

impl From<Vec<(i64, i64)>> for SequenceSet {
    fn from(pairs: Vec<(i64, i64)>) -> Self {
        let ranges = pairs.into_iter().filter(|(first, last)| first <= last);
        Self { ranges: ranges.map(|(first, last)| first..=last).collect() }
    }
}

impl From<SequenceSet> for Vec<(i64, i64)> {
    fn from(sequences: SequenceSet) -> Self {
        sequences.ranges.iter().map(|range| (*range.start(), *range.end())).collect()
    }
}

impl FromIterator<i64> for SequenceSet {
    fn from_iter<I: IntoIterator<Item = i64>>(sequences: I) -> Self {
        let mut set = Self::default();
        sequences.into_iter().for_each(|sequence| set.insert(sequence));
        set
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bounds() {
            None => f.write_str("none"),
            Some((first, last)) if first == last => write!(f, "{first}"),
            Some((first, last)) => write!(f, "{first} to {last}"),
        }
    }
}

impl fmt::Debug for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ranges.fmt(f)
    }
}

impl FromSql<Multirange<Int8>, Pg> for SequenceSet {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let bounds: Bounds = FromSql::<Multirange<Int8>, Pg>::from_sql(value)?;
        let range = |(first, end)| match (first, end) {
            (Bound::Included(first), Bound::Excluded(end)) => {
                Ok(first..=i64::saturating_sub(end, 1))
            }
            _ => Err("a range of numbers is unbounded"),
        };
        let ranges = bounds.into_iter().map(range).collect::<Result<_, _>>()?;
        Ok(Self { ranges })
    }
}

impl ToSql<Multirange<Int8>, Pg> for SequenceSet {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let ranges: Vec<_> = self.ranges.iter().cloned().collect();
        ToSql::<Multirange<Int8>, Pg>::to_sql(&ranges, &mut out.reborrow())
    }
}

#[cfg(test)]
mod tests {
    use super::SequenceSet;

    #[test]
    fn the_index_of_a_number_counts_the_lesser_numbers() {
        let set: SequenceSet = [3, 4, 5, 9, 11, 12].into_iter().collect();
        let indexes: Vec<_> = set.iter().map(|sequence| set.index_of(sequence)).collect();
        assert_eq!(indexes, (0..6).map(Some).collect::<Vec<_>>());
        assert_eq!((set.index_of(2), set.index_of(6), set.index_of(13)), (None, None, None));
        assert_eq!((set.count(), set.bounds()), (6, Some((3, 12))));
        assert_eq!(Vec::from(set), [(3, 5), (9, 9), (11, 12)]);
    }

    #[test]
    fn sets_with_a_common_number_are_not_disjoint() {
        let mut set: SequenceSet = vec![(1, 5), (8, 9)].into();
        let (between, overlapping) = (vec![(6, 7)].into(), vec![(9, 20)].into());
        assert!(set.is_disjoint(&between));
        set.merge(&between);
        assert!(!set.is_disjoint(&overlapping));
        set.merge(&overlapping);
        assert_eq!(Vec::from(set), [(1, 20)]);
    }

    #[test]
    fn a_set_includes_another_if_it_has_each_of_its_numbers() {
        let set: SequenceSet = vec![(1, 5), (8, 9)].into();
        for (other, is_included) in [
            (vec![], true),
            (vec![(2, 5), (8, 8)], true),
            (vec![(5, 6)], false),
            (vec![(4, 8)], false),
        ] {
            assert_eq!(set.includes(&other.into()), is_included);
        }
    }
}
