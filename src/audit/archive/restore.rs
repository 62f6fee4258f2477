//! Restoring of the records that an archive file holds.

use std::collections::HashSet;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Int8, Multirange, Text};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::file::{ArchiveContents, ArchiveFile, ArchivedRecord};
use super::{Archive, stored};
use crate::audit::key::PublicKey;
use crate::audit::record::Tables;
use crate::audit::sealer::PAGE;
use crate::database::catalog;
use crate::database::role::Auditor;
use crate::database::unguarded;
use crate::error::Error;
use crate::orders::Orders;
use crate::schema::{archives, orders};
use crate::types::enums::OrderStatus;

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
/// are left as they are. Where the records are sealed, a verification finds them as they were
/// sealed. In another database they are not sealed: what shows that they are the original ones is the file.
///
/// Writers wait until it ends; readers do not.
///
/// # Errors
///
/// - [`Error::is_permission_denied`] unless the login is a superuser.
/// - [`Error::is_unproven`]: the file does not lead to a head that one of these keys signed, or has a part of an order or
///   of what has left this database only; the database has another record with the same number; or its schema is not the
///   one that this build expects. Nothing has changed then.
/// - [`Error::is_blocked`]: other transactions have held locks on the tables for a minute.
/// - [`Error::is_duplicate`]: the database has a row with the same id, of another record.
/// - [`Error::is_file`] and those of the connection.
pub fn restore_archive(
    conn: &mut PgConnection,
    file: &ArchiveFile,
    keys: &[PublicKey],
) -> Result<ArchiveContents, Error> {
    let contents = file.verify(keys)?;
    // A table of traders that the application brought has no records, and keeps its triggers.
    let has_traders = catalog::has_own_traders(conn)?;
    let tables = ROWS.iter().map(|(_, table)| *table);
    let tables: Vec<_> = tables.filter(|table| has_traders || *table != "traders").collect();
    unguarded::run(conn, &tables, &["archives"], SUPERUSER_NEEDED, |conn| {
        refuse_part(conn, &contents)?;
        conn.batch_execute(CREATE)?;
        let mut reader = file.open()?;
        while let Some(page) = reader.next_page()? {
            restore_page(conn, Tables { has_traders }, &page)?;
        }
        if reader.finish(&[contents.public_key])? != contents {
            return Err(refused("the file was changed meanwhile".to_owned()));
        }
        derive(conn)?;
        if let Some((_, greatest)) = contents.covered.bounds() {
            advance_sequence(conn, greatest)?;
        }
        Ok(contents)
    })
}

/// Refuses a file with a part of what has left this database: its records come back all or none.
fn refuse_part(conn: &mut PgConnection, contents: &ArchiveContents) -> Result<(), Error> {
    let numbers = contents.covered.clone().into_sql::<Multirange<Int8>>();
    let overlapping =
        Archive::query().filter(archives::covered.overlaps_with(numbers)).load(conn)?;
    match overlapping.first() {
        Some(archive) if overlapping.iter().all(|it| it.sha256 != contents.sha256) => Err(refused(
            format!("some of its records have left this database for another file: {archive}"),
        )),
        _ => Ok(()),
    }
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
        .filter_map(|record| record.rows.get("entry")?.get("order_id")?.as_str()?.parse().ok());
    let ids: HashSet<Uuid> = ids.collect();
    let ids: Vec<_> = ids.into_iter().map(|id| restored_orders::id.eq(id)).collect();
    diesel::insert_into(restored_orders::table)
        .values(ids)
        .on_conflict_do_nothing()
        .execute(conn)?;
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

/// Derives the restored orders again. All orders of an archive have ended, and their rows agree.
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
        let mut orders = Orders { conn, role: Auditor };
        orders.store_derived(&ids)?;
        if let Some(order) = orders.rebuild_each(&ids)?.first() {
            return Err(refused(format!("the file does not have all of it: {order}")));
        }
        let open = orders::table
            .filter(orders::id.eq_any(&ids))
            .filter(orders::status.eq_any([OrderStatus::Pending, OrderStatus::Partial]))
            .select(orders::id);
        if let Some(id) = open.first::<Uuid>(orders.conn).optional()? {
            return Err(refused(format!(
                "the file does not have all of order {id}, whose end it lacks"
            )));
        }
    }
}

fn refused(why: String) -> Error {
    Error::unproven(format!("nothing was restored: {why}"))
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
