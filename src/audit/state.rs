//! [`SealState`], what is sealed and what is not.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::record::Tables;
use super::sealer::unsealed_numbers;
use crate::schema::seals;

/// Records whose time is compared to find the oldest: those with the lowest numbers.
const OLDEST: usize = 100;

/// What is sealed and what is not, by what the database says: a verification would have to prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SealState {
    /// The last seal; none if nothing was ever sealed.
    pub last: Option<LastSeal>,
    /// Records that no seal covers, counted up to [`SealState::MAX`].
    pub unsealed: u64,
    /// When the oldest of them was recorded; none if there is none.
    pub oldest_unsealed: Option<DateTime<Utc>>,
}

impl SealState {
    /// The number up to which records are counted that no seal covers.
    pub const MAX: u64 = 10_000;
}

/// The last seal.
#[derive(Queryable, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LastSeal {
    /// Its number.
    pub id: i64,
    /// How many records the tree has with it.
    pub size: i64,
    /// When it was made.
    pub sealed_at: DateTime<Utc>,
    /// The number up to which every record is sealed that will ever be committed.
    pub settled: i64,
}

/// Returns what is sealed and what is not.
pub(crate) fn seal_state(conn: &mut PgConnection) -> QueryResult<SealState> {
    let last: Option<LastSeal> = seals::table
        .order(seals::id.desc())
        .select((seals::id, seals::size, seals::sealed_at, seals::settled))
        .first(conn)
        .optional()?;
    let tables = Tables::find(conn)?;
    let settled = last.map_or(0, |last| last.settled);
    let numbers = unsealed_numbers(conn, tables, settled, SealState::MAX as i64)?;
    let oldest_unsealed = tables.oldest(conn, &numbers[..numbers.len().min(OLDEST)])?;
    Ok(SealState { last, unsealed: numbers.len() as u64, oldest_unsealed })
}
