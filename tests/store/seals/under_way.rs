//! Sealing and verifying while other sessions write.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tradeblotter::audit::{CheckpointWriter, SealKey};
use tradeblotter::{
    Error, NewAction, NewExecutionLog, NewOrder, Side, connect, role, transaction_on,
};

use super::{Sealed, entries, options, seal, verify};
use tradeblotter_test_support::{EXECUTED, append, fill_of, record, submit, trader, with_order_of};

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
            assert_eq!(second.entries, 1);
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
    assert_eq!(entries(&db), 5);
}

/// Counts a thread that has ended, also by a panic.
struct Ended<'a>(&'a AtomicUsize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn under_load_every_entry_is_sealed_once_and_nothing_is_found() {
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
            let mut file = CheckpointWriter::open(&sealed.file()).unwrap();
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
    assert!(verified > 3, "{verified}");
    while seal(&sealed.auditor(), &sealed.key).is_some() {}
    sealed.write_down();
    let (verified, found) = verify(&sealed.auditor(), &sealed.options());
    assert_eq!((verified.entries, verified.unsealed, found), (entries(&sealed.db), 0, Vec::new()));
}
