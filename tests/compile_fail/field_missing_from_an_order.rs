use tradeblotter::{NewOrder, OrderType};

fn main() {
    let _ = NewOrder {
        trader_id: uuid::Uuid::from_u128(1),
        symbol: "AAPL",
        order_type: OrderType::Market,
        price: None,
        stop_loss: None,
        take_profit: None,
        expires_at: None,
    };
}
