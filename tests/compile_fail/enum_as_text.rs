use diesel::prelude::*;
use tradeblotter::schema::orders;

fn main() {
    let _ = orders::status.eq("PENDING");
}
