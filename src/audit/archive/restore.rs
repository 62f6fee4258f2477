//! Restoring of the records that an archive file holds.

use std::collections::HashSet;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::file::{ArchiveContents, ArchiveFile, ArchivedRecord};
use super::stored;
use crate::audit::key::PublicKey;
use crate::audit::record::Tables;
use crate::audit::sealer::PAGE;
use crate::database::role::Auditor;
use crate::database::unguarded;
use crate::error::Error;
use crate::orders::Orders;

/// The rows of a record by their name in its line, with their tables. A row refers to rows of the tables before it, and
/// to rows of records before its own.
const ROWS: [(&str, &str); 6] = [
    ("trader", "traders"),
    ("terms", "orders"),
    ("break", "breaks"),
    ("fill", "fills"),
    ("entry", "execution_logs"),
    ("resolution", "break_resolutions"),
];

/// Rows that are the record themselves, and so have its number.
const NUMBERED: [&str; 4] = ["trader", "break", "entry", "resolution"];

/// A row with the columns of its table.
type Row = Map<String, Value>;

const SUPERUSER_NEEDED: &str = "to restore archived records needs a superuser, because nobody else can pass the guards; connect as one";

diesel::table! {
    /// The restored orders, until the transaction ends.
    pg_temp.restored_orders (id) {
        id -> Uuid,
    }
}

const CREATE: &str = "CREATE TEMP TABLE restored_orders (id uuid PRIMARY KEY) ON COMMIT DROP";

/// Inserts the records that an archive file holds, in one transaction, in the database that they left or in any other one
/// with this schema. Status and totals of the orders are derived again, from entries and fills.
///
/// Each row is compared with the file after it was inserted. Records that the database has already, as the file has them,
/// are left as they are, so it may be run again. Where the records are sealed, a verification finds them as they were
/// sealed. In another database they are not sealed: what shows that they are the original ones is the file.
///
/// Writers wait until it ends; readers do not.
///
/// # Errors
///
/// - [`Error::is_permission_denied`] unless the login is a superuser.
/// - [`Error::is_unproven`]: the file does not lead to a head that one of these keys signed, the database has another
///   record with the same number, or its schema is not the one that this build expects. Nothing has changed then.
/// - [`Error::is_duplicate`]: the database has a row with the same id, of another record.
/// - [`Error::is_file`] and those of the connection.
pub fn restore_archive(
    conn: &mut PgConnection,
    file: &ArchiveFile,
    keys: &[PublicKey],
) -> Result<ArchiveContents, Error> {
    let has_traders = Tables::find(conn)?.has_traders;
    // A table of traders that the application brought has no records, and keeps its triggers.
    let tables = ROWS.iter().map(|(_, table)| *table);
    let tables: Vec<_> = tables.filter(|table| has_traders || *table != "traders").collect();
    unguarded::run(conn, &tables, SUPERUSER_NEEDED, |conn| {
        conn.batch_execute(CREATE)?;
        let mut reader = file.open()?;
        let tables = Tables::find(conn)?;
        while let Some(page) = reader.next_page()? {
            restore_page(conn, tables, &page)?;
        }
        let contents = reader.finish(keys)?;
        derive(conn)?;
        if let Some((_, greatest)) = contents.covered.bounds() {
            advance_sequence(conn, greatest)?;
        }
        Ok(contents)
    })
}

/// Inserts the records of a page that the database does not have.
fn restore_page(
    conn: &mut PgConnection,
    tables: Tables,
    page: &[ArchivedRecord],
) -> Result<(), Error> {
    let numbers: Vec<i64> = page.iter().map(|record| record.number).collect();
    let (present, _) = tables.load(conn, &numbers)?;
    let present: HashSet<i64> = present.iter().map(|record| record.number).collect();
    let absent: Vec<&ArchivedRecord> =
        page.iter().filter(|record| !present.contains(&record.number)).collect();
    for (name, table) in ROWS {
        if name == "trader" && !tables.has_traders {
            continue;
        }
        let rows: Vec<Row> = absent.iter().filter_map(|record| row(record, name)).collect();
        // Rows of another scheme may have other columns.
        for alike in rows.chunk_by(|one, next| one.keys().eq(next.keys())) {
            insert(conn, table, alike)?;
        }
    }
    let ids = absent
        .iter()
        .filter_map(|record| record.rows.get("terms")?.get("id")?.as_str()?.parse::<Uuid>().ok());
    let ids: Vec<_> = ids.map(|id| restored_orders::id.eq(id)).collect();
    diesel::insert_into(restored_orders::table).values(ids).execute(conn)?;
    stored(conn, tables, page).map(drop)
}

/// Returns this row of a record with the columns of its table.
fn row(record: &ArchivedRecord, name: &str) -> Option<Row> {
    let mut row = record.rows.get(name)?.as_object()?.clone();
    if NUMBERED.contains(&name) {
        row.insert("sequence".to_owned(), record.number.into());
    }
    Some(row)
}

/// Inserts rows of one table that have the same columns. PostgreSQL reads the values; the other columns get their
/// defaults.
fn insert(conn: &mut PgConnection, table: &str, rows: &[Row]) -> Result<(), Error> {
    let names = rows.first().into_iter().flat_map(Row::keys);
    // What is left out for its name is missed when the rows are compared.
    let is_name = |name: &&String| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let columns: Vec<String> = names.filter(is_name).map(|name| format!("\"{name}\"")).collect();
    let columns = columns.join(", ");
    diesel::sql_query(format!(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1::jsonb)"
    ))
    .bind::<Text, _>(Value::from_iter(rows.iter().cloned()).to_string())
    .execute(conn)?;
    Ok(())
}

/// Derives the restored orders again.
fn derive(conn: &mut PgConnection) -> Result<(), Error> {
    let mut after: Option<Uuid> = None;
    loop {
        let mut query = restored_orders::table.into_boxed();
        if let Some(after) = after {
            query = query.filter(restored_orders::id.gt(after));
        }
        let page = query.order(restored_orders::id).limit(PAGE as i64);
        let ids: Vec<Uuid> = page.select(restored_orders::id).load(conn)?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = Some(*last);
        Orders { conn, role: Auditor }.store_derived(&ids)?;
    }
}

/// Makes the sequence of the log go on after this number.
fn advance_sequence(conn: &mut PgConnection, number: i64) -> QueryResult<()> {
    diesel::sql_query(
        "SELECT setval('execution_logs_sequence', greatest(last_value, $1)) FROM execution_logs_sequence",
    )
    .bind::<BigInt, _>(number)
    .execute(conn)
    .map(drop)
}
