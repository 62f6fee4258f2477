use tradeblotter::{Commission, NewFill};

fn main() {
    let _ = NewFill {
        order_id: uuid::Uuid::from_u128(1),
        timestamp: chrono::DateTime::UNIX_EPOCH,
        quantity_filled: 1,
        price_at_fill: None,
        venue: "NASDAQ",
        commission: Commission::default(),
        rebate: Commission::default(),
        source: None,
        execution_id: None,
    };
}
