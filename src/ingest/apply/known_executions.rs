//! The executions that are stored, recognized by the venue's execution id whichever session reports them.

use std::collections::HashMap;

use bigdecimal::BigDecimal;
use uuid::Uuid;

use crate::breaks::{Execution, ExecutionKind};
use crate::fills::{Fill, NewFill};
use crate::ingest::event::Event;
use crate::types::currency::unit_factors;

/// How a reported execution relates to those that are known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Classification {
    /// No execution with this id is known.
    New,
    /// The same execution is known.
    Duplicate,
    /// A different execution is known under this id; holds the description of the difference.
    Mismatch(String),
}

/// What identifies an execution: its id and its content.
#[derive(Debug)]
pub(super) struct KnownExecution {
    execution_id: Option<String>,
    source: String,
    kind: &'static str,
    quantity: BigDecimal,
    price: BigDecimal,
}

/// The known executions, by order chain and execution id.
pub(super) struct KnownExecutions<'o> {
    /// Recorded for executions whose report names no venue.
    default_venue: &'o str,
    by_id: HashMap<(Uuid, String), Vec<KnownExecution>>,
}

const FILL: &str = "fill";
const BUST: &str = "bust";
const CORRECTION: &str = "correction";

impl KnownExecution {
    /// Returns the known execution for a stored fill, bust or correction.
    pub fn from_stored(fill: &Fill) -> Self {
        Self {
            execution_id: fill.execution_id.clone(),
            source: fill.source.clone(),
            kind: match (fill.amends, fill.is_bust) {
                (None, _) => FILL,
                (_, true) => BUST,
                (_, false) => CORRECTION,
            },
            quantity: fill.quantity_filled.into(),
            price: fill.price_at_fill.into(),
        }
    }

    /// Returns the known execution for a fill that is about to be recorded.
    pub fn from_fill(new: &NewFill<'_>) -> Self {
        Self {
            execution_id: new.execution_id.map(str::to_owned),
            source: new.source().to_owned(),
            kind: FILL,
            quantity: new.quantity_filled.into(),
            price: new.price_at_fill.into(),
        }
    }

    /// Returns the execution that a report describes.
    pub fn from_report(execution: &Execution<'_>) -> Self {
        Self {
            execution_id: execution.execution_id.map(str::to_owned),
            source: execution.source().to_owned(),
            kind: match execution.kind {
                ExecutionKind::Fill => FILL,
                ExecutionKind::Bust { .. } => BUST,
                ExecutionKind::Correction { .. } => CORRECTION,
            },
            quantity: execution.quantity.clone(),
            price: execution.price.clone(),
        }
    }

    /// Whether a report with this currency describes the same execution.
    fn is_same(&self, reported: &Self, currency: Option<&str>) -> bool {
        let has_same_price =
            || unit_factors(currency).iter().any(|factor| &reported.price * factor == self.price);
        // A bust takes back its whole fill, whatever quantity and price its report has.
        self.kind == reported.kind
            && (self.kind == BUST || self.quantity == reported.quantity && has_same_price())
    }

    /// Describes the execution, e.g. `a fill of 40 at 10.00`.
    fn describe(&self) -> String {
        let (quantity, price) = (self.quantity.to_plain_string(), self.price.to_plain_string());
        format!("a {} of {quantity} at {price}", self.kind)
    }
}

impl<'o> KnownExecutions<'o> {
    /// Returns an empty set of known executions.
    pub fn new(default_venue: &'o str) -> Self {
        Self { default_venue, by_id: HashMap::new() }
    }

    /// Adds an execution of the order chain that begins with `root`; ignores an execution without an id,
    /// which cannot be recognized.
    pub fn insert(&mut self, root: Uuid, known: KnownExecution) {
        if let Some(id) = &known.execution_id {
            self.by_id.entry((root, id.clone())).or_default().push(known);
        }
    }

    /// Compares a reported execution of a chain with the known ones, and adds it if it is new.
    pub fn classify(
        &mut self,
        root: Uuid,
        reported: KnownExecution,
        event: &Event<'_>,
    ) -> Classification {
        let Some(id) = reported.execution_id.clone() else { return Classification::New };
        let same_id = self.by_id.entry((root, id)).or_default();
        // A session that reports neither venue nor source has the default venue, which stands for any source.
        let is_default = |known: &KnownExecution| known.source == self.default_venue;
        let has_same_source = |known: &&KnownExecution| {
            known.source == reported.source || is_default(known) || is_default(&reported)
        };
        let Some(known) = same_id.iter().find(has_same_source) else {
            same_id.push(reported);
            return Classification::New;
        };
        if known.is_same(&reported, event.currency.as_deref()) {
            return Classification::Duplicate;
        }
        Classification::Mismatch(format!(
            "execution id {:?} of {} is stored as {}, and reported as {}",
            known.execution_id.as_deref().unwrap_or_default(),
            known.source,
            known.describe(),
            reported.describe(),
        ))
    }
}
