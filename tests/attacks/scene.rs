//! The scene of an attack: its database, its attackers, and what counts as a refusal.
//!
//! A scene is a blotter of a whole database, or one in a desk. So statements, expected values and messages
//! name what differs by variables: `@schema` is the schema of the tables; `@trader`, `@engine`,
//! `@compliance` and `@auditor` are the roles that the logins are members of, and `@engine_login` is such a
//! login. `blotter_engine` is the role to which privileges are granted, in a desk too.

use std::cell::{RefCell, RefMut};
use std::fmt;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::Text;
use tradeblotter::role::Role;
use tradeblotter::{Blotter, Tx, connect, harden, transaction_on};

use tradeblotter_test_support::{Database, texts};

pub const ADA: &str = "a0000000-0000-7000-8000-000000000000";
pub const ADAS_PENDING: &str = "a0000000-0000-7000-8000-000000000001";
/// It has a fill with the same id.
pub const ADAS_PARTIAL: &str = "a0000000-0000-7000-8000-000000000002";
/// It is replaced by [`ADAS_REJECTED`]; see also [`GRACES_FILLED`].
pub const ADAS_FILLED: &str = "a0000000-0000-7000-8000-000000000003";
pub const ADAS_REJECTED: &str = "a0000000-0000-7000-8000-000000000004";
/// It has an open break with the same id: a fill that came after the order had ended.
pub const ADAS_CANCELLED: &str = "a0000000-0000-7000-8000-000000000005";
pub const GRACE: &str = "b0000000-0000-7000-8000-000000000000";
pub const GRACES_PENDING: &str = "b0000000-0000-7000-8000-000000000001";
/// It has a fill with the same id.
pub const GRACES_PARTIAL: &str = "b0000000-0000-7000-8000-000000000002";
/// It has a fill and a dismissed break with the same id. It is replaced.
pub const GRACES_FILLED: &str = "b0000000-0000-7000-8000-000000000003";
/// It has an open break with the same id.
pub const GRACES_CANCELLED: &str = "b0000000-0000-7000-8000-000000000005";
/// Programs use it to say "none"; here a trader with this id has an order and a break, which must stay
/// invisible to a session without identity.
pub const NIL: &str = "00000000-0000-0000-0000-000000000000";
/// An id that no row has.
pub const ABSENT: &str = "c0000000-0000-7000-8000-000000000000";

/// A break of an unknown order, and so of no trader.
pub const NOBODYS_BREAK: &str = "d0000000-0000-7000-8000-000000000000";

/// The tables whose recorded rows must stay unchanged.
pub const RECORDS: [&str; 5] = ["orders", "fills", "execution_logs", "breaks", "break_resolutions"];
pub const TABLES: [&str; 6] =
    ["traders", "orders", "fills", "execution_logs", "breaks", "break_resolutions"];
/// The roles that a login is made a member of.
pub const ROLES: [&str; 4] =
    ["blotter_trader", "blotter_engine", "blotter_compliance", "blotter_auditor"];

/// A breach: what an attack could do and must not, or could not do and must.
#[derive(Debug)]
pub struct Breach(String);

pub type Held = Result<(), Breach>;

pub type Attack = fn(&Scene) -> Held;

/// A database in which Ada and Grace have an order in each status, with fills and log, and two breaks
/// each, one of them dismissed. One more break is of an unknown order. The log has a seal and an archive.
pub struct Scene {
    // Declared before the database, so that it closes first: a database with connections cannot be
    // dropped.
    conn: RefCell<PgConnection>,
    pub db: Database,
    rehearsed: bool,
}

/// Runs the attack on an intact scene, and asserts that it is refused as it expects and that no row has
/// changed.
#[track_caller]
pub fn assert_repelled(scene: Scene, attack: Attack) {
    let before = scene.db.contents();
    if let Err(Breach(what)) = attack(&scene) {
        panic!("{what}");
    }
    assert_eq!(scene.db.contents(), before);
}

impl Scene {
    /// A blotter of a whole database.
    pub fn new() -> Self {
        Self::of(Database::migrated())
    }

    /// A blotter in a desk. The logins are members of the roles of this desk only.
    ///
    /// The stranger may use its schema, as everybody may use `public`: so that it meets the defences behind
    /// that. What the schema keeps out is attacked in [`desks`](crate::desks).
    pub fn in_a_desk() -> Self {
        let scene = Self::of(Database::with_desk());
        scene.run("GRANT USAGE ON SCHEMA @schema TO pg_signal_backend");
        scene
    }

    fn of(db: Database) -> Self {
        let scene = Self { conn: RefCell::new(db.admin()), db, rehearsed: false };
        let mut engine = scene.engine();
        engine.run(setting(ADA, "A"));
        engine.run(setting(GRACE, "G"));
        let nobodys = format!(
            "INSERT INTO traders (id, name) VALUES ('{NIL}', 'N');
             INSERT INTO orders (id, trader_id, symbol, quantity, order_type)
             VALUES ('{NIL}', '{NIL}', 'NPENDING', 1, 'MARKET');
             {BROKEN}
                 ('{NIL}', 'MISMATCH', 'NOTHER', '{NIL}', 'NYSE', 'E-1', '2026-11-20', 1, 1),
                 ('{NOBODYS_BREAK}', 'UNKNOWN_ORDER', 'UNKNOWN', '{ABSENT}', 'NYSE', 'E-2',
                  '2026-11-20', 1, 1);
             INSERT INTO break_resolutions (break_id, is_booked, reason)
             VALUES ('{NIL}', false, 'NTWICE');"
        );
        engine.run(nobodys);
        drop(engine);
        scene.auditor().run(seal_of(1));
        scene.run(&archive_of(7));
        scene
    }

    /// Makes this a scene for rehearsals only.
    pub fn for_rehearsals(self) -> Self {
        // Creates the logins; nothing connects as them here.
        let _ = ROLES.map(|role| self.db.login_url(role));
        self.conn.replace(self.db.admin());
        Self { rehearsed: true, ..self }
    }

    /// Runs an attack on the database as `weakening` leaves it, and rolls back both.
    ///
    /// All of it is one transaction of a superuser who authorizes itself as each attacker: a copy
    /// of the database for each weakening would take too long.
    pub fn rehearse(&mut self, weakening: &str, attack: Attack) -> Held {
        AnsiTransactionManager::begin_transaction(self.conn.get_mut()).unwrap();
        self.run(weakening);
        let held = attack(self);
        AnsiTransactionManager::rollback_transaction(self.conn.get_mut()).unwrap();
        held
    }

    /// Like [`Scene::rehearse`], on a hardened schema.
    pub fn rehearse_hardened(&mut self, weakening: &str, attack: Attack) -> Held {
        AnsiTransactionManager::begin_transaction(self.conn.get_mut()).unwrap();
        harden::install(self.superuser().connection()).unwrap();
        self.run(weakening);
        let held = attack(self);
        AnsiTransactionManager::rollback_transaction(self.conn.get_mut()).unwrap();
        held
    }

    pub fn ada(&self) -> Actor<'_> {
        self.trader(ADA)
    }

    pub fn grace(&self) -> Actor<'_> {
        self.trader(GRACE)
    }

    /// A trader's login with this as its identity.
    pub fn trader(&self, identity: &str) -> Actor<'_> {
        self.member("blotter_trader", identity)
    }

    pub fn engine(&self) -> Actor<'_> {
        self.member("blotter_engine", "")
    }

    pub fn compliance(&self) -> Actor<'_> {
        self.member("blotter_compliance", "")
    }

    pub fn auditor(&self) -> Actor<'_> {
        self.member("blotter_auditor", "")
    }

    /// A login with this role only, and with this identity; '' means none, and is also what a SET LOCAL
    /// leaves behind.
    pub fn member(&self, role: &str, identity: &str) -> Actor<'_> {
        self.actor(role, &format!("SET app.user_id = '{identity}'"))
    }

    /// The login that owns the tables.
    pub fn owner(&self, identity: &str) -> Actor<'_> {
        self.actor("blotter", &format!("SET app.user_id = '{identity}'"))
    }

    pub fn owner_as_ada(&self) -> Actor<'_> {
        self.owner(ADA)
    }

    pub fn superuser(&self) -> Actor<'_> {
        self.actor("postgres", "RESET app.user_id")
    }

    /// A superuser in replica mode, in which ordinary triggers do not fire.
    pub fn replica(&self) -> Actor<'_> {
        self.actor("postgres", "SET session_replication_role = replica")
    }

    /// A user without any role of the store: one of PostgreSQL's own roles, which has no privileges here.
    pub fn stranger(&self) -> Actor<'_> {
        self.actor("postgres", "SET ROLE pg_signal_backend")
    }

    /// The ledger, the role that derives: nobody can log in as it, and only a superuser can become it.
    pub fn ledger(&self) -> Actor<'_> {
        self.actor("postgres", "SET ROLE blotter_ledger")
    }

    pub fn ledger_as_replica(&self) -> Actor<'_> {
        self.actor("postgres", "SET session_replication_role = replica; SET ROLE blotter_ledger")
    }

    /// Prepares an attack as the superuser: adds a grant, or removes a defence to test the one behind it.
    pub fn run(&self, sql: &str) {
        self.superuser().run(sql);
    }

    /// Returns whether the server has a feature of this version.
    pub fn has(&self, version: u32) -> bool {
        let sql = "SELECT current_setting('server_version_num') AS text";
        let found = texts(&mut self.superuser().conn, sql);
        found[0].parse::<u32>().unwrap() / 10_000 >= version
    }

    /// Replaces the variables by what they name here.
    pub fn name(&self, text: &str) -> String {
        ROLES.iter().fold(text.replace("@schema", self.db.schema()), |text, role| {
            text.replace(&role.replace("blotter_", "@"), &self.db.role(role))
        })
    }

    /// Makes a store of a pool whose connections are to this scene.
    pub fn store(&self, pool: Pool<ConnectionManager<PgConnection>>) -> Blotter {
        match self.db.desk() {
            Some(desk) => Blotter::with_pool_of(pool, desk.clone()),
            None => Blotter::with_pool(pool),
        }
    }

    /// Runs `work` in a transaction of a role on a connection to this scene.
    pub fn transaction_on<R: Role, T>(
        &self,
        conn: &mut PgConnection,
        role: R,
        work: impl FnOnce(&mut Tx<'_, R>) -> Result<T, tradeblotter::Error>,
    ) -> Result<T, tradeblotter::Error> {
        match self.db.desk() {
            Some(desk) => desk.transaction_on(conn, role, work),
            None => transaction_on(conn, role, work),
        }
    }

    fn actor(&self, login: &str, set: &str) -> Actor<'_> {
        let mut conn = self.conn.try_borrow_mut().expect("one actor at a time");
        if self.rehearsed {
            let user = match ROLES.contains(&login) {
                true => format!("{}_login", self.db.role(login)),
                false => login.to_owned(),
            };
            let change =
                format!("RESET SESSION AUTHORIZATION; RESET ALL; SET SESSION AUTHORIZATION {user}");
            conn.batch_execute(&change).unwrap();
        } else {
            *conn = match login {
                "blotter" => self.db.owner(),
                "postgres" => self.db.admin(),
                role => connect(&self.db.login_url(role)).unwrap(),
            };
        }
        conn.batch_execute(set).unwrap();
        Actor { scene: self, conn, name: format!("{login} ({set})") }
    }
}

/// The beginning of a statement that inserts breaks.
const BROKEN: &str = "INSERT INTO @schema.breaks
    (id, reason, detail, order_id, venue, execution_id, timestamp, quantity, price) VALUES";

/// The rows of one trader. Symbols and other texts begin with the trader's letter, so that a row shows
/// its owner; the ids of venues are the same for both traders.
fn setting(trader: &str, letter: &str) -> String {
    let stem = &trader[..trader.len() - 1];
    format!(
        "INSERT INTO traders (id, name) VALUES ('{trader}', '{letter}');
         INSERT INTO orders
             (id, trader_id, symbol, quantity, order_type, price, client_order_id) VALUES
             ('{stem}1', '{trader}', '{letter}PENDING', 100, 'LIMIT', 30, 'C-1'),
             ('{stem}2', '{trader}', '{letter}PARTIAL', 200, 'LIMIT', 30, '{letter}-2'),
             ('{stem}3', '{trader}', '{letter}FILLED', 300, 'LIMIT', 30, NULL),
             ('{stem}5', '{trader}', '{letter}CANCELLED', 500, 'LIMIT', 30, NULL);
         INSERT INTO fills
             (id, order_id, quantity_filled, price_at_fill, venue, execution_id) VALUES
             ('{stem}2', '{stem}2', 50, 10, 'NYSE', 'E-1'),
             ('{stem}3', '{stem}3', 300, 20, 'NYSE', 'E-1');
         INSERT INTO orders (id, trader_id, symbol, quantity, order_type, price, replaces) VALUES
             ('{stem}4', '{trader}', '{letter}REJECTED', 400, 'LIMIT', 30, '{stem}3');
         INSERT INTO execution_logs (report_id, order_id, trader_id, action) VALUES
             ('{stem}1', '{stem}1', '{trader}', 'APPROVED'),
             (NULL, '{stem}4', '{trader}', 'REJECTED'),
             (NULL, '{stem}5', '{trader}', 'CANCELLED');
         {BROKEN}
             ('{stem}3', 'OVER_FILL', '{letter}OVER', '{stem}3', 'NYSE', 'E-2',
              '2026-11-20', 300, 20),
             ('{stem}5', 'ORDER_ENDED', '{letter}LATE', '{stem}5', 'NYSE', 'E-2',
              '2026-11-20', 500, 10);
         INSERT INTO break_resolutions (id, break_id, is_booked, reason)
         VALUES ('{stem}3', '{stem}3', false, '{letter}TWICE');"
    )
}

/// Submits an order in the name of this trader. Like the others it names its table with the schema, for
/// callers who have another table of the same name.
pub fn order_of(trader: &str) -> String {
    format!(
        "INSERT INTO @schema.orders (trader_id, symbol, quantity, order_type)
         VALUES ('{trader}', 'X', 1, 'MARKET')"
    )
}

/// Records a fill in the name of this trader; with '', of the trader of the order.
pub fn fill_of(order: &str, trader: &str) -> String {
    let trader = value(trader);
    format!(
        "INSERT INTO @schema.fills (order_id, trader_id, quantity_filled, price_at_fill, venue)
         VALUES ('{order}', {trader}, 1, 1, 'X')"
    )
}

/// Logs an action in the name of this trader; with '', of the trader of the order.
pub fn log_of(order: &str, trader: &str, action: &str) -> String {
    let trader = value(trader);
    format!(
        "INSERT INTO @schema.execution_logs (order_id, trader_id, action)
         VALUES ('{order}', {trader}, '{action}')"
    )
}

/// Submits an order of a trader that replaces another order.
pub fn replacement_of(order: &str, trader: &str) -> String {
    format!(
        "INSERT INTO @schema.orders (trader_id, symbol, quantity, order_type, replaces)
         VALUES ('{trader}', 'X', 1, 'MARKET', '{order}')"
    )
}

/// Busts a fill.
pub fn bust_of(fill: &str) -> String {
    format!("INSERT INTO @schema.fills (amends, is_bust) VALUES ('{fill}', true)")
}

/// Stores a break of this order.
pub fn break_of(order: &str) -> String {
    format!("{BROKEN} (gen_random_uuid(), 'INVALID', 'X', '{order}', 'X', 'X', '2026-11-20', 1, 1)")
}

/// Books a break to the order that it names.
pub fn booking_of(broken: &str) -> String {
    format!(
        "INSERT INTO @schema.break_resolutions (break_id, is_booked, reason)
         VALUES ('{broken}', true, 'X')"
    )
}

/// Inserts a seal without a valid signature.
pub fn seal_of(id: u8) -> String {
    format!(
        "INSERT INTO @schema.seals (id, scheme, origin, size, covered, settled, leaves, frontier, root,
             sealed_at, public_key, signature)
         SELECT {id}, 1, 'example.com/blotter', {id}, '{{[1,2)}}', 0, hash, hash, hash, '2026-11-20', hash,
             hash || hash
         FROM decode(repeat('00', 32), 'hex') AS hash"
    )
}

/// States that this many records left the database.
pub fn archive_of(records: u8) -> String {
    format!(
        "INSERT INTO @schema.archives (before, records, covered, seal, size, sha256, sequence)
         SELECT '2026-11-20', {records}, '{{[1,2)}}', 1, 1, decode(repeat('00', 32), 'hex'), 1"
    )
}

fn value(trader: &str) -> String {
    if trader.is_empty() { "NULL".to_owned() } else { format!("'{trader}'") }
}

/// An attacker on a connection to the scene.
pub struct Actor<'s> {
    scene: &'s Scene,
    conn: RefMut<'s, PgConnection>,
    name: String,
}

/// The defence that should refuse a statement.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// A missing privilege on this table.
    Grant(&'a str),
    /// A missing policy that would allow the new row in this table.
    Policy(&'a str),
    /// This restrictive policy.
    Restriction(&'a str),
    /// This rule of a trigger or a constraint.
    Rule(&'a str),
    /// PostgreSQL itself, with this message.
    Words(&'a str),
}

impl By<'_> {
    fn is_behind(self, error: &Error, scene: &Scene) -> bool {
        let Error::DatabaseError(kind, info) = error else { return false };
        let (message, rule) = (info.message(), info.constraint_name());
        match self {
            By::Grant(table) => message == format!("permission denied for table {table}"),
            By::Policy(table) => {
                message
                    == format!("new row violates row-level security policy for table \"{table}\"")
            }
            By::Restriction(policy) => {
                message.contains("violates row-level security policy")
                    && message.contains(&format!(" \"{policy}\" "))
            }
            By::Rule(name) if name.ends_with("_append_only") => {
                rule == Some(name) && matches!(kind, DatabaseErrorKind::RestrictViolation)
            }
            By::Rule(name) => rule == Some(name),
            By::Words(words) => message.starts_with(&scene.name(words)),
        }
    }
}

impl Actor<'_> {
    /// Asserts that exactly this defence refuses the statement.
    pub fn refused(&mut self, by: By<'_>, sql: impl AsRef<str>) -> Held {
        let sql = &self.scene.name(sql.as_ref());
        self.refused_to(by, sql, |conn| diesel::sql_query(sql).execute(conn))
    }

    /// Asserts that the statement is refused after these statements succeeded.
    pub fn refused_after(
        &mut self,
        by: By<'_>,
        statements: impl AsRef<str>,
        sql: impl AsRef<str>,
    ) -> Held {
        let (statements, sql) =
            (self.scene.name(statements.as_ref()), self.scene.name(sql.as_ref()));
        self.refused_to(by, &sql, |conn| {
            conn.batch_execute(&statements)?;
            diesel::sql_query(&sql).execute(conn)
        })
    }

    /// Asserts that exactly this defence refuses an action of several statements.
    pub fn refused_to(
        &mut self,
        by: By<'_>,
        what: &str,
        attempt: impl FnOnce(&mut PgConnection) -> QueryResult<usize>,
    ) -> Held {
        match self.conn.transaction(attempt) {
            Err(error) if by.is_behind(&error, self.scene) => Ok(()),
            outcome => Err(self.breach(what, outcome, by)),
        }
    }

    /// Asserts that the statement succeeds and changes no row.
    pub fn touches_nothing(&mut self, sql: impl AsRef<str>) -> Held {
        match self.execute(sql.as_ref()) {
            Ok(0) => Ok(()),
            outcome => Err(self.breach(sql, outcome, "no row")),
        }
    }

    /// Asserts that the query returns exactly these values in its column `text`, in this order.
    pub fn sees<T: AsRef<str>>(&mut self, expected: &[T], sql: impl AsRef<str>) -> Held {
        self.brings(expected, "", sql)
    }

    /// Asserts that the statements succeed and the query then returns these values; rolls all of it back,
    /// so that the scene stays as it is.
    pub fn brings<T: AsRef<str>>(
        &mut self,
        expected: &[T],
        statements: impl AsRef<str>,
        query: impl AsRef<str>,
    ) -> Held {
        let scene = self.scene;
        let expected: Vec<_> = expected.iter().map(|text| scene.name(text.as_ref())).collect();
        let (statements, query) = (scene.name(statements.as_ref()), scene.name(query.as_ref()));
        let mut outcome = Ok(Vec::new());
        let _: QueryResult<()> = self.conn.transaction(|conn| {
            outcome = match statements.as_str() {
                "" => column(conn, &query),
                _ => conn.batch_execute(&statements).and_then(|()| column(conn, &query)),
            };
            Err(Error::RollbackTransaction)
        });
        if outcome.as_ref() == Ok(&expected) {
            return Ok(());
        }
        Err(self.breach(format!("{statements} {query}"), outcome, expected))
    }

    /// Asserts that the statement fails with exactly this message and detail.
    pub fn is_told(&mut self, message: &str, detail: &str, sql: impl AsRef<str>) -> Held {
        let outcome = self.execute(sql.as_ref());
        if let Err(Error::DatabaseError(_, info)) = &outcome
            && (info.message(), info.details().unwrap_or_default()) == (message, detail)
        {
            return Ok(());
        }
        Err(self.breach(sql, outcome, (message, detail)))
    }

    /// Runs a statement that prepares an attack.
    pub fn run(&mut self, sql: impl AsRef<str>) {
        self.conn.batch_execute(&self.scene.name(sql.as_ref())).unwrap();
    }

    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    fn execute(&mut self, sql: &str) -> QueryResult<usize> {
        let sql = self.scene.name(sql);
        self.conn.transaction(|conn| diesel::sql_query(sql).execute(conn))
    }

    fn breach(
        &self,
        sql: impl AsRef<str>,
        outcome: impl fmt::Debug,
        expected: impl fmt::Debug,
    ) -> Breach {
        let (name, sql) = (&self.name, sql.as_ref());
        Breach(format!("{name}: {sql}\n  gave {outcome:?}\n  and not {expected:?}"))
    }
}

/// Returns the values of the column `text`.
fn column(conn: &mut PgConnection, sql: &str) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }
    let rows: Vec<Row> = diesel::sql_query(sql).load(conn)?;
    Ok(rows.into_iter().map(|row| row.text).collect())
}
