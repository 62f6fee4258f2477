use diesel::prelude::*;
use tradeblotter::schema::fills;

fn main() {
    let _ = fills::price_at_fill.eq(10.50);
}
