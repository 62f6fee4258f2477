//! Seals: what they cover, which changes a verification finds, and what a proof shows.

mod archives;
mod public_tools;
mod tampering;
mod under_way;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection;
use tempfile::TempDir;
use tradeblotter::audit::{
    CheckpointFile, CheckpointWriter, Finding, Proof, PublicKey, Seal, SealFlaw, SealKey,
    SealOptions, Verified, VerifyEvent, VerifyFrom, VerifyOptions,
};
use tradeblotter::role::Auditor;
use tradeblotter::widths::{self, Widening};
use tradeblotter::{
    Action, Blotter, Commission, Error, Execution, ExecutionKind, Instructions, NewAction,
    NewBreakResolution, NewBust, NewCorrection, NewExecutionLog, NewFill, NewOrder, Order, Outcome,
    Session, Side, TimeInForce,
};

use tradeblotter_test_support::raw::RawEntry;
use tradeblotter_test_support::{
    Database, append, fill_of, noon, price, programs, record, submit, texts, trader,
};

/// A day with entries of every kind, sealed four times, with a checkpoint file beside it.
pub struct Sealed {
    pub blotter: Blotter,
    pub key: SealKey,
    directory: TempDir,
    pub db: Database,
}

impl Sealed {
    /// Nothing is recorded or sealed yet.
    pub fn nothing() -> Self {
        let db = Database::migrated();
        let directory = TempDir::new().unwrap();
        let key = SealKey::generate().unwrap();
        Self { blotter: db.blotter(), key, directory, db }
    }

    pub fn day() -> Self {
        let sealed = Self::nothing();
        for part in 0..4 {
            sealed.live(part);
            sealed.seal();
        }
        sealed
    }

    pub fn auditor(&self) -> Session<Auditor> {
        self.blotter.auditor()
    }

    pub fn file(&self) -> PathBuf {
        self.path("checkpoint")
    }

    /// The path of a file beside the checkpoint file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Seals all committed entries, and appends the seal to the checkpoint file.
    pub fn seal(&self) -> Seal {
        let seal = seal(&self.auditor(), &self.key).expect("something to seal");
        self.write_down();
        seal
    }

    pub fn write_down(&self) {
        let keys = vec![self.key.public()];
        CheckpointWriter::open(&self.file(), keys).unwrap().append_new(&self.auditor()).unwrap();
    }

    pub fn checkpoint(&self) -> CheckpointFile {
        CheckpointFile::read(&self.file()).unwrap()
    }

    /// Options for a full verification against the key and the checkpoint file.
    pub fn options(&self) -> VerifyOptions {
        options(&[self.key.public()], Some(self.checkpoint()))
    }

    /// A part of the day, with enough orders to have entries of every kind.
    fn live(&self, part: i32) {
        let Self { blotter, .. } = self;
        let replacement = self.end(part);
        // One break is left open, and one of an unknown order.
        kept(blotter, &self::late(Some(&replacement), "L-3"));
        kept(blotter, &self::late(None, &format!("L-4-{part}")));
        let market = NewOrder::market(replacement.trader_id, Side::Sell, "IBM", 7);
        submit(blotter, &market).unwrap();
    }

    /// A chain that ends, with entries of every kind and three breaks that are resolved. Returns its last order.
    fn end(&self, part: i32) -> Order {
        let Self { blotter, .. } = self;
        let ada = trader(blotter, &format!("Ada {part}"));
        let client_id = format!("C-{part}");
        let instructions = [("18", "G"), ("110", "20"), ("note", "a \"quoted\" π")];
        let instructions: Instructions = instructions.into_iter().collect();
        let new = NewOrder {
            stop_loss: Some(price("9.50")),
            take_profit: Some(price("12")),
            client_order_id: Some(&client_id),
            expires_at: Some(noon() + chrono::TimeDelta::days(30)),
            trading_day: Some(noon().date_naive()),
            account: Some("A-100"),
            time_in_force: Some(TimeInForce::Gtc),
            limit_price: Some(price("10.60")),
            currency: Some("USD"),
            received_at: Some(noon()),
            instructions: Some(&instructions),
            ..NewOrder::stop(ada.id, Side::Buy, "AAPL", 100, price("10.50"))
        };
        let order = submit(blotter, &new).unwrap();
        let routed = NewExecutionLog {
            reason: Some("to the venue"),
            reported_at: Some(noon()),
            report_id: Some(uuid::Uuid::from_u128(7)),
            ..NewExecutionLog::new(order.id, NewAction::Executed { venue_order_id: Some("V-1") })
        };
        append(blotter, &routed).unwrap();
        let one = record(blotter, &of_venue(&order, 30, "E-1")).unwrap();
        let two = record(blotter, &of_venue(&order, 20, "E-2")).unwrap();
        let bust = NewBust { amends: one.id, timestamp: noon(), execution_id: Some("E-3") };
        let correction = NewCorrection {
            amends: two.id,
            timestamp: noon(),
            quantity_filled: 21,
            price_at_fill: price("10.43"),
            commission: "0.20".parse().unwrap(),
            rebate: Commission::default(),
            execution_id: None,
        };
        let engine = blotter.engine();
        engine.transaction(|tx| tx.fills().bust(&bust)).unwrap();
        engine.transaction(|tx| tx.fills().correct(&correction)).unwrap();
        // Sequence numbers that are drawn and then rolled back.
        let failed = engine.transaction(|tx| RawEntry::new(order.id, Action::Filled).insert(tx));
        assert!(failed.unwrap_err().is_rule_violation());
        let taken_back: Result<(), Error> = engine.transaction(|tx| {
            tx.execution_logs().append(&NewExecutionLog::new(order.id, NewAction::Approved))?;
            tx.orders().get(uuid::Uuid::nil()).map(drop)
        });
        assert!(taken_back.unwrap_err().is_not_found());
        let retry =
            NewAction::Recovered { retry_attempt: Some(1), error_code: Some("103=1"), ended: None };
        let retried = NewExecutionLog::new(order.id, retry);
        append(blotter, &retried).unwrap();
        let replacement = NewOrder {
            replaces: Some(order.id),
            ..NewOrder::limit(ada.id, Side::Buy, "AAPL", 60, price("10.60"))
        };
        let replacement = submit(blotter, &replacement).unwrap();
        append(blotter, &NewExecutionLog::new(replacement.id, NewAction::Cancelled)).unwrap();
        // A late fill that is booked, one that is dismissed, and one of an unknown order that is dismissed.
        let late = kept(blotter, &late(Some(&replacement), "L-1"));
        let twice = kept(blotter, &self::late(Some(&replacement), "L-2"));
        let unknown = kept(blotter, &self::late(None, &format!("L-5-{part}")));
        let book = NewBreakResolution::book(late, "confirmed by the venue");
        engine.transaction(|tx| tx.breaks().resolve(&book)).unwrap();
        let dismiss = NewBreakResolution::dismiss(twice, "sent twice");
        engine.transaction(|tx| tx.breaks().resolve(&dismiss)).unwrap();
        let dismiss = NewBreakResolution::dismiss(unknown, "of another desk");
        engine.transaction(|tx| tx.breaks().resolve(&dismiss)).unwrap();
        replacement
    }
}

fn of_venue<'a>(order: &Order, quantity: i32, id: &'a str) -> NewFill<'a> {
    NewFill {
        execution_id: Some(id),
        commission: "0.10".parse().unwrap(),
        source: Some("BROKER"),
        ..fill_of(order, quantity, "10.45")
    }
}

fn late<'a>(order: Option<&Order>, id: &'a str) -> Execution<'a> {
    Execution {
        kind: ExecutionKind::Fill,
        order_id: order.map(|order| order.id),
        trader_id: None,
        timestamp: noon(),
        quantity: 10.into(),
        price: "10.50".parse().unwrap(),
        venue: "NASDAQ",
        commission: "0.10".parse().unwrap(),
        rebate: "0.05".parse().unwrap(),
        source: Some("BROKER"),
        client_order_id: Some("C-late"),
        execution_id: Some(id),
        raw: Some("8=FIX.4.4|35=8|"),
    }
}

/// Stores an execution as a break.
fn kept(blotter: &Blotter, execution: &Execution<'_>) -> uuid::Uuid {
    match blotter.engine().transaction(|tx| tx.breaks().record_or_break(execution)).unwrap() {
        Outcome::Broken(kept) => kept.id,
        recorded => panic!("{recorded:?}"),
    }
}

/// Seals up to 65536 records; none if there is no record to seal.
pub fn seal(auditor: &Session<Auditor>, key: &SealKey) -> Option<Seal> {
    let options = SealOptions::default();
    auditor.transaction(|tx| tx.seals().seal(key, &options)).unwrap().seal
}

pub fn options(keys: &[PublicKey], checkpoint: Option<CheckpointFile>) -> VerifyOptions {
    VerifyOptions {
        public_keys: keys.to_vec(),
        checkpoint_file: checkpoint,
        ..VerifyOptions::default()
    }
}

/// The result of a verification, and its findings.
pub fn verify(auditor: &Session<Auditor>, options: &VerifyOptions) -> (Verified, Vec<Finding>) {
    let mut found = Vec::new();
    let verified = auditor.snapshot(|tx| {
        found.clear();
        tx.seals().verify(options, |observation| {
            if let VerifyEvent::Found(finding) = observation {
                found.push(finding);
            }
        })
    });
    let verified: Verified = verified.unwrap();
    assert_eq!(verified.findings, found.len() as u64);
    (verified, found)
}

/// The number of records in a database.
pub fn records(db: &Database) -> u64 {
    let records = "SELECT (
        (SELECT count(*) FROM execution_logs) + (SELECT count(*) FROM breaks)
        + (SELECT count(*) FROM break_resolutions) + (SELECT count(*) FROM traders)
    )::text AS text";
    texts(&mut db.admin(), records)[0].parse().unwrap()
}

/// The number of orders in a database.
pub fn orders(db: &Database) -> u64 {
    texts(&mut db.admin(), "SELECT count(*)::text AS text FROM orders")[0].parse().unwrap()
}

#[test]
fn what_nobody_has_touched_verifies_and_there_is_nothing_left_to_seal() {
    let sealed = Sealed::day();
    assert_eq!(seal(&sealed.auditor(), &sealed.key), None);
    let (verified, found) = verify(&sealed.auditor(), &sealed.options());
    assert_eq!(found, []);
    assert_eq!(
        verified,
        Verified {
            seals: 4,
            records: records(&sealed.db),
            orders: orders(&sealed.db),
            ..Verified::default()
        }
    );
    let compliance = sealed.blotter.compliance();
    let again = compliance.snapshot(|tx| tx.seals().verify(&sealed.options(), |_| ())).unwrap();
    assert_eq!(again, verified);
}

#[test]
fn what_is_derived_of_an_order_moves_on_and_is_no_part_of_what_was_sealed() {
    let sealed = Sealed::day();
    let open = "SELECT id::text AS text FROM orders WHERE status = 'PENDING' LIMIT 1";
    let open = texts(&mut sealed.db.admin(), open)[0].parse().unwrap();
    append(&sealed.blotter, &NewExecutionLog::new(open, NewAction::Cancelled)).unwrap();
    let (verified, found) = verify(&sealed.auditor(), &sealed.options());
    assert_eq!((verified.unsealed, found), (1, Vec::new()));
}

#[test]
fn columns_that_are_made_finer_change_no_leaf() {
    let sealed = Sealed::day();
    let wide = Widening { prices: Some(6), ..Widening::default() };
    widths::widen(&mut sealed.db.owner(), wide).unwrap();
    // A new pool, because open connections have statements prepared for the previous columns.
    let auditor = sealed.db.blotter().auditor();
    assert_eq!(verify(&auditor, &sealed.options()).1, []);
}

#[test]
fn a_restored_dump_verifies() {
    let sealed = Sealed::day();
    let programs = programs(&mut sealed.db.admin());
    let program = |name: &str| Command::new(programs.join(name));
    let restored = Database::empty();
    let mut dump = program("pg_dump")
        .args(["--dbname", &sealed.db.admin_url()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let restore = program("psql")
        .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"])
        .args(["--dbname", &restored.admin_url()])
        .stdin(dump.stdout.take().unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(restore.success() && dump.wait().unwrap().success());

    let auditor = restored.blotter().auditor();
    let (verified, found) = verify(&auditor, &sealed.options());
    assert_eq!((verified.records, found), (records(&sealed.db), Vec::new()));

    // Sealing continues from there.
    let blotter = restored.blotter();
    let ada = trader(&blotter, "Ada");
    submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1)).unwrap();
    assert_eq!(seal(&auditor, &sealed.key).unwrap().records(), 2);
    let (verified, found) = verify(&auditor, &sealed.options());
    assert_eq!((verified.is_last_seal_unpublished, found), (true, Vec::new()));
}

#[test]
fn a_key_is_followed_by_another_if_both_are_trusted() {
    let sealed = Sealed::day();
    let next = SealKey::generate().unwrap();
    let ada = trader(&sealed.blotter, "Ada");
    submit(&sealed.blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1)).unwrap();
    let auditor = sealed.auditor();
    let changed = |options: &SealOptions| auditor.transaction(|tx| tx.seals().seal(&next, options));
    let refused = changed(&SealOptions::default()).unwrap_err();
    assert!(refused.is_unproven() && refused.to_string().contains("not trusted"), "{refused}");
    let earlier_keys = vec![sealed.key.public()];
    changed(&SealOptions { earlier_keys, ..SealOptions::default() }).unwrap().seal.unwrap();
    let keys = vec![sealed.key.public(), next.public()];
    CheckpointWriter::open(&sealed.file(), keys).unwrap().append_new(&auditor).unwrap();
    let checkpoint = Some(sealed.checkpoint());
    let (first, second) = (sealed.key.public(), next.public());
    let found =
        |keys: &[PublicKey], checkpoint| verify(&sealed.auditor(), &options(keys, checkpoint)).1;
    assert_eq!(found(&[first, second], checkpoint), []);
    let stranger = [Finding::Seal(5, SealFlaw::UntrustedKey(second))];
    assert_eq!(found(&[first], None), stranger);
    assert_eq!(found(&[], None), stranger);
    let strangers = (1..=4).map(|id| Finding::Seal(id, SealFlaw::UntrustedKey(first)));
    assert_eq!(found(&[second], None), strangers.collect::<Vec<_>>());
}

#[test]
fn entries_are_read_from_where_they_are_asked_for() {
    let sealed = Sealed::day();
    let third = sealed.auditor().snapshot(|tx| tx.seals().get(3)).unwrap();
    let fourth = sealed.auditor().snapshot(|tx| tx.seals().get(4)).unwrap();
    let counted = |since| {
        let options = VerifyOptions { from: Some(since), ..sealed.options() };
        let (verified, found) = verify(&sealed.auditor(), &options);
        assert_eq!((verified.seals, found), (4, Vec::new()));
        verified.records
    };
    let expected = third.records() + fourth.records();
    assert_eq!(counted(VerifyFrom::Seal(3)), expected);
    assert_eq!(counted(VerifyFrom::Time(third.sealed_at)), expected);
    assert_eq!(
        counted(VerifyFrom::Time(third.sealed_at + chrono::TimeDelta::microseconds(1))),
        fourth.records()
    );
}

#[test]
fn more_records_than_a_seal_covers_are_sealed_with_several() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1)).unwrap();
    // Inserted in SQL, because clients would take too long.
    let fill = "INSERT INTO execution_logs (order_id, trader_id, action)
                SELECT id, trader_id, 'APPROVED' FROM orders, generate_series(1, 66000)";
    db.unguarded().batch_execute(fill).unwrap();
    let key = SealKey::generate().unwrap();
    let auditor = blotter.auditor();
    let seals: Vec<_> = std::iter::from_fn(|| seal(&auditor, &key)).collect();
    let records: Vec<_> = seals.iter().map(Seal::records).collect();
    assert_eq!(records, [65_536, 466]);
    assert_eq!(seals[0].covered.bounds(), Some((1, seals[0].settled)));
    let (verified, found) = verify(&auditor, &options(&[key.public()], None));
    // The entries that no client has written are those of an order that the rebuild knows nothing of.
    assert_eq!((verified.records, verified.unsealed), (66_002, 0));
    let is_of_seals =
        |finding: &&Finding| !matches!(finding, Finding::Derived(_) | Finding::Schema(_));
    assert_eq!(found.iter().find(is_of_seals), None);
}

/// The ids of all records.
pub const RECORDS: &str =
    "SELECT id::text AS text FROM execution_logs UNION ALL SELECT id::text FROM breaks
    UNION ALL SELECT id::text FROM break_resolutions UNION ALL SELECT id::text FROM traders";

#[test]
fn every_record_is_proven_with_nothing_but_the_key() {
    let sealed = Sealed::day();
    let keys = [sealed.key.public()];
    for id in texts(&mut sealed.db.admin(), RECORDS) {
        let id = id.parse().unwrap();
        let proof = sealed.auditor().snapshot(|tx| tx.seals().prove(id)).unwrap();
        let read: Proof = proof.to_string().parse().unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(&keys).unwrap(), sealed.key.public());
        let record: serde_json::Value = serde_json::from_str(read.record()).unwrap();
        assert!(record.as_object().unwrap().values().any(|row| row["id"] == id.to_string()));
        let stranger = SealKey::generate().unwrap().public();
        assert!(read.verify(&[stranger]).unwrap_err().is_unproven());
    }
}

/// Sealed records must stay provable for years, so a scheme must never change.
#[test]
fn a_proof_of_an_earlier_build_still_holds() {
    let key = include_str!("seals/key.txt").trim().parse().unwrap();
    for proof in [
        include_str!("seals/submitted.tlog-proof"),
        include_str!("seals/booked.tlog-proof"),
        include_str!("seals/resolution.tlog-proof"),
    ] {
        proof.parse::<Proof>().unwrap().verify(&[key]).unwrap();
        assert!(verify_in_python(proof, key).0);
    }
}

#[test]
fn a_proof_in_which_any_character_is_another_one_is_refused() {
    let sealed = Sealed::day();
    let keys = [sealed.key.public()];
    let id = "SELECT id::text AS text FROM execution_logs WHERE action = 'FILLED' LIMIT 1";
    let id = texts(&mut sealed.db.admin(), id)[0].parse().unwrap();
    let proof = sealed.auditor().snapshot(|tx| tx.seals().prove(id)).unwrap().to_string();
    for (at, c) in proof.char_indices() {
        for other in ["A", "7", "\n", ""] {
            if other.starts_with(c) {
                continue;
            }
            let changed = [&proof[..at], other, &proof[at + c.len_utf8()..]].concat();
            let outcome = changed.parse::<Proof>().and_then(|proof| proof.verify(&keys));
            assert!(outcome.unwrap_err().is_unproven(), "{at}: {other:?} for {c:?}");
        }
    }
}

#[test]
fn nothing_is_proven_of_what_is_not_sealed_or_was_altered() {
    let sealed = Sealed::day();
    let prove = |id| sealed.auditor().snapshot(|tx| tx.seals().prove(id));
    let order = "SELECT id::text AS text FROM orders WHERE status = 'PENDING' LIMIT 1";
    let order = texts(&mut sealed.db.admin(), order)[0].parse().unwrap();
    let entry = append(&sealed.blotter, &NewExecutionLog::new(order, NewAction::Approved)).unwrap();
    let unsealed = prove(entry.id).unwrap_err();
    assert!(unsealed.is_not_found(), "{unsealed}");
    assert!(unsealed.to_string().contains("not sealed yet"), "{unsealed}");
    sealed.seal();
    prove(entry.id).unwrap();
    let rewrite = format!("UPDATE execution_logs SET reason = 'X' WHERE id = '{}'", entry.id);
    sealed.db.unguarded().batch_execute(&rewrite).unwrap();
    let altered = prove(entry.id).unwrap_err();
    assert!(altered.is_unproven(), "{altered}");
    assert!(prove(order).unwrap_err().is_not_found());
}

/// Runs the verifier of the documents, which shares no code with this library.
fn verify_in_python(proof: &str, key: PublicKey) -> (bool, String) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.tlog-proof");
    std::fs::write(&path, proof).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify_proof.py");
    let output =
        Command::new("python3").arg(script).arg(path).arg(key.to_string()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_verifier_in_the_documents_comes_to_the_same_result() {
    let sealed = Sealed::day();
    let key = sealed.key.public();
    // One record of each kind: a submission, a fill, another entry, a break, a resolution, a trader.
    let ids = "SELECT min(id::text) AS text FROM execution_logs GROUP BY action, fill_id IS NULL
        UNION ALL SELECT min(id::text) FROM breaks UNION ALL SELECT min(id::text) FROM break_resolutions
        UNION ALL SELECT min(id::text) FROM traders";
    for id in texts(&mut sealed.db.admin(), ids) {
        let proof = sealed.auditor().snapshot(|tx| tx.seals().prove(id.parse().unwrap())).unwrap();
        let (is_proven, said) = verify_in_python(&proof.to_string(), key);
        assert!(is_proven && said.contains(&id), "{said}");
        let changed = proof.to_string().replacen("index 1", "index 2", 1);
        if changed != proof.to_string() {
            let (is_proven, said) = verify_in_python(&changed, key);
            assert!(!is_proven && said.contains("not proven: "), "{said}");
        }
        let stranger = SealKey::generate().unwrap().public();
        let (is_proven, said) = verify_in_python(&proof.to_string(), stranger);
        assert!(!is_proven && said.contains("not signed with this key"), "{said}");
    }
}

#[test]
fn traders_of_the_applications_own_table_are_no_records() {
    // Makes the logins, which belong to the server.
    drop(Database::migrated());
    let db = Database::empty();
    let own = "CREATE TABLE traders (id uuid PRIMARY KEY, desk text NOT NULL);
        INSERT INTO traders VALUES ('a0000000-0000-7000-8000-000000000001', 'Ada')";
    db.owner().batch_execute(own).unwrap();
    tradeblotter::migrations::run(&mut db.owner()).unwrap();
    let blotter = db.blotter();
    let ada = "a0000000-0000-7000-8000-000000000001".parse().unwrap();
    let order = submit(&blotter, &NewOrder::market(ada, Side::Buy, "AAPL", 1)).unwrap();
    append(&blotter, &NewExecutionLog::new(order.id, NewAction::Approved)).unwrap();
    let (auditor, key) = (blotter.auditor(), SealKey::generate().unwrap());
    assert_eq!(seal(&auditor, &key).unwrap().records(), 2);
    let (verified, found) = verify(&auditor, &options(&[key.public()], None));
    assert_eq!((verified.records, verified.orders, found), (2, 1, Vec::new()));
    assert!(auditor.snapshot(|tx| tx.seals().prove(ada)).unwrap_err().is_not_found());
}
