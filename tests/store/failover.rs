//! Standbys. A primary is killed under load and its standby promoted: acknowledged writes are there, every order
//! rebuilds, and the seals verify, also while the standby still follows. The log is followed and exported on a standby.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, thread};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tempfile::TempDir;
use tradeblotter::audit::{SealKey, VerifyOptions};

use crate::seals::seal;
use tradeblotter::embedded::Server;
use tradeblotter::ingest::{self, Kind};
use tradeblotter::role::{Auditor, Compliance, DatabaseRole, Engine, Role, Trader};
use tradeblotter::{
    Blotter, Error, ExecutionLog, Filter, NewFill, NewOrder, OrderStatus, Side, Tail, TailFrom,
    connect, migrations,
};
use uuid::Uuid;

use tradeblotter_test_support::{fill_of, programs, texts};

const CLIENTS: usize = 4;

/// Writes that are acknowledged before the primary is killed.
const WRITES: usize = 400;

/// A second server that follows the first, with its programs run by the same user.
struct Standby {
    directory: TempDir,
    programs: PathBuf,
    uid: u32,
    gid: u32,
}

impl Standby {
    /// Copies the primary, replicates from it with these settings, and makes each COMMIT wait for the standby.
    fn of(primary: &Server, settings: &str) -> Self {
        let mut admin = connect(&primary.admin_url()).unwrap();
        let said = |admin: &mut _, what: &str| texts(admin, what).remove(0);
        let data = said(&mut admin, "SELECT current_setting('data_directory') AS text");
        let programs = programs(&mut admin);
        let owner = fs::metadata(data).unwrap();
        let directory = TempDir::new_in("/tmp").unwrap();
        let (uid, gid) = (owner.uid(), owner.gid());
        chown(directory.path(), Some(uid), Some(gid)).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let standby = Self { directory, programs, uid, gid };
        standby.run(
            "pg_basebackup",
            &["--dbname", &primary.admin_url(), "--write-recovery-conf", "--checkpoint=fast"],
        );
        standby.control(&["start", "-l", "log", "-o", &(standby.settings() + settings)]);
        // Synchronous replication, so that acknowledged writes are on both servers.
        admin.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'").unwrap();
        admin.batch_execute("SELECT pg_reload_conf()").unwrap();
        let state = "SELECT coalesce(max(sync_state), 'none') AS text FROM pg_stat_replication";
        while said(&mut admin, state) != "sync" {
            thread::yield_now();
        }
        standby
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn settings(&self) -> String {
        let directory = self.directory.path().display();
        format!("-c unix_socket_directories={directory} -c synchronous_standby_names=")
    }

    /// Runs a PostgreSQL program on the data directory of this server.
    fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(self.programs.join(program))
            .args(["-D".as_ref(), self.data().as_os_str()])
            .args(arguments)
            .current_dir(self.directory.path())
            .uid(self.uid)
            .gid(self.gid)
            .stdout(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn control(&self, arguments: &[&str]) {
        self.run("pg_ctl", &[&["--wait", "--silent"], arguments].concat());
    }

    /// Returns the URL on this server that corresponds to a URL of the primary.
    fn url(&self, primary: &str) -> String {
        let (before, rest) = primary.split_once("host=").unwrap();
        let (_, after) = rest.split_once('&').unwrap();
        format!("{before}host={}&{after}", self.directory.path().display())
    }

    /// Creates a login on the primary, and returns its URL on this server, which has the login by then.
    fn login<R: DatabaseRole>(&self, primary: &Server) -> String {
        let url = primary.login::<R>().unwrap();
        replayed(&mut connect(&primary.admin_url()).unwrap());
        self.url(&url)
    }
}

/// Returns when the standby has replayed all that the primary has written.
fn replayed(admin: &mut PgConnection) {
    // A commit that waits for the standby needs a transaction that writes something.
    let write = "BEGIN; SET LOCAL synchronous_commit = remote_apply;
        SELECT pg_logical_emit_message(true, 'replayed', ''); COMMIT";
    admin.batch_execute(write).unwrap();
}

impl Drop for Standby {
    fn drop(&mut self) {
        if Path::new(&self.data()).join("postmaster.pid").exists() {
            self.control(&["stop", "--mode=immediate"]);
        }
    }
}

/// The writes that were acknowledged to the clients.
#[derive(Default)]
struct Acknowledged {
    orders: Vec<Uuid>,
    fills: Vec<Uuid>,
}

/// Runs one client, order after order, until the primary is gone.
fn trade(desk: &Blotter, engine: &Blotter, trader: Uuid, told: &Mutex<Acknowledged>) -> Error {
    loop {
        let work = || {
            let new = NewOrder::market(trader, Side::Buy, "AAPL", 100);
            let order = desk.trader(trader)?.transaction(|tx| tx.orders().submit(&new))?;
            told.lock().unwrap().orders.push(order.id);
            let new = NewFill { execution_id: Some("E-1"), ..fill_of(&order, 100, "10.00") };
            let fill = engine.engine().transaction(|tx| tx.fills().record(&new))?;
            told.lock().unwrap().fills.push(fill.id);
            Ok::<_, Error>(())
        };
        if let Err(error) = work() {
            return error;
        }
    }
}

/// Kills the server and all its processes with SIGKILL, like a failure of its machine.
fn kill(server: &Server) {
    let mut admin = connect(&server.admin_url()).unwrap();
    let file = "SELECT current_setting('data_directory') || '/postmaster.pid' AS text";
    let file = fs::read_to_string(texts(&mut admin, file).remove(0)).unwrap();
    let pids = texts(&mut admin, "SELECT pid::text AS text FROM pg_stat_activity");
    let killed = Command::new("kill").arg("-9").args(file.lines().next()).args(pids).status();
    assert!(killed.unwrap().success());
}

#[test]
fn what_was_acknowledged_before_the_primary_was_killed_is_on_the_standby_in_its_place() {
    let primary = Server::start().unwrap();
    migrations::run(&mut primary.connect().unwrap()).unwrap();
    let urls = [
        primary.login::<Trader>().unwrap(),
        primary.login::<Engine>().unwrap(),
        primary.login::<Auditor>().unwrap(),
        primary.login::<Compliance>().unwrap(),
    ];
    let [desk, engine, auditor, _] = urls.each_ref().map(|url| Blotter::connect(url).unwrap());
    let ada = engine.engine().transaction(|tx| tx.traders().register("Ada")).unwrap();
    let standby = Standby::of(&primary, "");

    let key = SealKey::generate().unwrap();
    let told = Mutex::<Acknowledged>::default();
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| trade(&desk, &engine, ada.id, &told))).collect();
        // The first half of the log is sealed, the rest is not.
        let written = || {
            let told = told.lock().unwrap();
            told.orders.len() + told.fills.len()
        };
        while written() < WRITES / 2 {
            thread::yield_now();
        }
        assert!(seal(&auditor.auditor(), &key).unwrap().records() > 0);
        replayed(&mut connect(&primary.admin_url()).unwrap());
        while written() < WRITES {
            thread::yield_now();
        }
        kill(&primary);
        for client in clients {
            let lost = client.join().unwrap();
            assert!(lost.is_connection(), "{lost}");
        }
    });
    // While it still follows, a standby can be verified.
    let options = VerifyOptions { public_keys: vec![key.public()], ..VerifyOptions::default() };
    let follower = Blotter::connect(&standby.url(&urls[2])).unwrap().auditor();
    let verified = follower.snapshot(|tx| tx.seals().verify(&options, |_| ())).unwrap();
    assert_eq!((verified.seals, verified.findings), (1, 0));
    drop(follower);
    standby.control(&["promote"]);

    let [desk, engine, auditor, compliance] =
        urls.map(|url| Blotter::connect(&standby.url(&url)).unwrap());
    let told = told.into_inner().unwrap();
    let filled = compliance
        .compliance()
        .snapshot(|tx| {
            let orders: Result<Vec<_>, Error> = tx.orders().stream(&Filter::default())?.collect();
            let orders = orders?;
            let fills: Result<Vec<_>, Error> = tx.fills().stream(&Filter::default())?.collect();
            let fills = fills?;
            assert!(told.orders.iter().all(|id| orders.iter().any(|order| order.id == *id)));
            assert!(told.fills.iter().all(|id| fills.iter().any(|fill| fill.id == *id)));
            let filled = orders.iter().filter(|order| order.status == OrderStatus::Filled).count();
            assert_eq!(filled, fills.len());
            let mut after = None;
            loop {
                let rebuilt = tx.orders().rebuild(after)?;
                assert_eq!(rebuilt.differing, []);
                after = rebuilt.next;
                if after.is_none() {
                    break;
                }
            }
            Ok::<_, Error>(filled)
        })
        .unwrap();
    assert!(filled >= told.fills.len());

    // The seals verify on the standby, and later entries are sealed there.
    while seal(&auditor.auditor(), &key).is_some() {}
    let verified = auditor.auditor().snapshot(|tx| tx.seals().verify(&options, |_| ())).unwrap();
    assert_eq!((verified.findings, verified.unsealed), (0, 0));
    assert!(verified.seals > 1);

    // The promoted server accepts writes.
    let new = NewOrder::market(ada.id, Side::Sell, "AAPL", 100);
    let order = desk.trader(ada.id).unwrap().transaction(|tx| tx.orders().submit(&new)).unwrap();
    engine.engine().transaction(|tx| tx.fills().record(&fill_of(&order, 100, "10.00"))).unwrap();
}

/// A migrated primary with a registered trader, and its standby.
fn pair(settings: &str) -> (Server, Standby, Uuid) {
    let primary = Server::start().unwrap();
    migrations::run(&mut primary.connect().unwrap()).unwrap();
    let engine = Blotter::connect(&primary.login::<Engine>().unwrap()).unwrap().engine();
    let ada = engine.transaction(|tx| tx.traders().register("Ada")).unwrap().id;
    let standby = Standby::of(&primary, settings);
    (primary, standby, ada)
}

/// Returns this many entries of a tail; fewer, if they do not come.
fn rest_of<R: Role>(tail: &mut Tail<'_, R>, count: usize) -> Vec<ExecutionLog> {
    let mut entries = Vec::new();
    while entries.len() < count {
        match tail.wait(Duration::from_secs(5)).unwrap() {
            new if new.is_empty() => break,
            new => entries.extend(new),
        }
    }
    entries
}

#[test]
fn a_tail_on_a_standby_yields_each_entry_once_and_in_order_however_late_it_is_committed() {
    const WRITERS: u64 = 4;
    let (primary, standby, ada) = pair("");
    let engine = Blotter::connect(&primary.login::<Engine>().unwrap()).unwrap();
    let officer = Blotter::connect(&primary.login::<Compliance>().unwrap()).unwrap().compliance();
    let follower = Blotter::connect(&standby.login::<Compliance>(&primary)).unwrap().compliance();
    let desk = Blotter::connect(&standby.login::<Trader>(&primary)).unwrap();
    let new = NewOrder::market(ada, Side::Buy, "AAPL", 100);
    let mut tail = follower.tail(TailFrom::Start, Filter::default()).unwrap();
    let mut own = desk.trader(ada).unwrap().tail(TailFrom::Start, Filter::default()).unwrap();
    let written = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (engine, new) = (engine.engine(), &new);
                scope.spawn(move || {
                    for round in 0..25 {
                        // One of five is rolled back; the pauses of the writers shift against each other.
                        let _ = engine.transaction(|tx| {
                            tx.orders().submit_batch(&[*new, *new])?;
                            thread::sleep(Duration::from_millis(3 * writer + (7 * round) % 11));
                            tx.orders().submit(new)?;
                            match (round + writer) % 5 {
                                0 => Err(Error::from(diesel::result::Error::RollbackTransaction)),
                                _ => Ok(()),
                            }
                        });
                    }
                })
            })
            .collect();
        let mut entries = tail.wait(Duration::from_millis(1)).unwrap();
        while !writers.iter().all(|writer| writer.is_finished()) {
            entries.extend(tail.wait(Duration::from_millis(5)).unwrap());
        }
        entries
    });
    let stored: Vec<ExecutionLog> = officer
        .snapshot(|tx| {
            tx.execution_logs().stream(&Filter::default())?.collect::<Result<_, Error>>()
        })
        .unwrap();
    let mut all = written;
    // The standby may still have to replay the last ones.
    all.extend(rest_of(&mut tail, stored.len() - all.len()));
    assert_eq!(all, stored);
    assert_eq!(rest_of(&mut own, stored.len()), stored);

    let status = follower.status().unwrap();
    assert!(status.connection.is_standby);
    assert!((0.0..60.0).contains(&status.connection.replay_lag_seconds.unwrap()));
    assert_eq!(status.newest_entry.map(|it| it.sequence), stored.last().map(|it| it.sequence));
    assert_eq!(status.seals.map(|seals| seals.unsealed), Some(stored.len() as u64 + 1));

    // A standby does not know that a transaction writes elsewhere.
    let mut other = connect(&primary.admin_url()).unwrap();
    other.batch_execute("CREATE TABLE other (id integer)").unwrap();
    other.batch_execute("BEGIN; INSERT INTO other VALUES (1)").unwrap();
    let order = engine.engine().transaction(|tx| tx.orders().submit(&new)).unwrap();
    replayed(&mut connect(&primary.admin_url()).unwrap());
    assert_eq!(tail.wait(Duration::from_millis(1500)).unwrap(), []);
    let held_back = tail.held_back().unwrap();
    assert_eq!((held_back.entries, &held_back.transactions), (1, &vec![]));
    other.batch_execute("COMMIT").unwrap();
    let entry = tail.next().unwrap().unwrap();
    assert_eq!(entry.order_id, order.id);
}

#[test]
fn an_export_on_a_standby_survives_a_vacuum_on_the_primary_if_the_standby_says_what_it_reads() {
    const ORDERS: usize = 1500;
    for (feedback, survives) in [("on", true), ("off", false)] {
        // Without patience for a query that is in the way of what is to be replayed.
        let settings = format!(
            " -c hot_standby_feedback={feedback} -c wal_receiver_status_interval=1 -c max_standby_streaming_delay=0"
        );
        let (primary, standby, ada) = pair(&settings);
        let mut admin = connect(&primary.admin_url()).unwrap();
        let engine = Blotter::connect(&primary.login::<Engine>().unwrap()).unwrap().engine();
        let new = NewOrder::market(ada, Side::Buy, "AAPL", 100);
        let orders = engine.transaction(|tx| tx.orders().submit_batch(&[new; ORDERS])).unwrap();
        // The standby has the orders when it has the login.
        let url = standby.login::<Compliance>(&primary);
        let follower = Blotter::connect(&url).unwrap().compliance();
        let said = "SELECT (backend_xmin IS NOT NULL)::text AS text FROM pg_stat_replication";
        let begun = Instant::now();
        while texts(&mut admin, said) != [survives.to_string()] {
            assert!(begun.elapsed() < Duration::from_secs(60), "{said}");
            thread::yield_now();
        }
        let mut exported = Vec::new();
        let mut churn = |read: usize| {
            if read != 1 {
                return;
            }
            // Every order has a new version, and the old ones are removed.
            let fills: Vec<_> = orders.iter().map(|order| fill_of(order, 100, "10.00")).collect();
            engine.transaction(|tx| tx.fills().record_batch(&fills)).unwrap();
            admin.batch_execute("VACUUM orders").unwrap();
            replayed(&mut admin);
        };
        let mut read = 0;
        let ended = follower.snapshot(|tx| {
            exported.clear();
            ingest::export(tx, &Filter::default(), |event| {
                read += 1;
                churn(read);
                exported.push(event.kind);
                Ok::<_, Error>(())
            })
        });
        if survives {
            ended.unwrap();
            assert_eq!(exported, [Kind::NewOrder; ORDERS]);
        } else {
            // The server ends the connection of a transaction that waits for its client.
            let error = ended.unwrap_err();
            assert!(error.is_connection(), "{error}");
            assert!(exported.len() < ORDERS);
        }
    }
}
