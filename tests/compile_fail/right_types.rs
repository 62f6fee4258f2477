//! The corrected forms of the programs with wrong types, which shows that each fails for its one error.

use diesel::prelude::*;
use tradeblotter::schema::{fills, orders};
use tradeblotter::{Commission, NewFill, NewOrder, OrderStatus, OrderType, Price, Side};

fn price() -> Price {
    "10.50".parse().unwrap()
}

fn write(conn: &mut PgConnection) -> QueryResult<usize> {
    diesel::update(orders::table)
        .set(orders::price.eq(Some(price())))
        .execute(conn)
}

fn read(conn: &mut PgConnection) -> QueryResult<Vec<Price>> {
    fills::table.select(fills::price_at_fill).load(conn)
}

fn main() {
    let _ = (write, read);
    let _ = orders::status.eq(OrderStatus::Pending);
    let _ = orders::symbol.eq("AAPL");
    let _ = fills::price_at_fill.eq(price());
    let _ = NewOrder {
        price: Some(price()),
        ..NewOrder::limit(uuid::Uuid::from_u128(1), Side::Buy, "AAPL", 100, price())
    };
    let _ = NewOrder {
        trader_id: uuid::Uuid::from_u128(1),
        side: Side::Buy,
        symbol: "AAPL",
        quantity: 100,
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
    let _ = NewFill {
        order_id: uuid::Uuid::from_u128(1),
        timestamp: chrono::DateTime::UNIX_EPOCH,
        quantity_filled: 1,
        price_at_fill: price(),
        venue: "NASDAQ",
        commission: Commission::default(),
        rebate: Commission::default(),
        source: None,
        execution_id: None,
    };
}
