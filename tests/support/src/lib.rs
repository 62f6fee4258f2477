//! The private server, its databases, and the first steps that many tests share.

pub mod cluster;
pub mod command;
pub mod describe;
pub mod raw;
pub mod reports;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use bigdecimal::BigDecimal;
use chrono::{DateTime, TimeZone, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tradeblotter::audit::Seal;
use tradeblotter::embedded::Server;
use tradeblotter::ingest::{FixReader, Options, ReadOptions, Reader, Writer};
use tradeblotter::role::{Auditor, Compliance, DatabaseRole, Engine, Trader};
use tradeblotter::{
    Blotter, Break, BreakResolution, Commission, Desk, Error, ExecutionLog, Fill, NewAction,
    NewBust, NewCorrection, NewExecutionLog, NewFill, NewOrder, Order, OrderHistory, Price, Side,
    connect, migrations, schema,
};
use uuid::Uuid;

/// An action with no other field set.
pub const EXECUTED: NewAction<'static> = NewAction::Executed { venue_order_id: None };
pub const REJECTED: NewAction<'static> = NewAction::Rejected { error_code: None };
pub const RECOVERED: NewAction<'static> =
    NewAction::Recovered { retry_attempt: None, error_code: None, ended: None };

const TEMPLATE: &str = "migrated";

/// The template of databases with a desk, and the name of the desk.
const TEMPLATE_OF_DESK: &str = "desk";

/// The roles that all blotters of the server share.
const ROLES: [&str; 4] = [Trader::NAME, Engine::NAME, Compliance::NAME, Auditor::NAME];

/// A database that is dropped with this value.
pub struct Database {
    name: String,
    desk: Option<Desk>,
}

impl Database {
    /// Returns a migrated database, copied from a template.
    pub fn migrated() -> Self {
        make_template();
        Self::copy_of(TEMPLATE, None)
    }

    /// Returns a database with a migrated desk, copied from a template. Its connections are in the desk.
    pub fn with_desk() -> Self {
        let desk = make_template_of_desk();
        Self::copy_of(TEMPLATE_OF_DESK, Some(desk.clone()))
    }

    /// Returns a database without any object.
    pub fn empty() -> Self {
        Self::copy_of("template1", None)
    }

    fn copy_of(template: &str, desk: Option<Desk>) -> Self {
        let name = format!("test_{}", Uuid::now_v7().simple());
        create(&name, template);
        Self { name, desk }
    }

    /// Returns the desk that connections are in.
    pub fn desk(&self) -> Option<&Desk> {
        self.desk.as_ref()
    }

    /// Returns the schema of the tables.
    pub fn schema(&self) -> &str {
        self.desk().map_or("public", Desk::name)
    }

    /// Returns the role that stands for a shared one here: that of the desk, or where there is none the shared one.
    pub fn role(&self, shared: &str) -> String {
        let own = self.desk().map_or(ROLES.map(str::to_owned), Desk::roles);
        let mut roles = ROLES.into_iter().zip(own);
        roles.find_map(|(role, own)| (role == shared).then_some(own)).unwrap()
    }

    /// Returns the URL for the login that owns the database and is subject to row-level security.
    pub fn owner_url(&self) -> String {
        self.url(server().url())
    }

    /// Returns the URL for a login that may act as a trader, as the engine, as compliance and as the
    /// auditor.
    pub fn app_url(&self) -> String {
        self.url_as(&self.desk().map_or("app".to_owned(), |desk| format!("{desk}_app")))
    }

    /// Returns the URL for a login that may act as this role only.
    pub fn login_url(&self, role: &str) -> String {
        if self.desk().is_some() {
            return self.url_as(&format!("{}_login", self.role(role)));
        }
        let login = match role {
            Trader::NAME => server().login::<Trader>(),
            Engine::NAME => server().login::<Engine>(),
            Compliance::NAME => server().login::<Compliance>(),
            Auditor::NAME => server().login::<Auditor>(),
            other => panic!("no login has the role {other}"),
        };
        self.url(&login.unwrap())
    }

    /// Adds a desk with a name of its own, migrated.
    pub fn add_desk(&self) -> Desk {
        // It uses the shared roles, which another test's revert would drop otherwise.
        make_template();
        let desk = Desk::new(&format!("d{}", Uuid::now_v7().simple())).unwrap();
        migrate_desk(&desk, &mut self.owner());
        desk
    }

    /// Creates a login that is a member of these roles only, and returns its URL.
    pub fn member_url(&self, roles: &[String]) -> String {
        let login = format!("m{}", Uuid::now_v7().simple());
        let create = format!("CREATE ROLE {login} LOGIN IN ROLE {}", roles.join(", "));
        self.admin().batch_execute(&create).unwrap();
        self.url_as(&login)
    }

    /// Returns the URL for the superuser, who bypasses row-level security.
    pub fn admin_url(&self) -> String {
        self.url(&server().admin_url())
    }

    fn url_as(&self, login: &str) -> String {
        self.owner_url().replace("//blotter@", &format!("//{login}@"))
    }

    fn url(&self, server: &str) -> String {
        let url = url(server, &self.name);
        match self.desk() {
            Some(desk) => url.replace("options=", &format!("options=-csearch_path%3D{desk}")),
            None => url,
        }
    }

    /// Returns a connection as the owner.
    pub fn owner(&self) -> PgConnection {
        connect(&self.owner_url()).unwrap()
    }

    /// Returns a connection as the superuser.
    pub fn admin(&self) -> PgConnection {
        connect(&self.admin_url()).unwrap()
    }

    /// Returns a connection as the superuser after disabling all triggers, to write rows that no client
    /// can.
    pub fn unguarded(&self) -> PgConnection {
        let mut admin = self.admin();
        let tables = "SELECT oid::regclass::text AS text FROM pg_class
                      WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
        for table in texts(&mut admin, tables) {
            admin.batch_execute(&format!("ALTER TABLE {table} DISABLE TRIGGER USER")).unwrap();
        }
        // A trigger assigns these.
        let number = "ALTER TABLE orders ALTER COLUMN root_id SET DEFAULT gen_random_uuid();
                      ALTER TABLE fills ALTER COLUMN root_id SET DEFAULT gen_random_uuid(),
                          ALTER COLUMN source SET DEFAULT 'X';
                      ALTER TABLE execution_logs ALTER COLUMN sequence
                      SET DEFAULT nextval('execution_logs_sequence');
                      ALTER TABLE breaks ALTER COLUMN sequence
                      SET DEFAULT nextval('execution_logs_sequence');
                      ALTER TABLE break_resolutions ALTER COLUMN sequence
                      SET DEFAULT nextval('execution_logs_sequence');
                      ALTER TABLE traders ALTER COLUMN sequence
                      SET DEFAULT nextval('execution_logs_sequence');
                      GRANT USAGE ON SEQUENCE execution_logs_sequence TO PUBLIC";
        admin.batch_execute(number).unwrap();
        admin
    }

    /// Removes all orders with everything about them, and all breaks, which no client can. It takes a fraction of
    /// the time of a new database.
    pub fn clear(&self) {
        const CLEARED: &str = "orders, fills, execution_logs, breaks, break_resolutions";
        let admin = &mut self.admin();
        // Bit 32 of the type is TRUNCATE.
        let guards = "SELECT format('%s TRIGGER %I', tgrelid::regclass, tgname) AS text
                      FROM pg_trigger WHERE tgtype & 32 <> 0 AND NOT tgisinternal";
        let guards: Vec<String> = texts(admin, guards);
        let set = |state: &str| -> String {
            let split = guards.iter().filter_map(|guard| guard.split_once(' '));
            split.map(|(table, guard)| format!("ALTER TABLE {table} {state} {guard};")).collect()
        };
        let (disable, enable) = (set("DISABLE"), set("ENABLE ALWAYS"));
        let clear = format!("BEGIN; {disable} TRUNCATE {CLEARED}; {enable} COMMIT");
        admin.batch_execute(&clear).unwrap();
    }

    /// Returns the store, for sessions of every role.
    pub fn blotter(&self) -> Blotter {
        let builder = Blotter::builder(&self.app_url());
        self.desk().map_or(builder.clone(), |desk| builder.desk(desk.name())).connect().unwrap()
    }

    /// Returns every stored row of every trader: if it is equal before and after, nothing changed.
    pub fn contents(&self) -> Contents {
        let conn = &mut self.admin();
        Contents {
            traders: tradeblotter::Trader::query().order(schema::traders::id).load(conn).unwrap(),
            orders: Order::query().order(schema::orders::id).load(conn).unwrap(),
            notionals: schema::orders::table
                .order(schema::orders::id)
                .select(schema::orders::filled_notional)
                .load(conn)
                .unwrap(),
            fills: Fill::query().order(schema::fills::id).load(conn).unwrap(),
            log: ExecutionLog::query().order(schema::execution_logs::id).load(conn).unwrap(),
            breaks: Break::query().order(schema::breaks::id).load(conn).unwrap(),
            resolutions: BreakResolution::query()
                .order(schema::break_resolutions::id)
                .load(conn)
                .unwrap(),
            seals: Seal::query().order(schema::seals::id).load(conn).unwrap(),
        }
    }
}

/// The rows of a database, by id.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    pub traders: Vec<tradeblotter::Trader>,
    pub orders: Vec<Order>,
    pub notionals: Vec<BigDecimal>,
    pub fills: Vec<Fill>,
    pub log: Vec<ExecutionLog>,
    pub breaks: Vec<Break>,
    pub resolutions: Vec<BreakResolution>,
    pub seals: Vec<Seal>,
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        connect(&server().admin_url()).unwrap().batch_execute(&drop).unwrap();
    }
}

/// Returns the server of this binary; it ends with the process.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start().unwrap_or_else(|error| panic!("{error}")))
}

/// Makes the template of migrated databases, once.
fn make_template() {
    static MIGRATED: OnceLock<()> = OnceLock::new();
    MIGRATED.get_or_init(|| {
        create(TEMPLATE, "template1");
        migrations::run(&mut connect(&url(server().url(), TEMPLATE)).unwrap()).unwrap();
        let login = "CREATE ROLE app LOGIN IN ROLE
                     blotter_trader, blotter_engine, blotter_compliance, blotter_auditor";
        connect(&server().admin_url()).unwrap().batch_execute(login).unwrap();
    });
}

/// Makes the template of databases with a desk, and a login for each role of the desk, once.
fn make_template_of_desk() -> &'static Desk {
    static DESK: OnceLock<Desk> = OnceLock::new();
    DESK.get_or_init(|| {
        make_template();
        create(TEMPLATE_OF_DESK, "template1");
        let desk = Desk::new(TEMPLATE_OF_DESK).unwrap();
        migrate_desk(&desk, &mut connect(&url(server().url(), TEMPLATE_OF_DESK)).unwrap());
        let roles = desk.roles();
        let app = format!("CREATE ROLE {desk}_app LOGIN IN ROLE {};", roles.join(", "));
        let login = |role| format!("CREATE ROLE {role}_login LOGIN IN ROLE {role};");
        let logins: String = roles.iter().map(login).collect();
        connect(&server().admin_url()).unwrap().batch_execute(&(logins + &app)).unwrap();
        desk
    })
}

fn migrate_desk(desk: &Desk, owner: &mut PgConnection) {
    desk.create(owner).unwrap();
    desk.enter(owner).unwrap();
    migrations::run(owner).unwrap();
}

fn create(name: &str, template: &str) {
    let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
    connect(server().url()).unwrap().batch_execute(&create).unwrap();
}

fn url(server: &str, database: &str) -> String {
    server.replace("/blotter?", &format!("/{database}?"))
}

/// Returns when a session of this database waits for a lock of another one. Panics if none does within a minute.
pub fn await_waiter(conn: &mut PgConnection) {
    let waiting = "SELECT count(*)::text AS text FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    while texts(conn, waiting) == ["0"] {
        assert!(begun.elapsed() < Duration::from_secs(60), "no session waits for a lock");
        thread::yield_now();
    }
}

/// Returns the rows of a query that selects one text column named `text`, for tables that `schema` does
/// not have: the catalog, and a host's own tables.
pub fn texts(conn: &mut PgConnection, sql: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }
    let rows: Vec<Row> = diesel::sql_query(sql).load(conn).unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

/// The directory of the server's own programs.
pub fn programs(conn: &mut PgConnection) -> PathBuf {
    texts(conn, "SELECT setting AS text FROM pg_config WHERE name = 'BINDIR'").remove(0).into()
}

/// Registers a trader.
pub fn trader(blotter: &Blotter, name: &str) -> tradeblotter::Trader {
    blotter.engine().transaction(|tx| tx.traders().register(name)).unwrap()
}

/// Submits an order in its trader's session.
pub fn submit(blotter: &Blotter, new: &NewOrder<'_>) -> Result<Order, Error> {
    blotter.trader(new.trader_id).unwrap().transaction(|tx| tx.orders().submit(new))
}

/// A database with one open order in it.
pub fn with_order_of(quantity: i32) -> (Database, Blotter, Order) {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", quantity)).unwrap();
    (db, blotter, order)
}

/// Records a fill in the engine's session.
pub fn record(blotter: &Blotter, new: &NewFill<'_>) -> Result<Fill, Error> {
    blotter.engine().transaction(|tx| tx.fills().record(new))
}

/// Logs an action in the engine's session.
pub fn append(blotter: &Blotter, new: &NewExecutionLog<'_>) -> Result<ExecutionLog, Error> {
    blotter.engine().transaction(|tx| tx.execution_logs().append(new))
}

/// Returns the current order with its fills and log.
pub fn history(blotter: &Blotter, order: &Order) -> OrderHistory {
    let session = blotter.trader(order.trader_id).unwrap();
    session.transaction(|tx| tx.orders().history(order.id)).unwrap()
}

/// Asserts the kind of an error, and the rule of the database that it names.
#[track_caller]
pub fn assert_refused(error: &Error, is_kind: fn(&Error) -> bool, constraint: Option<&str>) {
    assert!(is_kind(error), "{error:?}");
    assert_eq!(error.constraint(), constraint, "{error:?}");
    if let Some(name) = constraint {
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// Tests a property on this many generated inputs.
#[track_caller]
pub fn check<S: Strategy>(
    cases: u32,
    inputs: S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&inputs, property).unwrap_or_else(|error| panic!("{error}"));
}

/// A fill of this many shares at this price, with all other fields at a default.
pub fn fill_of(order: &Order, quantity: i32, at: &str) -> NewFill<'static> {
    NewFill {
        order_id: order.id,
        timestamp: noon(),
        quantity_filled: quantity,
        price_at_fill: price(at),
        venue: "NASDAQ",
        commission: Commission::default(),
        rebate: Commission::default(),
        source: None,
        execution_id: None,
    }
}

/// Parses a valid price.
pub fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// A fixed moment.
pub fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 20, 12, 0, 0).unwrap()
}

/// The bundled trading day, as a FIX log.
pub const DAY: &[u8] = include_bytes!("../../../cli/data/day.fix");

/// A reader of FIX that takes the trader from Account (1).
pub fn fix_by_account() -> FixReader {
    FixReader::new(ReadOptions { trader_from: vec![1.into()], ..ReadOptions::default() })
}

/// A database with the bundled trading day in it.
pub fn trading_day() -> Database {
    let db = Database::migrated();
    let engine = db.blotter().engine();
    let mut reader = Reader::new(DAY, fix_by_account());
    let mut writer = Writer::new(Options { register_traders: true, ..Options::default() });
    while let Some(batch) = reader.batch(2000).unwrap() {
        writer.write(&engine, &batch.events).unwrap();
    }
    writer.finish(&engine).unwrap();
    db
}

/// One order, filled in three parts of which one is corrected and one busted, then cancelled.
pub fn amended_order() -> (Database, Order) {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let new = NewOrder {
        stop_loss: Some(price("9.00")),
        expires_at: Some(noon()),
        client_order_id: Some("ada-1"),
        ..NewOrder::limit(ada.id, Side::Buy, "AAPL", 900, price("10.50"))
    };
    let order = submit(&blotter, &new).unwrap();
    let taken = NewExecutionLog {
        reported_at: Some(noon()),
        ..NewExecutionLog::new(order.id, NewAction::Executed { venue_order_id: Some("V-1") })
    };
    append(&blotter, &taken).unwrap();
    let fills =
        ["10.00", "10.01", "10.03"].map(|at| record(&blotter, &fill_of(&order, 100, at)).unwrap());
    let engine = blotter.engine();
    let correction = NewCorrection {
        amends: fills[1].id,
        timestamp: noon(),
        quantity_filled: 200,
        price_at_fill: price("10.02"),
        commission: "0.50".parse().unwrap(),
        rebate: Commission::default(),
        execution_id: Some("C-1"),
    };
    engine.transaction(|tx| tx.fills().correct(&correction)).unwrap();
    let bust = NewBust { amends: fills[0].id, timestamp: noon(), execution_id: None };
    engine.transaction(|tx| tx.fills().bust(&bust)).unwrap();
    let session = blotter.trader(ada.id).unwrap();
    session.transaction(|tx| tx.execution_logs().cancel(order.id, Some("enough"))).unwrap();
    (db, order)
}
