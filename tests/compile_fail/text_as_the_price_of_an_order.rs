use tradeblotter::{NewOrder, Side};

fn main() {
    let price = Some("10.50".to_owned());
    let _ = NewOrder {
        price,
        ..NewOrder::market(uuid::Uuid::from_u128(1), Side::Buy, "AAPL", 100)
    };
}
