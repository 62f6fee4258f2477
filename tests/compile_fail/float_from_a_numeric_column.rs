use diesel::prelude::*;
use tradeblotter::schema::fills;

fn read(conn: &mut PgConnection) -> QueryResult<Vec<f64>> {
    fills::table.select(fills::price_at_fill).load(conn)
}

fn main() {
    let _ = read;
}
