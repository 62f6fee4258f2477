use tradeblotter::{Execution, ExecutionKind};

fn main() {
    let _ = Execution {
        kind: ExecutionKind::Bust {},
        order_id: None,
        timestamp: chrono::DateTime::UNIX_EPOCH,
        quantity: 0.into(),
        price: 0.into(),
        venue: "XNAS",
        commission: 0.into(),
        execution_id: Some("E-2"),
        raw: None,
    };
}
