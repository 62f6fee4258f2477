//! Runs `blotter desk` and other commands on desks, and moves desks between two servers.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use diesel::connection::SimpleConnection;
use tempfile::TempDir;
use tradeblotter::embedded::Server;
use tradeblotter::role::Engine;
use tradeblotter::{Blotter, Desk, Fleet, FleetFile, NewOrder, Order, Side, Trader, connect};
use uuid::Uuid;

use tradeblotter_test_support::command::{self, text};
use tradeblotter_test_support::reports::message;
use tradeblotter_test_support::{Database, submit, texts, trader};

fn desk(name: &str) -> Desk {
    Desk::new(name).unwrap()
}

fn command(url: &str, arguments: &str) -> Command {
    command::command(env!("CARGO_BIN_EXE_blotter"), url, arguments)
}

/// Two servers, with the login `app` on each, and a fleet file.
struct Servers {
    from: Server,
    to: Server,
    directory: TempDir,
}

impl Servers {
    fn start() -> Self {
        let [from, to] = [Server::start().unwrap(), Server::start().unwrap()];
        for server in [&from, &to] {
            let mut admin = connect(&server.admin_url()).unwrap();
            admin.batch_execute("CREATE ROLE app LOGIN").unwrap();
        }
        let servers = Self { from, to, directory: TempDir::new().unwrap() };
        fs::write(servers.path("fleet.toml"), "# Who is where\n").unwrap();
        servers
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The URL of `app`.
    fn app_url(server: &Server) -> String {
        server.url().replace("//blotter@", "//app@")
    }

    /// Adds a desk to the first server and to the fleet, with its roles on both.
    fn add(&self, name: &str) -> Blotter {
        let add =
            format!("desk add {name} --fleet fleet.toml --writer {}", Self::app_url(&self.from));
        text(self.run(self.from.url(), &add), 0);
        text(self.run(&self.to.admin_url(), &format!("desk roles {name}")), 0);
        for server in [&self.from, &self.to] {
            let grant = format!("GRANT {} TO app", desk(name).roles().join(", "));
            connect(&server.admin_url()).unwrap().batch_execute(&grant).unwrap();
        }
        self.store(&self.from, name).unwrap()
    }

    fn store(&self, server: &Server, name: &str) -> Result<Blotter, tradeblotter::Error> {
        Blotter::builder(&Self::app_url(server)).desk(name).connect()
    }

    fn run(&self, url: &str, arguments: &str) -> Output {
        command(url, arguments).current_dir(self.directory.path()).output().unwrap()
    }

    fn moving(&self, name: &str, more: &str) -> Command {
        let to = self.to.admin_url();
        let mut moving =
            command(&self.from.admin_url(), &format!("desk move {name} --to {to} {more}"));
        moving.current_dir(self.directory.path());
        moving
    }

    fn move_desk(&self, name: &str) -> Command {
        let writer = Self::app_url(&self.to);
        self.moving(name, &format!("--fleet fleet.toml --writer {writer} --key key"))
    }

    fn make_key(&self) {
        text(self.run("", "key new key"), 0);
    }

    /// Begins a move and kills it when it has printed so many lines, or lets it end before. Returns what it has printed.
    fn kill_after(&self, mut moving: Command, lines: usize) -> Vec<String> {
        let mut child: Child = moving.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let printed: Vec<String> = printed.take(lines).collect();
        let _ = child.kill();
        child.wait().unwrap();
        printed
    }
}

/// Registers a trader and submits an order.
fn trade(store: &Blotter) -> (Trader, Order) {
    let ada = trader(store, "Ada");
    let order = submit(store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    (ada, order)
}

fn has_order(store: &Blotter, order: Uuid) -> bool {
    store.compliance().snapshot(|tx| tx.orders().get(order)).is_ok()
}

#[test]
fn desks_are_added_listed_and_checked() {
    let servers = Servers::start();
    servers.add("desk_a");
    servers.add("desk_b");
    let url = servers.from.url();
    assert_eq!(
        text(servers.run(url, "desk list --fleet fleet.toml"), 0),
        "desk_a  is ready\ndesk_b  is ready\n"
    );
    assert_eq!(text(servers.run(url, "desk list"), 0), "desk_a  is ready\ndesk_b  is ready\n");
    assert_eq!(text(servers.run(url, "desk check"), 0), "");
    assert_eq!(text(servers.run(url, "desk check --fleet fleet.toml"), 0), "");
    // Comments of the file stay.
    let file = fs::read_to_string(servers.path("fleet.toml")).unwrap();
    assert!(file.contains("# Who is where"), "{file}");
    // A blotter beside the desks is open to them.
    text(servers.run(url, "migrate run"), 0);
    let found = text(servers.run(url, "desk check"), 1);
    assert!(found.contains("desk_a: the blotter in schema public is open"), "{found}");
}

#[test]
fn every_command_works_on_a_desk() {
    let db = Database::empty();
    let name = db.add_desk();
    let directory = TempDir::new().unwrap();
    let login = db.member_url(&name.roles());
    let run = |arguments: &str, code| {
        let mut command = command(&login, &format!("--desk {name} {arguments}"));
        text(command.current_dir(directory.path()).output().unwrap(), code)
    };
    run("traders add Ada", 0);
    let day = message(
        "35=D|34=1|49=DESK|52=20260302-14:30:00|1=Ada|11=C-1|55=F|54=1|38=100|40=2|44=10.00|60=20260302-14:30:00",
    );
    fs::write(directory.path().join("day.fix"), day).unwrap();
    let said = run("ingest day.fix --trader-from 1 --dry-run", 0);
    assert!(said.contains("1 report = 1 applied"), "{said}");
    run("ingest day.fix --trader-from 1", 0);
    assert!(run("orders", 0).contains("PENDING"));
    assert!(run("log", 0).contains("SUBMITTED"));
    let key = run("key new key", 0);
    run("seal --key key", 0);
    let verified = run(&format!("verify --public-key {key}"), 0);
    assert!(verified.contains("no findings"), "{verified}");
    run("rebuild --check", 0);
    assert!(run("whoami", 0).contains(&format!("blotter_{name}_engine")));
    run("report --from 2026-01-01 --until 2027-01-01 --format csv -o report.csv", 0);
    let owner = command(&db.owner_url(), &format!("--desk {name} schema check")).output().unwrap();
    assert_eq!(owner.status.code(), Some(0));
    // Without the desk there is nothing to use.
    let missed = text(command(&login, "orders").output().unwrap(), 1);
    assert!(missed.contains("migrat"), "{missed}");
    let unknown = text(command(&login, "--desk nowhere orders").output().unwrap(), 1);
    assert!(unknown.contains("nowhere"), "{unknown}");
}

#[test]
fn a_desk_moves_under_load_and_every_order_that_was_acknowledged_has_moved_once() {
    let servers = Servers::start();
    let before = servers.add("desk_a");
    let (ada, _) = trade(&before);
    servers.make_key();
    let fleet = Fleet::of_file(&servers.path("fleet.toml")).unwrap();
    let (stop, has_moved) = (AtomicBool::new(false), AtomicBool::new(false));
    let stored = thread::scope(|scope| {
        let backend = || {
            let (mut stored, mut after_the_move) = (Vec::new(), 0);
            while !stop.load(Ordering::Relaxed) || after_the_move < 10 {
                let id = Uuid::now_v7().to_string();
                let order = NewOrder {
                    client_order_id: Some(&id),
                    ..NewOrder::market(ada.id, Side::Buy, "AAPL", 1)
                };
                // As a backend would: the same order again until it is stored.
                while fleet
                    .writer("desk_a")
                    .and_then(|store| store.engine().transaction(|tx| tx.orders().submit(&order)))
                    .is_err()
                {
                    thread::yield_now();
                }
                after_the_move += usize::from(has_moved.load(Ordering::Relaxed));
                stored.push(id);
            }
            stored
        };
        let backends = [scope.spawn(backend), scope.spawn(backend)];
        let said = text(servers.move_desk("desk_a").output().unwrap(), 0);
        has_moved.store(true, Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        assert!(said.ends_with("the old one stays closed and may be dropped\n"), "{said}");
        let stored = backends.map(|backend| backend.join().unwrap());
        stored.concat()
    });
    let after = servers.store(&servers.to, "desk_a").unwrap();
    let mut admin = connect(&servers.to.admin_url()).unwrap();
    let mut found = texts(
        &mut admin,
        "SELECT client_order_id AS text FROM desk_a.orders WHERE client_order_id IS NOT NULL",
    );
    let mut expected = stored;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    // Sealing goes on there, and the tree is one.
    let desk_a = format!("--desk desk_a --database-url {}", Servers::app_url(&servers.to));
    text(servers.run("", &format!("{desk_a} seal --key key")), 0);
    let verified = text(servers.run("", &format!("{desk_a} verify")), 0);
    assert!(verified.contains("no findings"), "{verified}");
    // The old one is closed, and says why.
    let old = before.engine().transaction(|tx| tx.traders().register("Grace"));
    assert!(old.is_err());
    let listed = text(servers.run(servers.from.url(), "desk list"), 0);
    assert_eq!(listed, "desk_a  has left; the schema may be dropped\n");
    drop(after);
}

#[test]
fn a_move_that_is_killed_at_any_step_goes_on() {
    let servers = Servers::start();
    servers.make_key();
    for lines in 0.. {
        let name = format!("desk_{lines}");
        let (_, order) = trade(&servers.add(&name));
        let printed = servers.kill_after(servers.move_desk(&name), lines);
        text(servers.move_desk(&name).output().unwrap(), 0);
        assert!(has_order(&servers.store(&servers.to, &name).unwrap(), order.id), "{printed:?}");
        let fleet = FleetFile::read(&servers.path("fleet.toml")).unwrap();
        assert_eq!(fleet.place(&desk(&name)).unwrap().writer, Servers::app_url(&servers.to));
        let here = format!("desk check --database-url {}", servers.to.admin_url());
        assert_eq!(text(servers.run("", &here), 0), "", "{printed:?}");
        if printed.len() < lines {
            assert!(lines > 7, "{printed:?}");
            break;
        }
    }
}

#[test]
fn a_move_that_is_killed_at_any_step_is_taken_back_until_the_copy_is_in_use() {
    let servers = Servers::start();
    servers.make_key();
    for lines in 0.. {
        let name = format!("desk_{lines}");
        let old = servers.add(&name);
        let (ada, order) = trade(&old);
        let printed = servers.kill_after(servers.move_desk(&name), lines);
        let output = servers.moving(&name, "--undo").output().unwrap();
        if output.status.code() == Some(1) {
            // The copy is in use: the move goes on.
            let said = text(output, 1);
            assert!(said.contains("move it back instead"), "{said}");
            assert!(lines > 4, "{printed:?}");
            assert!(has_order(&servers.store(&servers.to, &name).unwrap(), order.id));
            break;
        }
        text(output, 0);
        let old = servers.store(&servers.from, &name).unwrap();
        assert!(has_order(&old, order.id), "{printed:?}");
        submit(&old, &NewOrder::market(ada.id, Side::Buy, "IBM", 1)).unwrap();
        assert!(servers.store(&servers.to, &name).is_err(), "{printed:?}");
        // And it can be moved all the same.
        text(servers.move_desk(&name).output().unwrap(), 0);
        assert!(has_order(&servers.store(&servers.to, &name).unwrap(), order.id));
    }
}

#[test]
fn a_move_that_cannot_succeed_is_refused_before_the_desk_is_closed() {
    let servers = Servers::start();
    let store = servers.add("desk_a");
    let (ada, _) = trade(&store);
    let refused = |why: &str, moving: &mut Command, code| {
        let said = text(moving.output().unwrap(), code);
        assert!(said.contains(why), "{said}");
        submit(&store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1)).unwrap();
    };
    refused("--fleet needs --writer", &mut servers.moving("desk_a", "--fleet fleet.toml"), 2);
    refused("nowhere", &mut servers.moving("nowhere", ""), 1);
    let mut to = connect(&servers.to.admin_url()).unwrap();
    to.batch_execute("ALTER ROLE blotter RENAME TO renamed").unwrap();
    refused("has no role blotter", &mut servers.moving("desk_a", ""), 1);
    to.batch_execute("ALTER ROLE renamed RENAME TO blotter; CREATE SCHEMA desk_a").unwrap();
    refused("that is no copy of this one", &mut servers.moving("desk_a", ""), 1);
    refused("it is not dropped", &mut servers.moving("desk_a", "--undo"), 1);
    // What the owner has planted would run as the superuser who restores it.
    to.batch_execute("DROP SCHEMA desk_a").unwrap();
    let mut owner = servers.from.connect().unwrap();
    for (plant, named, remove) in [
        ("CREATE TABLE desk_a.planted (id int)", "table planted", "DROP TABLE desk_a.planted"),
        (
            "CREATE FUNCTION desk_a.planted() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function planted()",
            "DROP FUNCTION desk_a.planted()",
        ),
        (
            "ALTER TABLE desk_a.orders ADD CONSTRAINT planted CHECK (true)",
            "planted",
            "ALTER TABLE desk_a.orders DROP CONSTRAINT planted",
        ),
        (
            "CREATE FUNCTION desk_a.has_schema_privilege(text, text, text) RETURNS bool
                 LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $m$ran as %$m$, current_user; END'",
            "has_schema_privilege(text,text,text)",
            "DROP FUNCTION desk_a.has_schema_privilege",
        ),
    ] {
        owner.batch_execute(plant).unwrap();
        refused(named, &mut servers.moving("desk_a", ""), 1);
        // Nor is it overlooked because the owner has closed the desk.
        let role = desk("desk_a").role::<Engine>();
        owner.batch_execute(&format!("REVOKE USAGE ON SCHEMA desk_a FROM {role}")).unwrap();
        let said = text(servers.moving("desk_a", "").output().unwrap(), 1);
        assert!(said.contains(named), "{said}");
        owner.batch_execute(&format!("GRANT USAGE ON SCHEMA desk_a TO {role}")).unwrap();
        owner.batch_execute(remove).unwrap();
    }
    let mut as_owner = servers.moving("desk_a", "");
    as_owner.env("DATABASE_URL", servers.from.url());
    refused("is no superuser", &mut as_owner, 1);
}

#[test]
fn a_desk_is_not_handed_to_citus_where_there_is_none() {
    let servers = Servers::start();
    let store = servers.add("desk_a");
    let refused = |url: &str, arguments: &str, code, why: &str| {
        let said = text(servers.run(url, &format!("desk distribute {arguments}")), code);
        assert!(said.contains(why), "{said}");
    };
    let admin = servers.from.admin_url();
    refused(&admin, "desk_a", 1, "the database has no Citus; CREATE EXTENSION citus");
    refused(&admin, "desk_a --node db2:5432", 1, "the database has no Citus");
    refused(&admin, "desk_a --node db2", 2, "is no host and port");
    refused(servers.from.url(), "desk_a", 1, "needs a superuser");
    // The desk is open.
    trade(&store);
}

#[test]
fn a_copy_that_a_backend_could_not_use_is_not_taken_into_use() {
    let servers = Servers::start();
    trade(&servers.add("desk_a"));
    let revoke = format!("REVOKE {} FROM app", desk("desk_a").roles().join(", "));
    let grant = revoke.replace("REVOKE", "GRANT").replace("FROM", "TO");
    let mut to = connect(&servers.to.admin_url()).unwrap();
    to.batch_execute(&revoke).unwrap();
    servers.make_key();
    let said = text(servers.move_desk("desk_a").output().unwrap(), 1);
    assert!(said.contains("login app of the new URL is no member"), "{said}");
    let listed = text(servers.run(&servers.to.admin_url(), "desk list"), 0);
    assert_eq!(listed, "desk_a  is a copy that is not in use yet\n");
    to.batch_execute(&grant).unwrap();
    text(servers.move_desk("desk_a").output().unwrap(), 0);
}

#[test]
fn those_who_read_go_to_the_reader_of_the_fleet() {
    let servers = Servers::start();
    let store = servers.add("desk_a");
    trade(&store);
    let url = Servers::app_url(&servers.from);
    let fleet = format!(
        "[desk_a]\nwriter = \"{url}\"\nreader = \"host=127.0.0.1 port=1 dbname=replica\"\n"
    );
    fs::write(servers.path("fleet.toml"), fleet).unwrap();
    let desk_a = "--desk desk_a --fleet fleet.toml";
    text(servers.run("", &format!("{desk_a} whoami")), 0);
    let said = text(servers.run("", &format!("{desk_a} orders")), 1);
    assert!(said.contains("port 1"), "{said}");
}

#[test]
fn a_fleet_file_says_what_is_wrong_with_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("fleet.toml");
    for (file, why) in [
        ("[desk_a", "line 1"),
        ("[Desk]\nwriter = \"x\"", "is no name of a desk"),
        ("[desk_a]\nreader = \"x\"", "desk desk_a: has no writer"),
        ("[desk_a]\nwriter = 7", "desk desk_a: writer is not a string"),
        ("[desk_a]\nwriter = \"x\"\nowner = \"y\"", "desk desk_a: owner is not known"),
        ("desk_a = \"x\"", "desk desk_a: is not a table"),
    ] {
        fs::write(&path, file).unwrap();
        let error = FleetFile::read(&path).unwrap_err();
        assert!(error.is_file() && error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_report_of_all_desks_has_a_file_for_each_and_one_manifest() {
    let servers = Servers::start();
    trade(&servers.add("desk_a"));
    // Another desk, on the other server.
    let url = Servers::app_url(&servers.to);
    let add = format!("desk add desk_b --fleet fleet.toml --writer {url}");
    text(servers.run(&servers.to.admin_url(), &add), 0);
    let grant = format!("GRANT {} TO app", desk("desk_b").roles().join(", "));
    connect(&servers.to.admin_url()).unwrap().batch_execute(&grant).unwrap();
    let desk_b = servers.store(&servers.to, "desk_b").unwrap();
    trade(&desk_b);
    trade(&desk_b);

    let report = "--desk * --fleet fleet.toml report --from 2026-01-01 --until 2100-01-01 --format csv -o day.csv";
    let said = text(servers.run("", report), 0);
    assert!(said.contains("desk desk_a: 1 row of 1 order"), "{said}");
    assert!(said.contains("desk desk_b: 2 rows of 2 orders"), "{said}");
    let lines = |name: &str| fs::read_to_string(servers.path(name)).unwrap().lines().count();
    assert_eq!((lines("day.desk_a.csv"), lines("day.desk_b.csv")), (2, 3));
    let manifest = fs::read(servers.path("day.csv.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["desks"][1]["desk"], "desk_b");
    assert_eq!(manifest["desks"][1]["files"][0]["name"], "day.desk_b.csv");
    assert_eq!(manifest["desks"][0]["rows"], 1);
    // Nothing is overwritten, and nothing new is left.
    let again = text(servers.run("", report), 1);
    assert!(again.contains("day.csv.manifest.json"), "{again}");
    // Other commands use one desk.
    let refused = text(servers.run(&url, "--desk * orders"), 2);
    assert!(refused.contains("only `blotter report` reads all"), "{refused}");
}
