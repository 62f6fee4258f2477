//! Hardening: event triggers of a superuser that refuse to change the schema, to its owner too.
//!
//! The owner of the tables may alter and drop them, and the guards with them. [`install`] takes that away: until
//! [`lift`], every command that alters, drops or shadows an object of the blotter is refused, whoever runs it.
//! Commands on other objects of the same schema work as before. Both need a superuser, because PostgreSQL lets
//! nobody else create or drop an event trigger; so what lets a migration through cannot be faked by the owner.
//!
//! Not refused, because no event trigger fires or learns of the object: GRANT and REVOKE, changes of roles, REASSIGN
//! OWNED (to an owner who is then refused the same), `setval`, and DROP DATABASE by its owner.
//! [`catalog::differences`](crate::catalog::differences) tells the first two.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Oid, Text};

use crate::database::catalog::{self, Change, SchemaDifference};
use crate::database::citus;
use crate::database::migrations;
use crate::database::postgres::{current_setting, set_config, to_regclass};
use crate::error::Error;

/// The body of the function, with markers for the names.
const BODY: &str = include_str!("harden.sql");

/// The query of what is protected.
const TARGET: &str = include_str!("harden_target.sql");

/// The query of the event triggers.
const STATE: &str = include_str!("harden_state.sql");

/// The schema of the functions. It belongs to a superuser, so nobody else can drop what is in it.
const HOME: &str = "blotter_harden";

/// The search path of every query here: a superuser runs them, and must not call what others may have created.
const SET_PATH: &str = "SET LOCAL search_path = pg_catalog, pg_temp";

/// The event triggers of one blotter: the part of the name, the event, and the commands if not all.
const EVENTS: [(&str, &str, &str); 4] = [
    ("start", "ddl_command_start", "WHEN TAG IN ('CREATE INDEX', 'DROP INDEX')"),
    ("end", "ddl_command_end", ""),
    ("drop", "sql_drop", ""),
    ("rewrite", "table_rewrite", ""),
];

/// Whether a schema is hardened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Hardening {
    /// No event trigger protects the schema: its owner may change it.
    Off,
    /// Every event trigger is there, enabled, and a superuser's.
    On,
    /// Some are missing, disabled or different: not to be relied on. Run [`install`] again.
    Partial(Vec<SchemaDifference>),
}

/// Hardens the schema that holds `orders` on the search path. Idempotent; also repairs event triggers that are
/// missing, disabled or different. Several schemas of one database are hardened independently.
///
/// # Errors
///
/// [`Error::is_permission_denied`] unless the login is a superuser; [`Error::is_not_migrated`] and
/// [`Error::is_ahead`], because the objects of this build's migrations are protected; [`Error::is_invalid_input`] on a
/// desk that Citus holds, whose tables it moves.
///
/// ```
/// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
/// # use diesel::connection::SimpleConnection;
/// # use tradeblotter::{embedded, migrations};
/// use tradeblotter::{connect, harden};
///
/// # let server = embedded::Server::start()?;
/// # let owner = &mut server.connect()?;
/// # migrations::run(owner)?;
/// let superuser = &mut connect(&server.admin_url())?;
/// harden::install(superuser)?;
/// let refused = owner.batch_execute("ALTER TABLE fills DISABLE TRIGGER USER").unwrap_err();
/// assert!(refused.to_string().starts_with("ALTER TABLE on public.fills is refused"));
///
/// harden::lift(superuser)?;
/// owner.batch_execute("ALTER TABLE fills DISABLE TRIGGER USER")?;
/// # Ok(()) }
/// # #[cfg(not(feature = "embedded"))] fn main() {}
/// ```
pub fn install(conn: &mut PgConnection) -> Result<(), Error> {
    migrations::require(conn)?;
    citus::refuse(conn, "harden")?;
    change(conn, |conn, target| {
        remove(conn, target)?;
        conn.batch_execute(&target.script()).map_err(superuser_needed)
    })
}

/// Lifts the hardening of the schema that holds `orders` on the search path, for a migration. Idempotent.
///
/// # Errors
///
/// [`Error::is_permission_denied`] unless the login is a superuser.
pub fn lift(conn: &mut PgConnection) -> Result<(), Error> {
    change(conn, remove)
}

/// Returns whether the schema that holds `orders` on the search path is hardened. Any login may ask; changes
/// nothing.
///
/// # Errors
///
/// [`Error::is_connection`].
pub fn state(conn: &mut PgConnection) -> Result<Hardening, Error> {
    with_target(conn, |conn, target| target.map_or(Ok(Hardening::Off), |target| target.state(conn)))
}

/// Refuses to migrate while the schema is hardened: says what to do before the server's error does.
pub(crate) fn refuse_migration(conn: &mut PgConnection, migration: &str) -> Result<(), Error> {
    if state(conn)? == Hardening::Off {
        return Ok(());
    }
    Err(Error::migration(
        migration,
        "the schema is hardened, so that nobody can change it. As a superuser run `blotter harden --lift`, then \
         migrate as the owner, then run `blotter harden` as the superuser again",
    ))
}

/// Runs `work` on the schema that holds `orders`, in one transaction.
fn change(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection, &Target) -> Result<(), Error>,
) -> Result<(), Error> {
    with_target(conn, |conn, target| match target {
        Some(target) => work(conn, &target),
        None => Err(Error::not_migrated(vec!["the table orders".to_owned()])),
    })
}

fn with_target<T>(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection, Option<Target>) -> Result<T, Error>,
) -> Result<T, Error> {
    conn.transaction(|conn| {
        let orders: Option<u32> = diesel::select(to_regclass("orders")).get_result(conn)?;
        let path: String = diesel::select(current_setting("search_path")).get_result(conn)?;
        conn.batch_execute(SET_PATH)?;
        let target = orders.map(|orders| Target::read(conn, orders)).transpose()?;
        let done = work(conn, target)?;
        // For a caller who goes on in the same transaction.
        diesel::select(set_config("search_path", path, true)).execute(conn)?;
        Ok(done)
    })
}

/// Drops the event triggers and their function, and the schema of the functions if it was the last.
fn remove(conn: &mut PgConnection, target: &Target) -> Result<(), Error> {
    let mut script = String::new();
    for (part, ..) in EVENTS {
        script += &format!("DROP EVENT TRIGGER IF EXISTS {};\n", identifier(&target.trigger(part)));
    }
    script += &format!(
        "DO $$ BEGIN
             IF to_regnamespace('{HOME}') IS NOT NULL THEN
                 EXECUTE {};
                 IF NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = '{HOME}'::regnamespace) THEN
                     DROP SCHEMA {HOME};
                 END IF;
             END IF;
         END $$",
        literal(&format!("DROP FUNCTION IF EXISTS {}()", target.function()))
    );
    let before: String = diesel::select(current_setting("client_min_messages")).get_result(conn)?;
    conn.batch_execute("SET LOCAL client_min_messages = warning")?;
    conn.batch_execute(&script).map_err(superuser_needed)?;
    diesel::select(set_config("client_min_messages", before, true)).execute(conn)?;
    Ok(())
}

/// Says of a missing privilege which login is needed.
fn superuser_needed(error: diesel::result::Error) -> Error {
    let error = Error::from(error);
    if error.is_permission_denied() || error.to_string().contains("must be ") {
        return Error::superuser_needed(
            "to harden a schema or to lift that needs a superuser, because nobody else may create or drop an \
             event trigger; connect as one",
        );
    }
    error
}

/// The schema to protect, and what is in it; the arrays as literals.
#[derive(QueryableByName)]
struct Target {
    #[diesel(sql_type = Text)]
    schema: String,
    #[diesel(sql_type = Text)]
    suffix: String,
    #[diesel(sql_type = Text)]
    objects: String,
    #[diesel(sql_type = Text)]
    tables: String,
    #[diesel(sql_type = Text)]
    routines: String,
}

/// An event trigger by one of the names, as it was found.
#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    event: String,
    #[diesel(sql_type = Bool)]
    exists: bool,
    #[diesel(sql_type = Text)]
    enabled: String,
    #[diesel(sql_type = Text)]
    found_event: String,
    #[diesel(sql_type = Bool)]
    owned_by_superuser: bool,
    #[diesel(sql_type = Text)]
    body: String,
    #[diesel(sql_type = Text)]
    function: String,
}

impl Target {
    fn read(conn: &mut PgConnection, orders: u32) -> Result<Self, Error> {
        Ok(diesel::sql_query(TARGET)
            .bind::<Oid, _>(orders)
            .bind::<Array<Text>, _>(catalog::TABLES.as_slice())
            .bind::<Array<Text>, _>(catalog::ENUMS.as_slice())
            .bind::<Array<Text>, _>(catalog::FUNCTIONS.as_slice())
            .bind::<Text, _>(catalog::expected_comment_on_traders())
            .get_result(conn)?)
    }

    fn trigger(&self, part: &str) -> String {
        format!("blotter_harden_{part}_{}", self.suffix)
    }

    /// Returns the name of the function, qualified and quoted.
    fn function(&self) -> String {
        format!("{HOME}.{}", identifier(&format!("refuse_{}", self.suffix)))
    }

    /// Returns the body of the function with the names in it.
    fn body(&self) -> String {
        let values = [
            ("{schema}", &self.schema),
            ("{objects}", &self.objects),
            ("{tables}", &self.tables),
            ("{routines}", &self.routines),
        ];
        // In one pass: a name of the owner's choice may look like a marker.
        let mut body = String::new();
        let mut rest = BODY;
        while let Some((at, marker, value)) = values
            .iter()
            .filter_map(|(marker, value)| Some((rest.find(marker)?, *marker, *value)))
            .min_by_key(|(at, ..)| *at)
        {
            body += &rest[..at];
            body += value;
            rest = &rest[at + marker.len()..];
        }
        body + rest
    }

    /// Returns the statements that create the schema, the function and the event triggers.
    fn script(&self) -> String {
        let function = self.function();
        // A schema that somebody else has created could be dropped by its owner with what is in it.
        let mut script = format!(
            "DO $$ BEGIN
                 IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                     RAISE 'must be superuser';
                 END IF;
             END $$;
             CREATE SCHEMA IF NOT EXISTS {HOME};
             DO $$ BEGIN
                 IF NOT (SELECT rolsuper FROM pg_roles JOIN pg_namespace ON pg_roles.oid = nspowner
                         WHERE nspname = '{HOME}') THEN
                     RAISE 'the schema {HOME} does not belong to a superuser; drop it and try again';
                 END IF;
             END $$;
             CREATE FUNCTION {function}() RETURNS event_trigger LANGUAGE plpgsql
                 SET search_path = pg_catalog, pg_temp AS {};
             REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC;\n",
            literal(&self.body())
        );
        for (part, event, tags) in EVENTS {
            let name = identifier(&self.trigger(part));
            script += &format!(
                "CREATE EVENT TRIGGER {name} ON {event} {tags} EXECUTE FUNCTION {function}();
                 ALTER EVENT TRIGGER {name} ENABLE ALWAYS;\n"
            );
        }
        script
    }

    fn state(&self, conn: &mut PgConnection) -> Result<Hardening, Error> {
        let found: Vec<Found> = diesel::sql_query(STATE)
            .bind::<Array<Text>, _>(EVENTS.map(|(part, ..)| self.trigger(part)).as_slice())
            .bind::<Array<Text>, _>(EVENTS.map(|(_, event, _)| event).as_slice())
            .load(conn)?;
        if found.iter().all(|trigger| !trigger.exists) {
            return Ok(Hardening::Off);
        }
        let (body, function) = (self.body(), format!("{HOME}.refuse_{}", self.suffix));
        let mut differences: Vec<SchemaDifference> = Vec::new();
        for trigger in &found {
            let object = format!("event trigger {}", trigger.name);
            if !trigger.exists {
                differences.push(SchemaDifference { object, change: Change::Missing });
                continue;
            }
            let enabled = match trigger.enabled.as_str() {
                "A" => "always",
                "O" => "origin",
                "R" => "replica",
                _ => "disabled",
            };
            let owner = if trigger.owned_by_superuser { "a superuser" } else { "somebody else" };
            let text = if trigger.body == body { "as installed" } else { "another" };
            for (name, expected, found) in [
                ("enabled", "always", enabled),
                ("event", &trigger.event, &trigger.found_event),
                ("function", &function, &trigger.function),
                ("body", "as installed", text),
                ("owner", "a superuser", owner),
            ] {
                if expected != found {
                    differences.push(SchemaDifference {
                        object: object.clone(),
                        change: Change::Property {
                            name: name.to_owned(),
                            expected: expected.to_owned(),
                            found: found.to_owned(),
                        },
                    });
                }
            }
        }
        Ok(if differences.is_empty() { Hardening::On } else { Hardening::Partial(differences) })
    }
}

/// Quotes an identifier.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text, whatever `standard_conforming_strings` is.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
