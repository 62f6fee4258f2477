//! What a report has in it, counted while it is written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::row::Row;
use super::scope::Scope;
use crate::audit::{Hash, Seal};
use crate::database::role::Compliance;
use crate::database::session::Tx;
use crate::error::Error;
use crate::types::enums::{Action, OrderStatus};

/// What a report has in it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Contents {
    /// The moment of the snapshot: all that was committed before it is in the report, if it matches.
    #[serde(serialize_with = "crate::types::text::micros")]
    pub taken_at: DateTime<Utc>,
    /// Rows: entries of the log that match.
    pub rows: u64,
    /// Rows of each action.
    pub actions: BTreeMap<Action, u64>,
    /// Number of the first entry; none of no rows.
    pub first_sequence: Option<i64>,
    /// Number of the last entry; none of no rows.
    pub last_sequence: Option<i64>,
    /// Orders that the rows are about.
    pub orders: u64,
    /// Orders by their status after the last of their rows.
    pub outcomes: BTreeMap<OrderStatus, u64>,
    /// Breaks recorded in the same time that name no order that is there: they are in the log of none, so
    /// they are no rows. 0 where one trader, order, symbol or status is asked for.
    pub breaks_without_order: u64,
    /// Which of the rows are sealed.
    pub sealed: Sealed,
}

/// Which rows of a report are sealed. That they are as they were sealed is for
/// [`Seals::verify`](crate::audit::Seals::verify) to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sealed {
    /// Rows whose entry a seal covers.
    pub rows: u64,
    /// Rows whose entry no seal covers yet.
    pub unsealed_rows: u64,
    /// Number of the first entry that no seal covers.
    pub first_unsealed: Option<i64>,
    /// The first seal that covers one of the rows, by its number.
    pub first_seal: Option<i64>,
    /// The last seal that covers one of them, whole; by the chain it vouches for those before it.
    pub last_seal: Option<Seal>,
    /// The hash of that seal, as `blotter seal` has printed it.
    pub last_seal_hash: Option<Hash>,
}

/// Counts rows as they go by.
#[derive(Default)]
pub(super) struct Count {
    actions: BTreeMap<Action, u64>,
    sealed: Sealed,
    last_seal: Option<i64>,
}

impl Count {
    pub fn add(&mut self, row: &Row) {
        *self.actions.entry(row.action).or_default() += 1;
        let sealed = &mut self.sealed;
        match row.seal_id {
            Some(seal) => {
                sealed.rows += 1;
                sealed.first_seal = Some(sealed.first_seal.map_or(seal, |first| first.min(seal)));
                self.last_seal = self.last_seal.max(Some(seal));
            }
            None => {
                sealed.unsealed_rows += 1;
                sealed.first_unsealed = sealed.first_unsealed.or(Some(row.sequence));
            }
        }
    }

    pub fn rows(&self) -> u64 {
        self.sealed.rows + self.sealed.unsealed_rows
    }

    /// All of it, once every row has gone by.
    pub fn finish(self, tx: &mut Tx<'_, Compliance>, scope: &Scope) -> Result<Contents, Error> {
        if self.rows() != scope.rows {
            return Err(Error::unproven(format!(
                "{} entries match and {} rows were made of them, so nothing is kept; run blotter verify",
                scope.rows,
                self.rows()
            )));
        }
        let mut sealed = self.sealed;
        sealed.last_seal = self.last_seal.map(|id| tx.seals().get(id)).transpose()?;
        sealed.last_seal_hash = sealed.last_seal.as_ref().map(Seal::hash);
        Ok(Contents {
            taken_at: scope.taken_at,
            rows: scope.rows,
            actions: self.actions,
            first_sequence: scope.first_sequence,
            last_sequence: scope.last_sequence,
            orders: scope.orders,
            outcomes: scope.outcomes.clone(),
            breaks_without_order: scope.breaks_without_order,
            sealed,
        })
    }
}
