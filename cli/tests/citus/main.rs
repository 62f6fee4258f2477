//! Runs `blotter desk` on a desk that Citus holds, on a cluster of private servers. The tests need a PostgreSQL with the
//! extension: set PGBIN to the directory of its programs. Without it none runs, and the output says so.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use diesel::connection::SimpleConnection;
use tempfile::TempDir;
use tradeblotter::embedded::Server;
use tradeblotter::{Blotter, Desk, NewOrder, Side, Trader, catalog, connect};

use tradeblotter_test_support::cluster::{self, Cluster, Test, rows};
use tradeblotter_test_support::command::{command, text};
use tradeblotter_test_support::{fill_of, record, submit, trader};

fn main() {
    cluster::run(vec![
        ("a_desk_leaves_citus_and_comes_back", a_desk_leaves_citus_and_comes_back as Test),
        ("a_move_away_from_citus_is_taken_back", a_move_away_from_citus_is_taken_back),
        ("desks_are_handed_over_listed_and_checked", desks_are_handed_over_listed_and_checked),
    ]);
}

/// Runs `blotter` in a directory and returns what it says.
#[track_caller]
fn blotter(directory: &TempDir, url: &str, arguments: &str, code: i32) -> String {
    let mut command = command(env!("CARGO_BIN_EXE_blotter"), url, arguments);
    text(command.current_dir(directory.path()).output().unwrap(), code)
}

/// A desk that Citus holds, and a plain server to which it moves.
struct Scene {
    directory: TempDir,
    server: Server,
    /// The superuser on the coordinator.
    coordinator: String,
    /// The superuser on the plain server.
    plain: String,
    desk: Desk,
    store: Blotter,
    ada: Trader,
}

impl Scene {
    fn new(cluster: &Cluster) -> Self {
        let server = Server::start().unwrap();
        let desk = cluster.desk();
        let store = cluster.store(&desk);
        Self {
            directory: TempDir::new().unwrap(),
            coordinator: cluster.admin_url(0),
            plain: server.admin_url(),
            ada: trader(&store, "Ada"),
            server,
            desk,
            store,
        }
    }
}

/// Returns the store of a desk on a plain server, for a new login with all its roles.
fn store_on(server: &Server, desk: &Desk) -> Blotter {
    let mut admin = connect(&server.admin_url()).unwrap();
    let grant = format!("CREATE ROLE app LOGIN; GRANT {} TO app", desk.roles().join(", "));
    admin.batch_execute(&grant).unwrap();
    let url = server.url().replace("//blotter@", "//app@");
    Blotter::builder(&url).desk(desk.name()).connect().unwrap()
}

fn a_desk_leaves_citus_and_comes_back(cluster: &Cluster) {
    let Scene { directory, server, coordinator, plain, desk, store, ada } = Scene::new(cluster);
    let order = submit(&store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    record(&store, &fill_of(&order, 40, "10.45")).unwrap();
    let public = blotter(&directory, "", "key new key", 0);
    let before = rows(&mut cluster.admin_of(&desk));

    if let Some(node) = cluster.workers().find(|node| *node != cluster.node_of(&desk)) {
        // As after a `desk distribute --node` that was killed: Citus has moved the desk, without its sequence. By itself it
        // may not, since the owner of the tables may not execute their functions.
        let (host, port) = cluster.address(node);
        let lend = format!(
            "SET citus.enable_ddl_propagation = off;
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {desk} TO blotter"
        );
        for node in (0..1).chain(cluster.workers()) {
            cluster.admin(node).batch_execute(&lend).unwrap();
        }
        let moving =
            format!("SELECT citus_schema_move('{desk}', '{host}', {port}, 'block_writes')");
        cluster.admin(0).batch_execute(&moving).unwrap();
        let url = cluster.admin_url(node);
        let said = blotter(&directory, &url, &format!("desk move {desk} --to {plain}"), 1);
        assert!(said.contains("from the coordinator"), "{said}");
    }
    let holder = cluster.node_of(&desk);
    let open = &mut connect(&cluster.member_url(holder, &desk.roles())).unwrap();
    open.batch_execute("BEGIN").unwrap();

    // Away: every row goes, the desk is one of a plain server, and the log continues with the next number.
    let said =
        blotter(&directory, &coordinator, &format!("desk move {desk} --to {plain} --key key"), 0);
    assert!(said.contains("1 order, 1 fill,"), "{said}");
    assert!(record(&store, &fill_of(&order, 1, "10.45")).is_err(), "the old desk is open");
    assert!(open.batch_execute("COMMIT").is_err(), "a session on the holder goes on");
    let conn = &mut desk.connect(&plain).unwrap();
    // What has come is one seal.
    assert_eq!(rows(conn)[..before.len()], before[..]);
    assert_eq!(catalog::differences(conn).unwrap(), []);
    assert_eq!(desk.strangers(conn).unwrap(), [""; 0]);
    let store = store_on(&server, &desk);
    let last = |store: &Blotter| {
        let newest = store.compliance().status().unwrap().newest_entry;
        newest.map(|entry| entry.sequence).unwrap()
    };
    let number = last(&store);
    record(&store, &fill_of(&order, 40, "10.45")).unwrap();
    assert_eq!(last(&store), number + 1);
    // Here is done what Citus refuses.
    for (url, work) in [
        (server.url(), "migrate run"),
        (server.url(), "widen --prices 6"),
        (&plain, "harden"),
        (&plain, "harden --lift"),
    ] {
        blotter(&directory, url, &format!("--desk {desk} {work}"), 0);
    }

    // And back.
    let drop = format!("DROP SCHEMA {desk} CASCADE");
    cluster.admin(0).batch_execute(&drop).unwrap();
    blotter(&directory, &plain, &format!("desk move {desk} --to {coordinator} --key key"), 0);
    assert_eq!(desk.holder(&mut cluster.admin(0)).unwrap(), None);
    blotter(&directory, &coordinator, &format!("desk distribute {desk}"), 0);
    assert_eq!(catalog::differences(&mut cluster.admin_of(&desk)).unwrap(), []);
    let store = cluster.store(&desk);
    record(&store, &fill_of(&order, 20, "10.450001")).unwrap();
    assert_eq!(last(&store), number + 2);
    let verify = format!("--desk {desk} verify --public-key {public}");
    let said = blotter(&directory, &coordinator, &verify, 0);
    assert!(said.contains("no findings"), "{said}");
}

fn a_move_away_from_citus_is_taken_back(cluster: &Cluster) {
    let Scene { directory, server, coordinator, plain, desk, store, ada } = Scene::new(cluster);
    connect(&plain).unwrap().batch_execute("CREATE ROLE stranger LOGIN").unwrap();
    let writer = server.url().replace("//blotter@", "//stranger@");
    let moving = format!("desk move {desk} --to {plain}");
    let said = blotter(&directory, &coordinator, &format!("{moving} --writer {writer}"), 1);
    assert!(said.contains("is no member of a role"), "{said}");
    assert!(submit(&store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).is_err());
    let said = blotter(&directory, &coordinator, &format!("{moving} --undo"), 0);
    assert!(said.contains("is open where it was"), "{said}");
    submit(&store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    assert!(!desk.exists(&mut connect(&plain).unwrap()).unwrap());
}

fn desks_are_handed_over_listed_and_checked(cluster: &Cluster) {
    let directory = TempDir::new().unwrap();
    let coordinator = cluster.admin_url(0);
    let desk = cluster.add_desk();
    let said = blotter(&directory, &coordinator, &format!("desk distribute {desk}"), 0);
    let (host, port) = cluster.address(cluster.node_of(&desk));
    assert_eq!(said, format!("desk {desk} is on the node {host}:{port}\n"));
    let listed = blotter(&directory, &coordinator, "desk list", 0);
    assert!(listed.contains(&format!("{desk}  is ready\n")), "{listed}");
    blotter(&directory, &coordinator, &format!("--desk {desk} schema check"), 0);
    if let Some(node) = cluster.workers().find(|node| *node != cluster.node_of(&desk)) {
        let (host, port) = cluster.address(node);
        let to = format!("desk distribute {desk} --node {host}:{port}");
        let said = blotter(&directory, &coordinator, &to, 0);
        assert_eq!(said, format!("desk {desk} is on the node {host}:{port}\n"));
    }
}
