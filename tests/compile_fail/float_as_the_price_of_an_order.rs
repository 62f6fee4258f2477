use tradeblotter::NewOrder;

fn main() {
    let _ = NewOrder::limit(uuid::Uuid::from_u128(1), "AAPL", 100, 10.50);
}
