//! Selection of the records that may leave the database.

use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::query_dsl::LoadQuery;
use diesel::sql_types::{Int8, Multirange, Timestamptz};

use crate::audit::record::Tables;
use crate::audit::sequences::SequenceSet;

/// The query of the numbers.
const SELECT: &str = include_str!("select.sql");

/// The addition for the traders that the records name.
const TRADERS: &str = "
UNION ALL
SELECT sequence FROM traders WHERE sequence <@ $2 AND (
    id IN (SELECT trader_id FROM leaving_orders) OR id IN (SELECT trader_id FROM leaving_breaks)
)";

#[derive(QueryableByName)]
struct Leaving {
    #[diesel(sql_type = Int8)]
    number: i64,
}

/// Returns the numbers of the records that may leave, and of the traders that they name, among those that seals cover.
pub(super) fn leaving(
    conn: &mut PgConnection,
    tables: Tables,
    before: DateTime<Utc>,
    sealed: &SequenceSet,
) -> QueryResult<SequenceSet> {
    // A table of traders that the application brought has no numbers, and may not be readable.
    let traders = if tables.has_traders { TRADERS } else { "" };
    let query = diesel::sql_query(format!("{SELECT}{traders}\nORDER BY number"))
        .into_boxed::<Pg>()
        .bind::<Timestamptz, _>(before)
        .bind::<Multirange<Int8>, _>(sealed);
    let rows = LoadQuery::<'_, _, Leaving, PgRowByRowLoadingMode>::internal_load(query, conn)?;
    rows.map(|row| row.map(|leaving| leaving.number)).collect()
}
