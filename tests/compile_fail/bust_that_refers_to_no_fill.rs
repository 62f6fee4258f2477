use tradeblotter::{Execution, ExecutionKind};

fn main() {
    let _ = Execution {
        kind: ExecutionKind::Bust {},
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
}
