use diesel::prelude::*;
use tradeblotter::schema::orders;

fn write(conn: &mut PgConnection) -> QueryResult<usize> {
    diesel::update(orders::table)
        .set(orders::price.eq(Some("10.50".to_string())))
        .execute(conn)
}

fn main() {
    let _ = write;
}
