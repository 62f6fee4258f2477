//! The schema check: whether the live database has the schema that this build expects.
//!
//! The PostgreSQL catalog is read as facts (object, property, value) and compared with the facts of a freshly
//! migrated database in `catalog.expected`. A test keeps that file up to date.

mod facts;

use std::fmt;

use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text};

use self::facts::Facts;
use crate::database::citus::{self, Shard};
use crate::database::desk::{Desk, own_roles};
use crate::database::harden::{self, Hardening};
use crate::database::login::ROLES;
#[cfg(feature = "audit")]
use crate::database::postgres::obj_description;
use crate::database::postgres::to_regclass;
use crate::error::Error;

/// The query that reads the facts.
const QUERY: &str = include_str!("catalog.sql");

/// The query of the roles that may switch off triggers, for PostgreSQL 15 and later.
const PARAMETERS: &str = include_str!("catalog_parameters.sql");

/// The query of what [`notes`] returns.
const NOTES: &str = include_str!("catalog_notes.sql");

/// The query of what [`strangers`] returns.
const STRANGERS: &str = include_str!("catalog_strangers.sql");

/// The facts of a freshly migrated database.
const EXPECTED: &str = include_str!("catalog.expected");

/// The object and the property that tell who may use the schema.
const USAGE: (&str, &str) = ("schema of the tables", "usage granted to");

/// What the name of a difference begins with after its kind, if it is one of a shard of Citus.
const SHARD: &str = "(shard) ";

pub(crate) const TABLES: [&str; 9] = [
    "archives",
    "break_resolutions",
    "breaks",
    "execution_logs",
    "execution_logs_sequence",
    "fills",
    "orders",
    "seals",
    "traders",
];
pub(crate) const ENUMS: [&str; 6] = [
    "action_enum",
    "break_reason_enum",
    "order_status_enum",
    "order_type_enum",
    "side_enum",
    "time_in_force_enum",
];
pub(crate) const FUNCTIONS: [&str; 41] = [
    "archives_stamp",
    "blotter_action_rule",
    "blotter_amended_fills",
    "blotter_booked_reason",
    "blotter_count_amendment",
    "blotter_end_replaced",
    "blotter_expire_due",
    "blotter_fill_rule",
    "blotter_is_open",
    "blotter_last_number",
    "blotter_lend_ledger",
    "blotter_log_actions",
    "blotter_log_break",
    "blotter_next_change",
    "blotter_number_row",
    "blotter_order_rule",
    "blotter_permit_revert",
    "blotter_record_fills",
    "blotter_refuse_action",
    "blotter_refuse_change",
    "blotter_refuse_fill",
    "blotter_refuse_resolved",
    "blotter_refuse_transition",
    "blotter_refuse_writer",
    "blotter_scale",
    "blotter_settle_ledger",
    "blotter_submit_orders",
    "blotter_symbol_length",
    "blotter_trader_id",
    "blotter_widen",
    "break_resolutions_book",
    "break_resolutions_stamp",
    "breaks_log",
    "breaks_stamp",
    "execution_logs_derive",
    "execution_logs_require_order",
    "fills_derive",
    "fills_stamp",
    "orders_admit",
    "orders_log_submitted",
    "seals_follow",
];

/// One difference between the database and the schema that this build expects; displays as one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SchemaDifference {
    /// What differs, e.g. `column orders.price`.
    pub object: String,
    /// How it differs.
    pub change: Change,
}

/// How an object of the database differs from what this build expects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Change {
    /// The object is expected and does not exist.
    Missing,
    /// The object exists and is not expected.
    Unexpected,
    /// The object has a property with another value.
    Property {
        /// The name of the property, e.g. `type`.
        name: String,
        /// The value that this build expects.
        expected: String,
        /// The value in the database.
        found: String,
    },
}

impl fmt::Display for SchemaDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.object)?;
        match &self.change {
            Change::Missing => f.write_str("missing")?,
            Change::Unexpected => f.write_str("not expected")?,
            Change::Property { name, expected, found } => {
                write!(f, "{name} is {found}, expected {expected}")?;
            }
        }
        self.repair().map_or(Ok(()), |repair| write!(f, "; repair: {repair}"))
    }
}

impl SchemaDifference {
    /// Returns whether the difference is about who may use the schema. A closed desk has this difference.
    pub(crate) fn is_of_usage(&self) -> bool {
        self.object == USAGE.0
            && matches!(&self.change, Change::Property { name, .. } if name == USAGE.1)
    }

    /// Returns whether the difference may hide rows from a reader or show it rows of another table: row-level security,
    /// a policy, a rule, another kind of table, or an heir of it.
    #[cfg(feature = "audit")]
    pub(crate) fn may_hide_rows(&self) -> bool {
        let kind = self.object.split_once(' ').map_or("", |(kind, _)| kind);
        match (&self.change, kind) {
            (_, "policy" | "rule") | (Change::Missing | Change::Unexpected, "table") => true,
            (Change::Property { name, .. }, "table") => {
                ["row security", "force row security", "kind", "inheritance"]
                    .contains(&name.as_str())
            }
            _ => false,
        }
    }

    /// Returns the command that repairs the difference, where there is one that loses nothing: for a trigger or for
    /// row-level security that is not in the state which this build expects. A restore with
    /// `pg_restore --disable-triggers` leaves guards at ORIGIN, where they do not fire for a replica.
    pub fn repair(&self) -> Option<String> {
        let Change::Property { name, expected, .. } = &self.change else { return None };
        let (kind, object) = self.object.split_once(' ')?;
        // Run on the coordinator, it repairs the shard too.
        let object = object.strip_prefix(SHARD).unwrap_or(object);
        match (kind, name.as_str(), expected.as_str()) {
            ("trigger", "enabled", "always" | "origin") => {
                let (table, trigger) = object.split_once('.')?;
                let always = if expected == "always" { "ALWAYS " } else { "" };
                Some(format!("ALTER TABLE {table} ENABLE {always}TRIGGER {trigger}"))
            }
            ("table", "row security", "enabled") => {
                Some(format!("ALTER TABLE {object} ENABLE ROW LEVEL SECURITY"))
            }
            ("table", "force row security", "enabled") => {
                Some(format!("ALTER TABLE {object} FORCE ROW LEVEL SECURITY"))
            }
            _ => None,
        }
    }
}

/// Returns every difference between the database and the schema that this build expects; empty when there
/// is none. Changes nothing.
///
/// Compares tables, columns, types, nullability, defaults, comments, enums and the order of their labels,
/// constraints, indexes, row-level security, policies, triggers, rules, functions with their owners and
/// EXECUTE privileges, roles with their attributes, and the privileges on the tables; and whether the
/// hardening is whole, if the schema is [hardened](crate::harden).
///
/// Reports what was planted to change or to bypass this schema:
///
/// - functions, aggregates and operators in it that would be called in the place of PostgreSQL's own; casts and
///   operator classes of its types;
/// - event triggers, objects of `blotter_ledger`, and views of superusers over its tables that others may read;
/// - default privileges of the owner, and the right to set `session_replication_role`;
/// - settings of databases, and of logins in one of the five roles, by which a session begins as another role or
///   trader, without triggers, or with other tables first on its search path.
///
/// Ignores other objects that do not belong to this schema, and what a superuser installed with an extension. Of a
/// `traders` table that the application brought itself, recognised by a comment that is not this schema's, only
/// the type of `id` is compared.
///
/// # Errors
///
/// [`Error::is_connection`].
///
/// ```
/// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
/// # use diesel::connection::SimpleConnection;
/// # use tradeblotter::{embedded, migrations};
/// use tradeblotter::catalog;
///
/// # let server = embedded::Server::start()?;
/// # let conn = &mut server.connect()?;
/// # migrations::run(conn)?;
/// assert_eq!(catalog::differences(conn)?, []);
///
/// conn.batch_execute("ALTER TABLE fills ALTER commission TYPE numeric(12,4)")?;
/// assert_eq!(
///     catalog::differences(conn)?[0].to_string(),
///     "column fills.commission: type is numeric(12,4), expected numeric(10,2)"
/// );
/// # Ok(()) }
/// # #[cfg(not(feature = "embedded"))] fn main() {}
/// ```
pub fn differences(conn: &mut PgConnection) -> Result<Vec<SchemaDifference>, Error> {
    let mut found = Facts::default();
    let desk = Desk::of(conn)?;
    for fact in read(conn, desk.as_ref())? {
        found.insert(fact.object, fact.property, fact.value);
    }
    let mut expected = Facts::parse(EXPECTED);
    expected.widen(&found);
    expected.add_desk(desk.as_ref());
    let holder = citus::holder(conn)?;
    if holder.is_some() {
        expected.distribute();
        found.forget_restrictive();
    }
    if found.comment_on_traders() != expected.comment_on_traders() {
        found.forget_traders();
        expected.forget_traders();
    }
    let mut differences = expected.compare(&found);
    if holder.is_some_and(|holder| holder.is_here) {
        differences.extend(differences_of_shards(conn, expected)?);
        differences.sort();
    }
    if let Hardening::Partial(parts) = harden::state(conn)? {
        differences.extend(parts);
        differences.sort();
    }
    Ok(differences)
}

/// Returns how the shards of this node, which have the rows of its desk, differ from the tables that they are the shards of.
fn differences_of_shards(
    conn: &mut PgConnection,
    mut expected: Facts,
) -> Result<Vec<SchemaDifference>, Error> {
    let shards = citus::shards(conn, &TABLES.map(str::to_owned))?;
    let names: Vec<String> = shards.iter().map(Shard::name).collect();
    let mut found = Facts::default();
    // A shard and what belongs to it have the names of the table and its own, and the number of the shard.
    let unnumbered = |text: &str| {
        shards
            .iter()
            .fold(text.to_owned(), |text, shard| text.replace(&format!("_{}", shard.number), ""))
    };
    for fact in citus::showing_shards(conn, |conn| query(conn, &names, &[], &[], &[], false))? {
        found.insert(unnumbered(&fact.object), fact.property, unnumbered(&fact.value));
    }
    found.keep_shards();
    found.forget_restrictive();
    expected.keep_shards();
    let mut differences = expected.compare(&found);
    for difference in &mut differences {
        difference.object = difference.object.replacen(' ', &format!(" {SHARD}"), 1);
    }
    Ok(differences)
}

/// Returns, in a sentence each, what is legitimate and leads around row-level security or the deriving triggers
/// all the same: publications and subscriptions of the tables. Changes nothing.
///
/// # Errors
///
/// [`Error::is_connection`].
pub fn notes(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
    let notes: Vec<Note> =
        diesel::sql_query(NOTES).bind::<Array<Text>, _>(TABLES.as_slice()).load(conn)?;
    Ok(notes.into_iter().map(|row| row.note).collect())
}

/// Returns what the schema holds besides the blotter, described in words: tables, functions and types of the application.
/// Where a superuser restores a dump of the schema, these run as the superuser.
///
/// # Errors
///
/// [`Error::is_connection`].
pub fn strangers(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
    let mut tables = TABLES.map(str::to_owned).to_vec();
    tables.push("__diesel_schema_migrations".to_owned());
    let shards = citus::shards(conn, &tables)?;
    tables.extend(shards.iter().map(Shard::name));
    let query = |conn: &mut PgConnection| {
        diesel::sql_query(STRANGERS)
            .bind::<Array<Text>, _>(&tables)
            .bind::<Array<Text>, _>(ENUMS.as_slice())
            .bind::<Array<Text>, _>(FUNCTIONS.as_slice())
            .load::<Stranger>(conn)
    };
    let strangers = match shards.is_empty() {
        true => query(conn)?,
        false => citus::showing_shards(conn, query)?,
    };
    Ok(strangers.into_iter().map(|row| row.text).collect())
}

/// Returns the comment by which a table `traders` of this schema is recognised.
pub(crate) fn expected_comment_on_traders() -> String {
    Facts::parse(EXPECTED).comment_on_traders().cloned().unwrap_or_default()
}

/// Returns whether the table of traders is the one that the migrations create, whose facts are checked.
#[cfg(feature = "audit")]
pub(crate) fn has_own_traders(conn: &mut PgConnection) -> QueryResult<bool> {
    let comment: Option<String> =
        diesel::select(obj_description(to_regclass("traders"), "pg_class")).get_result(conn)?;
    Ok(comment.is_some_and(|comment| comment == expected_comment_on_traders()))
}

/// Returns the facts of the live database in the format of `catalog.expected`: one fact a line, object,
/// property and value separated by tabs.
///
/// # Errors
///
/// [`Error::is_connection`].
pub fn facts(conn: &mut PgConnection) -> Result<String, Error> {
    let desk = Desk::of(conn)?;
    let lines = read(conn, desk.as_ref())?.into_iter();
    Ok(lines.map(|fact| format!("{}\t{}\t{}\n", fact.object, fact.property, fact.value)).collect())
}

/// One property of one object.
#[derive(QueryableByName)]
struct Fact {
    #[diesel(sql_type = Text)]
    object: String,
    #[diesel(sql_type = Text)]
    property: String,
    #[diesel(sql_type = Text)]
    value: String,
}

/// One line of [`strangers`].
#[derive(QueryableByName)]
struct Stranger {
    #[diesel(sql_type = Text)]
    text: String,
}

/// One line of [`notes`].
#[derive(QueryableByName)]
struct Note {
    #[diesel(sql_type = Text)]
    note: String,
}

fn read(conn: &mut PgConnection, desk: Option<&Desk>) -> Result<Vec<Fact>, Error> {
    let tables = TABLES.map(str::to_owned);
    let shared = ROLES.map(|(role, _)| role.to_owned());
    let roles: Vec<String> =
        shared.into_iter().chain(own_roles(desk).map(|(role, _)| role)).collect();
    let mut facts = query(conn, &tables, &ENUMS, &FUNCTIONS, &roles, desk.is_some())?;
    let has_grants: bool = diesel::select(to_regclass("pg_catalog.pg_parameter_acl").is_not_null())
        .get_result(conn)?;
    if has_grants {
        facts.extend(diesel::sql_query(PARAMETERS).load::<Fact>(conn)?);
    }
    Ok(facts)
}

/// Reads the facts of these tables, enums, functions and roles.
fn query(
    conn: &mut PgConnection,
    tables: &[String],
    enums: &[&str],
    functions: &[&str],
    roles: &[String],
    is_of_desk: bool,
) -> QueryResult<Vec<Fact>> {
    diesel::sql_query(QUERY)
        .bind::<Array<Text>, _>(tables)
        .bind::<Array<Text>, _>(enums)
        .bind::<Array<Text>, _>(functions)
        .bind::<Array<Text>, _>(roles)
        .bind::<Bool, _>(is_of_desk)
        .load(conn)
}
