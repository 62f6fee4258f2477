//! The corrected forms of the executions and resolutions that must not compile.

use tradeblotter::{Execution, ExecutionKind, NewBreakResolution, Resolution};

fn main() {
    let _ = Execution {
        kind: ExecutionKind::Bust { of: "E-1" },
        order_id: None,
        trader_id: None,
        client_order_id: None,
        timestamp: chrono::DateTime::UNIX_EPOCH,
        quantity: 0.into(),
        price: 0.into(),
        venue: "XNAS",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        execution_id: Some("E-2"),
        raw: None,
    };
    let _ = NewBreakResolution {
        break_id: uuid::Uuid::from_u128(1),
        resolution: Resolution::Book { order: Some(uuid::Uuid::from_u128(2)) },
        reason: "confirmed by the venue",
    };
    let _ = NewBreakResolution {
        break_id: uuid::Uuid::from_u128(1),
        resolution: Resolution::Dismiss,
        reason: "sent twice",
    };
}
