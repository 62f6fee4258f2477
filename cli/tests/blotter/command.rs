//! Runs the command `blotter` as a person or a script would.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use tempfile::TempDir;
use tradeblotter::embedded::Server;
use tradeblotter::{
    Blotter, Execution, ExecutionKind, Instructions, NewAction, NewExecutionLog, NewOrder, Order,
    Outcome, Side, TimeInForce, Trader, connect,
};
use uuid::Uuid;

use tradeblotter_test_support::{
    Database, append, fill_of, noon, price, programs, record, submit, texts, trader,
};

fn blotter(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
    command.args(arguments).env_remove("DATABASE_URL").stdin(Stdio::null());
    command
}

/// Runs the command as a login that may act as every role.
fn on(database: &Database, arguments: &[&str]) -> Output {
    blotter(arguments).env("DATABASE_URL", database.app_url()).output().unwrap()
}

fn as_owner(database: &Database, arguments: &[&str]) -> Output {
    blotter(arguments).env("DATABASE_URL", database.owner_url()).output().unwrap()
}

#[track_caller]
fn text(output: Output, code: i32) -> String {
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}\n{complaint}");
    said + &complaint
}

/// Submits two orders: one is partly filled and then cancelled, one stays open.
fn two_orders(store: &Blotter) -> Trader {
    let ada = trader(store, "Ada");
    let limit = NewOrder::limit(ada.id, Side::Buy, "AAPL", 100, price("10.50"));
    let order = submit(store, &limit).unwrap();
    record(store, &fill_of(&order, 40, "10.45")).unwrap();
    let cancel = NewExecutionLog {
        reason: Some("\u{1b}[2Jchanged, her \"mind\""),
        ..NewExecutionLog::new(order.id, NewAction::Cancelled)
    };
    append(store, &cancel).unwrap();
    let good_till_cancelled = NewOrder {
        time_in_force: Some(TimeInForce::Gtc),
        ..NewOrder::market(ada.id, Side::Buy, "IBM", 7)
    };
    submit(store, &good_till_cancelled).unwrap();
    ada
}

#[test]
fn the_demo_shows_every_ending_and_that_a_second_trader_sees_nothing() {
    let shown = text(blotter(&["demo"]).output().unwrap(), 0);
    for ending in ["FILLED", "PARTIAL", "CANCELLED", "REJECTED", "RECOVERED", "PENDING"] {
        assert!(shown.contains(ending), "{ending} is missing:\n{shown}");
    }
    for order_type in ["MARKET", "LIMIT", "STOP"] {
        assert!(shown.contains(order_type), "{order_type} is missing:\n{shown}");
    }
    assert!(shown.contains("0 orders, 0 fills, 0 log entries"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "colours in a pipe:\n{shown}");
}

#[test]
fn settings_for_other_servers_in_the_environment_do_not_reach_the_private_one() {
    let mut demo = blotter(&["demo"]);
    demo.env("PGHOST", "nowhere").env("PGPORT", "1").env("PGUSER", "nobody");
    demo.env("PGDATABASE", "nothing").env("PGSSLMODE", "require").env("PGHOSTADDR", "127.0.0.1");
    demo.env("PGOPTIONS", "-c default_transaction_read_only=on");
    assert!(text(demo.output().unwrap(), 0).contains("nothing is left behind"));
}

#[test]
fn the_demo_on_a_running_server_leaves_that_server_as_it_was() {
    // A private server, because roles belong to all databases of a server.
    let server = Server::start().unwrap();
    let admin = &mut connect(&server.admin_url()).unwrap();
    let inventory = "SELECT datname::text AS text FROM pg_database
        UNION ALL SELECT rolname FROM pg_roles
        UNION ALL SELECT roleid::regrole || ' to ' || member::regrole FROM pg_auth_members
        ORDER BY 1";
    let before = texts(admin, inventory);
    for url in [server.url().to_owned(), server.admin_url()] {
        let shown = text(blotter(&["demo", "--database-url", &url]).output().unwrap(), 0);
        assert!(shown.contains("0 orders, 0 fills, 0 log entries"), "{shown}");
        assert_eq!(texts(admin, inventory), before);
    }
}

#[test]
fn without_a_terminal_nothing_is_coloured_unless_forced() {
    let database = Database::migrated();
    let ada = two_orders(&database.blotter());
    let arguments = ["orders", "--trader", &ada.id.to_string()];
    assert!(!text(on(&database, &arguments), 0).contains('\u{1b}'));
    let forced = blotter(&arguments)
        .env("DATABASE_URL", database.app_url())
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert!(text(forced, 0).contains('\u{1b}'));
}

#[test]
fn control_characters_in_stored_text_do_not_reach_the_terminal() {
    let database = Database::migrated();
    let ada = two_orders(&database.blotter());
    let shown = text(on(&database, &["log", "--trader", &ada.id.to_string()]), 0);
    assert!(shown.contains(r"\u{1b}[2Jchanged"), "{shown}");
    assert!(!shown.contains('\u{1b}'));
}

#[test]
fn listings_filter_by_symbol_time_in_force_status_order_and_time() {
    let database = Database::migrated();
    let store = database.blotter();
    let ada = two_orders(&store).id.to_string();
    let count = |arguments: &[&str]| {
        let all = [arguments, &["--trader", &ada, "--format", "json"]].concat();
        let listed: serde_json::Value =
            serde_json::from_slice(&on(&database, &all).stdout).unwrap();
        listed.as_array().unwrap().len()
    };
    assert_eq!(count(&["orders"]), 2);
    assert_eq!(count(&["orders", "--symbol", "IBM"]), 1);
    assert_eq!(count(&["orders", "--status", "cancelled", "--status", "PENDING"]), 2);
    assert_eq!(count(&["orders", "--status", "FILLED"]), 0);
    assert_eq!(count(&["orders", "--time-in-force", "gtc"]), 1);
    assert_eq!(count(&["orders", "--time-in-force", "DAY"]), 0);
    assert_eq!(count(&["orders", "--from", "2020-01-01"]), 2);
    assert_eq!(count(&["orders", "--until", "2020-01-01T00:00:00Z"]), 0);
    assert_eq!(count(&["orders", "--limit", "1"]), 1);
    assert_eq!(count(&["fills"]), 1);
    assert_eq!(count(&["fills", "--symbol", "IBM"]), 0);
    assert_eq!(count(&["fills", "--status", "CANCELLED"]), 1);
    assert_eq!(count(&["log"]), 4);
    assert_eq!(count(&["log", "--status", "PARTIAL"]), 1);
    assert_eq!(count(&["log", "--order", &uuid::Uuid::now_v7().to_string()]), 0);
}

#[test]
fn csv_and_json_give_prices_as_exact_text() {
    let database = Database::migrated();
    let ada = two_orders(&database.blotter()).id.to_string();
    let json = text(on(&database, &["fills", "--trader", &ada, "--format", "json"]), 0);
    let fills: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(fills[0]["price_at_fill"], "10.45");
    assert_eq!(fills[0]["commission"], "0.00");

    // A file gets the text unchanged; only tables escape it.
    let csv = text(on(&database, &["log", "--trader", &ada, "--format", "csv"]), 0);
    assert!(csv.contains("\u{1b}[2Jchanged"), "{csv:?}");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().any(|row| row.iter().any(|field| field.ends_with("her \"mind\""))));
}

#[test]
fn csv_of_a_list_has_no_formula_and_an_export_has_the_text_as_it_was_recorded() {
    let database = Database::migrated();
    let store = database.blotter();
    let mallory = trader(&store, "@SUM(1)");
    let new = NewOrder {
        client_order_id: Some("=1+1"),
        account: Some("'quoted"),
        ..NewOrder::market(mallory.id, Side::Buy, "+A", 7)
    };
    let order = submit(&store, &new).unwrap();
    let cancel = NewExecutionLog {
        reason: Some("-1+1"),
        ..NewExecutionLog::new(order.id, NewAction::Cancelled)
    };
    append(&store, &cancel).unwrap();
    let unknown = Execution {
        kind: ExecutionKind::Fill,
        order_id: None,
        timestamp: noon(),
        quantity: (-5).into(),
        price: "-0.50".parse().unwrap(),
        venue: "-V",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        trader_id: Some(mallory.id),
        client_order_id: Some("=1+1"),
        execution_id: Some("-5"),
        raw: None,
    };
    store.engine().transaction(|tx| tx.breaks().record_or_break(&unknown)).unwrap();
    for (arguments, shown) in [
        (&["traders", "list"][..], &[",'@SUM(1),"][..]),
        (&["orders"], &[",'+A,", ",'=1+1,", ",''quoted,"]),
        (&["log"], &[",'-1+1,"]),
        (&["breaks", "list"], &[",'-V,", ",'=1+1,", ",-5,", ",-0.5,"]),
    ] {
        let listed = text(on(&database, &[arguments, &["--format", "csv"]].concat()), 0);
        for field in shown {
            assert!(listed.contains(field), "{field}: {listed}");
        }
    }
    let exported = text(on(&database, &["log", "--format", "events-csv"]), 0);
    for field in [",=1+1,", ",'quoted,", ",+A,", ",-1+1,"] {
        assert!(exported.contains(field), "{field}: {exported}");
    }
}

#[test]
fn instructions_are_an_object_in_json_and_the_same_as_text_in_csv() {
    let database = Database::migrated();
    let store = database.blotter();
    let ada = trader(&store, "Ada").id;
    let instructions: Instructions = [("18", "G"), ("note", "a, \"b\"")].into_iter().collect();
    let new = NewOrder {
        instructions: Some(&instructions),
        ..NewOrder::market(ada, Side::Buy, "AAPL", 1)
    };
    submit(&store, &new).unwrap();
    let listed = |format| {
        text(on(&database, &["orders", "--trader", &ada.to_string(), "--format", format]), 0)
    };
    let json: serde_json::Value = serde_json::from_str(&listed("json")).unwrap();
    assert_eq!(json[0]["instructions"], serde_json::to_value(&instructions).unwrap());
    let csv = listed("csv");
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    let place = csv.headers().unwrap().iter().position(|field| field == "instructions").unwrap();
    let row = csv.records().next().unwrap().unwrap();
    assert_eq!(&row[place], instructions.to_string());
}

#[test]
fn csv_headers_are_the_fields_of_json_even_for_an_empty_listing() {
    let database = Database::migrated();
    let store = database.blotter();
    let ada = two_orders(&store).id.to_string();
    let grace = trader(&store, "Grace").id.to_string();
    for command in ["orders", "fills", "log"] {
        let empty = text(on(&database, &[command, "--trader", &grace, "--format", "csv"]), 0);
        let json = text(on(&database, &[command, "--trader", &ada, "--format", "json"]), 0);
        // The first object's keys, in the order they are written.
        let object = json.split('}').next().unwrap();
        let keys = object.lines().filter_map(|line| line.trim().split_once("\": "));
        let keys: Vec<&str> = keys.map(|(key, _)| key.trim_start_matches('"')).collect();
        assert_eq!(empty.trim_end(), keys.join(","), "{command}");
    }
}

#[test]
fn a_listing_that_was_cut_names_the_cursor_that_continues_it() {
    let database = Database::migrated();
    let ada = two_orders(&database.blotter()).id.to_string();
    let first = text(on(&database, &["orders", "--trader", &ada, "--limit", "1"]), 0);
    let cursor = first.split("--after ").nth(1).expect("a cursor").trim();
    let rest = text(on(&database, &["orders", "--trader", &ada, "--after", cursor]), 0);
    assert!(first.contains("IBM") && !first.contains("AAPL"));
    assert!(rest.contains("AAPL") && !rest.contains("IBM"));
}

#[test]
fn a_listing_is_read_as_the_role_that_the_login_has() {
    let database = Database::migrated();
    let ada = two_orders(&database.blotter()).id.to_string();
    let list = |role: &str, arguments: &[&str], code| {
        let mut command = blotter(arguments);
        command.env("DATABASE_URL", database.login_url(role));
        text(command.output().unwrap(), code)
    };
    for role in ["blotter_compliance", "blotter_engine"] {
        assert!(list(role, &["orders"], 0).contains("IBM"));
        assert!(list(role, &["orders", "--trader", &ada], 0).contains("IBM"));
    }
    assert!(list("blotter_trader", &["orders", "--trader", &ada], 0).contains("IBM"));
    assert!(list("blotter_trader", &["orders"], 2).contains("pass --trader"));

    let mut owner = blotter(&["orders"]);
    owner.env("DATABASE_URL", database.owner_url());
    let refused = text(owner.output().unwrap(), 1);
    assert!(refused.contains("GRANT blotter_compliance TO blotter"), "{refused}");
}

#[test]
fn whoami_prints_what_the_login_may_do_and_warnings() {
    let database = Database::migrated();
    let whoami =
        |url: String| text(blotter(&["whoami"]).env("DATABASE_URL", url).output().unwrap(), 0);
    assert_eq!(
        whoami(database.login_url("blotter_trader")),
        "blotter_trader_login\n  may act as blotter_trader: \
         sees its own rows, submits its own orders and cancels them\n\
         hardened: no; the owner of the tables may change the schema\n"
    );
    let owner = whoami(database.owner_url());
    assert!(owner.contains("owns the tables") && !owner.contains("warning"), "{owner}");
    assert!(owner.contains("may act as none of the blotter roles"), "{owner}");
    let superuser = whoami(database.admin_url());
    assert!(superuser.contains("warning: postgres is a superuser"), "{superuser}");
    let app = whoami(database.app_url());
    assert!(app.contains("blotter_trader and as blotter_engine and as"), "{app}");
}

#[test]
fn harden_refuses_changes_of_the_schema_until_it_is_lifted_and_whoami_tells_which() {
    let database = Database::migrated();
    let as_superuser = |arguments: &[&str], code| {
        text(blotter(arguments).env("DATABASE_URL", database.admin_url()).output().unwrap(), code)
    };
    let refused = text(as_owner(&database, &["harden"]), 1);
    assert!(refused.contains("needs a superuser"), "{refused}");
    for _ in 0..2 {
        let done = as_superuser(&["harden"], 0);
        assert!(done.starts_with("hardened: changes of the schema are refused"), "{done}");
    }
    assert!(as_superuser(&["whoami"], 0).contains("hardened: yes"));
    assert_eq!(text(as_owner(&database, &["schema", "check"]), 0), "");
    let refused = text(as_owner(&database, &["migrate", "redo"]), 1);
    assert!(refused.contains("As a superuser run `blotter harden --lift`"), "{refused}");

    database.admin().batch_execute("DROP EVENT TRIGGER blotter_harden_end_public").unwrap();
    assert!(as_superuser(&["whoami"], 0).contains("hardened: in part"));
    let told = text(as_owner(&database, &["schema", "check"]), 1);
    assert_eq!(told, "event trigger blotter_harden_end_public: missing\n");

    assert!(as_superuser(&["harden", "--lift"], 0).starts_with("not hardened"));
    text(as_owner(&database, &["migrate", "redo"]), 0);
}

#[test]
fn schema_check_warns_of_a_login_that_a_backend_should_not_use() {
    let database = Database::migrated();
    let check = |url: String| {
        text(blotter(&["schema", "check"]).env("DATABASE_URL", url).output().unwrap(), 0)
    };
    assert_eq!(check(database.owner_url()), "");
    assert_eq!(check(database.login_url("blotter_engine")), "");
    assert!(check(database.admin_url()).starts_with("warning: postgres is a superuser"));
    assert!(check(database.app_url()).starts_with("warning: app may act as"));
}

/// A process that is killed when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Starts `blotter log --follow` for one trader; returns the process and its output, from the second line on.
fn following(
    database: &Database,
    trader: Uuid,
) -> (Running, impl FnMut() -> String, impl FnMut() -> String) {
    let mut command = blotter(&["log", "--follow", "--format", "csv", "--limit", "1"]);
    command.args(["--trader", &trader.to_string()]).env("DATABASE_URL", database.app_url());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut told = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let mut next = move || lines.next().unwrap().unwrap();
    assert!(next().starts_with("id,"));
    (running, next, move || told.next().unwrap().unwrap())
}

#[test]
fn a_followed_log_shows_each_entry_in_order_and_says_who_holds_entries_back() {
    let database = Database::migrated();
    let store = database.blotter();
    let ada = two_orders(&store);
    let (_running, mut next, mut told) = following(&database, ada.id);
    assert!(next().contains("SUBMITTED"));

    // The outer transaction begins first and commits last.
    let submitted = store.engine().transaction(|tx| {
        let early = tx.orders().submit(&NewOrder::market(ada.id, Side::Buy, "EARLY", 1))?;
        let late = submit(&store, &NewOrder::market(ada.id, Side::Buy, "LATE", 1))?;
        let said = told();
        assert!(said.starts_with("1 entry is held back since 20"), "{said}");
        assert!(said.contains("of login app"), "{said}");
        Ok::<_, tradeblotter::Error>([early.id, late.id])
    });
    for order in submitted.unwrap() {
        let line = next();
        assert!(line.contains(&order.to_string()), "{line}");
    }
}

#[test]
fn a_followed_log_goes_on_after_a_lost_connection_and_says_so() {
    let database = Database::migrated();
    let store = database.blotter();
    let ada = two_orders(&store);
    let (_running, mut next, mut told) = following(&database, ada.id);
    assert!(next().contains("SUBMITTED"));

    let name = texts(&mut database.admin(), "SELECT current_database()::text AS text").remove(0);
    let mut admin = connect(&database.admin_url().replace(&name, "template1")).unwrap();
    let mut run = |sql: String| admin.batch_execute(&sql).unwrap();
    let others = format!(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    let before = submit(&store, &NewOrder::market(ada.id, Side::Buy, "BEFORE", 1)).unwrap();
    run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    run(others);
    let said = told();
    assert!(said.starts_with("connection lost, trying again: "), "{said}");
    run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    assert_eq!(told(), "connected again; no entry was missed");
    let after = submit(&store, &NewOrder::market(ada.id, Side::Buy, "AFTER", 1)).unwrap();
    for order in [before, after] {
        let line = next();
        assert!(line.contains(&order.id.to_string()), "{line}");
    }
}

#[test]
fn a_closed_output_ends_the_command_without_an_error() {
    let database = Database::migrated();
    let ada = two_orders(&database.blotter()).id.to_string();
    let mut command = blotter(&["orders", "--trader", &ada]);
    command.env("DATABASE_URL", database.app_url()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(text(child.wait_with_output().unwrap(), 0), "");
}

#[test]
fn each_kind_of_wrong_database_has_its_own_error() {
    let empty = Database::empty();
    let missing = format!("is not migrated: {} migrations are missing", migrations().len());
    let ahead = Database::migrated();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')";
    ahead.owner().batch_execute(newer).unwrap();
    let elsewhere = "postgres://nobody@127.0.0.1:1/nothing";
    let secret = "mysql://root:secret@localhost/orders";
    for command in [["orders"].as_slice(), &["schema", "check"]] {
        assert!(text(on(&empty, command), 1).contains(&missing));
        assert!(text(on(&ahead, command), 1).contains("is ahead of this build: 1 migration is"));
        assert!(text(blotter(command).output().unwrap(), 2).contains("Set DATABASE_URL"));
        let blank = blotter(command).env("DATABASE_URL", "").output().unwrap();
        assert!(text(blank, 2).contains("Set DATABASE_URL"));
        let unreachable = blotter(command).env("DATABASE_URL", elsewhere).output().unwrap();
        assert!(text(unreachable, 1).contains("can't reach the database"));
        let wrong = text(blotter(command).env("DATABASE_URL", secret).output().unwrap(), 1);
        assert!(wrong.contains("the URL is malformed") && !wrong.contains("secret"), "{wrong}");
    }
}

#[test]
fn a_command_line_with_invalid_values_is_a_usage_error() {
    let senseless: [&[&str]; 6] = [
        &["orders", "--status", "OPEN"],
        &["orders", "--time-in-force", "GOOD"],
        &["orders", "--from", "yesterday"],
        &["orders", "--limit", "0"],
        &["orders", "--after", "here"],
        &["migrate", "revert", "--all", "-n", "2"],
    ];
    for arguments in senseless {
        text(blotter(arguments).output().unwrap(), 2);
    }
}

/// Returns the names of the migrations, in order.
fn migrations() -> Vec<String> {
    let folders = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations"))
        .unwrap()
        .map(|entry| entry.unwrap());
    let folders = folders.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn migrate_prints_each_migration_in_order_with_its_time() {
    let database = Database::empty();
    let run = text(as_owner(&database, &["migrate", "run"]), 0);
    let lines: Vec<&str> = run.lines().collect();
    assert!(lines[0].starts_with("applied") && lines[0].contains("create_traders"));
    assert!(lines[1].contains("create_order_tables") && lines[1].ends_with(" ms"));
    assert_eq!(text(as_owner(&database, &["migrate", "run"]), 0), "nothing to do\n");

    let redo = text(as_owner(&database, &["migrate", "redo", "--all"]), 0);
    let directions: Vec<&str> = redo.lines().map(|l| l.split(' ').next().unwrap()).collect();
    let names = migrations();
    let (reverted, applied) = (vec!["reverted"; names.len()], vec!["applied"; names.len()]);
    assert_eq!(directions, [reverted, applied].concat());

    let last = names.last().unwrap().split_once('_').unwrap().1;
    assert!(text(as_owner(&database, &["migrate", "revert"]), 0).contains(last));
    let status = text(as_owner(&database, &["migrate", "status"]), 1);
    assert!(status.contains("applied  2026") && status.contains("pending  2026"), "{status}");
}

#[test]
fn schema_check_prints_a_line_for_each_difference_and_fails() {
    let database = Database::migrated();
    assert_eq!(text(as_owner(&database, &["schema", "check"]), 0), "");
    let weaken = "DROP INDEX idx_fills_order; ALTER TABLE orders NO FORCE ROW LEVEL SECURITY";
    database.owner().batch_execute(weaken).unwrap();
    let lines = text(as_owner(&database, &["schema", "check"]), 1);
    assert_eq!(
        lines,
        "index fills.idx_fills_order: missing\n\
         table orders: force row security is disabled, expected enabled; \
         repair: ALTER TABLE orders FORCE ROW LEVEL SECURITY\n"
    );
    let repaired = "CREATE INDEX idx_fills_order ON fills (order_id);
                    ALTER TABLE orders FORCE ROW LEVEL SECURITY";
    database.owner().batch_execute(repaired).unwrap();
    database.admin().batch_execute("CREATE PUBLICATION feed FOR ALL TABLES").unwrap();
    let noted = text(as_owner(&database, &["schema", "check"]), 0);
    assert!(noted.starts_with("note: publication feed sends every row of"), "{noted}");
}

#[test]
fn a_sandbox_gives_the_command_a_database_and_returns_its_exit_code() {
    let run = |script: &str| blotter(&["sandbox", "--", "sh", "-c", script]).output().unwrap();
    let url = text(run("echo $DATABASE_URL"), 0);
    assert!(url.starts_with("postgres://blotter@/blotter?host=/"), "{url}");
    assert!(!directory(&url).exists());
    text(run("exit 7"), 7);
    text(run("kill -9 $$"), 137);
    assert!(
        text(blotter(&["sandbox", "--", "/no/such"]).output().unwrap(), 1).contains("cannot run")
    );
}

#[test]
fn a_private_server_is_gone_even_when_its_owner_is_killed_outright() {
    let mut command = blotter(&["sandbox", "--", "sh", "-c", "echo $DATABASE_URL; exec cat"]);
    let mut owner = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let mut conn = tradeblotter::connect(url.trim()).unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    // Fails as soon as the server ends, long before the sleep does.
    conn.batch_execute("SELECT pg_sleep(300)").unwrap_err();
    await_end_of(&directory(&url));
    // Ends `cat`, which has outlived its parent.
    drop(owner.stdin.take().map(|mut stdin| stdin.write_all(b"")));
}

#[test]
fn a_private_server_is_gone_even_when_its_owner_was_killed_while_it_started() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    // An initdb that writes its directory to one pipe, and waits for a line on another.
    let real = programs(&mut Database::empty().admin());
    let real = real.display();
    for program in ["pg_ctl", "postgres"] {
        symlink(format!("{real}/{program}"), at(program)).unwrap();
    }
    let slow = format!(
        "#!/bin/sh\necho \"$2\" >'{told}'\nread -r go <'{go}'\nexec '{real}/initdb' \"$@\"\n",
        told = at("told").display(),
        go = at("go").display()
    );
    fs::write(at("initdb"), slow).unwrap();
    for pipe in ["told", "go"] {
        assert!(Command::new("mkfifo").arg(at(pipe)).status().unwrap().success());
        fs::set_permissions(at(pipe), Permissions::from_mode(0o666)).unwrap();
    }
    for path in [directory.path().to_owned(), at("initdb")] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    let mut command = blotter(&["sandbox", "--", "true"]);
    let mut owner = command.env("PGBIN", directory.path()).spawn().unwrap();
    let told = fs::read_to_string(at("told")).unwrap();
    let data = Path::new(told.trim());
    assert!(data.parent().unwrap().is_dir());
    owner.kill().unwrap();
    owner.wait().unwrap();
    fs::write(at("go"), "go\n").unwrap();
    await_end_of(data.parent().unwrap());
}

#[test]
fn nobody_else_may_enter_the_directory_of_a_private_server_whatever_the_umask() {
    for umask in ["000", "022", "777"] {
        let script =
            format!("umask {umask}; exec \"$0\" sandbox -- sh -c 'echo $DATABASE_URL; cat'");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_blotter")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let mode = fs::metadata(directory(&url)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "umask {umask}");
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}

/// Waits until another process has removed this directory.
fn await_end_of(directory: &Path) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while directory.exists() {
        assert!(Instant::now() < given_up, "{} is still there", directory.display());
        thread::yield_now();
    }
}

fn directory(url: &str) -> std::path::PathBuf {
    url.split("host=").nth(1).unwrap().split('&').next().unwrap().into()
}

#[test]
fn a_pgbin_without_a_server_is_named() {
    let mut command = blotter(&["demo"]);
    let complaint = text(command.env("PGBIN", "/nowhere").output().unwrap(), 1);
    assert!(
        complaint.contains("PGBIN is /nowhere, which does not hold all of initdb"),
        "{complaint}"
    );
}

/// Returns a cancelled order, and the id of the break for a fill of 25 shares that was reported later.
fn late_fill(store: &Blotter) -> (Order, Uuid) {
    let ada = trader(store, "Ada");
    let order = submit(store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    append(store, &NewExecutionLog::new(order.id, NewAction::Cancelled)).unwrap();
    let late = Execution {
        kind: ExecutionKind::Fill,
        order_id: Some(order.id),
        timestamp: noon(),
        quantity: 25.into(),
        price: "10.5".parse().unwrap(),
        venue: "NASDAQ",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        trader_id: None,
        client_order_id: None,
        execution_id: Some("E-1"),
        raw: Some("8=FIX.4.4"),
    };
    let outcome = store.engine().transaction(|tx| tx.breaks().record_or_break(&late)).unwrap();
    let Outcome::Broken(broken) = outcome else { panic!("{outcome:?}") };
    (order, broken.id)
}

#[test]
fn resolved_breaks_are_listed_only_with_all() {
    let database = Database::migrated();
    let store = database.blotter();
    let (order, broken) = late_fill(&store);
    let shown = text(on(&database, &["breaks", "list"]), 0);
    for part in [&broken.to_string(), &order.id.to_string(), "open", "ORDER_ENDED", "E-1"] {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    let id = broken.to_string();
    let resolve = ["breaks", "resolve", &id, "--book", "--reason", "confirmed"];
    let said = text(on(&database, &resolve), 0);
    assert!(said.starts_with("booked as fill "), "{said}");
    assert!(said.contains(&format!("of order {}", order.id)), "{said}");
    let shown = text(on(&database, &["breaks", "list"]), 0);
    assert!(!shown.contains(&id), "{shown}");
    let listed = on(&database, &["breaks", "list", "--all", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[0]["id"], id);
    assert_eq!(listed[0]["is_booked"], true);
    assert_eq!(listed[0]["resolution"], "confirmed");
    assert_eq!(listed[0]["price"], "10.5");
    assert_eq!(listed[0]["raw"], "8=FIX.4.4");
    let again = text(on(&database, &resolve), 1);
    assert!(again.contains("the break was resolved already"), "{again}");
}

#[test]
fn a_break_is_dismissed_only_with_an_id_and_a_reason() {
    let database = Database::migrated();
    let store = database.blotter();
    let (order, broken) = late_fill(&store);
    let id = broken.to_string();
    for arguments in [
        vec!["breaks", "resolve", &id, "--reason", "because"],
        vec!["breaks", "resolve", &id, "--book"],
        vec!["breaks", "resolve", &id, "--book", "--dismiss", "--reason", "because"],
        vec!["breaks", "resolve", &id, "--dismiss", "--order", &id, "--reason", "because"],
    ] {
        text(on(&database, &arguments), 2);
    }
    let dismiss = ["breaks", "resolve", &id, "--dismiss", "--reason", "busted by telephone"];
    assert_eq!(text(on(&database, &dismiss), 0), "dismissed\n");
    let order_id = order.id.to_string();
    let log = text(on(&database, &["log", "--order", &order_id]), 0);
    assert!(log.contains("break dismissed: busted by telephone"), "{log}");
    let trader_only = blotter(&dismiss)
        .env("DATABASE_URL", database.login_url("blotter_trader"))
        .output()
        .unwrap();
    assert!(text(trader_only, 1).contains("GRANT blotter_engine TO"));
}

#[test]
fn each_break_is_one_line_of_csv_resolved_or_not() {
    let database = Database::migrated();
    let store = database.blotter();
    let (_, resolved) = late_fill(&store);
    let _ = late_fill(&store);
    let id = resolved.to_string();
    text(on(&database, &["breaks", "resolve", &id, "--dismiss", "--reason", "so"]), 0);
    let listed = text(on(&database, &["breaks", "list", "--all", "--format", "csv"]), 0);
    let mut reader = csv::Reader::from_reader(listed.as_bytes());
    let resolution = reader.headers().unwrap().iter().position(|head| head == "resolution");
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let resolutions: Vec<_> = rows.iter().map(|row| &row[resolution.unwrap()]).collect();
    assert_eq!(resolutions, ["", "so"]);
}

#[test]
fn expire_cancels_due_orders_and_prints_their_ids() {
    let database = Database::migrated();
    let store = database.blotter();
    let ada = trader(&store, "Ada");
    let expiring = |at| {
        let new =
            NewOrder { expires_at: Some(at), ..NewOrder::market(ada.id, Side::Buy, "AAPL", 1) };
        submit(&store, &new).unwrap().id.to_string()
    };
    let tomorrow = chrono::Utc::now() + chrono::TimeDelta::days(1);
    let (one, two, later) = (expiring(noon()), expiring(noon()), expiring(tomorrow));
    let first = text(on(&database, &["expire", "--limit", "1"]), 0);
    let rest = text(on(&database, &["expire"]), 0);
    let mut ended: Vec<_> = first.lines().chain(rest.lines()).collect();
    ended.sort_unstable();
    assert_eq!(ended, [one, two]);
    assert_eq!(text(on(&database, &["expire"]), 0), "");
    let at = (tomorrow + chrono::TimeDelta::seconds(1)).to_rfc3339();
    assert_eq!(text(on(&database, &["expire", "--at", &at]), 0).trim(), later);
}

#[test]
fn rebuild_prints_each_difference_and_nothing_if_there_is_none() {
    let database = Database::migrated();
    let store = database.blotter();
    two_orders(&store);
    assert_eq!(text(on(&database, &["rebuild", "--check"]), 0), "");
    text(on(&database, &["rebuild"]), 2);
    database
        .unguarded()
        .batch_execute("UPDATE orders SET filled_quantity = 41 WHERE filled_quantity = 40")
        .unwrap();
    let said = text(on(&database, &["rebuild", "--check"]), 1);
    assert!(said.ends_with("filled quantity is 41, but its log and fills give 40\n"), "{said}");
    assert_eq!(said.lines().count(), 1);
    let trader_only = blotter(&["rebuild", "--check"])
        .env("DATABASE_URL", database.login_url("blotter_trader"))
        .output()
        .unwrap();
    text(trader_only, 2);
}

#[test]
fn an_order_is_shown_as_of_a_time() {
    let database = Database::migrated();
    let store = database.blotter();
    let ada = trader(&store, "Ada");
    let order = submit(&store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    record(&store, &fill_of(&order, 40, "10.45")).unwrap();
    let id = order.id.to_string();
    let status = |at: &str| {
        let arguments = ["orders", "--order", &id, "--as-of", at, "--format", "json"];
        let listed = on(&database, &arguments);
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        listed[0]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(&order.created_at.to_rfc3339()), "PENDING");
    assert_eq!(status("2100-01-01"), "PARTIAL");
    let before = text(on(&database, &["orders", "--order", &id, "--as-of", "2020-01-01"]), 1);
    assert!(before.contains(&format!("there is no order {id}")), "{before}");
    text(on(&database, &["orders", "--as-of", "2020-01-01"]), 2);
}

#[test]
fn columns_are_widened_by_their_owner_and_the_command_says_from_what_to_what() {
    let database = Database::migrated();
    let widen = |arguments: &[&str], code| {
        text(as_owner(&database, &[&["widen"], arguments].concat()), code)
    };
    assert!(widen(&[], 2).contains("--prices"));
    assert_eq!(widen(&["--symbols", "21"], 0), "symbols have up to 21 characters now, 10 before\n");
    let both = widen(&["--prices", "4", "--symbols", "21"], 0);
    let (first, second) = both.split_once('\n').unwrap();
    assert!(
        first.starts_with("prices and commissions have 4 decimal places now, 2 before"),
        "{both}"
    );
    assert_eq!(second, "symbols have up to 21 characters already; nothing changed\n");
    assert_eq!(
        widen(&["--prices", "4"], 0),
        "prices and commissions have 4 decimal places already; nothing changed\n"
    );
    assert!(widen(&["--prices", "3"], 1).contains("less than the current 4"));
    assert!(widen(&["--symbols", "65"], 2).contains("10..=64"));
    let denied = text(on(&database, &["widen", "--prices", "6"]), 1);
    assert!(denied.contains("permission denied"), "{denied}");
}
