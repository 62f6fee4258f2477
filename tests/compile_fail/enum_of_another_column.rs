use diesel::prelude::*;
use tradeblotter::OrderType;
use tradeblotter::schema::orders;

fn main() {
    let _ = orders::status.eq(OrderType::Limit);
}
