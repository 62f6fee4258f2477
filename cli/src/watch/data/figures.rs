//! The figures of the status line.

use diesel::dsl::{count_star, min, now};
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use tradeblotter::role::Reader;
use tradeblotter::schema::{break_resolutions, breaks};
use tradeblotter::{Error, Session};

use crate::watch::figures::Figures;

/// Reads the figures.
pub fn read(session: &Session<Reader>, rate: f64) -> Result<Figures, Error> {
    session.snapshot(|tx| {
        let conn = tx.connection();
        let at = diesel::select(now.into_sql::<Timestamptz>()).get_result(conn)?;
        let (open_breaks, oldest_break): (i64, _) = breaks::table
            .left_join(break_resolutions::table)
            .filter(break_resolutions::id.is_null())
            .select((count_star(), min(breaks::created_at)))
            .get_result(conn)?;
        let open_breaks = open_breaks.unsigned_abs();
        Ok(Figures { at, rate, open_breaks, oldest_break, ..Figures::default() })
    })
}
