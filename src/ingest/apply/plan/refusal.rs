//! Why a report is kept as a break.

use uuid::Uuid;

use crate::ingest::apply::known_orders::KnownOrder;
use crate::ingest::apply::step::break_reason;
use crate::ingest::event::Kind;
use crate::types::enums::BreakReason;

/// Why a report is kept as a break.
pub(super) struct Refusal {
    pub reason: BreakReason,
    pub order_id: Option<Uuid>,
    pub why: String,
}

impl Refusal {
    pub fn new(kind: Kind, why: impl Into<String>) -> Self {
        Self { reason: break_reason(kind), order_id: None, why: why.into() }
    }

    /// The report contradicts the order that it names.
    pub fn mismatch(kind: Kind, order: &KnownOrder, why: String) -> Self {
        let reason = match break_reason(kind) {
            BreakReason::Invalid => BreakReason::Mismatch,
            reason => reason,
        };
        // An order that cannot be stored names no stored one.
        let order_id = Some(order.id).filter(|_| reason != BreakReason::InvalidOrder);
        Self { reason, order_id, why }
    }

    /// Another session has locked the row of the order. The break does not name it: that would wait for the lock.
    pub fn locked(kind: Kind, order: &KnownOrder) -> Self {
        Self::unknown_order(kind, format!("order {} is locked by another session", order.id))
    }

    /// An execution, or an action, of an order that is not stored.
    pub fn unknown_order(kind: Kind, why: String) -> Self {
        let reason = match break_reason(kind) {
            BreakReason::Invalid => BreakReason::UnknownOrder,
            reason => reason,
        };
        Self { reason, order_id: None, why }
    }
}
