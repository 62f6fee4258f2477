//! Failover: a primary is killed under load and its standby promoted. Acknowledged writes are there,
//! every order rebuilds, and the seals verify, also while the standby still follows.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::{fs, thread};

use diesel::connection::SimpleConnection;
use tempfile::TempDir;
use tradeblotter::audit::{SealKey, VerifyOptions};

use crate::seals::seal;
use tradeblotter::embedded::Server;
use tradeblotter::role::{Auditor, Compliance, Engine, Trader};
use tradeblotter::{
    Blotter, Error, Filter, NewFill, NewOrder, OrderStatus, Side, connect, migrations,
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
    /// Copies the primary, replicates from it, and makes each COMMIT wait for the standby.
    fn of(primary: &Server) -> Self {
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
        standby.control(&["start", "-l", "log", "-o", &standby.settings()]);
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
    let standby = Standby::of(&primary);

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
