//! Retention: what an archive holds, when it may be removed, what a verification says then, and how it comes back.

use std::fs;
use std::path::PathBuf;
use std::thread;

use base64ct::{Base64, Encoding};
use chrono::Utc;
use diesel::connection::SimpleConnection;
use sha2::{Digest, Sha256};
use tradeblotter::audit::{
    Archive, ArchiveContents, ArchiveFile, Finding, PublicKey, RecordKind, SealKey, VerifyOptions,
    remove_archived, restore_archive,
};
use tradeblotter::harden::{self, Hardening};
use tradeblotter::report::{Format, Report};
use tradeblotter::role::{Auditor, Compliance, DatabaseRole, Engine};
use tradeblotter::{
    Error, Filter, NewAction, NewBreakResolution, NewExecutionLog, NewOrder, Order, Resolution,
    Side, connect,
};
use uuid::Uuid;

use super::{Sealed, kept, late, verify};
use tradeblotter_test_support::{Database, append, submit, texts, trader};

const TABLES: [&str; 6] =
    ["traders", "orders", "breaks", "fills", "execution_logs", "break_resolutions"];

/// Two chains that ended long ago, an open order of that time, and a chain of today. All is sealed.
struct Kept {
    sealed: Sealed,
    /// The last order of each chain that may leave.
    ended: [Order; 2],
    open: Order,
    young: Order,
    before: chrono::DateTime<Utc>,
}

impl Kept {
    fn new() -> Self {
        let sealed = Sealed::nothing();
        let ended = [sealed.end(0), sealed.end(1)];
        let open = NewOrder::market(ended[0].trader_id, Side::Sell, "IBM", 7);
        let open = submit(&sealed.blotter, &open).unwrap();
        sealed.seal();
        let before = Utc::now();
        let young = sealed.end(2);
        sealed.seal();
        Self { sealed, ended, open, young, before }
    }

    fn keys(&self) -> [PublicKey; 1] {
        [self.sealed.key.public()]
    }

    fn file(&self) -> ArchiveFile {
        ArchiveFile::new(self.sealed.path("archive"))
    }

    fn archive(&self) -> ArchiveContents {
        let path = self.sealed.path("archive");
        let archived = self
            .sealed
            .auditor()
            .snapshot(|tx| tx.seals().archive(self.before, &path, &self.keys()))
            .unwrap();
        archived.expect("two chains have ended")
    }

    fn remove(&self) -> Result<Archive, Error> {
        remove_archived(&mut self.sealed.db.admin(), &self.file(), &self.keys())
    }

    fn options(&self) -> VerifyOptions {
        VerifyOptions { archive_files: vec![self.file()], ..self.sealed.options() }
    }

    /// The orders that the database has.
    fn orders(&self) -> Vec<String> {
        texts(&mut self.sealed.db.admin(), "SELECT id::text AS text FROM orders ORDER BY id")
    }

    /// Every order of the chains that may leave.
    fn leaving(&self) -> Vec<Uuid> {
        self.ended.iter().flat_map(|order| [order.root_id, order.id]).collect()
    }
}

/// Every row of these tables, as JSON.
fn rows(db: &Database, tables: &[&str]) -> Vec<String> {
    let query = |table: &&str| {
        format!("SELECT '{table} ' || to_jsonb({table})::text AS text FROM {table} ORDER BY id")
    };
    tables.iter().flat_map(|table| texts(&mut db.admin(), &query(table))).collect()
}

/// The names of the records in an archive file, with how many there are of each.
fn names(file: &ArchiveFile) -> Vec<(String, usize)> {
    let text = fs::read_to_string(file.path()).unwrap();
    ["entry", "terms", "fill", "break", "resolution", "trader"]
        .map(|name| (name.to_owned(), text.matches(&format!("\"{name}\":{{")).count()))
        .to_vec()
}

fn report(db: &Database) -> String {
    let mut out = Vec::new();
    let report = Report { filter: Filter::default(), format: Format::Ndjson, public_keys: &[] };
    let compliance = db.blotter().compliance();
    compliance
        .safe_snapshot(|tx| {
            out.clear();
            report.write_to(tx, &mut out, |_, _| ())
        })
        .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn an_archive_has_what_has_ended_with_all_that_belongs_to_it_and_leaves_the_database_as_it_is() {
    let kept = Kept::new();
    let before = rows(&kept.sealed.db, &TABLES);
    let contents = kept.archive();
    assert_eq!(rows(&kept.sealed.db, &TABLES), before);
    let leaving = kept.leaving();
    let leaving: Vec<String> = leaving.iter().map(|id| format!("'{id}'")).collect();
    let leaving = leaving.join(", ");
    let admin = &mut kept.sealed.db.admin();
    let mut count = |query: &str| {
        texts(admin, &format!("SELECT count(*)::text AS text FROM {query}"))[0]
            .parse::<usize>()
            .unwrap()
    };
    let entries = count(&format!("execution_logs WHERE order_id IN ({leaving})"));
    let fills = count(&format!("fills WHERE order_id IN ({leaving})"));
    // Of each chain one booked and two dismissed breaks, one of which names no order.
    assert_eq!(
        names(&kept.file()),
        [
            ("entry", entries),
            ("terms", 4),
            ("fill", fills),
            ("break", 6),
            ("resolution", 6),
            ("trader", 2)
        ]
        .map(|(name, count)| (name.to_owned(), count))
    );
    assert_eq!(contents.records, (entries + 12) as u64);
    assert_eq!((contents.orders, contents.traders), (4, 2));
    assert_eq!(contents.checkpoint.head().seal, 2);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(kept.file().path()).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn nothing_leaves_that_is_open_or_young_or_not_sealed_or_linked_to_it() {
    let archived = |sealed: &Sealed, before| {
        let (path, keys) = (sealed.path(&Uuid::now_v7().to_string()), [sealed.key.public()]);
        let archive = sealed.auditor().snapshot(|tx| tx.seals().archive(before, &path, &keys));
        let archived = archive.unwrap();
        assert_eq!(path.exists(), archived.is_some());
        archived.map_or(0, |archived| archived.orders)
    };
    let sealed = Sealed::nothing();
    let engine = sealed.blotter.engine();
    let start = Utc::now();
    let (one, another) = (sealed.end(0), sealed.end(1));
    sealed.seal();
    assert_eq!(archived(&sealed, start), 0);
    assert_eq!(archived(&sealed, Utc::now()), 4);
    // A break of the first chain stays while it is open, and the chain with it.
    let broken = kept(&sealed.blotter, &late(Some(&one), "L-8"));
    sealed.seal();
    assert_eq!(archived(&sealed, Utc::now()), 2);
    // Booked to the second chain, it links the two: what is not sealed of one keeps both.
    let ada = one.trader_id;
    let other = NewOrder::market(ada, Side::Buy, "AAPL", 10);
    let other = submit(&sealed.blotter, &other).unwrap();
    let booking = NewBreakResolution {
        break_id: broken,
        resolution: Resolution::Book { order: Some(other.id) },
        reason: "of this order",
    };
    engine.transaction(|tx| tx.breaks().resolve(&booking)).unwrap();
    assert_eq!(archived(&sealed, Utc::now()), 2);
    sealed.seal();
    let linked = Utc::now();
    assert_eq!(archived(&sealed, linked), 5);
    let noted = NewExecutionLog::new(
        other.id,
        NewAction::Recovered { retry_attempt: None, error_code: None, ended: None },
    );
    append(&sealed.blotter, &noted).unwrap();
    sealed.seal();
    assert_eq!(archived(&sealed, linked), 2);
    assert_eq!(archived(&sealed, Utc::now()), 5);
    // A replacement that is open keeps its whole chain.
    let replaced =
        NewOrder { replaces: None, ..NewOrder::market(another.trader_id, Side::Buy, "AAPL", 10) };
    let replaced = submit(&sealed.blotter, &replaced).unwrap();
    let open = NewOrder {
        replaces: Some(replaced.id),
        ..NewOrder::market(another.trader_id, Side::Buy, "AAPL", 20)
    };
    submit(&sealed.blotter, &open).unwrap();
    sealed.seal();
    assert_eq!(archived(&sealed, Utc::now()), 5);
}

#[test]
fn an_archive_is_verified_with_a_public_key_alone_and_every_change_of_a_line_is_found() {
    let kept = Kept::new();
    let contents = kept.archive();
    assert_eq!(kept.file().verify(&kept.keys()).unwrap(), contents);
    let another = SealKey::generate().unwrap().public();
    assert!(kept.file().verify(&[another]).unwrap_err().is_unproven());

    let text = fs::read_to_string(kept.file().path()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let damaged = kept.sealed.path("damaged");
    let refused = |what: &str, text: &[u8]| {
        fs::write(&damaged, text).unwrap();
        let verified = ArchiveFile::new(&damaged).verify(&kept.keys());
        assert!(verified.is_err_and(|why| why.is_unproven()), "{what}");
    };
    for index in 0..lines.len() {
        let without = [&lines[..index], &lines[index + 1..]].concat().concat();
        refused(&format!("without line {index}"), without.as_bytes());
        let twice = [&lines[..=index], &lines[index..]].concat().concat();
        refused(&format!("line {index} twice"), twice.as_bytes());
        // A digit of the line is another one; in the header, one of the root.
        let line = lines[index];
        let from = if index == 0 { line.find("tradeblotter seal").unwrap() } else { 0 };
        let at = from + line[from..].find(|c: char| c.is_ascii_digit()).unwrap();
        let digit = if line.as_bytes()[at] == b'7' { '8' } else { '7' };
        let changed = format!("{}{digit}{}", &line[..at], &line[at + 1..]);
        let changed = [&lines[..index], &[changed.as_str()], &lines[index + 1..]].concat().concat();
        refused(&format!("another digit in line {index}"), changed.as_bytes());
        if index > 1 {
            let mut swapped = lines.clone();
            swapped.swap(index - 1, index);
            refused(&format!("line {index} earlier"), swapped.concat().as_bytes());
        }
    }
    for cut in [0, 1, text.len() / 2, text.len() - 1] {
        refused(&format!("cut after {cut} bytes"), &text.as_bytes()[..cut]);
    }
    // The first line states an earlier time than the records have.
    let year = &text[text.find("\"before\":\"").unwrap() + 10..][..4];
    let earlier = text.replacen(&format!("\"before\":\"{year}"), "\"before\":\"2001", 1);
    refused("an earlier time", earlier.as_bytes());
    refused("not UTF-8", &[text.as_bytes(), b"{\"scheme\":\xff}\n"].concat());
    assert!(
        ArchiveFile::new(kept.sealed.path("absent")).verify(&kept.keys()).unwrap_err().is_file()
    );
}

#[test]
fn nothing_is_archived_that_is_not_as_it_was_sealed_and_no_file_is_overwritten() {
    let kept = Kept::new();
    let archive = |path: PathBuf, keys: &[PublicKey]| {
        kept.sealed.auditor().snapshot(|tx| tx.seals().archive(kept.before, &path, keys))
    };
    let another = SealKey::generate().unwrap().public();
    assert!(archive(kept.sealed.path("new"), &[another]).unwrap_err().is_unproven());
    assert!(archive(kept.sealed.file(), &kept.keys()).unwrap_err().is_file());
    kept.sealed.db.unguarded().batch_execute("UPDATE fills SET venue = 'Y'").unwrap();
    let why = archive(kept.sealed.path("new"), &kept.keys()).unwrap_err();
    assert!(why.is_unproven() && why.to_string().contains("not as it was sealed"), "{why}");
    assert!(!kept.sealed.path("new").exists());
}

#[test]
fn what_was_removed_counts_as_archived_and_all_else_goes_on() {
    let kept = Kept::new();
    let contents = kept.archive();
    let before = rows(&kept.sealed.db, &["seals", "traders"]);
    let removed = kept.remove().unwrap();
    assert_eq!(rows(&kept.sealed.db, &["seals", "traders"]), before);
    assert_eq!(
        (removed.records, &removed.covered, removed.seal, removed.sha256),
        (contents.records as i64, &contents.covered, 2, contents.sha256)
    );
    let mut left: Vec<String> =
        [kept.open.id, kept.young.id, kept.young.root_id].map(|id| id.to_string()).into();
    left.sort();
    assert_eq!(kept.orders(), left);

    // Nothing but the archive itself is new, and it is sealed like any record.
    let (verified, found) = verify(&kept.sealed.auditor(), &kept.options());
    assert_eq!(found, []);
    assert_eq!((verified.archived, verified.unsealed), (contents.records, 1));
    kept.sealed.seal();
    let (verified, found) = verify(&kept.sealed.auditor(), &kept.options());
    assert_eq!((verified.archived, verified.unsealed, found), (contents.records, 0, vec![]));
    let proof = kept.sealed.auditor().snapshot(|tx| tx.seals().prove(removed.id)).unwrap();
    proof.verify(&kept.keys()).unwrap();
    assert!(proof.record().contains(&contents.sha256.to_string()));
    let rest = kept.sealed.auditor().snapshot(|tx| tx.seals().prove(kept.young.trader_id)).unwrap();
    rest.verify(&kept.keys()).unwrap();

    // A report of that time names it, one of a later time does not.
    let named = |from| {
        let filter = Filter { from: Some(from), ..Filter::default() };
        let report = Report { filter, format: Format::Ndjson, public_keys: &[] };
        let compliance = kept.sealed.blotter.compliance();
        let contents =
            compliance.safe_snapshot(|tx| report.write_to(tx, &mut std::io::sink(), |_, _| ()));
        contents.unwrap().archives
    };
    assert_eq!(named(kept.before - chrono::TimeDelta::seconds(1)), [removed]);
    assert_eq!(named(kept.before), []);

    // The day goes on: more of the same kind is recorded, sealed, archived and removed.
    kept.sealed.end(3);
    kept.sealed.seal();
    let path = kept.sealed.path("second");
    let second = kept
        .sealed
        .auditor()
        .snapshot(|tx| tx.seals().archive(Utc::now(), &path, &kept.keys()))
        .unwrap()
        .unwrap();
    assert_eq!(second.orders, 4);
    let file = ArchiveFile::new(&path);
    remove_archived(&mut kept.sealed.db.admin(), &file, &kept.keys()).unwrap();
    kept.sealed.seal();
    let mut options = kept.options();
    options.archive_files.push(file);
    let (verified, found) = verify(&kept.sealed.auditor(), &options);
    assert_eq!((verified.archived, found), (contents.records + second.records, vec![]));
    assert_eq!(kept.orders(), [kept.open.id.to_string()]);
}

/// Writes an archive file without the records in whose lines this text is. It leads to the same root.
fn without(kept: &Kept, text: &str) -> ArchiveFile {
    let all = fs::read_to_string(kept.file().path()).unwrap();
    let (header, lines) = all.split_once('\n').unwrap();
    let mut part = format!("{header}\n");
    for line in lines.lines() {
        if line.contains(text) && line.starts_with("{\"scheme\"") {
            let leaf = Sha256::new().chain_update([0]).chain_update(line).finalize();
            let hash = Base64::encode_string(&leaf);
            part += &format!("{{\"subtree\":0,\"hash\":\"{hash}\"}}\n");
        } else {
            part += &format!("{line}\n");
        }
    }
    let path = kept.sealed.path(&Uuid::now_v7().to_string());
    fs::write(&path, part).unwrap();
    ArchiveFile::new(path)
}

#[test]
fn a_file_with_a_part_of_the_records_is_neither_removed_nor_restored() {
    let kept = Kept::new();
    let contents = kept.archive();
    let all = [&TABLES[..], &["archives"]].concat();
    let before = rows(&kept.sealed.db, &all);
    let admin = &mut kept.sealed.db.admin();
    let of_one = |name: &str| format!("\"{name}\":{{\"id\"");
    let parts = [
        without(&kept, &of_one("fill")),
        without(&kept, &of_one("break")),
        without(&kept, &of_one("resolution")),
        without(&kept, "\"action\":\"CANCELLED\""),
        without(&kept, "\"action\":\"SUBMITTED\""),
        without(&kept, &format!("\"order_id\":\"{}\"", kept.ended[0].id)),
        without(&kept, &format!("\"order_id\":\"{}\"", kept.ended[0].root_id)),
    ];
    for (index, part) in parts.iter().enumerate() {
        // Each record in it is genuine, but its hash is another.
        let valid = part.verify(&kept.keys()).unwrap();
        assert!(valid.records < contents.records && valid.sha256 != contents.sha256, "{index}");
        let refused = remove_archived(admin, part, &kept.keys()).unwrap_err();
        assert!(refused.is_unproven(), "{index}: {refused}");
    }
    assert_eq!(rows(&kept.sealed.db, &all), before);
    kept.remove().unwrap();
    let removed = rows(&kept.sealed.db, &all);
    for (index, part) in parts.iter().enumerate() {
        let sandbox = Database::migrated();
        let refused = restore_archive(admin, part, &kept.keys()).unwrap_err();
        assert!(refused.to_string().contains("left this database for another file"), "{refused}");
        // Elsewhere the database refuses what has no order or no break, and the rebuild what does not agree. That a
        // resolution or a whole replacement is missing, nothing says but the hash of the file.
        let is_coherent = [2, 5].contains(&index);
        let restored = restore_archive(&mut sandbox.admin(), part, &kept.keys());
        assert_eq!(restored.is_ok(), is_coherent, "{index}");
        assert_eq!(rows(&sandbox, &TABLES).is_empty(), !is_coherent, "{index}");
    }
    assert_eq!(rows(&kept.sealed.db, &all), removed);
}

#[test]
fn what_is_missing_of_the_restored_records_is_found_and_restored_from_the_file() {
    let kept = Kept::new();
    let before = rows(&kept.sealed.db, &TABLES);
    kept.archive();
    kept.remove().unwrap();
    kept.sealed.seal();
    let admin = &mut kept.sealed.db.admin();
    restore_archive(admin, &kept.file(), &kept.keys()).unwrap();
    let delete =
        "ALTER TABLE execution_logs DISABLE TRIGGER USER; ALTER TABLE fills DISABLE TRIGGER USER;
        DELETE FROM execution_logs WHERE order_id = $1 AND fill_id IS NOT NULL;
        DELETE FROM fills WHERE order_id = $1 AND amends IS NOT NULL;
        DELETE FROM fills WHERE order_id = $1;";
    let delete = delete.replace("$1", &format!("'{}'", kept.ended[0].root_id));
    admin.batch_execute(&format!("BEGIN; {delete} {} COMMIT", enable())).unwrap();
    let (_, found) = verify(&kept.sealed.auditor(), &kept.options());
    let says = |finding: &Finding| finding.to_string().contains("restore all from its file");
    assert!(found.iter().any(says), "{found:?}");
    restore_archive(admin, &kept.file(), &kept.keys()).unwrap();
    assert_eq!(rows(&kept.sealed.db, &TABLES), before);
    let (_, found) = verify(&kept.sealed.auditor(), &kept.options());
    assert_eq!(found, []);
}

#[test]
fn a_removal_that_is_repeated_says_that_the_records_have_left() {
    let kept = Kept::new();
    kept.archive();
    let removed = kept.remove().unwrap();
    let again = kept.remove().unwrap_err();
    let left = format!("the records of this file have left already: {removed}");
    assert!(again.is_unproven() && again.to_string().contains(&left), "{again}");
}

/// Rows of the application would be deleted with the orders, and its triggers would run as the superuser.
#[test]
fn nothing_is_removed_while_a_table_of_the_application_refers_to_it() {
    for on_delete in ["CASCADE", "SET NULL", "NO ACTION"] {
        let kept = Kept::new();
        kept.archive();
        let notes = format!(
            "CREATE TABLE notes (order_id uuid CONSTRAINT notes_order REFERENCES orders (id) ON DELETE {on_delete});
             INSERT INTO notes VALUES ('{}')",
            kept.ended[0].id
        );
        kept.sealed.db.admin().batch_execute(&notes).unwrap();
        let refused = kept.remove().unwrap_err();
        let named = "the foreign key notes_order of the table notes";
        assert!(refused.is_unproven() && refused.to_string().contains(named), "{refused}");
        kept.sealed
            .db
            .admin()
            .batch_execute("ALTER TABLE notes DROP CONSTRAINT notes_order")
            .unwrap();
        kept.remove().unwrap();
        assert_eq!(
            texts(&mut kept.sealed.db.admin(), "SELECT order_id::text AS text FROM notes").len(),
            1
        );
    }
}

/// Does something after the archive was written, and asserts that nothing is removed then.
fn refused_after(deed: impl FnOnce(&Kept), why: &str) {
    let kept = Kept::new();
    kept.archive();
    deed(&kept);
    let all = [&TABLES[..], &["archives", "seals"]].concat();
    let before = rows(&kept.sealed.db, &all);
    let error = kept.remove().unwrap_err();
    assert!(error.is_unproven() && error.to_string().contains(why), "{error}");
    assert_eq!(rows(&kept.sealed.db, &all), before);
}

#[test]
fn nothing_is_removed_if_anything_of_it_has_changed_since() {
    let superuser = |sql: &'static str| {
        move |kept: &Kept| {
            let ids = kept.leaving();
            let sql =
                sql.replace("$1", &format!("'{}'", ids[0])).replace("$2", &format!("'{}'", ids[1]));
            // Without the guards for a moment: the schema is as it should be again.
            let script = format!(
                "BEGIN; SET LOCAL session_replication_role = replica;
                 ALTER TABLE orders DISABLE TRIGGER USER; ALTER TABLE fills DISABLE TRIGGER USER;
                 ALTER TABLE execution_logs DISABLE TRIGGER USER; ALTER TABLE breaks DISABLE TRIGGER USER;
                 {sql};
                 {}
                 COMMIT",
                enable()
            );
            kept.sealed.db.admin().batch_execute(&script).unwrap();
        }
    };
    refused_after(
        |kept| {
            let recovered =
                NewAction::Recovered { retry_attempt: None, error_code: None, ended: None };
            append(&kept.sealed.blotter, &NewExecutionLog::new(kept.ended[1].id, recovered))
                .unwrap();
        },
        "has an entry that the file lacks",
    );
    refused_after(
        |kept| {
            super::kept(&kept.sealed.blotter, &late(Some(&kept.ended[0]), "L-9"));
        },
        "lacks",
    );
    refused_after(superuser("UPDATE fills SET venue = 'Y'"), "as the file has it");
    refused_after(
        superuser("DELETE FROM execution_logs WHERE order_id = $1"),
        "as the file has it",
    );
    refused_after(superuser("UPDATE orders SET status = 'PARTIAL' WHERE id = $2"), "is open");
    refused_after(
        superuser("UPDATE orders SET filled_quantity = filled_quantity + 1 WHERE id = $2"),
        "filled quantity is",
    );
    refused_after(
        superuser(
            "INSERT INTO fills (order_id, trader_id, root_id, source, venue, timestamp, quantity_filled, price_at_fill)
             SELECT id, trader_id, root_id, 'X', 'X', now(), 1, 1 FROM orders WHERE id = $2",
        ),
        "has a fill that the file lacks",
    );
    refused_after(
        superuser(
            "INSERT INTO orders (trader_id, root_id, symbol, quantity, order_type, side, status)
             SELECT trader_id, root_id, 'X', 1, 'MARKET', 'BUY', 'CANCELLED' FROM orders WHERE id = $2",
        ),
        "belongs to a chain of which the file has a part",
    );
    refused_after(
        |kept| {
            kept.sealed
                .db
                .admin()
                .batch_execute("ALTER TABLE fills DISABLE TRIGGER fills_keep_row")
                .unwrap();
        },
        "schema",
    );
}

/// The statements that enable the triggers again.
fn enable() -> String {
    let db = Database::migrated();
    let triggers = "
        SELECT format(
            'ALTER TABLE %s ENABLE %s TRIGGER %I;', tgrelid::regclass,
            CASE tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END, tgname
        ) AS text
        FROM pg_trigger WHERE NOT tgisinternal
            AND tgrelid IN ('orders'::regclass, 'fills'::regclass, 'execution_logs'::regclass, 'breaks'::regclass)";
    texts(&mut db.admin(), triggers).concat()
}

#[test]
fn nothing_is_removed_with_a_file_that_is_not_one_of_this_log() {
    let kept = Kept::new();
    kept.archive();
    let all = [&TABLES[..], &["archives", "seals"]].concat();
    let before = rows(&kept.sealed.db, &all);
    let another = Kept::new();
    another.archive();
    let keys = [kept.keys(), another.keys()].concat();
    let admin = &mut kept.sealed.db.admin();
    assert!(remove_archived(admin, &another.file(), &keys).unwrap_err().is_unproven());
    assert!(remove_archived(admin, &kept.file(), &another.keys()).unwrap_err().is_unproven());
    let absent = ArchiveFile::new(kept.sealed.path("absent"));
    assert!(remove_archived(admin, &absent, &keys).unwrap_err().is_file());
    let text = fs::read_to_string(kept.file().path()).unwrap();
    let cut = kept.sealed.path("cut");
    fs::write(&cut, &text[..text.len() - 10]).unwrap();
    assert!(remove_archived(admin, &ArchiveFile::new(&cut), &keys).unwrap_err().is_unproven());
    assert_eq!(rows(&kept.sealed.db, &all), before);
}

#[test]
fn only_a_superuser_removes_or_restores() {
    let kept = Kept::new();
    kept.archive();
    let all = [&TABLES[..], &["archives"]].concat();
    let before = rows(&kept.sealed.db, &all);
    for url in [
        kept.sealed.db.owner_url(),
        kept.sealed.db.login_url(Auditor::NAME),
        kept.sealed.db.login_url(Compliance::NAME),
        kept.sealed.db.login_url(Engine::NAME),
    ] {
        let conn = &mut connect(&url).unwrap();
        let (file, keys) = (kept.file(), kept.keys());
        assert!(remove_archived(conn, &file, &keys).unwrap_err().is_permission_denied());
        assert!(restore_archive(conn, &file, &keys).unwrap_err().is_permission_denied());
    }
    assert_eq!(rows(&kept.sealed.db, &all), before);
}

#[test]
fn a_hardened_schema_is_hardened_again_after_a_removal() {
    let kept = Kept::new();
    kept.archive();
    let admin = &mut kept.sealed.db.admin();
    harden::install(admin).unwrap();
    kept.remove().unwrap();
    assert_eq!(harden::state(admin).unwrap(), Hardening::On);
    assert_eq!(tradeblotter::catalog::differences(admin).unwrap(), []);
    restore_archive(admin, &kept.file(), &kept.keys()).unwrap();
    assert_eq!(harden::state(admin).unwrap(), Hardening::On);
    assert_eq!(tradeblotter::catalog::differences(admin).unwrap(), []);
}

#[test]
fn restored_rows_are_those_that_were_removed_and_verify_as_they_were_sealed() {
    let kept = Kept::new();
    let contents = kept.archive();
    let (before, reported) = (rows(&kept.sealed.db, &TABLES), report(&kept.sealed.db));
    kept.remove().unwrap();
    kept.sealed.seal();
    let admin = &mut kept.sealed.db.admin();
    assert_eq!(restore_archive(admin, &kept.file(), &kept.keys()).unwrap(), contents);
    assert_eq!(rows(&kept.sealed.db, &TABLES), before);
    let (verified, found) = verify(&kept.sealed.auditor(), &kept.options());
    assert_eq!((verified.archived, verified.unsealed, found), (0, 0, vec![]));
    // Again, when everything is there.
    restore_archive(admin, &kept.file(), &kept.keys()).unwrap();
    assert_eq!(rows(&kept.sealed.db, &TABLES), before);
    // And removed again, with the same file.
    kept.remove().unwrap();
    kept.sealed.seal();
    let (verified, found) = verify(&kept.sealed.auditor(), &kept.options());
    assert_eq!((verified.archived, found), (contents.records, vec![]));

    // In another database: what has ended is there, as it was, and can be reported and added to.
    let sandbox = Database::migrated();
    restore_archive(&mut sandbox.admin(), &kept.file(), &kept.keys()).unwrap();
    let restored = rows(&sandbox, &TABLES);
    assert!(!restored.is_empty() && restored.iter().all(|row| before.contains(row)));
    let days: Vec<String> = report(&sandbox).lines().map(str::to_owned).collect();
    let ids: Vec<String> = kept.leaving().iter().map(Uuid::to_string).collect();
    let of_the_ended =
        |line: &&str| ids.iter().any(|id| line.contains(&format!("\"order_id\":\"{id}\"")));
    let unsealed = |line: &str| {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
        row.as_object_mut().unwrap().retain(|name, _| !name.starts_with("seal"));
        row
    };
    let expected: Vec<_> = reported.lines().filter(of_the_ended).map(unsealed).collect();
    assert_eq!(days.iter().map(|line| unsealed(line)).collect::<Vec<_>>(), expected);
    let rebuilt = sandbox.blotter().compliance().snapshot(|tx| tx.orders().rebuild(None)).unwrap();
    assert_eq!(rebuilt.differing, []);
    trader(&sandbox.blotter(), "Eve");
}

#[test]
fn nothing_is_restored_over_another_record_of_the_same_number() {
    let kept = Kept::new();
    kept.archive();
    let other = Kept::new();
    let before = rows(&other.sealed.db, &TABLES);
    let admin = &mut other.sealed.db.admin();
    assert!(restore_archive(admin, &kept.file(), &kept.keys()).unwrap_err().is_unproven());
    assert_eq!(rows(&other.sealed.db, &TABLES), before);
    let text = fs::read_to_string(kept.file().path()).unwrap();
    let cut = kept.sealed.path("cut");
    fs::write(&cut, &text[..text.len() - 10]).unwrap();
    let sandbox = Database::migrated();
    let refused = restore_archive(&mut sandbox.admin(), &ArchiveFile::new(cut), &kept.keys());
    assert!(refused.unwrap_err().is_unproven());
    assert!(rows(&sandbox, &TABLES).is_empty());
}

/// At each statement of a removal that waits for another session, its backend is killed.
#[test]
fn a_removal_that_is_killed_has_removed_nothing() {
    let kept = Kept::new();
    kept.archive();
    let all = [&TABLES[..], &["archives", "seals"]].concat();
    let before = rows(&kept.sealed.db, &all);
    for table in ["break_resolutions", "execution_logs", "fills", "orders", "breaks", "archives"] {
        let mut holder = kept.sealed.db.admin();
        holder.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ROW EXCLUSIVE MODE")).unwrap();
        if table == "archives" {
            holder.batch_execute("LOCK TABLE archives IN SHARE MODE").unwrap();
        }
        let died = thread::scope(|scope| {
            let removal = scope.spawn(|| kept.remove());
            let kill = format!(
                "SELECT pg_terminate_backend(pid)::text AS text FROM pg_locks
                 WHERE NOT granted AND relation = '{table}'::regclass"
            );
            while texts(&mut kept.sealed.db.admin(), &kill).is_empty() {}
            removal.join().unwrap()
        });
        assert!(died.unwrap_err().is_connection(), "{table}");
        holder.batch_execute("ROLLBACK").unwrap();
        assert_eq!(rows(&kept.sealed.db, &all), before, "{table}");
        assert_eq!(tradeblotter::catalog::differences(&mut holder).unwrap(), []);
    }
    let (_, found) = verify(&kept.sealed.auditor(), &kept.sealed.options());
    assert_eq!(found, []);
    kept.remove().unwrap();
}

#[test]
fn a_changed_archive_and_one_that_hides_a_removal_are_found() {
    let kept = Kept::new();
    let contents = kept.archive();
    let removed = kept.remove().unwrap();
    kept.sealed.seal();
    let mut unguarded = kept.sealed.db.unguarded();
    let mut found_after = |sql: &str| {
        unguarded
            .batch_execute(&format!(
                "BEGIN; CREATE TABLE undo AS SELECT * FROM archives; {sql}; COMMIT"
            ))
            .unwrap();
        let (_, found) = verify(&kept.sealed.auditor(), &kept.options());
        unguarded
            .batch_execute("BEGIN; DELETE FROM archives; INSERT INTO archives SELECT * FROM undo; DROP TABLE undo; COMMIT")
            .unwrap();
        let is_schema = |finding: &Finding| matches!(finding, Finding::Schema(_));
        found.into_iter().filter(|finding| !is_schema(finding)).collect::<Vec<_>>()
    };
    for column in [
        "before = before + interval '1 microsecond'",
        "records = records + 1",
        "covered = covered + '{[1000000,1000001)}'",
        "covered = covered - int8multirange(int8range(lower(covered), lower(covered) + 1))",
        "seal = 1",
        "size = size + 1",
        "sha256 = set_byte(sha256, 7, 255 - get_byte(sha256, 7))",
        "created_at = created_at + interval '1 microsecond'",
        "acted_by = acted_by || 'x'",
    ] {
        let found = found_after(&format!("UPDATE archives SET {column}"));
        let is_altered = |finding: &Finding| matches!(finding, Finding::Altered(record) if record.kind == RecordKind::Archive && record.number == removed.sequence);
        assert!(found.iter().any(is_altered), "{column}: {found:?}");
    }
    // Without the row, each record is missing.
    let found = found_after("DELETE FROM archives");
    let missing = found.iter().filter(|finding| matches!(finding, Finding::Missing { .. })).count();
    assert_eq!(missing as u64, contents.records + 1);
    // Another row that claims records beyond the seals, or a file that nobody has.
    let forge = |covered: &str| {
        format!(
            "INSERT INTO archives (before, records, covered, seal, size, sha256, sequence)
             SELECT before, 1, '{covered}', seal, size, set_byte(sha256, 7, 255 - get_byte(sha256, 7)), 900000
             FROM archives"
        )
    };
    let of_archives = |found: &[Finding]| {
        found.iter().filter(|finding| matches!(finding, Finding::Archive(..))).count()
    };
    assert_eq!(of_archives(&found_after(&forge("{[900001,900002)}"))), 2);
    assert_eq!(of_archives(&found_after(&forge("{[1,2)}"))), 1);
    // A file that was damaged, or is another one.
    let text = fs::read(kept.file().path()).unwrap();
    fs::write(kept.file().path(), &text[..text.len() - 10]).unwrap();
    let (_, found) = verify(&kept.sealed.auditor(), &kept.options());
    let is_of_file = |finding: &Finding| matches!(finding, Finding::ArchiveFile { .. });
    assert!(found.iter().any(is_of_file), "{found:?}");
    assert_eq!(of_archives(&found), 1);
}

#[test]
fn traders_of_the_applications_own_table_are_in_no_archive_and_keep_their_triggers() {
    let with_traders = || {
        let db = Database::empty();
        let own = "CREATE TABLE traders (id uuid PRIMARY KEY, nickname text);
            CREATE TABLE noted (id uuid);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN INSERT INTO noted VALUES (NEW.id); RETURN NEW; END';
            CREATE TRIGGER note AFTER INSERT ON traders FOR EACH ROW EXECUTE FUNCTION note()";
        db.owner().batch_execute(own).unwrap();
        tradeblotter::migrations::run(&mut db.owner()).unwrap();
        db.owner()
            .batch_execute(&format!("INSERT INTO traders VALUES ('{}', 'A')", Uuid::from_u128(7)))
            .unwrap();
        db
    };
    // Makes the logins, which belong to the server.
    drop(Database::migrated());
    let (db, directory) = (with_traders(), tempfile::TempDir::new().unwrap());
    let (engine, auditor) = (db.blotter().engine(), db.blotter().auditor());
    let new = NewOrder::market(Uuid::from_u128(7), Side::Buy, "AAPL", 7);
    let order = engine.transaction(|tx| tx.orders().submit(&new)).unwrap();
    let cancelled = NewExecutionLog::new(order.id, NewAction::Cancelled);
    engine.transaction(|tx| tx.execution_logs().append(&cancelled)).unwrap();
    let key = SealKey::generate().unwrap();
    super::seal(&auditor, &key).unwrap();
    let file = ArchiveFile::new(directory.path().join("archive"));
    let keys = [key.public()];
    let archived =
        auditor.snapshot(|tx| tx.seals().archive(Utc::now(), file.path(), &keys)).unwrap().unwrap();
    assert_eq!((archived.records, archived.orders, archived.traders), (2, 1, 0));
    let tables = ["traders", "orders", "execution_logs"];
    let before = rows(&db, &tables);
    remove_archived(&mut db.admin(), &file, &keys).unwrap();
    assert_eq!(rows(&db, &tables).len(), 1);
    restore_archive(&mut db.admin(), &file, &keys).unwrap();
    assert_eq!(rows(&db, &tables), before);
    // In another database, the application registers its traders, and its trigger fires as before.
    let other = with_traders();
    restore_archive(&mut other.admin(), &file, &keys).unwrap();
    assert_eq!(rows(&other, &tables), before);
    for db in [&db, &other] {
        db.owner().batch_execute("INSERT INTO traders VALUES (gen_random_uuid(), 'B')").unwrap();
        assert_eq!(texts(&mut db.owner(), "SELECT count(*)::text AS text FROM noted"), ["2"]);
    }
}

/// An open order whose status says that it has ended stays: its entries say otherwise.
#[test]
fn an_order_whose_end_is_forged_does_not_leave() {
    let kept = Kept::new();
    let forged = format!(
        "BEGIN; ALTER TABLE orders DISABLE TRIGGER USER;
         UPDATE orders SET status = 'CANCELLED' WHERE id = '{}'; {} COMMIT",
        kept.open.id,
        enable()
    );
    kept.sealed.db.admin().batch_execute(&forged).unwrap();
    assert_eq!(kept.archive().orders, 5);
    let refused = kept.remove().unwrap_err();
    let says = "status is CANCELLED, but its log and fills give PENDING";
    assert!(refused.is_unproven() && refused.to_string().contains(says), "{refused}");
}
