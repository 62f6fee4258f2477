use diesel::PgConnection;
use tradeblotter::{Error, Order, Orders, role};

fn get(conn: &mut PgConnection, id: uuid::Uuid) -> Result<Order, Error> {
    Orders::<role::Engine> { conn, role: Default::default() }.get(id)
}

fn main() {
    let _ = get;
}
