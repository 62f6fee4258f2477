//! The book that reads are measured on: made by SQL, in parts, so that one database grows from size to size.

use std::error::Error;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::catalog;

/// Orders that are made at a time, which bounds the memory and the room for sorting it takes.
const PART: u64 = 500_000;

/// Has the book grow to so many orders. It starts empty or as this has left it; the connection is a
/// superuser's.
///
/// # Errors
///
/// What the server said; and if the rows contradict each other, or the schema is not as it was.
pub fn grow(
    conn: &mut PgConnection,
    from: u64,
    to: u64,
    traders: u64,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    conn.batch_execute(include_str!("unindex.sql"))?;
    conn.batch_execute(&format!("SET benchmark.traders = {traders}"))?;
    let mut first = from + 1;
    while first <= to {
        let last = to.min(first + PART - 1);
        conn.batch_execute(&format!("SET benchmark.first = {first}; SET benchmark.last = {last}"))?;
        conn.batch_execute(include_str!("book.sql"))?;
        first = last + 1;
    }
    conn.batch_execute(include_str!("reindex.sql"))?;
    conn.batch_execute("VACUUM (ANALYZE, FREEZE) traders, orders, fills, execution_logs")?;
    // All parts are made alike, and it takes long.
    if from == 0 {
        conn.batch_execute(include_str!("adds_up.sql"))?;
    }
    match catalog::differences(conn)?.first() {
        Some(difference) => Err(format!("the load has changed the schema: {difference}").into()),
        None => Ok(()),
    }
}
