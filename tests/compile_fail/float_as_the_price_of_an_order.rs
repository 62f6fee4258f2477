use tradeblotter::{NewOrder, Side};

fn main() {
    let _ = NewOrder::limit(uuid::Uuid::from_u128(1), Side::Buy, "AAPL", 100, 10.50);
}
