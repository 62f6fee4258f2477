//! Citus: a desk that one node of a cluster holds.
//!
//! Citus shards by schema: it keeps all tables of a desk together on one node, the holder, and moves them to another.
//! Clients connect to the holder. There the triggers run on the shards, and a statement stays in the session. Through
//! another node it would be run by a connection that Citus opens as the role of the desk, which is no login: it is
//! refused.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Text};

use crate::database::catalog;
use crate::database::desk::Desk;
use crate::database::harden::{self, Hardening};
use crate::database::migrations;
use crate::database::pool::connect;
use crate::database::postgres::{citus_is_coordinator, current_setting, set_config, to_regclass};
use crate::error::Error;

/// The query of the node that holds a table.
const HOLDER: &str = include_str!("holder.sql");

/// The script of the triggers that stand in for policies.
const WRITERS: &str = include_str!("writers.sql");

/// The script that removes the rows which Citus leaves behind.
const LEAVE: &str = include_str!("leave.sql");

/// The query of the command that completes the schema on a node.
const NODES: &str = include_str!("nodes.sql");

/// The query of the shards of tables.
const SHARDS_OF: &str = include_str!("shards.sql");

/// The query of the command that lends functions to the owner of the tables.
const LEND: &str = include_str!("lend.sql");

/// The query of the last number that any node has given.
const NUMBERS: &str = include_str!("numbers.sql");

/// Runs a command on every node; returns what went wrong on the first one where it failed.
const ON_EACH_NODE: &str = "SELECT result FROM pg_catalog.run_command_on_all_nodes($1) WHERE NOT success ORDER BY nodeid LIMIT 1";

/// Has the rows copied as they are, until the end of the transaction: no trigger that stamps or derives fires. A statement
/// by itself, because Citus passes it on to the other nodes with all that is sent beside it.
const AS_THEY_ARE: &str = "SET LOCAL session_replication_role = replica";

/// Distributes a schema.
const DISTRIBUTE: &str = "SELECT citus_schema_distribute($1::regnamespace)";

/// Moves a schema to another node, while nobody writes to it.
const MOVE: &str =
    "SELECT citus_schema_move($1::regnamespace, $2, $3, shard_transfer_mode := 'block_writes')";

/// Advances a sequence, never back.
const CONTINUE: &str = "SELECT setval($1::regclass, $2) FROM pg_sequences
    WHERE pg_catalog.format('%I.%I', schemaname, sequencename)::regclass::oid = $1::regclass::oid
        AND $2 > coalesce(last_value, 0)";

/// A table of Citus, which is there if the database has the extension.
const PROBE: &str = "pg_catalog.pg_dist_shard";

/// A command for the nodes of a cluster.
#[derive(QueryableByName)]
struct Command {
    #[diesel(sql_type = Text)]
    command: String,
}

/// The node of a Citus cluster that holds a desk.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Holder {
    /// The name of its host, or the directory of its Unix socket, as the nodes of the cluster know it.
    #[diesel(sql_type = Text)]
    pub host: String,
    /// Its port.
    #[diesel(sql_type = Integer)]
    pub port: i32,
    /// Whether the session that asked is on this node.
    #[diesel(sql_type = Bool)]
    pub is_here: bool,
}

impl Holder {
    /// Returns the URL of this node: the given one, with another host and port. Both a `postgres://` URL and a libpq
    /// keyword string are understood; what comes later in them has precedence.
    pub fn url(&self, url: &str) -> String {
        let port = self.port;
        if !url.contains("://") {
            let host = self.host.replace('\\', r"\\").replace('\'', r"\'");
            return format!("{url} host='{host}' hostaddr='' port={port}");
        }
        let first = if url.contains('?') { '&' } else { '?' };
        let host: String = self
            .host
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect();
        format!("{url}{first}host={host}&hostaddr=&port={port}")
    }
}

/// Returns whether the database has Citus.
pub(crate) fn is_here(conn: &mut PgConnection) -> QueryResult<bool> {
    diesel::select(to_regclass(PROBE).is_not_null()).get_result(conn)
}

/// Returns the node that holds the table `orders` of the search path; none if that is not distributed.
pub(crate) fn holder(conn: &mut PgConnection) -> Result<Option<Holder>, Error> {
    holder_of(conn, "orders")
}

fn holder_of(conn: &mut PgConnection, table: &str) -> Result<Option<Holder>, Error> {
    if !is_here(conn)? {
        return Ok(None);
    }
    Ok(diesel::sql_query(HOLDER).bind::<Text, _>(table).get_result(conn).optional()?)
}

/// Has this session create objects on this node alone, if the database has Citus. Citus passes a table on before it knows the
/// types of its columns, and so fails at the migrations.
pub(crate) fn keep_ddl_here(conn: &mut PgConnection) -> Result<(), Error> {
    if is_here(conn)? {
        diesel::select(set_config("citus.enable_ddl_propagation", "off", false)).execute(conn)?;
    }
    Ok(())
}

/// A shard.
#[derive(QueryableByName)]
pub(crate) struct Shard {
    /// The name of the table.
    #[diesel(sql_type = Text)]
    pub table: String,
    /// The number, with which the names of the shard and of what belongs to it end.
    #[diesel(sql_type = BigInt)]
    pub number: i64,
}

/// Returns the shards of these tables of the search path.
pub(crate) fn shards(conn: &mut PgConnection, tables: &[&str]) -> QueryResult<Vec<Shard>> {
    diesel::sql_query(SHARDS_OF).bind::<Array<Text>, _>(tables).load(conn)
}

/// Runs a query of the catalog that finds shards, which Citus hides from it otherwise.
pub(crate) fn showing_shards<T>(
    conn: &mut PgConnection,
    query: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let set = |conn: &mut PgConnection, state: &str| {
        diesel::select(set_config("citus.override_table_visibility", state, false)).execute(conn)
    };
    set(conn, "off")?;
    let found = query(conn)?;
    set(conn, "on")?;
    Ok(found)
}

/// Refuses what is not done on a desk that Citus holds.
pub(crate) fn refuse(conn: &mut PgConnection, what: &'static str) -> Result<(), Error> {
    match holder(conn)? {
        None => Ok(()),
        Some(_) => {
            Err(Error::invalid("command", what, "is not possible on a desk that Citus holds"))
        }
    }
}

impl Desk {
    /// Connects to the desk in the database at `url`, on the node that holds it if that is Citus's.
    ///
    /// # Errors
    ///
    /// Those of [`connect`] and of [`Desk::enter`].
    pub fn connect(&self, url: &str) -> Result<PgConnection, Error> {
        let mut conn = connect(url)?;
        self.follow(&mut conn, url)?;
        self.enter(&mut conn)?;
        Ok(conn)
    }

    /// Puts a connection that was made with `url` into the desk; where another node of a Citus cluster holds the desk, puts
    /// a connection to that node in its place.
    pub(crate) fn follow(&self, conn: &mut PgConnection, url: &str) -> Result<(), Error> {
        self.set_search_path(conn)?;
        if let Some(holder) = holder(conn)?.filter(|holder| !holder.is_here) {
            *conn = connect(&holder.url(url))?;
            self.set_search_path(conn)?;
        }
        Ok(())
    }

    /// Returns the node of the Citus cluster that holds the desk; none if Citus does not.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    pub fn holder(&self, conn: &mut PgConnection) -> Result<Option<Holder>, Error> {
        holder_of(conn, &format!("{}.orders", self.quoted()))
    }

    /// Hands the desk to Citus, which keeps it on one node of its cluster; or moves it to the node `to`, a host and a port.
    /// `url` is that of a superuser on the coordinator.
    ///
    /// The desk is closed to all who write while its rows are copied, and open afterwards. Stopped at any point, the same
    /// call goes on. It also completes what Citus leaves out where a node was added to the cluster since.
    ///
    /// Refused on such a desk from then on: migrations, hardening, wider columns, and archives.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`] if the database has no Citus or is not that of the coordinator; if the desk is moving
    ///   to another server, hardened, or has anything in its schema besides the blotter of this build.
    /// - [`Error::is_permission_denied`] unless the login is a superuser.
    /// - [`Error::is_blocked`] if a session of the desk cannot be ended; the desk stays closed.
    /// - Those of the database, such as for a node that the cluster does not have.
    pub fn distribute(&self, url: &str, to: Option<(&str, i32)>) -> Result<Holder, Error> {
        let conn = &mut connect(url)?;
        let is_superuser: String =
            diesel::select(current_setting("is_superuser")).get_result(conn)?;
        if is_superuser != "on" {
            return Err(Error::superuser_needed("to hand a desk to Citus"));
        }
        let refuse = |why: &'static str| Err(Error::invalid("desk", self.name(), why));
        if !is_here(conn)? {
            return refuse(
                "cannot be distributed: the database has no Citus; CREATE EXTENSION citus",
            );
        }
        if !diesel::select(citus_is_coordinator()).get_result::<bool>(conn)? {
            return refuse("is distributed from the coordinator; this is another node");
        }
        self.enter(conn)?;
        migrations::require(conn)?;
        if self.moving(conn)?.is_some() {
            return refuse("is moving to another server");
        }
        if self.holder(conn)?.is_none() {
            self.hand_over(conn)?;
        }
        self.complete_nodes(conn)?;
        if let (Some(from), Some((host, port))) = (self.holder(conn)?, to)
            && (from.host.as_str(), from.port) != (host, port)
        {
            self.relocate(conn, &mut connect(&from.url(url))?, host, port)?;
        }
        let holder = self.holder(conn)?.ok_or_else(|| Error::not_found("desk", self))?;
        self.continue_numbers(conn, &mut connect(&holder.url(url))?)?;
        self.open(conn)?;
        let differences = catalog::differences(&mut self.connect(url)?)?;
        if differences.is_empty() {
            return Ok(holder);
        }
        Err(self.differs(differences.iter().map(ToString::to_string)))
    }

    /// Distributes the schema, which no session uses then. The rows on the coordinator go.
    fn hand_over(&self, conn: &mut PgConnection) -> Result<(), Error> {
        if harden::state(conn)? != Hardening::Off {
            return Err(Error::invalid(
                "desk",
                self.name(),
                "is hardened, which keeps Citus from moving its tables; lift that first: blotter harden --lift",
            ));
        }
        let strangers = self.strangers(conn)?;
        if !strangers.is_empty() {
            return Err(self.differs(strangers.into_iter()));
        }
        self.close(conn)?;
        self.close_to_sealers(conn)?;
        conn.transaction(|conn| {
            let set = |conn: &mut PgConnection, name: &str, value: &str| {
                diesel::select(set_config(name, value, true)).execute(conn)
            };
            conn.batch_execute(WRITERS)?;
            set(conn, "citus.enable_unsafe_triggers", "on")?;
            set(conn, "citus.propagate_set_commands", "local")?;
            conn.batch_execute(AS_THEY_ARE)?;
            diesel::sql_query(DISTRIBUTE).bind::<Text, _>(self.quoted()).execute(conn)?;
            set(conn, "citus.propagate_set_commands", "none")?;
            Ok(conn.batch_execute(LEAVE)?)
        })
    }

    /// Refuses, with this error, a schema that is not the blotter of this build and nothing else.
    fn differs(&self, differences: impl Iterator<Item = String>) -> Error {
        let differences = differences.collect::<Vec<_>>().join("; ");
        Error::invalid(
            "desk",
            self.name(),
            format!(
                "is not as this build expects, or its schema holds more than the blotter: {differences}"
            ),
        )
    }

    /// Completes the schema on each node of the cluster.
    fn complete_nodes(&self, conn: &mut PgConnection) -> Result<(), Error> {
        let complete: Command = conn.transaction(|conn| {
            diesel::select(set_config("search_path", "pg_catalog", true)).execute(conn)?;
            diesel::sql_query(NODES).bind::<Text, _>(self.name()).get_result(conn)
        })?;
        self.on_each_node(conn, &complete)
    }

    /// Runs a command on each node of the cluster.
    fn on_each_node(
        &self,
        conn: &mut PgConnection,
        Command { command }: &Command,
    ) -> Result<(), Error> {
        #[derive(QueryableByName)]
        struct Failed {
            #[diesel(sql_type = Text)]
            result: String,
        }
        let failed: Option<Failed> =
            diesel::sql_query(ON_EACH_NODE).bind::<Text, _>(command).get_result(conn).optional()?;
        match failed {
            None => Ok(()),
            Some(Failed { result }) => Err(Error::invalid(
                "desk",
                self.name(),
                format!(
                    "could not be completed on a node of the cluster: {result}; run the command again"
                ),
            )),
        }
    }

    /// Moves a desk that Citus holds to another node, and completes it there.
    fn relocate(
        &self,
        conn: &mut PgConnection,
        holder: &mut PgConnection,
        host: &str,
        port: i32,
    ) -> Result<(), Error> {
        let roles = self.closed_roles();
        self.revoke(conn, &roles)?;
        self.end_sessions(holder, &roles)?;
        // Citus creates the shards with their triggers as the owner of the tables.
        let owner = self.owner(conn)?;
        let lend: Command = diesel::sql_query(LEND)
            .bind::<Text, _>(self.name())
            .bind::<Text, _>(owner)
            .get_result(conn)?;
        self.on_each_node(conn, &lend)?;
        let moved = diesel::sql_query(MOVE)
            .bind::<Text, _>(self.quoted())
            .bind::<Text, _>(host)
            .bind::<Integer, _>(port)
            .execute(conn);
        self.complete_nodes(conn)?;
        if moved.is_err() {
            self.open(conn)?;
        }
        moved?;
        Ok(())
    }

    /// Has the log's sequence on the holder continue where that of the last holder has stopped, or that of the coordinator.
    fn continue_numbers(
        &self,
        conn: &mut PgConnection,
        holder: &mut PgConnection,
    ) -> Result<(), Error> {
        #[derive(QueryableByName)]
        struct Given {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let sequence = format!("{}.execution_logs_sequence", self.quoted());
        let Given { number } =
            diesel::sql_query(NUMBERS).bind::<Text, _>(&sequence).get_result(conn)?;
        diesel::sql_query(CONTINUE)
            .bind::<Text, _>(&sequence)
            .bind::<BigInt, _>(number)
            .execute(holder)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Holder;

    #[test]
    fn the_url_of_the_holder_has_its_host_and_port_and_all_else_of_the_given_one() {
        let at = |host: &str| Holder { host: host.to_owned(), port: 5433, is_here: false };
        for (host, url, expected) in [
            (
                "db2",
                "postgres://ada:s%40cret@db1:5432/blotter",
                "postgres://ada:s%40cret@db1:5432/blotter?host=db2&hostaddr=&port=5433",
            ),
            (
                "/tmp/a b",
                "postgres://ada@/blotter?host=/tmp",
                "postgres://ada@/blotter?host=/tmp&host=/tmp/a%20b&hostaddr=&port=5433",
            ),
            (
                r"it's\here",
                "host=db1 user=ada",
                r"host=db1 user=ada host='it\'s\\here' hostaddr='' port=5433",
            ),
        ] {
            assert_eq!(at(host).url(url), expected);
        }
    }
}
