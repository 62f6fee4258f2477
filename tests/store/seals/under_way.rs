//! Sealing and verifying while other sessions write.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use tradeblotter::audit::{CheckpointWriter, Finding, SealKey, SealOptions, VerifyOptions};
use tradeblotter::{
    Error, NewAction, NewExecutionLog, NewOrder, Side, connect, role, transaction_on,
};

use super::{Sealed, options, records, seal, verify};
use tradeblotter_test_support::{
    EXECUTED, append, await_waiter, fill_of, record, submit, trader, with_order_of,
};

/// The greatest number does not show what is sealed: a number that is drawn early may be committed late.
#[test]
fn an_entry_of_a_transaction_that_is_open_across_two_seals_is_in_the_third() {
    let (db, blotter, order) = with_order_of(100);
    let other = submit(&blotter, &NewOrder::market(order.trader_id, Side::Buy, "IBM", 10)).unwrap();
    let auditor = blotter.auditor();
    let key = SealKey::generate().unwrap();
    let clean = |unsealed| {
        let (verified, found) = verify(&auditor, &options(&[key.public()], None));
        assert_eq!((verified.unsealed, found), (unsealed, Vec::new()));
    };
    let late = transaction_on(
        &mut connect(&db.login_url("blotter_engine")).unwrap(),
        role::Engine,
        |tx| {
            let late =
                tx.execution_logs().append(&NewExecutionLog::new(order.id, NewAction::Approved))?;
            append(&blotter, &NewExecutionLog::new(other.id, NewAction::Approved))?;
            let first = seal(&auditor, &key).unwrap();
            assert!(!first.covered.contains(late.sequence));
            assert!(first.covered.contains(late.sequence + 1));
            assert!(first.settled < late.sequence);
            clean(0);
            append(&blotter, &NewExecutionLog::new(other.id, EXECUTED))?;
            let second = seal(&auditor, &key).unwrap();
            assert_eq!(second.records(), 1);
            assert!(second.settled < late.sequence);
            clean(0);
            Ok::<_, Error>(late)
        },
    )
    .unwrap();
    clean(1);
    let third = seal(&auditor, &key).unwrap();
    assert_eq!(Vec::from(third.covered), [(late.sequence, late.sequence)]);
    assert!(third.settled > late.sequence);
    clean(0);
    assert_eq!(seal(&auditor, &key), None);
    assert_eq!(records(&db), 6);
}

#[test]
fn a_transaction_that_holds_a_lock_and_writes_nothing_delays_no_seal() {
    let (db, blotter, order) = with_order_of(100);
    let auditor = blotter.auditor();
    let key = SealKey::generate().unwrap();
    let options = SealOptions { wait: Duration::ZERO, ..SealOptions::default() };
    let mut conn = connect(&db.login_url("blotter_engine")).unwrap();
    let lock =
        "BEGIN; SET LOCAL ROLE blotter_engine; LOCK TABLE execution_logs IN ROW EXCLUSIVE MODE";
    conn.batch_execute(lock).unwrap();
    let sealing = auditor.transaction(|tx| tx.seals().seal(&key, &options)).unwrap();
    assert_eq!(sealing.stall, None);
    assert_eq!(sealing.seal.unwrap().settled, 2);
    drop(conn);
    append(&blotter, &NewExecutionLog::new(order.id, EXECUTED)).unwrap();
}

#[test]
fn a_transaction_that_has_written_and_stays_open_is_named() {
    let (db, blotter, order) = with_order_of(100);
    let auditor = blotter.auditor();
    let key = SealKey::generate().unwrap();
    let options = SealOptions { wait: Duration::ZERO, ..SealOptions::default() };
    let sealing = || auditor.transaction(|tx| tx.seals().seal(&key, &options)).unwrap();
    let conn = &mut connect(&db.login_url("blotter_engine")).unwrap();
    transaction_on(conn, role::Engine, |tx| {
        let pid: i32 =
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("pg_backend_pid()"))
                .get_result(tx.connection())
                .unwrap();
        tx.traders().register("Bob")?;
        let first = sealing();
        assert_eq!((first.seal.as_ref().unwrap().records(), first.seal.unwrap().settled), (2, 0));
        append(&blotter, &NewExecutionLog::new(order.id, EXECUTED))?;
        let second = sealing();
        assert_eq!(second.seal.unwrap().settled, 0);
        let stall = second.stall.unwrap();
        assert!(stall.since.is_some());
        assert_eq!(stall.transactions.len(), 1, "{stall:?}");
        assert_eq!(stall.transactions[0].pid, Some(pid));
        assert!(stall.transactions[0].login.as_ref().unwrap().contains("engine"), "{stall:?}");
        Ok::<_, Error>(())
    })
    .unwrap();
    let third = sealing();
    assert_eq!((third.stall, third.seal.unwrap().settled), (None, 4));
}

/// A number is drawn before its row is inserted, and so before the row would have given its transaction an id.
#[test]
fn a_number_that_is_drawn_for_a_row_not_yet_inserted_is_not_settled() {
    let (db, blotter, order) = with_order_of(100);
    let auditor = blotter.auditor();
    let key = SealKey::generate().unwrap();
    let options = SealOptions { wait: Duration::ZERO, ..SealOptions::default() };
    let admin = &mut db.admin();
    // Fires after the trigger that draws the number, whose name comes first.
    let pause = "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END';
        CREATE TRIGGER traders_pause BEFORE INSERT ON traders FOR EACH ROW EXECUTE FUNCTION pause();
        SELECT pg_advisory_lock(7)";
    admin.batch_execute(pause).unwrap();
    let sealing = thread::scope(|scope| {
        scope.spawn(|| trader(&blotter, "Bob"));
        await_waiter(admin);
        append(&blotter, &NewExecutionLog::new(order.id, EXECUTED)).unwrap();
        let sealing = auditor.transaction(|tx| tx.seals().seal(&key, &options));
        // Before anything is asserted: the thread waits for it.
        admin.batch_execute("SELECT pg_advisory_unlock(7)").unwrap();
        sealing.unwrap()
    });
    assert_eq!(sealing.stall.unwrap().transactions.len(), 1);
    let first = sealing.seal.unwrap();
    assert_eq!((Vec::from(first.covered), first.settled), (vec![(1, 2), (4, 4)], 0));
    let last = seal(&auditor, &key).unwrap();
    assert_eq!((Vec::from(last.covered), last.settled), (vec![(3, 3)], 4));
}

#[test]
fn a_record_that_is_not_sealed_for_too_long_is_found() {
    let (_db, blotter, order) = with_order_of(100);
    let auditor = blotter.auditor();
    let key = SealKey::generate().unwrap();
    seal(&auditor, &key).unwrap();
    let entry = append(&blotter, &NewExecutionLog::new(order.id, EXECUTED)).unwrap();
    append(&blotter, &NewExecutionLog::new(order.id, NewAction::Approved)).unwrap();
    let found = |age| {
        let options =
            VerifyOptions { max_unsealed_age: Some(age), ..options(&[key.public()], None) };
        let (verified, found) = verify(&auditor, &options);
        assert_eq!(verified.unsealed_numbers, Some((3, 4)));
        found
    };
    assert_eq!(found(Duration::from_secs(3600)), []);
    let overdue = found(Duration::ZERO);
    let [Finding::Overdue { record, since }] = &overdue[..] else { panic!("{overdue:?}") };
    assert_eq!((record.id, *since), (entry.id, entry.created_at));
}

/// Counts a thread that has ended, also by a panic.
struct Ended<'a>(&'a AtomicUsize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn under_load_every_record_is_sealed_once_and_nothing_is_found() {
    let sealed = Sealed::day();
    let ended = AtomicUsize::new(0);
    let write = |n: i32| {
        let _ended = Ended(&ended);
        let ada = trader(&sealed.blotter, &format!("Writer {n}"));
        for turn in 0..60 {
            let new = NewOrder::market(ada.id, Side::Buy, "AAPL", 10);
            let order = submit(&sealed.blotter, &new).unwrap();
            record(&sealed.blotter, &fill_of(&order, 4, "10.00")).unwrap();
            // Some transactions roll back and leave only a gap in the numbers.
            let engine = sealed.blotter.engine();
            let left: Result<(), Error> = engine.transaction(|tx| {
                tx.execution_logs().append(&NewExecutionLog::new(order.id, EXECUTED))?;
                match turn % 3 {
                    0 => tx.orders().get(uuid::Uuid::nil()).map(drop),
                    _ => Ok(()),
                }
            });
            assert_eq!(left.is_err(), turn % 3 == 0);
        }
    };
    let mut verified = 0;
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3).map(|n| scope.spawn(move || write(n))).collect();
        let sealer = scope.spawn(|| {
            let keys = vec![sealed.key.public()];
            let mut file = CheckpointWriter::open(&sealed.file(), keys).unwrap();
            let mut seals = 0;
            while ended.load(Ordering::Relaxed) < 3 {
                seals += i32::from(seal(&sealed.auditor(), &sealed.key).is_some());
                file.append_new(&sealed.auditor()).unwrap();
            }
            seals
        });
        while !writers.iter().all(|writer| writer.is_finished()) {
            let (_, found) = verify(&sealed.auditor(), &sealed.options());
            assert_eq!(found, []);
            verified += 1;
        }
        assert!(sealer.join().unwrap() > 3);
    });
    assert!(verified > 1, "{verified}");
    while seal(&sealed.auditor(), &sealed.key).is_some() {}
    sealed.write_down();
    let (verified, found) = verify(&sealed.auditor(), &sealed.options());
    assert_eq!((verified.records, verified.unsealed, found), (records(&sealed.db), 0, Vec::new()));
}
