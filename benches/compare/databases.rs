//! The databases that are measured, and connections to them.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::sql_types::{BigInt, Text};
use postgres::{Client, Config, NoTls};
use tradeblotter::embedded::Server;
use tradeblotter::{Blotter, connect, migrations, role};
use uuid::Uuid;

use crate::clients::Outcome;

/// Greatest number of concurrent clients.
pub const MAX_CLIENTS: usize = 32;

const SCHEMA_WRITER: &str = "base_writer";
const BASE: &str = "base";

/// A copy of the library's database with the triggers disabled, for a hand-written client that stores the same
/// rows.
const SAME_ROWS: &str = "same_rows";

/// The schema of the other contenders: the base schema without row-level security. The bare tables have its
/// columns, checks and indexes, but no foreign keys.
const BASE_SCHEMA: [&str; 4] = [
    include_str!("../../migrations/2026-11-22-100000-0000_create_traders/up.sql"),
    include_str!("../../migrations/2026-11-22-100100-0000_create_order_tables/up.sql"),
    "ALTER TABLE orders DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
     ALTER TABLE fills DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
     ALTER TABLE execution_logs DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;",
    "CREATE TABLE bare_orders (LIKE orders INCLUDING ALL);
     CREATE TABLE bare_fills (LIKE fills INCLUDING ALL);
     CREATE TABLE bare_execution_logs (LIKE execution_logs INCLUDING ALL);",
];

/// URLs and programs to reach the databases.
#[derive(Clone)]
pub struct Databases {
    /// Directory of the server's socket.
    pub directory: PathBuf,
    /// URLs of the library's logins.
    pub trader: String,
    pub engine: String,
    pub compliance: String,
    /// URL of the login of the other contenders.
    pub writer: String,
    /// The program pgbench, if it is installed.
    pub pgbench: Option<PathBuf>,
    /// A Python that has SQLAlchemy, if one is given.
    pub python: Option<PathBuf>,
}

impl Databases {
    /// Creates the two databases: one for the library, one for the other contenders.
    pub fn prepare(server: &Server, python: Option<PathBuf>) -> Outcome<Self> {
        migrations::run(&mut server.connect()?)?;
        let admin_url = server.admin_url();
        let writer = in_database(&admin_url, BASE).replacen(
            "//postgres@",
            &format!("//{SCHEMA_WRITER}@"),
            1,
        );
        let mut first = connect(&admin_url)?;
        let admin = &mut first;
        admin.batch_execute(&format!("CREATE ROLE {SCHEMA_WRITER} LOGIN"))?;
        admin.batch_execute(&format!("CREATE DATABASE {BASE} OWNER {SCHEMA_WRITER}"))?;
        let base = &mut connect(&writer)?;
        BASE_SCHEMA.iter().try_for_each(|sql| base.batch_execute(sql))?;
        insert_traders(admin)?;
        insert_traders(base)?;
        drop(first);
        copy_without_triggers(&admin_url)?;
        let admin = &mut connect(&admin_url)?;
        let programs = text(admin, "SELECT setting AS text FROM pg_config WHERE name = 'BINDIR'")?;
        let directory = text(admin, "SELECT current_setting('unix_socket_directories') AS text")?;
        Ok(Self {
            directory: directory.into(),
            trader: server.login::<role::Trader>()?,
            engine: server.login::<role::Engine>()?,
            compliance: server.login::<role::Compliance>()?,
            writer,
            pgbench: Some(PathBuf::from(programs).join("pgbench")).filter(|path| path.is_file()),
            python,
        })
    }

    /// Returns the same, but with another database for the library.
    pub fn with_library_in(&self, database: &str) -> Self {
        Self {
            trader: in_database(&self.trader, database),
            engine: in_database(&self.engine, database),
            compliance: in_database(&self.compliance, database),
            ..self.clone()
        }
    }

    /// Returns the same, but reached through a socket in another directory.
    pub fn through(&self, directory: &Path) -> Self {
        let (own, other) = (self.directory.display().to_string(), directory.display().to_string());
        let through = |url: &str| url.replacen(&own, &other, 1);
        Self {
            directory: directory.to_owned(),
            trader: through(&self.trader),
            engine: through(&self.engine),
            compliance: through(&self.compliance),
            writer: through(&self.writer),
            ..self.clone()
        }
    }

    /// Opens a connection that writes to the base schema.
    pub fn writer_client(&self) -> Outcome<Client> {
        self.client(SCHEMA_WRITER, BASE)
    }

    /// Opens a connection that writes to the tables of the library without their triggers.
    pub fn same_rows_client(&self) -> Outcome<Client> {
        self.superuser_client(SAME_ROWS)
    }

    /// Opens a superuser's connection, which bypasses row-level security.
    pub fn superuser_client(&self, database: &str) -> Outcome<Client> {
        self.client("postgres", database)
    }

    fn client(&self, user: &str, database: &str) -> Outcome<Client> {
        let mut config = Config::new();
        config.user(user).dbname(database).host_path(&self.directory);
        Ok(config.connect(NoTls)?)
    }
}

/// Copies the library's database, to which nobody may be connected, and disables the triggers of the copy.
fn copy_without_triggers(admin_url: &str) -> Outcome<()> {
    let create = format!("CREATE DATABASE {SAME_ROWS} TEMPLATE blotter");
    connect(&in_database(admin_url, BASE))?.batch_execute(&create)?;
    let copy = &mut connect(&in_database(admin_url, SAME_ROWS))?;
    for table in ["orders", "fills", "execution_logs"] {
        copy.batch_execute(&format!("ALTER TABLE {table} DISABLE TRIGGER USER"))?;
    }
    Ok(())
}

/// Returns the process id of the server, with a superuser's connection.
pub fn postmaster(conn: &mut PgConnection) -> Outcome<String> {
    let file = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1) AS text";
    Ok(text(conn, file)?.trim().to_owned())
}

/// Returns the CPU time that the server's sessions have taken which have ended, in milliseconds; NaN where it is
/// unknown.
///
/// The postmaster counts it when it has reaped them, so a run must have closed its connections before. The
/// superuser's connections are those of the benchmark itself, except those of the client that stores the same rows.
pub fn sessions_cpu(conn: &mut PgConnection) -> Outcome<f64> {
    let pid = postmaster(conn)?;
    let still_there = format!(
        "SELECT count(*) AS number FROM pg_stat_activity
         WHERE backend_type = 'client backend'
             AND NOT (usename = 'postgres' AND datname <> '{SAME_ROWS}')"
    );
    while number(conn, &still_there)? > 0 {
        conn.batch_execute("SELECT pg_sleep(0.02)")?;
    }
    conn.batch_execute("SELECT pg_sleep(0.05)")?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name in parentheses; children's user and system time are the 16th and 17th field.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(13).take(2);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    // A tick is a hundredth of a second on every Linux.
    Ok(if ticks.len() == 2 { ticks.iter().sum::<f64>() * 10.0 } else { f64::NAN })
}

/// Returns the trader of a client. Each client has its own, because orders of one trader wait for each other's
/// lock on its row.
pub fn trader(client: usize) -> Uuid {
    Uuid::from_u128(client as u128 + 1)
}

/// Inserts the traders of the clients.
pub fn insert_traders(conn: &mut PgConnection) -> Outcome<()> {
    for client in 0..MAX_CLIENTS {
        let id = trader(client);
        conn.batch_execute(&format!("INSERT INTO traders (id, name) VALUES ('{id}', 'Client')"))?;
    }
    Ok(())
}

/// Replaces the database `blotter` in a URL.
pub fn in_database(url: &str, name: &str) -> String {
    url.replacen("/blotter?", &format!("/{name}?"), 1)
}

/// Opens the library with one connection for each client.
pub fn pool(url: &str, clients: usize) -> Outcome<Blotter> {
    let pool = Pool::builder()
        .max_size(u32::try_from(clients)?)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .build(ConnectionManager::new(url))?;
    Ok(Blotter::with_pool(pool))
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

/// Returns the column `text` of a query with one row.
pub fn text(conn: &mut PgConnection, query: &str) -> Outcome<String> {
    Ok(diesel::sql_query(query).get_result::<Line>(conn)?.text)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Returns the column `number` of a query with one row.
pub fn number(conn: &mut PgConnection, query: &str) -> Outcome<i64> {
    Ok(diesel::sql_query(query).get_result::<Number>(conn)?.number)
}

/// Returns how many bytes of write-ahead log the server has written.
pub fn wal_position(conn: &mut PgConnection) -> Outcome<i64> {
    number(conn, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint AS number")
}

/// Sets fsync, which the embedded server has off because its data is not kept.
pub fn set_fsync(conn: &mut PgConnection, on: bool) -> Outcome<()> {
    conn.batch_execute(&format!("ALTER SYSTEM SET fsync = {on}"))?;
    conn.batch_execute("SELECT pg_reload_conf(); SELECT pg_sleep(0.2); CHECKPOINT")?;
    Ok(())
}
