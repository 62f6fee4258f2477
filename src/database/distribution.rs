//! Hands a desk to Citus, and moves it between the nodes of its cluster.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Text};

use crate::database::catalog;
use crate::database::citus::{self, Holder};
use crate::database::desk::Desk;
use crate::database::harden::{self, Hardening};
use crate::database::login::require_superuser;
use crate::database::migrations;
use crate::database::pool::connect;
use crate::database::postgres::{citus_is_coordinator, set_config};
use crate::error::Error;

/// The script of the triggers that stand in for policies.
const WRITERS: &str = include_str!("citus/writers.sql");

/// The script that removes the rows which Citus leaves behind.
const LEAVE: &str = include_str!("citus/leave.sql");

/// The query of the command that completes the schema on a node.
const NODES: &str = include_str!("citus/nodes.sql");

/// The query of the command that lends functions to the owner of the tables.
const LEND: &str = include_str!("citus/lend.sql");

/// The query of the last number that any node has given.
const NUMBERS: &str = include_str!("citus/numbers.sql");

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

/// A command for the nodes of a cluster.
#[derive(QueryableByName)]
struct Command {
    #[diesel(sql_type = Text)]
    command: String,
}

impl Desk {
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
        require_superuser(conn, "handing a desk to Citus needs a superuser; connect as one")?;
        let refuse = |why: &'static str| Err(Error::invalid("desk", self.name(), why));
        if !citus::is_here(conn)? {
            return refuse(
                "cannot be distributed: the database has no Citus; CREATE EXTENSION citus",
            );
        }
        self.require_coordinator(conn)?;
        self.enter(conn)?;
        migrations::require(conn)?;
        if self.moving(conn)?.is_some() {
            return refuse("is moving to another server");
        }
        if self.holder(conn)?.is_none() {
            self.hand_over(conn, url)?;
        }
        self.complete_nodes(conn)?;
        if let (Some(from), Some((host, port))) = (self.holder(conn)?, to)
            && (from.host.as_str(), from.port) != (host, port)
        {
            self.relocate(conn, url, host, port)?;
        }
        let holder = self.continue_numbers(conn, url)?;
        self.open(conn)?;
        let differences = catalog::differences(&mut self.connect(url)?)?;
        if differences.is_empty() {
            return Ok(holder);
        }
        Err(self.differs(differences.iter().map(ToString::to_string)))
    }

    /// Adds on each node what Citus does not copy there, and lets the log's sequence on the holder continue after the greatest
    /// number that any node has given. Call it before you copy a desk: Citus may have moved it without its sequence.
    /// Idempotent. `url` is that of a superuser on the coordinator.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`] if `url` is that of another node.
    /// - [`Error::is_not_found`] if Citus does not hold the desk.
    /// - Those of the database.
    pub fn complete(&self, url: &str) -> Result<(), Error> {
        let conn = &mut connect(url)?;
        self.require_coordinator(conn)?;
        self.complete_nodes(conn)?;
        self.continue_numbers(conn, url).map(drop)
    }

    fn require_coordinator(&self, conn: &mut PgConnection) -> Result<(), Error> {
        match diesel::select(citus_is_coordinator()).get_result(conn)? {
            true => Ok(()),
            false => Err(Error::invalid(
                "desk",
                self.name(),
                "is on Citus, where this is done from the coordinator; this is another node",
            )),
        }
    }

    /// Returns, in words, how the schema of the desk that the connection has [entered](Desk::enter) differs from what this
    /// build expects, and which other objects it holds. A superuser who copies the schema would run code that was planted in
    /// it. Who may use the schema does not count while the desk is closed.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    pub fn strangers(&self, conn: &mut PgConnection) -> Result<Vec<String>, Error> {
        let mut strangers = catalog::strangers(conn)?;
        let mut differences = catalog::differences(conn)?;
        if self.is_closed(conn)? {
            differences.retain(|difference| !difference.is_of_usage());
        }
        strangers.extend(differences.iter().map(ToString::to_string));
        Ok(strangers)
    }

    /// Distributes the schema, which no session uses then. The rows on the coordinator go.
    fn hand_over(&self, conn: &mut PgConnection, url: &str) -> Result<(), Error> {
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
        self.close(url)?;
        self.close_to_sealers(url)?;
        let handed_over = conn.transaction(|conn| {
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
        });
        if handed_over.is_err() {
            self.open(conn)?;
        }
        handed_over
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
            diesel::sql_query(NODES)
                .bind::<Text, _>(self.name())
                .bind::<Array<Text>, _>(&self.roles()[..])
                .get_result(conn)
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
        url: &str,
        host: &str,
        port: i32,
    ) -> Result<(), Error> {
        self.close(url)?;
        self.close_to_sealers(url)?;
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
    /// Returns the holder.
    fn continue_numbers(&self, conn: &mut PgConnection, url: &str) -> Result<Holder, Error> {
        #[derive(QueryableByName)]
        struct Given {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let holder = self.holder(conn)?.ok_or_else(|| Error::not_found("desk", self))?;
        let sequence = format!("{}.execution_logs_sequence", self.quoted());
        let Given { number } =
            diesel::sql_query(NUMBERS).bind::<Text, _>(&sequence).get_result(conn)?;
        diesel::sql_query(CONTINUE)
            .bind::<Text, _>(&sequence)
            .bind::<BigInt, _>(number)
            .execute(&mut connect(&holder.url(url))?)?;
        Ok(holder)
    }
}
