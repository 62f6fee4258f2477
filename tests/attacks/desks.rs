//! Attacks of one desk on another in the same database, by a login that has every role of its own desk. The
//! attacks of the other themes run in a desk too: the tests `in_a_desk`.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use tradeblotter::{Blotter, Desk, NewOrder, Side, connect};

use tradeblotter_test_support::{Database, fill_of, record, submit, texts, trader};

use crate::mutation::rehearsable;
use crate::scene::{ROLES, Scene};

/// Two desks, each with an order and a fill, and a login with every role of the first.
struct Floor {
    // Closed before the database is dropped.
    attacker: PgConnection,
    admin: PgConnection,
    _victims: Blotter,
    own: Desk,
    other: Desk,
    _db: Database,
}

impl Floor {
    fn new() -> Self {
        let db = Database::empty();
        let [own, other] = [db.add_desk(), db.add_desk()];
        let store = |desk: &Desk| {
            let url = db.member_url(&desk.roles());
            let blotter = Blotter::builder(&url).desk(desk.name()).connect().unwrap();
            let ada = trader(&blotter, "Ada");
            let order = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
            let order = submit(&blotter, &order).unwrap();
            record(&blotter, &fill_of(&order, 40, "10.45")).unwrap();
            (url, blotter)
        };
        let (url, _) = store(&own);
        let (_, victims) = store(&other);
        let attacker = connect(&url).unwrap();
        let admin = db.admin();
        Self { attacker, admin, _victims: victims, own, other, _db: db }
    }

    /// Every role that the attacker is a member of, directly or not; none stands for the login itself.
    fn identities(&self) -> Vec<String> {
        let shared =
            ["trader", "engine", "compliance", "auditor"].map(|it| format!("blotter_{it}"));
        let roles = self.own.roles().into_iter().chain(shared);
        ["none".to_owned()].into_iter().chain(roles).collect()
    }

    /// Runs a statement as each role, and returns what was not refused for want of a permission.
    fn not_refused(&mut self, statement: &str) -> Vec<String> {
        let mut breaches = Vec::new();
        for role in self.identities() {
            let begin = format!("BEGIN; SET LOCAL ROLE {role}");
            self.attacker.batch_execute(&begin).unwrap();
            let said = match self.attacker.batch_execute(statement) {
                Err(Error::DatabaseError(DatabaseErrorKind::Unknown, why))
                    if why.message().starts_with("permission denied") =>
                {
                    None
                }
                said => Some(format!("{statement} as {role}: {said:?}")),
            };
            self.attacker.batch_execute("ROLLBACK").unwrap();
            breaches.extend(said);
        }
        breaches
    }

    /// Returns what a query shows the attacker as any of its roles.
    fn seen(&mut self, query: &str) -> Vec<String> {
        let mut seen = Vec::new();
        for role in self.identities() {
            let begin = format!("BEGIN; SET LOCAL ROLE {role}");
            self.attacker.batch_execute(&begin).unwrap();
            seen.extend(texts(&mut self.attacker, query));
            self.attacker.batch_execute("ROLLBACK").unwrap();
        }
        seen
    }

    /// Returns the names of what the other desk has, as an administrator sees them.
    fn named(&mut self, query: &str) -> Vec<String> {
        let query = query.replace("$", &format!("'{}'::regnamespace", self.other));
        let names = texts(&mut self.admin, &query);
        assert!(!names.is_empty(), "{query}");
        names
    }
}

const TABLES: &str =
    "SELECT oid::regclass::text AS text FROM pg_class WHERE relnamespace = $ AND relkind = 'r'";
const FUNCTIONS: &str = "SELECT DISTINCT oid::regproc::text AS text FROM pg_proc WHERE pronamespace = $ AND prokind = 'f'";
const PROCEDURES: &str = "SELECT DISTINCT oid::regproc::text AS text FROM pg_proc WHERE pronamespace = $ AND prokind = 'p'";
const TYPES: &str =
    "SELECT oid::regtype::text AS text FROM pg_type WHERE typnamespace = $ AND typtype = 'e'";
const OIDS: &str =
    "SELECT oid::text AS text FROM pg_class WHERE relnamespace = $ AND relkind = 'S'";
const TABLE_OIDS: &str =
    "SELECT oid::text AS text FROM pg_class WHERE relnamespace = $ AND relkind = 'r'";

#[test]
fn no_table_of_another_desk_is_read_or_written() {
    let mut floor = Floor::new();
    for table in floor.named(TABLES) {
        for statement in [
            format!("SELECT FROM {table}"),
            format!("TABLE {table}"),
            format!("INSERT INTO {table} DEFAULT VALUES"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
            format!("LOCK TABLE {table} IN ACCESS SHARE MODE"),
            format!("COPY {table} TO STDOUT"),
            format!("CREATE TEMP TABLE stolen (LIKE {table})"),
            format!("CREATE TEMP VIEW stolen AS SELECT * FROM {table}"),
            format!("DECLARE stolen CURSOR FOR SELECT * FROM {table}"),
            format!("SELECT query_to_xml('SELECT * FROM {table}', true, true, '')"),
        ] {
            assert_eq!(floor.not_refused(&statement), [""; 0]);
        }
    }
}

#[test]
fn no_function_and_no_type_of_another_desk_is_used() {
    let mut floor = Floor::new();
    let mut statements = Vec::new();
    for (query, call) in
        [(FUNCTIONS, "SELECT {}()"), (PROCEDURES, "CALL {}()"), (TYPES, "SELECT NULL::{}")]
    {
        statements.extend(floor.named(query).iter().map(|name| call.replace("{}", name)));
    }
    for statement in &statements {
        assert_eq!(floor.not_refused(statement), [""; 0]);
    }
}

/// A function that takes an OID does not look at the schema.
#[test]
fn nothing_of_another_desk_is_reached_by_its_oid() {
    let mut floor = Floor::new();
    for sequence in floor.named(OIDS) {
        for statement in [
            format!("SELECT nextval({sequence}::oid::regclass)"),
            format!("SELECT setval({sequence}::oid::regclass, 1)"),
        ] {
            assert_eq!(floor.not_refused(&statement), [""; 0]);
        }
    }
    for table in floor.named(TABLE_OIDS) {
        let statement = format!("SELECT table_to_xml({table}::oid::regclass, true, true, '')");
        assert_eq!(floor.not_refused(&statement), [""; 0]);
    }
}

#[test]
fn no_role_of_another_desk_is_acted_as() {
    let mut floor = Floor::new();
    for role in floor.other.roles() {
        for statement in [
            format!("SET ROLE {role}"),
            format!("SET SESSION AUTHORIZATION {role}"),
            format!("GRANT {role} TO CURRENT_USER"),
            format!("GRANT USAGE ON SCHEMA {} TO CURRENT_USER", floor.other),
        ] {
            let said = floor.attacker.batch_execute(&statement);
            assert!(said.is_err(), "{statement}");
        }
    }
}

/// The planner's samples hold values of columns. Those of the list of migrations, which has no rows of anybody, are
/// shown.
#[test]
fn no_statistics_of_another_desk_are_shown() {
    let mut floor = Floor::new();
    floor.admin.batch_execute("ANALYZE").unwrap();
    let other = floor.other.clone();
    let values = format!(
        "SELECT concat(tablename, '.', attname) AS text FROM pg_stats
         WHERE schemaname = '{other}' AND tablename <> '__diesel_schema_migrations'"
    );
    assert_eq!(floor.seen(&values), [""; 0]);
}

#[test]
fn no_statement_of_another_desks_sessions_is_shown() {
    let mut floor = Floor::new();
    let statements = "SELECT query AS text FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
             AND query <> '<insufficient privilege>' AND usename NOT IN (session_user)";
    assert_eq!(floor.seen(statements), [""; 0]);
}

/// What would be a breach is one: the roles of a desk use their own.
#[test]
fn each_role_uses_its_own_desk() {
    let mut floor = Floor::new();
    let own = floor.own.clone();
    for role in own.roles() {
        let read = format!("SET ROLE {role}; SELECT FROM {own}.orders; RESET ROLE");
        floor.attacker.batch_execute(&read).unwrap();
    }
    assert!(!floor.not_refused(&format!("SELECT FROM {own}.orders")).is_empty());
}

#[test]
fn a_schema_that_is_open_to_the_shared_roles_would_be_read() {
    let mut floor = Floor::new();
    let other = floor.other.clone();
    let open = format!("GRANT USAGE ON SCHEMA {other} TO blotter_compliance");
    floor.admin.batch_execute(&open).unwrap();
    assert!(!floor.not_refused(&format!("SELECT FROM {other}.orders")).is_empty());
}

/// Such as the login of compliance of a firm that owns two desks. Left out are the attacks that open their own
/// connections: they are about what is left on the connection of a login, whichever roles it has.
#[test]
fn a_login_with_the_same_role_in_two_desks_gets_no_further_in_either() {
    let mut scene = Scene::in_a_desk().for_rehearsals();
    let other = scene.db.add_desk();
    let grants: String = ROLES
        .iter()
        .zip(other.roles())
        .map(|(role, other)| format!("GRANT {other} TO {}_login;", scene.db.role(role)))
        .collect();
    for (name, attack) in rehearsable() {
        let held = scene.rehearse(&grants, attack);
        assert!(held.is_ok(), "{name}: {held:?}");
    }
}
