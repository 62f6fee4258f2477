//! Removal of the records that an archive file holds.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{self, Text};
use uuid::Uuid;

use super::file::{ArchiveContents, ArchiveFile};
use super::{Archive, stored};
use crate::audit::key::PublicKey;
use crate::audit::record::{Content, Record, Tables};
use crate::audit::seal::Seal;
use crate::audit::sealer::PAGE;
use crate::database::postgres::{pg_class, pg_constraint, to_regclass};
use crate::database::role::Auditor;
use crate::database::unguarded;
use crate::error::Error;
use crate::orders::Orders;
use crate::schema::{archives, break_resolutions, breaks, execution_logs, fills, orders};

/// The query of orders and breaks of which only a part would be removed.
const REMAINDERS: &str = include_str!("remainders.sql");

/// The tables that records leave. Rows of the first refer to rows of the last.
const TABLES: [&str; 5] = ["break_resolutions", "execution_logs", "fills", "orders", "breaks"];

const SUPERUSER_NEEDED: &str = "to remove archived records needs a superuser, because nobody else can pass the guards; connect as one";

diesel::table! {
    /// The numbers of the records in the file, until the transaction ends.
    pg_temp.archived_records (number) {
        number -> Int8,
    }
}

diesel::table! {
    /// The orders whose terms these records attest.
    pg_temp.archived_orders (id) {
        id -> Uuid,
    }
}

diesel::table! {
    /// The fills that these records attest.
    pg_temp.archived_fills (id) {
        id -> Uuid,
    }
}

diesel::table! {
    /// The breaks in the file.
    pg_temp.archived_breaks (id) {
        id -> Uuid,
    }
}

diesel::allow_tables_to_appear_in_same_query!(archived_records, break_resolutions);
diesel::allow_tables_to_appear_in_same_query!(archived_records, breaks);
diesel::allow_tables_to_appear_in_same_query!(archived_records, execution_logs);
diesel::allow_tables_to_appear_in_same_query!(archived_orders, orders);
diesel::allow_tables_to_appear_in_same_query!(archived_fills, fills);

const CREATE: &str = "
    CREATE TEMP TABLE archived_records (number bigint) ON COMMIT DROP;
    CREATE TEMP TABLE archived_orders (id uuid) ON COMMIT DROP;
    CREATE TEMP TABLE archived_fills (id uuid) ON COMMIT DROP;
    CREATE TEMP TABLE archived_breaks (id uuid) ON COMMIT DROP";

const ANALYZE: &str = "
    ANALYZE pg_temp.archived_records, pg_temp.archived_orders, pg_temp.archived_fills, pg_temp.archived_breaks";

/// Removes the records that an archive file holds, in one transaction, and inserts the [`Archive`] that states what left.
///
/// The file is verified first, and compared with the rows: each must still be what the file has. An order leaves with
/// its whole chain and all that belongs to it, or nothing is removed. It is derived again, so that it leaves only if its
/// entries and fills say that it has ended. Traders stay. So do the leaves of the removed
/// records; a verification reports them as archived.
///
/// Writers wait until it ends; readers do not, nor do sealers, but these settle nothing meanwhile. If the process is killed, everything is still in the
/// database. A hardened schema is hardened again at the end.
///
/// # Errors
///
/// - [`Error::is_permission_denied`] unless the login is a superuser.
/// - [`Error::is_unproven`]: the file does not lead to a head that one of these keys signed and the database has; a row
///   is not what the file has; an order is open or has changed since the file was written; another table refers to the
///   rows; or the schema is not the one that this build expects. Nothing has changed then.
/// - [`Error::is_blocked`]: other transactions have held locks on the tables for a minute.
/// - [`Error::is_file`] and those of the connection.
pub fn remove_archived(
    conn: &mut PgConnection,
    file: &ArchiveFile,
    keys: &[PublicKey],
) -> Result<Archive, Error> {
    let contents = file.verify(keys)?;
    unguarded::run(conn, &TABLES, &["archives"], SUPERUSER_NEEDED, |conn| {
        refuse_foreign_keys(conn)?;
        conn.batch_execute(CREATE)?;
        compare(conn, file, &contents)?;
        conn.batch_execute(ANALYZE)?;
        refuse_remainders(conn)?;
        refuse_differing_orders(conn)?;
        remove(conn, contents)
    })
}

/// Refuses to remove rows to which a table of the application refers: its rows would be deleted too, or its triggers run
/// as a superuser.
fn refuse_foreign_keys(conn: &mut PgConnection) -> Result<(), Error> {
    let mut ids: Vec<u32> = Vec::new();
    for table in TABLES {
        let id: Option<u32> = diesel::select(to_regclass(table)).get_result(conn)?;
        ids.extend(id);
    }
    let found: Option<(String, String)> = pg_constraint::table
        .inner_join(pg_class::table.on(pg_class::oid.eq(pg_constraint::conrelid)))
        .filter(pg_constraint::confrelid.eq_any(&ids))
        .filter(pg_constraint::conrelid.ne_all(&ids))
        .select((pg_constraint::conname, pg_class::relname))
        .first(conn)
        .optional()?;
    match found {
        None => Ok(()),
        Some((key, table)) => Err(refused(format!(
            "the foreign key {key} of the table {table} refers to rows that might leave; drop it first"
        ))),
    }
}

/// Compares the file with the rows, and notes what leaves.
fn compare(
    conn: &mut PgConnection,
    file: &ArchiveFile,
    contents: &ArchiveContents,
) -> Result<(), Error> {
    let head = contents.checkpoint.head();
    let seal = Seal::query().find(head.seal).first(conn).optional()?;
    if seal.is_none_or(|seal| seal.head() != *head) {
        return Err(refused(format!(
            "the database has no seal {} with the head of the file",
            head.seal
        )));
    }
    let mut reader = file.open()?;
    let tables = Tables::find(conn)?;
    while let Some(page) = reader.next_page()? {
        let records = stored(conn, tables, &page).map_err(|why| {
            let left = Archive::query()
                .filter(archives::sha256.eq(contents.sha256))
                .order(archives::sequence.desc())
                .first(conn);
            match left {
                Ok(left) => refused(format!("the records of this file have left already: {left}")),
                Err(_) => why,
            }
        })?;
        let leaving: Vec<&Record> = records
            .iter()
            .zip(&page)
            .filter(|(_, archived)| !archived.is_trader())
            .map(|(record, _)| record)
            .collect();
        note(conn, &leaving)?;
    }
    match reader.finish(&[contents.public_key])? == *contents {
        true => Ok(()),
        false => Err(refused("the file was changed meanwhile".to_owned())),
    }
}

/// Notes the numbers of the records of a page, and the orders, fills and breaks that they hold.
fn note(conn: &mut PgConnection, leaving: &[&Record]) -> QueryResult<()> {
    let (mut order_ids, mut fill_ids, mut break_ids) = (Vec::new(), Vec::new(), Vec::new());
    for record in leaving {
        match &record.content {
            Content::Entry { log, .. } => {
                order_ids.extend(Content::terms_id(log).map(|id| archived_orders::id.eq(id)));
                fill_ids.extend(log.fill_id.map(|id| archived_fills::id.eq(id)));
            }
            Content::Break(broken) => break_ids.push(archived_breaks::id.eq(broken.id)),
            Content::Resolution(_) | Content::Trader(_) | Content::Archive(_) => {}
        }
    }
    let numbers: Vec<_> =
        leaving.iter().map(|record| archived_records::number.eq(record.number)).collect();
    diesel::insert_into(archived_records::table).values(numbers).execute(conn)?;
    diesel::insert_into(archived_orders::table).values(order_ids).execute(conn)?;
    diesel::insert_into(archived_fills::table).values(fill_ids).execute(conn)?;
    diesel::insert_into(archived_breaks::table).values(break_ids).execute(conn)?;
    Ok(())
}

/// An order or a break of which only a part would be removed.
#[derive(QueryableByName)]
struct Remainder {
    #[diesel(sql_type = Text)]
    noun: String,
    #[diesel(sql_type = sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    why: String,
}

/// Refuses to remove a part of what belongs together.
fn refuse_remainders(conn: &mut PgConnection) -> Result<(), Error> {
    let found: Option<Remainder> = diesel::sql_query(REMAINDERS).get_result(conn).optional()?;
    match found {
        None => Ok(()),
        Some(Remainder { noun, id, why }) => {
            Err(refused(format!("{noun} {id} {why}; write another archive")))
        }
    }
}

/// Refuses to remove an order whose status is not what its entries and fills give: it may be open.
fn refuse_differing_orders(conn: &mut PgConnection) -> Result<(), Error> {
    let mut after: Option<Uuid> = None;
    loop {
        let mut query = archived_orders::table.into_boxed();
        if let Some(after) = after {
            query = query.filter(archived_orders::id.gt(after));
        }
        let page = query.order(archived_orders::id).limit(PAGE as i64);
        let ids: Vec<Uuid> = page.select(archived_orders::id).load(conn)?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = Some(*last);
        let differing = Orders { conn, role: Auditor }.rebuild_each(&ids)?;
        if let Some(order) = differing.first() {
            return Err(refused(format!("{order}; run blotter verify")));
        }
    }
}

/// Removes the rows, and states it.
fn remove(conn: &mut PgConnection, contents: ArchiveContents) -> Result<Archive, Error> {
    let numbers = || archived_records::table.select(archived_records::number);
    let mut records = diesel::delete(
        break_resolutions::table.filter(break_resolutions::sequence.eq_any(numbers())),
    )
    .execute(conn)?;
    records +=
        diesel::delete(execution_logs::table.filter(execution_logs::sequence.eq_any(numbers())))
            .execute(conn)?;
    let fill_ids = archived_fills::table.select(archived_fills::id);
    diesel::delete(fills::table.filter(fills::id.eq_any(fill_ids))).execute(conn)?;
    let order_ids = archived_orders::table.select(archived_orders::id);
    diesel::delete(orders::table.filter(orders::id.eq_any(order_ids))).execute(conn)?;
    records +=
        diesel::delete(breaks::table.filter(breaks::sequence.eq_any(numbers()))).execute(conn)?;
    if u64::try_from(records) != Ok(contents.records) {
        return Err(refused(format!(
            "{records} records would have been removed, and the file has {}",
            contents.records
        )));
    }
    let size = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    Ok(diesel::insert_into(archives::table)
        .values((
            archives::before.eq(contents.before),
            archives::records.eq(size(contents.records)),
            archives::covered.eq(&contents.covered),
            archives::seal.eq(contents.checkpoint.head().seal),
            archives::size.eq(size(contents.size)),
            archives::sha256.eq(contents.sha256),
            // The database numbers the row.
            archives::sequence.eq(0),
        ))
        .returning(Archive::as_select())
        .get_result(conn)?)
}

fn refused(why: String) -> Error {
    Error::unproven(format!("nothing was removed: {why}"))
}
