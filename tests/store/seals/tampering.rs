//! Changes by a superuser who has disabled the guards: each is found, and the finding names the right
//! row.
//!
//! Each change is made, verified and rolled back in its own transaction on one sealed day.

use std::cell::RefCell;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text};
use proptest::prelude::*;
use proptest::sample::Index;
use tradeblotter::audit::{Finding, PublicKey, SealFlaw, SealKey, VerifyEvent, VerifyOptions};
use tradeblotter::role::Auditor;
use tradeblotter::{Error, Tx, connect, transaction_on};
use uuid::Uuid;

use super::{Sealed, options};
use tradeblotter_test_support::{check, texts};

/// The entries that attest each row: for an order its submission, for a break every entry about it, for a
/// resolution every entry about its break except the first.
const ROWS: &str = "
    SELECT 'execution_logs' AS relation, id::text, ARRAY[sequence] AS entries FROM execution_logs
    UNION ALL
    SELECT 'orders', order_id::text, ARRAY[sequence] FROM execution_logs WHERE action = 'SUBMITTED'
    UNION ALL
    SELECT 'fills', fill_id::text, ARRAY[sequence] FROM execution_logs WHERE fill_id IS NOT NULL
    UNION ALL
    SELECT 'breaks', break_id::text, array_agg(sequence ORDER BY sequence) FROM execution_logs
    WHERE break_id IS NOT NULL GROUP BY break_id
    UNION ALL
    SELECT 'break_resolutions', r.id::text, array_agg(sequence ORDER BY sequence)
    FROM execution_logs JOIN break_resolutions r USING (break_id)
    WHERE execution_logs.reason NOT LIKE 'break: %' GROUP BY r.id
    ORDER BY 1, 2";

/// The sealed columns, each with an expression for another value. The sequence number of an entry is
/// changed by a deed of its own.
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
    FROM unnest(ARRAY['orders', 'fills', 'execution_logs', 'breaks', 'break_resolutions']) AS relation
    JOIN pg_attribute ON attrelid = relation::regclass AND attnum > 0 AND NOT attisdropped
    JOIN pg_type t ON t.oid = atttypid
    WHERE (relation, attname) NOT IN (
        ('execution_logs', 'sequence'), ('orders', 'status'), ('orders', 'filled_quantity'),
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
    #[diesel(sql_type = Array<BigInt>)]
    entries: Vec<i64>,
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
    log: Vec<Row>,
    /// Settled numbers that no entry has.
    gaps: Vec<i64>,
    sealed: Sealed,
}

impl Scene {
    fn new() -> Self {
        let sealed = Sealed::day();
        let mut conn = connect(&sealed.db.admin_url()).unwrap();
        let rules = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS text
                     FROM pg_constraint WHERE contype IN ('c', 'f')
                         AND connamespace = 'public'::regnamespace";
        for without in texts(&mut conn, rules) {
            conn.batch_execute(&without).unwrap();
        }
        drop(sealed.db.unguarded());
        let rows: Vec<Row> = diesel::sql_query(ROWS).load(&mut conn).unwrap();
        let columns = diesel::sql_query(COLUMNS).load(&mut conn).unwrap();
        let log = rows.iter().filter(|row| row.relation == "execution_logs").cloned().collect();
        let gaps =
            "SELECT n::text AS text FROM generate_series(1, (SELECT max(settled) FROM seals)) AS n
                    WHERE n NOT IN (SELECT sequence FROM execution_logs)";
        let gaps = texts(&mut conn, gaps).iter().map(|n| n.parse().unwrap()).collect();
        Self { conn: RefCell::new(conn), rows, columns, log, gaps, sealed }
    }

    /// Returns the findings after this change.
    fn found(&self, options: &VerifyOptions, sql: &str) -> Vec<Finding> {
        self.found_after(options, |tx| as_superuser(tx, sql))
    }

    fn found_after(
        &self,
        options: &VerifyOptions,
        deed: impl FnOnce(&mut Tx<'_, Auditor>),
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        let conn = &mut self.conn.borrow_mut();
        let _: Result<(), Undone> = transaction_on(conn, Auditor, |tx| {
            deed(tx);
            tx.seals().verify(options, |observation| {
                if let VerifyEvent::Found(finding) = observation {
                    found.push(finding);
                }
            })?;
            Err(Undone)
        });
        found
    }
}

fn as_superuser(tx: &mut Tx<'_, Auditor>, sql: &str) {
    let sql = format!("RESET ROLE; {sql}; SET LOCAL ROLE blotter_auditor");
    tx.connection().batch_execute(&sql).unwrap();
}

/// A copy of an entry under another id and number.
fn copy_of(entry: &Row, id: Uuid, sequence: i64) -> String {
    format!(
        "INSERT INTO execution_logs SELECT (jsonb_populate_record(
             entry, jsonb_build_object('id', '{id}'::uuid, 'sequence', {sequence}, 'report_id', NULL)
         )).* FROM execution_logs AS entry WHERE id = '{}'",
        entry.id
    )
}

/// Gives an entry another number.
fn renumber(entry: &Row, sequence: i64) -> String {
    format!("UPDATE execution_logs SET sequence = {sequence} WHERE id = '{}'", entry.id)
}

/// The kind of a finding and the entry or seal that it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Altered(i64),
    Missing(i64),
    Added(i64, Uuid),
    Moved(i64, i64),
    Seal(i64),
}

fn named(found: &[Finding]) -> Vec<Named> {
    let mut named: Vec<_> = found
        .iter()
        .map(|finding| match finding {
            Finding::Altered(entry) => Named::Altered(entry.sequence),
            Finding::Unreadable { sequence, .. } => Named::Altered(*sequence),
            Finding::Missing { sequence, .. } => Named::Missing(*sequence),
            Finding::Added(entry) => Named::Added(entry.sequence, entry.id),
            Finding::Moved { entry, sealed_as } => Named::Moved(entry.sequence, *sealed_as),
            Finding::MissingSeals(first, _) => Named::Seal(*first),
            Finding::Seal(id, _) => Named::Seal(*id),
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
    Duplicate(Index),
    Swap(Index, Index),
    Renumber(Index, Index, bool),
    CutTail(Index),
    EditSeal(Index, Index),
    DeleteSeal(Index),
}

fn deeds() -> impl Strategy<Value = Deed> {
    let any = any::<Index>;
    prop_oneof![
        10 => (any(), any(), proptest::bool::ANY).prop_map(|(a, b, c)| Deed::Edit(a, b, c)),
        2 => any().prop_map(Deed::Delete),
        1 => (any(), any()).prop_map(|(a, b)| Deed::Insert(a, b)),
        1 => any().prop_map(Deed::Duplicate),
        1 => (any(), any()).prop_map(|(a, b)| Deed::Swap(a, b)),
        1 => (any(), any(), proptest::bool::ANY).prop_map(|(a, b, c)| Deed::Renumber(a, b, c)),
        1 => any().prop_map(Deed::CutTail),
        2 => (any(), any()).prop_map(|(a, b)| Deed::EditSeal(a, b)),
        1 => any().prop_map(Deed::DeleteSeal),
    ]
}

const SEAL_COLUMNS: [&str; 11] = [
    "id = id + 100",
    "scheme = scheme + 1",
    "covered = covered + '{[1000000,1000001)}'",
    "settled = settled + 1",
    "entries = entries + 1",
    "leaves = set_byte(leaves, 7, 255 - get_byte(leaves, 7))",
    "root = set_byte(root, 7, 255 - get_byte(root, 7))",
    "previous = set_byte(previous, 7, 255 - get_byte(previous, 7))",
    "sealed_at = sealed_at + interval '1 microsecond'",
    "public_key = set_byte(public_key, 7, 255 - get_byte(public_key, 7))",
    "signature = set_byte(signature, 7, 255 - get_byte(signature, 7))",
];

impl Scene {
    /// The statements of a change, and the expected findings. A changed seal may cause further findings.
    fn plan(&self, deed: &Deed) -> (String, Vec<Named>) {
        let altered =
            |row: &Row| row.entries.iter().map(|n| Named::Altered(*n)).collect::<Vec<_>>();
        let number = |row: &Row| row.entries[0];
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
                (sql, altered(row))
            }
            Deed::Delete(row) => {
                let row = row.get(&self.rows);
                let sql = format!("DELETE FROM {} WHERE id = '{}'", row.relation, row.id);
                match row.relation.as_str() {
                    "execution_logs" => (sql, vec![Named::Missing(number(row))]),
                    _ => (sql, altered(row)),
                }
            }
            Deed::Insert(row, gap) => {
                let (id, gap) = (Uuid::now_v7(), *gap.get(&self.gaps));
                (copy_of(row.get(&self.log), id, gap), vec![Named::Added(gap, id)])
            }
            Deed::Duplicate(row) => {
                let (row, id) = (row.get(&self.log), Uuid::now_v7());
                let copy = copy_of(row, id, number(row));
                let sql = format!("DROP INDEX uq_execution_logs_sequence; {copy}");
                (sql, vec![Named::Added(number(row), id)])
            }
            Deed::Swap(one, other) => {
                let (one, other) = (one.get(&self.log), other.get(&self.log));
                let (a, b) = (number(one), number(other));
                if a == b {
                    return ("SELECT 1".to_owned(), Vec::new());
                }
                let steps = [renumber(one, -1), renumber(other, a), renumber(one, b)];
                let mut named = vec![Named::Moved(a, b), Named::Moved(b, a)];
                named.sort();
                (steps.join(";"), named)
            }
            Deed::Renumber(row, gap, beyond) => {
                let row = row.get(&self.log);
                let to = if *beyond { 1_000_000 } else { *gap.get(&self.gaps) };
                (
                    renumber(row, to),
                    vec![Named::Missing(number(row)), Named::Moved(to, number(row))],
                )
            }
            Deed::CutTail(row) => {
                let from = number(row.get(&self.log));
                let mut cut: Vec<_> = self.log.iter().map(number).filter(|n| *n >= from).collect();
                cut.sort_unstable();
                let sql = format!("DELETE FROM execution_logs WHERE sequence >= {from}");
                (sql, cut.into_iter().map(Named::Missing).collect())
            }
            Deed::EditSeal(seal, column) => {
                let (seal, column) = (seal.index(4) + 1, column.get(&SEAL_COLUMNS));
                let sql = format!("UPDATE seals SET {column} WHERE id = {seal}");
                (sql, vec![Named::Seal(seal as i64)])
            }
            Deed::DeleteSeal(seal) => {
                let seal = seal.index(4) + 1;
                (format!("DELETE FROM seals WHERE id = {seal}"), vec![Named::Seal(seal as i64)])
            }
        }
    }
}

#[test]
fn of_a_thousand_changes_each_is_found_and_nothing_else() {
    let scene = Scene::new();
    let options = scene.sealed.options();
    assert_eq!(scene.found(&options, "SELECT 1"), []);
    assert_eq!(scene.gaps.len(), 4, "{:?}", scene.gaps);
    check(1000, deeds(), |deed| {
        let (sql, expected) = scene.plan(&deed);
        let found = scene.found(&options, &sql);
        let named = named(&found);
        match deed {
            Deed::EditSeal(..) | Deed::DeleteSeal(_) => {
                prop_assert!(named.contains(&expected[0]), "{sql}: {found:?}");
                let others = named.iter().filter(|other| !matches!(other, Named::Seal(_)));
                prop_assert_eq!(others.count(), 0, "{}: {:?}", sql, found);
            }
            _ => prop_assert_eq!(&named, &expected, "{}: {:?}", sql, found),
        }
        Ok(())
    });
}

#[test]
fn every_column_of_every_fact_is_in_a_leaf() {
    let scene = Scene::new();
    let options = scene.sealed.options();
    for Column { relation, name, another, .. } in &scene.columns {
        let row = scene.rows.iter().find(|row| row.relation == *relation).unwrap();
        let sql = format!("UPDATE {relation} SET {name} = {another} WHERE id = '{}'", row.id);
        let expected: Vec<_> = row.entries.iter().map(|n| Named::Altered(*n)).collect();
        assert_eq!(named(&scene.found(&options, &sql)), expected, "{sql}");
    }
    assert!(scene.columns.len() > 70, "{}", scene.columns.len());
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
    ] {
        let row = row(relation);
        let sql = format!("UPDATE {relation} SET {set} WHERE id = '{}'", row.id);
        let expected: Vec<_> = row.entries.iter().map(|n| Named::Altered(*n)).collect();
        let found = scene.found(&options, &sql);
        assert_eq!(named(&found), expected, "{sql}");
    }
}

#[test]
fn a_tail_that_is_cut_off_with_its_seals_is_missing_from_the_checkpoint_only() {
    let scene = Scene::new();
    let cut =
        "DELETE FROM execution_logs WHERE sequence > (SELECT max(settled) FROM seals WHERE id = 2);
               DELETE FROM seals WHERE id > 2";
    let key = scene.sealed.key.public();
    assert_eq!(scene.found(&options(&[key], None), cut), []);
    let gone = [3, 4].map(|id| Finding::Seal(id, SealFlaw::NotInDatabase));
    assert_eq!(scene.found(&scene.sealed.options(), cut), gone);
    let all = "DELETE FROM execution_logs; DELETE FROM seals";
    let gone = [1, 2, 3, 4].map(|id| Finding::Seal(id, SealFlaw::NotInDatabase));
    assert_eq!(scene.found(&scene.sealed.options(), all), gone);
}

#[test]
fn an_entry_that_is_rewritten_with_its_stored_hash_does_not_lead_to_the_root() {
    let scene = Scene::new();
    let options = scene.sealed.options();
    for row in &scene.log {
        let id: Uuid = row.id.parse().unwrap();
        let mut seal = 0;
        let found = scene.found_after(&options, |tx| {
            let mut proof = tx.seals().prove(id).unwrap();
            proof.entry.log.error_code = Some("rewritten".to_owned());
            let place = proof.seal.covered.index_of(row.entries[0]).unwrap();
            seal = proof.seal.id;
            as_superuser(
                tx,
                &format!(
                    "UPDATE execution_logs SET error_code = 'rewritten' WHERE id = '{id}';
                     UPDATE seals SET leaves = overlay(
                         leaves PLACING decode('{leaf}', 'hex') FROM {from} FOR 32
                     ) WHERE id = {seal}",
                    leaf = proof.entry.leaf(),
                    from = 32 * place + 1,
                ),
            );
        });
        assert_eq!(found, [Finding::Seal(seal, SealFlaw::WrongRoot)]);
    }
}

/// Rewrites an entry of the second seal, and then every seal, of the same entries each.
fn rewrite(scene: &Scene, tx: &mut Tx<'_, Auditor>, key: &SealKey) {
    let seals = tx.seals().after(0, 10).unwrap();
    let entry = seals[1].covered.bounds().unwrap().0;
    as_superuser(
        tx,
        &format!(
            "UPDATE execution_logs SET reason = 'rewritten' WHERE sequence = {entry};
             DELETE FROM seals;
             CREATE TEMPORARY TABLE later AS SELECT * FROM execution_logs;
             DELETE FROM execution_logs"
        ),
    );
    for seal in seals {
        let (first, last) = seal.covered.bounds().unwrap();
        let back = format!(
            "INSERT INTO execution_logs SELECT * FROM later WHERE sequence BETWEEN {first} AND {last}"
        );
        as_superuser(tx, &back);
        let anew = tx.seals().seal(key).unwrap().unwrap();
        assert_eq!((anew.id, &anew.covered), (seal.id, &seal.covered));
    }
    assert_eq!(scene.log.len() as i64, {
        use tradeblotter::schema::execution_logs::dsl::execution_logs;
        execution_logs.count().get_result::<i64>(tx.connection()).unwrap()
    });
}

#[test]
fn a_history_that_is_rewritten_and_sealed_anew_is_told_by_the_key_or_by_the_checkpoint() {
    let scene = Scene::new();
    let true_key = scene.sealed.key.public();
    let checkpoint = || Some(scene.sealed.checkpoint());
    let of_all =
        |flaw: SealFlaw| (1..=4).map(|id| Finding::Seal(id, flaw.clone())).collect::<Vec<_>>();
    let found = |keys: &[PublicKey], checkpoint, key: &SealKey| {
        scene.found_after(&options(keys, checkpoint), |tx| rewrite(&scene, tx, key))
    };
    let another = SealKey::generate().unwrap();
    let by_key = of_all(SealFlaw::UntrustedKey(another.public()));
    assert_eq!(found(&[true_key], None, &another), by_key);
    let by_both = found(&[true_key], checkpoint(), &another);
    assert!(by_key.iter().chain(&of_all(SealFlaw::Fork)).all(|finding| by_both.contains(finding)));
    let unnamed = found(&[], checkpoint(), &another);
    assert_eq!(unnamed, by_both);
    // If the key was stolen, only the checkpoint file reveals the change; without it, nothing does.
    assert_eq!(found(&[true_key], checkpoint(), &scene.sealed.key), of_all(SealFlaw::Fork));
    assert_eq!(found(&[true_key], None, &scene.sealed.key), []);
    assert_eq!(found(&[], None, &another), []);
}

#[test]
fn seals_that_were_not_written_down_are_told_when_there_is_more_than_the_last() {
    let scene = Scene::new();
    let file = std::fs::read_to_string(scene.sealed.file()).unwrap();
    let lines: Vec<&str> = file.split_inclusive('\n').collect();
    let with = |lines: &[&str]| {
        std::fs::write(scene.sealed.file(), lines.concat()).unwrap();
        scene.found(&scene.sealed.options(), "SELECT 1")
    };
    assert_eq!(with(&lines[..3]), []);
    let two = [3, 4].map(|id| Finding::Seal(id, SealFlaw::NotInCheckpointFile));
    assert_eq!(with(&lines[..2]), two);
    let between = with(&[lines[0], lines[2], lines[3]]);
    assert!(matches!(&between[..], [Finding::Seal(3, SealFlaw::BadCheckpoint(_))]), "{between:?}");
    let tampered = lines[1].replace("\"settled\":", "\"settled\":1");
    let tampered = with(&[lines[0], &tampered, lines[2], lines[3]]);
    assert!(tampered.contains(&Finding::Seal(2, SealFlaw::Fork)), "{tampered:?}");
}
