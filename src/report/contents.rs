//! The contents of a report in counts, taken while it is written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::row::ReportRow;
use super::scope::Scope;
use crate::audit::{Archive, Seal};
use crate::database::role::Compliance;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::types::enums::{Action, OrderStatus};

/// What a report contains, in counts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Contents {
    /// Time of the snapshot: every matching entry that was committed before it is in the report.
    #[serde(serialize_with = "crate::types::text::micros")]
    pub taken_at: DateTime<Utc>,
    /// Number of rows, which is the number of matching log entries.
    pub rows: u64,
    /// Number of rows by action.
    pub actions: BTreeMap<Action, u64>,
    /// Sequence number of the first entry; none if there are no rows.
    pub first_sequence: Option<i64>,
    /// Sequence number of the last entry; none if there are no rows.
    pub last_sequence: Option<i64>,
    /// Number of orders that the rows belong to.
    pub orders: u64,
    /// Number of orders by their status after the last of their rows.
    pub outcomes: BTreeMap<OrderStatus, u64>,
    /// Number of breaks recorded in the same range that name no known order: they belong to no order's log, so
    /// they have no row. 0 if the filter selects a trader, order, symbol or status.
    pub breaks_without_order: u64,
    /// What has left the database of the records that were written at the beginning of the range or later, and so may
    /// be missing from the rows.
    pub archives: Vec<Archive>,
    /// Which of the rows are sealed.
    pub sealed: SealCoverage,
}

/// Which rows of a report are covered by seals.
///
/// It does not say that they are as they were sealed: [`Seals::verify`](crate::audit::Seals::verify) does.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SealCoverage {
    /// Number of rows whose entry a seal covers.
    pub rows: u64,
    /// Number of rows whose entry no seal covers yet.
    pub unsealed_rows: u64,
    /// Sequence number of the first entry that no seal covers.
    pub first_unsealed: Option<i64>,
    /// Number of the first seal that covers one of the rows.
    pub first_seal: Option<i64>,
    /// The last seal that covers one of the rows. Its tree holds the records of all seals before it too.
    pub last_seal: Option<Seal>,
}

/// Counts the rows of a report while they are written.
#[derive(Default)]
pub(super) struct RowCounter {
    actions: BTreeMap<Action, u64>,
    sealed: SealCoverage,
    last_seal: Option<i64>,
}

impl RowCounter {
    pub fn add(&mut self, row: &ReportRow) {
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

    /// Returns the counts once every row was added.
    ///
    /// # Errors
    ///
    /// [`Error::is_unproven`] if the number of rows is not the number of matching entries: somebody has deleted
    /// orders that entries refer to.
    pub fn finish(self, tx: &mut Tx<'_, Compliance>, scope: &Scope) -> Result<Contents, Error> {
        if self.rows() != scope.rows {
            return Err(Error::unproven(format!(
                "{} log entries match, but only {} belong to an order that exists; no report is written, run \
                 blotter verify to find what was removed",
                scope.rows,
                self.rows()
            )));
        }
        let mut sealed = self.sealed;
        sealed.last_seal = self.last_seal.map(|id| tx.seals().get(id)).transpose()?;
        Ok(Contents {
            taken_at: scope.taken_at,
            rows: scope.rows,
            actions: self.actions,
            first_sequence: scope.first_sequence,
            last_sequence: scope.last_sequence,
            orders: scope.orders,
            outcomes: scope.outcomes.clone(),
            breaks_without_order: scope.breaks_without_order,
            archives: scope.archives.clone(),
            sealed,
        })
    }
}
