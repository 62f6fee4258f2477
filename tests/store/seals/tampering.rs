//! Changes by a superuser who has disabled the guards: each is found, and the finding names the right
//! row.
//!
//! Each change is made, verified and rolled back in its own transaction on one sealed day.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use proptest::prelude::*;
use proptest::sample::Index;
use tradeblotter::audit::{
    CheckpointWriter, FileDefect, FileDefectKind, Finding, PublicKey, SealFlaw, SealKey,
    SealOptions, VerifyEvent, VerifyOptions,
};
use tradeblotter::role::Auditor;
use tradeblotter::{Error, Tx, connect, transaction_on};
use uuid::Uuid;

use super::{Sealed, options, seal, verify};
use tradeblotter_test_support::{check, texts};

/// The number of the record that each row is part of, and the trader whose orders the row concerns: for an order
/// its submission, for a fill the entry that records it.
const ROWS: &str = "
    SELECT 'execution_logs' AS relation, id::text, sequence AS number, trader_id::text AS trader
    FROM execution_logs
    UNION ALL
    SELECT 'orders', order_id::text, sequence, trader_id::text FROM execution_logs
    WHERE action = 'SUBMITTED'
    UNION ALL
    SELECT 'fills', fill_id::text, sequence, trader_id::text FROM execution_logs
    WHERE fill_id IS NOT NULL
    UNION ALL
    SELECT 'breaks', id::text, sequence, coalesce(trader_id::text, '') FROM breaks
    UNION ALL
    SELECT 'break_resolutions', id::text, sequence, coalesce(trader_id::text, '')
    FROM break_resolutions
    UNION ALL
    SELECT 'traders', id::text, sequence, id::text FROM traders
    ORDER BY 1, 2";

/// The sealed columns, each with an expression for another value. The number of a record is changed by a deed of its
/// own.
const COLUMNS: &str = "
    SELECT relation, attname::text AS name,
        CASE
            WHEN typname = 'uuid' THEN 'gen_random_uuid()'
            WHEN typname IN ('text', 'varchar') THEN format(
                -- A currency has three characters.
                'coalesce(left(%I, %s), '''') || ''x''', attname,
                CASE WHEN atttypmod > 0 THEN least(7, atttypmod - 5) ELSE 7 END
            )
            WHEN typname = 'date' THEN format('coalesce(%I, ''2026-11-20'') + 1', attname)
            WHEN typname = 'jsonb'
            THEN format('coalesce(%I, ''{}'') || jsonb_build_object(''another'', ''1'')', attname)
            WHEN typname IN ('int4', 'numeric') THEN format('coalesce(%I, 0) + 1', attname)
            WHEN typname = 'bool' THEN format('NOT %I', attname)
            WHEN typname = 'timestamptz'
            THEN format('coalesce(%I, ''2026-11-20'') + interval ''1 microsecond''', attname)
            WHEN typtype = 'e' THEN format(
                'CASE WHEN %1$I = %2$L THEN %3$L ELSE %2$L END::%4$s', attname,
                (SELECT enumlabel FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder LIMIT 1),
                (SELECT enumlabel FROM pg_enum WHERE enumtypid = t.oid
                 ORDER BY enumsortorder DESC LIMIT 1),
                typname
            )
        END AS another,
        NOT attnotnull AS is_nullable
    FROM unnest(ARRAY[
        'orders', 'fills', 'execution_logs', 'breaks', 'break_resolutions', 'traders'
    ]) AS relation
    JOIN pg_attribute ON attrelid = relation::regclass AND attnum > 0 AND NOT attisdropped
    JOIN pg_type t ON t.oid = atttypid
    WHERE attname <> 'sequence' AND (relation, attname) NOT IN (
        ('orders', 'status'), ('orders', 'filled_quantity'),
        ('orders', 'filled_notional'), ('orders', 'average_fill_price'), ('orders', 'updated_at'),
        ('orders', 'venue_order_id'), ('orders', 'break_count')
    )
    ORDER BY 1, 2";

#[derive(QueryableByName, Clone, Debug)]
struct Row {
    #[diesel(sql_type = Text)]
    relation: String,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Text)]
    trader: String,
}

#[derive(QueryableByName, Clone, Debug)]
struct Column {
    #[diesel(sql_type = Text)]
    relation: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    another: String,
    #[diesel(sql_type = Bool)]
    is_nullable: bool,
}

/// The error that rolls back a transaction on purpose.
struct Undone;

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        panic!("{error:?}")
    }
}

/// A sealed day without its constraints and guards, on a superuser's connection.
struct Scene {
    conn: RefCell<PgConnection>,
    rows: Vec<Row>,
    columns: Vec<Column>,
    /// The rows that are records themselves.
    records: Vec<Row>,
    /// The orders of each trader.
    orders: HashMap<String, Vec<Uuid>>,
    /// Settled numbers that no record has.
    gaps: Vec<i64>,
    sealed: Sealed,
}

impl Scene {
    fn new() -> Self {
        let sealed = Sealed::day();
        let mut conn = connect(&sealed.db.admin_url()).unwrap();
        let rules = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname)
                         AS text
                     FROM pg_constraint WHERE contype IN ('c', 'f')
                         AND connamespace = 'public'::regnamespace";
        for without in texts(&mut conn, rules) {
            conn.batch_execute(&without).unwrap();
        }
        drop(sealed.db.unguarded());
        let rows: Vec<Row> = diesel::sql_query(ROWS).load(&mut conn).unwrap();
        let columns = diesel::sql_query(COLUMNS).load(&mut conn).unwrap();
        let is_record = |row: &&Row| !["orders", "fills"].contains(&row.relation.as_str());
        let records: Vec<Row> = rows.iter().filter(is_record).cloned().collect();
        let mut orders: HashMap<String, Vec<Uuid>> = HashMap::new();
        for row in rows.iter().filter(|row| row.relation == "orders") {
            orders.entry(row.trader.clone()).or_default().push(row.id.parse().unwrap());
        }
        let settled = "SELECT max(settled)::text AS text FROM seals";
        let settled: i64 = texts(&mut conn, settled)[0].parse().unwrap();
        let has_number = |number: &i64| records.iter().any(|row| row.number == *number);
        let gaps = (1..=settled).filter(|number| !has_number(number)).collect();
        Self { conn: RefCell::new(conn), rows, columns, records, orders, gaps, sealed }
    }

    /// Returns the findings after this change, without those of the schema, which lacks its constraints here.
    fn found(&self, options: &VerifyOptions, sql: &str) -> Vec<Finding> {
        self.found_after(options, |tx| as_superuser(tx, sql))
    }

    fn found_after(
        &self,
        options: &VerifyOptions,
        deed: impl FnOnce(&mut Tx<'_, Auditor>),
    ) -> Vec<Finding> {
        self.verified_after(options, deed).unwrap()
    }

    fn verified_after(
        &self,
        options: &VerifyOptions,
        deed: impl FnOnce(&mut Tx<'_, Auditor>),
    ) -> Result<Vec<Finding>, Error> {
        let mut found = Vec::new();
        let conn = &mut self.conn.borrow_mut();
        let mut outcome = Ok(());
        let _: Result<(), Undone> = transaction_on(conn, Auditor, |tx| {
            deed(tx);
            let verified = tx.seals().verify(options, |event| match event {
                VerifyEvent::Found(Finding::Schema(_)) => {}
                VerifyEvent::Found(finding) => found.push(finding),
                _ => {}
            });
            outcome = verified.map(drop);
            Err(Undone)
        });
        outcome.map(|()| found)
    }

    /// Asserts that findings of the rebuild name only orders of this trader, and orders that were added.
    fn assert_only_orders_of(&self, trader: &str, found: &[Finding], sql: &str) {
        let none = Vec::new();
        let orders = self.orders.get(trader).unwrap_or(&none);
        for finding in found {
            let order = match finding {
                Finding::Derived(order) => order.order_id,
                Finding::NotRebuilt { order_id, .. } => *order_id,
                _ => continue,
            };
            let is_added = found.contains(&Finding::UnattestedOrder(order));
            assert!(is_added || orders.contains(&order), "{sql}: {finding}");
        }
    }
}

fn as_superuser(tx: &mut Tx<'_, Auditor>, sql: &str) {
    let sql = format!("RESET ROLE; {sql}; SET LOCAL ROLE blotter_auditor");
    tx.connection().batch_execute(&sql).unwrap();
}

/// A copy of a record under another id and number.
fn copy_of(record: &Row, id: Uuid, number: i64) -> String {
    let relation = &record.relation;
    format!(
        "INSERT INTO {relation} SELECT (jsonb_populate_record(
             original, jsonb_build_object(
                 'id', '{id}'::uuid, 'sequence', {number}, 'report_id', NULL, 'execution_id', NULL,
                 'break_id', gen_random_uuid()
             )
         )).* FROM {relation} AS original WHERE id = '{}'",
        record.id
    )
}

/// Gives a record another number.
fn renumber(record: &Row, number: i64) -> String {
    format!("UPDATE {} SET sequence = {number} WHERE id = '{}'", record.relation, record.id)
}

/// The kind of a finding and the record or seal that it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Altered(i64),
    Missing(i64),
    Added(i64, Uuid),
    Moved(i64, i64),
    Seal(i64),
    Unattested(Uuid),
}

/// Returns what findings name, without those of the rebuild.
fn named(found: &[Finding]) -> Vec<Named> {
    let mut named: Vec<_> = found
        .iter()
        .filter_map(|finding| match finding {
            Finding::Altered(record) => Some(Named::Altered(record.number)),
            Finding::Unreadable { number, .. } => Some(Named::Altered(*number)),
            Finding::Missing { number, .. } => Some(Named::Missing(*number)),
            Finding::Added(record) => Some(Named::Added(record.number, record.id)),
            Finding::Moved { record, sealed_as } => Some(Named::Moved(record.number, *sealed_as)),
            Finding::MissingSeals(first, _) => Some(Named::Seal(*first)),
            Finding::Seal(id, _) => Some(Named::Seal(*id)),
            Finding::UnattestedOrder(id) | Finding::UnattestedFill(id) => {
                Some(Named::Unattested(*id))
            }
            Finding::Derived(_) | Finding::NotRebuilt { .. } => None,
            Finding::Schema(_)
            | Finding::CheckpointFile(_)
            | Finding::Overdue { .. }
            | Finding::Archive(..)
            | Finding::ArchiveFile { .. } => panic!("{finding}"),
        })
        .collect();
    named.sort();
    named
}

/// A change, and the row that it applies to.
#[derive(Clone, Debug)]
enum Deed {
    Edit(Index, Index, bool),
    Delete(Index),
    Insert(Index, Index),
    InsertOutside(Index, bool),
    InsertUnattested(Index),
    Duplicate(Index),
    Swap(Index, Index),
    Renumber(Index, Index, bool),
    CutTail(Index),
    EditSeal(Index, Index),
    DeleteSeal(Index),
    JunkSeal(Index),
}

fn deeds() -> impl Strategy<Value = Deed> {
    let any = any::<Index>;
    prop_oneof![
        10 => (any(), any(), proptest::bool::ANY).prop_map(|(a, b, c)| Deed::Edit(a, b, c)),
        2 => any().prop_map(Deed::Delete),
        2 => (any(), any()).prop_map(|(a, b)| Deed::Insert(a, b)),
        1 => (any(), proptest::bool::ANY).prop_map(|(a, b)| Deed::InsertOutside(a, b)),
        1 => any().prop_map(Deed::InsertUnattested),
        1 => any().prop_map(Deed::Duplicate),
        1 => (any(), any()).prop_map(|(a, b)| Deed::Swap(a, b)),
        1 => (any(), any(), proptest::bool::ANY).prop_map(|(a, b, c)| Deed::Renumber(a, b, c)),
        1 => any().prop_map(Deed::CutTail),
        2 => (any(), any()).prop_map(|(a, b)| Deed::EditSeal(a, b)),
        1 => any().prop_map(Deed::DeleteSeal),
        1 => any().prop_map(Deed::JunkSeal),
    ]
}

/// The columns of a seal but the login that inserted it, each with a change.
const SEAL_COLUMNS: [&str; 12] = [
    "id = id + 100",
    "scheme = scheme + 1",
    "origin = origin || 'x'",
    "size = size + 1",
    "covered = covered + '{[1000000,1000001)}'",
    "settled = settled + 1",
    "leaves = set_byte(leaves, 7, 255 - get_byte(leaves, 7))",
    "frontier = set_byte(frontier, 7, 255 - get_byte(frontier, 7))",
    "root = set_byte(root, 7, 255 - get_byte(root, 7))",
    "sealed_at = sealed_at + interval '1 microsecond'",
    "public_key = set_byte(public_key, 7, 255 - get_byte(public_key, 7))",
    "signature = set_byte(signature, 7, 255 - get_byte(signature, 7))",
];

impl Scene {
    /// The statements of a change, the expected findings, and the trader whose orders it may concern. A changed seal
    /// may cause further findings.
    fn plan(&self, deed: &Deed) -> (String, Vec<Named>, String) {
        match deed {
            Deed::Edit(row, column, to_null) => {
                // Chooses the column before the row, so that every column is equally likely, however many
                // rows its table has.
                let Column { relation, name, another, is_nullable } = column.get(&self.columns);
                let rows: Vec<_> =
                    self.rows.iter().filter(|row| row.relation == *relation).collect();
                let row = row.get(&rows);
                let value = match *to_null && *is_nullable {
                    true => format!("CASE WHEN {name} IS NULL THEN {another} END"),
                    false => another.clone(),
                };
                let sql = format!("UPDATE {relation} SET {name} = {value} WHERE id = '{}'", row.id);
                let mut expected = vec![Named::Altered(row.number)];
                expected.extend(self.unattested_by(row, Some(name)));
                (sql, expected, row.trader.clone())
            }
            Deed::Delete(row) => {
                let row = row.get(&self.rows);
                let sql = format!("DELETE FROM {} WHERE id = '{}'", row.relation, row.id);
                let mut expected = match row.relation.as_str() {
                    "orders" | "fills" => vec![Named::Altered(row.number)],
                    _ => vec![Named::Missing(row.number)],
                };
                expected.extend(self.unattested_by(row, None));
                (sql, expected, row.trader.clone())
            }
            Deed::Insert(row, gap) => {
                let (id, gap) = (Uuid::now_v7(), *gap.get(&self.gaps));
                let row = row.get(&self.records);
                (copy_of(row, id, gap), vec![Named::Added(gap, id)], row.trader.clone())
            }
            Deed::InsertOutside(row, below) => {
                let (id, number) = (Uuid::now_v7(), if *below { -20 } else { i64::MAX });
                let row = row.get(&self.records);
                (copy_of(row, id, number), vec![Named::Added(number, id)], row.trader.clone())
            }
            Deed::InsertUnattested(row) => {
                let attested: Vec<_> =
                    self.rows.iter().filter(|row| !self.is_record(row)).collect();
                let (row, id) = (row.get(&attested), Uuid::now_v7());
                let relation = &row.relation;
                let sql = format!(
                    "INSERT INTO {relation} SELECT (jsonb_populate_record(original, jsonb_build_object(
                         'id', '{id}'::uuid, 'client_order_id', NULL, 'replaces', NULL,
                         'execution_id', NULL, 'amends', NULL, 'break_id', NULL
                     ))).* FROM {relation} AS original WHERE id = '{}'",
                    row.id
                );
                (sql, vec![Named::Unattested(id)], row.trader.clone())
            }
            Deed::Duplicate(row) => {
                let (row, id) = (row.get(&self.records), Uuid::now_v7());
                let name = format!("uq_{}_sequence", row.relation);
                let sql = format!(
                    "ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {name}; DROP INDEX IF EXISTS {name}; {copy}",
                    relation = row.relation,
                    copy = copy_of(row, id, row.number)
                );
                (sql, vec![Named::Added(row.number, id)], row.trader.clone())
            }
            Deed::Swap(one, other) => {
                let one = one.get(&self.records);
                let alike: Vec<_> = self
                    .records
                    .iter()
                    .filter(|row| row.relation == one.relation && row.trader == one.trader)
                    .collect();
                let other = other.get(&alike);
                let (a, b) = (one.number, other.number);
                if a == b {
                    return ("SELECT 1".to_owned(), Vec::new(), String::new());
                }
                let steps = [renumber(one, -1), renumber(other, a), renumber(one, b)];
                let named = vec![Named::Moved(a, b), Named::Moved(b, a)];
                (steps.join(";"), named, one.trader.clone())
            }
            Deed::Renumber(row, gap, beyond) => {
                let row = row.get(&self.records);
                let to = if *beyond { 1_000_000 } else { *gap.get(&self.gaps) };
                let named = vec![Named::Missing(row.number), Named::Moved(to, row.number)];
                (renumber(row, to), named, row.trader.clone())
            }
            Deed::CutTail(row) => {
                // The orders and fills go with their entries.
                let from = row.get(&self.records).number;
                let cut = |row: &&Row| row.number >= from;
                let numbers = self.records.iter().filter(cut).map(|row| Named::Missing(row.number));
                let sql = format!(
                    "DELETE FROM orders WHERE id IN (
                         SELECT order_id FROM execution_logs WHERE sequence >= {from} AND action = 'SUBMITTED'
                     );
                     DELETE FROM fills WHERE id IN (
                         SELECT fill_id FROM execution_logs WHERE sequence >= {from}
                     );
                     DELETE FROM execution_logs WHERE sequence >= {from};
                     DELETE FROM breaks WHERE sequence >= {from};
                     DELETE FROM break_resolutions WHERE sequence >= {from};
                     DELETE FROM traders WHERE sequence >= {from}"
                );
                (sql, numbers.collect(), "all".to_owned())
            }
            Deed::EditSeal(seal, column) => {
                let (seal, column) = (seal.index(4) + 1, column.get(&SEAL_COLUMNS));
                let sql = format!("UPDATE seals SET {column} WHERE id = {seal}");
                (sql, vec![Named::Seal(seal as i64)], String::new())
            }
            Deed::DeleteSeal(seal) => {
                let seal = seal.index(4) + 1;
                let sql = format!("DELETE FROM seals WHERE id = {seal}");
                (sql, vec![Named::Seal(seal as i64)], String::new())
            }
            Deed::JunkSeal(seal) => {
                let seal = seal.index(4) + 1;
                let sql = format!(
                    "INSERT INTO seals SELECT (jsonb_populate_record(original, jsonb_build_object(
                         'id', 5, 'covered', '{{[900000,900001)}}', 'leaves', '\\x' || repeat('ab', 32)
                     ))).* FROM seals AS original WHERE id = {seal}"
                );
                (sql, vec![Named::Seal(5)], String::new())
            }
        }
    }

    fn is_record(&self, row: &Row) -> bool {
        self.records.iter().any(|record| record.id == row.id)
    }

    /// Returns the order or the fill that no entry attests any more once this column of a row is another, or the row
    /// is gone.
    fn unattested_by(&self, row: &Row, column: Option<&str>) -> Vec<Named> {
        let attests = |relation: &str| {
            self.rows.iter().find(|other| other.relation == relation && other.number == row.number)
        };
        let id = |row: &Row| Named::Unattested(row.id.parse().unwrap());
        match (row.relation.as_str(), column) {
            ("execution_logs", None) => {
                attests("orders").into_iter().chain(attests("fills")).map(id).collect()
            }
            ("execution_logs", Some("action" | "order_id")) => {
                attests("orders").into_iter().map(id).collect()
            }
            ("execution_logs", Some("fill_id")) => attests("fills").into_iter().map(id).collect(),
            _ => Vec::new(),
        }
    }
}

#[test]
fn of_a_thousand_changes_each_is_found_and_nothing_else() {
    let scene = Scene::new();
    let options = scene.sealed.options();
    assert_eq!(scene.found(&options, "SELECT 1"), []);
    assert!(scene.gaps.len() >= 4, "{:?}", scene.gaps);
    check(1000, deeds(), |deed| {
        let (sql, mut expected, trader) = scene.plan(&deed);
        expected.sort();
        let found = scene.found(&options, &sql);
        let named = named(&found);
        match deed {
            Deed::EditSeal(..) | Deed::DeleteSeal(_) | Deed::JunkSeal(_) => {
                prop_assert!(named.contains(&expected[0]), "{sql}: {found:?}");
                let others = named.iter().filter(|other| !matches!(other, Named::Seal(_)));
                prop_assert_eq!(others.count(), 0, "{}: {:?}", sql, found);
            }
            // Changing the id of an order or a fill is changing it and adding another, under an id that the
            // database chooses.
            Deed::Edit(..) if sql.contains("SET id = ") => {
                let is_added = |it: &&Named| matches!(it, Named::Unattested(_));
                let (added, rest): (Vec<_>, Vec<_>) = named.iter().partition(is_added);
                prop_assert!(added.len() <= 1, "{sql}: {found:?}");
                prop_assert!(rest.into_iter().eq(&expected), "{sql}: {found:?}");
            }
            _ => prop_assert_eq!(&named, &expected, "{}: {:?}", sql, found),
        }
        if trader != "all" {
            scene.assert_only_orders_of(&trader, &found, &sql);
        }
        Ok(())
    });
}

#[test]
fn every_sealed_column_of_every_row_is_in_a_leaf() {
    let scene = Scene::new();
    let options = scene.sealed.options();
    for Column { relation, name, another, .. } in &scene.columns {
        let row = scene.rows.iter().find(|row| row.relation == *relation).unwrap();
        let sql = format!("UPDATE {relation} SET {name} = {another} WHERE id = '{}'", row.id);
        let found = named(&scene.found(&options, &sql));
        assert!(found.contains(&Named::Altered(row.number)), "{sql}: {found:?}");
    }
    assert!(scene.columns.len() > 75, "{}", scene.columns.len());
}

#[test]
fn every_derived_column_is_compared_with_the_rebuilt_one() {
    let scene = Scene::new();
    let options = scene.sealed.options();
    let order = "SELECT id::text AS text FROM orders WHERE filled_quantity > 0 LIMIT 1";
    let order = texts(&mut scene.conn.borrow_mut(), order).remove(0);
    for change in [
        "status = CASE status WHEN 'FILLED' THEN 'PENDING' ELSE 'FILLED' END::order_status_enum",
        "filled_quantity = filled_quantity + 1",
        "filled_notional = filled_notional + 1",
        "average_fill_price = average_fill_price + 1",
        "venue_order_id = coalesce(venue_order_id, '') || 'x'",
        "break_count = break_count + 1",
        "updated_at = updated_at + interval '1 microsecond'",
    ] {
        let found =
            scene.found(&options, &format!("UPDATE orders SET {change} WHERE id = '{order}'"));
        let [Finding::Derived(differing)] = &found[..] else { panic!("{change}: {found:?}") };
        assert_eq!(differing.order_id.to_string(), order);
    }
}

/// Reads from docs/seals.md which columns no seal covers and no rebuild compares.
fn documented_as_uncovered() -> BTreeSet<String> {
    let document = include_str!("../../../docs/seals.md");
    let (_, section) = document.split_once("\n## Which columns nothing covers\n").unwrap();
    let section = section.split_once("\n## ").unwrap().0;
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.split('`').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn every_column_is_sealed_or_rebuilt_or_documented_as_uncovered() {
    let scene = Scene::new();
    let columns = "SELECT attrelid::regclass || '.' || attname AS text FROM pg_attribute
        WHERE attrelid::regclass::text IN ('orders', 'fills', 'execution_logs', 'breaks',
            'break_resolutions', 'traders', 'seals') AND attnum > 0 AND NOT attisdropped";
    let columns: BTreeSet<String> =
        texts(&mut scene.conn.borrow_mut(), columns).into_iter().collect();
    let mut covered: BTreeSet<String> = scene
        .columns
        .iter()
        .map(|Column { relation, name, .. }| format!("{relation}.{name}"))
        .collect();
    // Changed by the deeds and tests above.
    for relation in ["execution_logs", "breaks", "break_resolutions", "traders"] {
        covered.insert(format!("{relation}.sequence"));
    }
    for column in [
        "status",
        "filled_quantity",
        "filled_notional",
        "average_fill_price",
        "venue_order_id",
        "break_count",
        "updated_at",
    ] {
        covered.insert(format!("orders.{column}"));
    }
    for change in SEAL_COLUMNS {
        covered.insert(format!("seals.{}", change.split(' ').next().unwrap()));
    }
    let uncovered: BTreeSet<String> = columns.difference(&covered).cloned().collect();
    assert_eq!(uncovered, documented_as_uncovered());
}

#[test]
fn a_value_that_no_client_can_read_is_found_like_any_other() {
    let scene = Scene::new();
    let options = scene.sealed.options();
    let row = |relation: &str| scene.rows.iter().find(|row| row.relation == relation).unwrap();
    for (relation, set) in [
        ("fills", "price_at_fill = 'NaN'"),
        ("fills", "price_at_fill = -1"),
        ("fills", "timestamp = 'infinity'"),
        ("execution_logs", "timestamp = '-infinity'"),
        ("orders", "price = 0"),
        ("orders", "trading_day = 'infinity'"),
        ("orders", "instructions = '[1]'"),
        ("breaks", "quantity = 'NaN'"),
        ("traders", "created_at = 'infinity'"),
    ] {
        let row = row(relation);
        let sql = format!("UPDATE {relation} SET {set} WHERE id = '{}'", row.id);
        let found = scene.found(&options, &sql);
        assert_eq!(named(&found), [Named::Altered(row.number)], "{sql}");
        scene.assert_only_orders_of(&row.trader, &found, &sql);
    }
}

#[test]
fn nothing_is_verified_where_rows_may_be_hidden() {
    let scene = Scene::new();
    let options = scene.sealed.options();
    for trick in [
        "CREATE POLICY hides ON execution_logs AS RESTRICTIVE FOR SELECT USING (action <> 'FILLED')",
        "DROP POLICY fills_auditor_reads ON fills; CREATE POLICY fills_auditor_reads ON fills FOR SELECT
            TO blotter_auditor USING (price_at_fill < 100)",
        "CREATE TABLE heir () INHERITS (execution_logs)",
        "CREATE SCHEMA decoy; CREATE TABLE decoy.execution_logs (LIKE execution_logs);
         GRANT USAGE ON SCHEMA decoy TO PUBLIC; GRANT SELECT ON decoy.execution_logs TO PUBLIC;
         SET LOCAL search_path = decoy, public",
    ] {
        let refused = scene.verified_after(&options, |tx| as_superuser(tx, trick)).unwrap_err();
        assert!(refused.is_unproven(), "{trick}: {refused}");
        assert!(refused.to_string().contains("nothing is verified"), "{trick}: {refused}");
    }
    let decoy = "CREATE SCHEMA decoy; CREATE TABLE decoy.fills (LIKE fills);
        GRANT USAGE ON SCHEMA decoy TO PUBLIC; GRANT SELECT ON decoy.fills TO PUBLIC;
        SET LOCAL search_path = decoy, public";
    assert_eq!(scene.found(&options, decoy), []);
}

#[test]
fn a_guard_that_was_removed_is_found_in_the_same_run() {
    let sealed = Sealed::day();
    sealed.db.admin().batch_execute("DROP TRIGGER fills_keep_values ON fills").unwrap();
    let (_, found) = verify(&sealed.auditor(), &sealed.options());
    let [Finding::Schema(difference)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(difference.object, "trigger fills.fills_keep_values");
}

#[test]
fn a_sequence_that_was_set_back_gives_settled_numbers_and_is_found() {
    let sealed = Sealed::day();
    let gap =
        "SELECT min(n)::text AS text FROM generate_series(1, (SELECT max(settled) FROM seals)) AS n
        WHERE n NOT IN (SELECT sequence FROM execution_logs UNION SELECT sequence FROM breaks
            UNION SELECT sequence FROM break_resolutions UNION SELECT sequence FROM traders)";
    let gap: i64 = texts(&mut sealed.db.admin(), gap)[0].parse().unwrap();
    let set_back = format!("SELECT setval('execution_logs_sequence', {gap}, false)");
    sealed.db.admin().batch_execute(&set_back).unwrap();
    let bob = tradeblotter_test_support::trader(&sealed.blotter, "Bob");
    let (_, found) = verify(&sealed.auditor(), &sealed.options());
    assert_eq!(named(&found), [Named::Added(gap, bob.id)]);
}

/// What an auditor without the key can do is to insert a row that only looks like a seal.
#[test]
fn a_seal_without_the_key_stops_sealing_is_published_nowhere_and_names_its_login() {
    let sealed = Sealed::day();
    let bob = tradeblotter_test_support::trader(&sealed.blotter, "Bob");
    let another = SealKey::generate().unwrap();
    for own_key in [None, Some(&another)] {
        let sealed = Sealed::day();
        let auditor = sealed.auditor();
        let _ = tradeblotter_test_support::trader(&sealed.blotter, "Bob");
        match own_key {
            // Signed with a key of the attacker's own.
            Some(own) => {
                let options = SealOptions {
                    earlier_keys: vec![sealed.key.public()],
                    ..SealOptions::default()
                };
                auditor.transaction(|tx| tx.seals().seal(own, &options)).unwrap().seal.unwrap();
            }
            // Signed with nothing.
            None => {
                let junk =
                    "INSERT INTO seals SELECT (jsonb_populate_record(original, jsonb_build_object(
                        'id', 5, 'size', size + 1, 'covered', '{[900000,900001)}',
                        'leaves', '\\x' || repeat('ab', 32)
                    ))).* FROM seals AS original WHERE id = 4";
                auditor
                    .transaction(|tx| {
                        tx.connection().batch_execute(junk).unwrap();
                        Ok::<_, Error>(())
                    })
                    .unwrap();
            }
        }
        let login = "SELECT sealed_by AS text FROM seals WHERE id = 5";
        let login = texts(&mut sealed.db.admin(), login).remove(0);
        let refused = auditor
            .transaction(|tx| tx.seals().seal(&sealed.key, &SealOptions::default()))
            .unwrap_err();
        let names = format!("seal 5, inserted by {login},");
        assert!(refused.is_unproven() && refused.to_string().contains(&names), "{refused}");
        let keys = vec![sealed.key.public()];
        let mut file = CheckpointWriter::open(&sealed.file(), keys).unwrap();
        let refused = file.append_new(&auditor).unwrap_err();
        assert!(refused.is_unproven() && refused.to_string().contains(&names), "{refused}");
        assert_eq!(sealed.checkpoint().last().unwrap().head().seal, 4);
        let (_, found) = verify(&auditor, &sealed.options());
        assert!(named(&found).contains(&Named::Seal(5)), "{found:?}");
    }
    // A row that does not continue the last seal is refused by the database.
    let junk = "INSERT INTO seals SELECT (jsonb_populate_record(original, jsonb_build_object(
        'id', 9))).* FROM seals AS original WHERE id = 4";
    let refused =
        sealed.auditor().transaction(|tx| Ok::<_, Error>(tx.connection().batch_execute(junk)));
    let refused = refused.unwrap_err();
    assert!(refused.is_aborted(), "{refused}");
    assert!(seal(&sealed.auditor(), &sealed.key).unwrap().covered.bounds().is_some(), "{bob:?}");
}

#[test]
fn a_tail_that_is_cut_off_with_its_seals_is_missing_from_the_checkpoint_only() {
    let scene = Scene::new();
    let settled = "SELECT settled::text AS text FROM seals WHERE id = 2";
    let settled = texts(&mut scene.conn.borrow_mut(), settled).remove(0);
    let cut = &format!(
        "DELETE FROM orders WHERE id IN (
             SELECT order_id FROM execution_logs WHERE sequence > {settled} AND action = 'SUBMITTED'
         );
         DELETE FROM fills WHERE id IN (
             SELECT fill_id FROM execution_logs WHERE sequence > {settled}
         );
         DELETE FROM execution_logs WHERE sequence > {settled};
         DELETE FROM breaks WHERE sequence > {settled};
         DELETE FROM break_resolutions WHERE sequence > {settled};
         DELETE FROM traders WHERE sequence > {settled};
         DELETE FROM seals WHERE id > 2"
    );
    let key = scene.sealed.key.public();
    assert_eq!(scene.found(&options(&[key], None), cut), []);
    let gone = [3, 4].map(|id| Finding::Seal(id, SealFlaw::NotInDatabase));
    assert_eq!(scene.found(&scene.sealed.options(), cut), gone);
    let all =
        "DELETE FROM execution_logs; DELETE FROM orders; DELETE FROM fills; DELETE FROM breaks;
        DELETE FROM break_resolutions; DELETE FROM traders; DELETE FROM seals";
    let gone = [1, 2, 3, 4].map(|id| Finding::Seal(id, SealFlaw::NotInDatabase));
    assert_eq!(scene.found(&scene.sealed.options(), all), gone);
}

#[test]
fn a_record_that_is_rewritten_with_its_stored_hash_does_not_lead_to_the_root() {
    let scene = Scene::new();
    let options = scene.sealed.options();
    for row in scene.records.iter().filter(|row| row.relation == "execution_logs") {
        let id: Uuid = row.id.parse().unwrap();
        let mut seal = 0;
        let found = scene.found_after(&options, |tx| {
            let proof = tx.seals().prove(id).unwrap();
            seal = proof.checkpoint().head().seal;
            let first = tx.seals().get(seal).unwrap();
            let place = first.covered.index_of(row.number).unwrap();
            let record = proof.record();
            let from = record.find("\"error_code\":").unwrap();
            let until = from + record[from..].find(',').unwrap();
            let record =
                [&record[..from], "\"error_code\":\"rewritten\"", &record[until..]].concat();
            as_superuser(
                tx,
                &format!(
                    "UPDATE execution_logs SET error_code = 'rewritten' WHERE id = '{id}';
                     UPDATE seals SET leaves = overlay(
                         leaves PLACING sha256('\\x00' || convert_to('{record}', 'UTF8')) FROM {place} FOR 32
                     ) WHERE id = {seal}",
                    record = record.replace('\'', "''"),
                    place = 32 * place + 1,
                ),
            );
        });
        assert_eq!(found, [Finding::Seal(seal, SealFlaw::WrongRoot)]);
    }
}

/// Rewrites an entry of the second seal, and then every seal, of the same records each.
fn rewrite(tx: &mut Tx<'_, Auditor>, key: &SealKey) {
    const TABLES: [&str; 4] = ["execution_logs", "breaks", "break_resolutions", "traders"];
    let seals = tx.seals().after(0, 10).unwrap();
    let (first, last) = seals[1].covered.bounds().unwrap();
    let change = format!(
        "UPDATE execution_logs SET reason = 'rewritten' WHERE sequence = (
             SELECT min(sequence) FROM execution_logs WHERE sequence BETWEEN {first} AND {last}
         ); DELETE FROM seals"
    );
    as_superuser(tx, &change);
    for table in TABLES {
        let away = format!(
            "CREATE TEMPORARY TABLE later_{table} AS SELECT * FROM {table}; DELETE FROM {table}"
        );
        as_superuser(tx, &away);
    }
    let options = SealOptions { origin: Some(seals[0].origin.clone()), ..SealOptions::default() };
    for seal in seals {
        let (first, last) = seal.covered.bounds().unwrap();
        for table in TABLES {
            let back = format!(
                "INSERT INTO {table} SELECT * FROM later_{table} WHERE sequence BETWEEN {first} AND {last}"
            );
            as_superuser(tx, &back);
        }
        let anew = tx.seals().seal(key, &options).unwrap().seal.unwrap();
        assert_eq!((anew.id, &anew.covered), (seal.id, &seal.covered));
    }
}

#[test]
fn a_history_that_is_rewritten_and_sealed_anew_is_told_by_the_key_or_by_the_checkpoint() {
    let scene = Scene::new();
    let true_key = scene.sealed.key.public();
    let checkpoint = || Some(scene.sealed.checkpoint());
    let of_all =
        |flaw: SealFlaw| (1..=4).map(|id| Finding::Seal(id, flaw.clone())).collect::<Vec<_>>();
    let found = |keys: &[PublicKey], checkpoint, key: &SealKey| {
        scene.found_after(&options(keys, checkpoint), |tx| rewrite(tx, key))
    };
    let another = SealKey::generate().unwrap();
    let by_key = of_all(SealFlaw::UntrustedKey(another.public()));
    assert_eq!(found(&[true_key], None, &another), by_key);
    let by_both = found(&[true_key], checkpoint(), &another);
    assert!(by_key.iter().chain(&of_all(SealFlaw::Fork)).all(|finding| by_both.contains(finding)));
    let unnamed = found(&[], checkpoint(), &another);
    assert!(of_all(SealFlaw::Fork).iter().all(|finding| unnamed.contains(finding)), "{unnamed:?}");
    // If the key was stolen, only the checkpoint file reveals the change; without it, nothing does.
    assert_eq!(found(&[true_key], checkpoint(), &scene.sealed.key), of_all(SealFlaw::Fork));
    assert_eq!(found(&[true_key], None, &scene.sealed.key), []);
    assert_eq!(found(&[], None, &another), []);
}

#[test]
fn what_is_wrong_with_a_checkpoint_file_is_found_by_line() {
    let scene = Scene::new();
    let file = std::fs::read_to_string(scene.sealed.file()).unwrap();
    let notes: Vec<String> =
        scene.sealed.checkpoint().checkpoints().map(ToString::to_string).collect();
    assert_eq!(notes.join("\n"), file);
    let with = |notes: &[&str]| {
        std::fs::write(scene.sealed.file(), notes.join("\n")).unwrap();
        scene.found(&scene.sealed.options(), "SELECT 1")
    };
    let [one, two, three, four] = [0, 1, 2, 3].map(|n| notes[n].as_str());
    let lines = one.lines().count() + 1;
    let defect = |line, kind| Finding::CheckpointFile(FileDefect { line, kind });
    assert_eq!(with(&[one, two, three]), []);
    let missing = [3, 4].map(|id| Finding::Seal(id, SealFlaw::NotInCheckpointFile));
    assert_eq!(with(&[one, two]), missing);
    let found = with(&[three, four]);
    assert_eq!(found, [defect(1, FileDefectKind::Missing(1, 2))]);
    let found = with(&[one, three, four]);
    assert_eq!(found, [defect(lines + 1, FileDefectKind::Missing(2, 2))]);
    let found = with(&[one, two, two, three, four]);
    assert_eq!(found, [defect(2 * lines + 1, FileDefectKind::Repeated(2))]);
    let found = with(&[one, three, two, four]);
    assert!(found.contains(&defect(2 * lines + 1, FileDefectKind::OutOfOrder(2))), "{found:?}");
    let found = with(&[one, &two[1..], three, four]);
    assert!(matches!(&found[0], Finding::Seal(2, SealFlaw::BadCheckpoint(_))), "{found:?}");
    let found = with(&[one, &two.replace("settled ", "settled 1"), three, four]);
    assert!(found.contains(&Finding::Seal(2, SealFlaw::Fork)), "{found:?}");
    let found = with(&[one, two, "a line\n\n— of something else\n", three, four]);
    let unreadable = "has a line that is not a signature";
    assert_eq!(found, [defect(2 * lines + 1, FileDefectKind::Unreadable(unreadable))]);
    // A torn end is what a sealer that was stopped leaves; the seal is found missing where it is not the last.
    assert_eq!(with(&[one, two, three, &four[..four.len() / 2]]), []);
    assert_eq!(with(&[one, two, &three[..three.len() / 2]]), missing);
}
