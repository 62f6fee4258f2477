use tradeblotter::{NewOrder, OrderType, Side};

fn main() {
    let _ = NewOrder {
        trader_id: uuid::Uuid::from_u128(1),
        side: Side::Buy,
        symbol: "AAPL",
        order_type: OrderType::Market,
        price: None,
        stop_loss: None,
        take_profit: None,
        expires_at: None,
        client_order_id: None,
        replaces: None,
        trading_day: None,
        account: None,
        time_in_force: None,
        limit_price: None,
        currency: None,
        received_at: None,
        instructions: None,
    };
}
