//! Closing a desk to those who write, so that it can be copied to another server.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::Desk;
use crate::database::pool::connect;
use crate::database::postgres::{
    current_database, has_schema_privilege, obj_description, pg_backend_pid, pg_has_role,
    pg_prepared_xacts, pg_roles, pg_stat_activity, pg_terminate_backend, to_regnamespace,
};
use crate::database::role::{Auditor, DatabaseRole, Engine, Trader};
use crate::error::Error;
use crate::schema::{
    archives, break_resolutions, breaks, execution_logs, fills, orders, seals, traders,
};

/// How long to wait for the end of a session that was told to end, in milliseconds.
const PATIENCE: i64 = 30_000;

/// How many rows a desk has, and its last seal: two copies of a closed desk agree in all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskRows {
    /// Traders.
    pub traders: i64,
    /// Orders.
    pub orders: i64,
    /// Fills, busts and corrections.
    pub fills: i64,
    /// Entries of the log.
    pub entries: i64,
    /// Breaks.
    pub breaks: i64,
    /// Resolutions of breaks.
    pub resolutions: i64,
    /// Archives that have left.
    pub archives: i64,
    /// The number and the root of the last seal.
    pub last_seal: Option<(i64, Vec<u8>)>,
}

/// What a desk that moves says of itself, in the comment on its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    /// It is to leave for another server, and is closed.
    Leaving,
    /// It is a copy that is not in use yet.
    Arriving,
    /// Another server has a copy that is complete and right. Once that is in use, the schema may be dropped.
    Left,
}

impl Moving {
    const ALL: [Self; 3] = [Self::Leaving, Self::Arriving, Self::Left];

    /// The comment on the schema.
    const fn comment(self) -> &'static str {
        match self {
            Self::Leaving => "tradeblotter: this desk is leaving for another server, and is closed",
            Self::Arriving => "tradeblotter: a copy of a desk on another server, not in use yet",
            Self::Left => {
                "tradeblotter: this desk has left for another server; the schema may be dropped"
            }
        }
    }
}

impl Desk {
    /// Returns what the desk says of a move; none while it stays where it is.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    pub fn moving(&self, conn: &mut PgConnection) -> Result<Option<Moving>, Error> {
        let schema = to_regnamespace(self.quoted());
        let comment: Option<String> =
            diesel::select(obj_description(schema, "pg_namespace")).get_result(conn)?;
        Ok(Moving::ALL.into_iter().find(|moving| comment.as_deref() == Some(moving.comment())))
    }

    /// Sets what the desk says of a move.
    ///
    /// # Errors
    ///
    /// [`Error::is_permission_denied`] unless the login is a superuser, or owns the schema.
    pub fn set_moving(&self, conn: &mut PgConnection, moving: Option<Moving>) -> Result<(), Error> {
        Ok(conn.batch_execute(&self.moving_statement(moving))?)
    }

    fn moving_statement(&self, moving: Option<Moving>) -> String {
        let comment = moving.map_or("NULL".to_owned(), |moving| format!("'{}'", moving.comment()));
        format!("COMMENT ON SCHEMA {} IS {comment};", self.quoted())
    }

    /// Returns what goes before and after the dump of a desk in the script that restores it on another server, in one
    /// transaction, as a copy that is [not in use yet](Moving::Arriving). The copy does not have the triggers that
    /// [`Desk::distribute`] has added. On the coordinator of a Citus cluster nothing of it is passed on to the other nodes.
    pub fn around_dump(&self) -> (String, String) {
        let schema = self.quoted();
        let before = "BEGIN;\nSET LOCAL citus.enable_ddl_propagation = off;\n".to_owned();
        let arriving = self.moving_statement(Some(Moving::Arriving));
        let after = format!(
            "\nDROP FUNCTION IF EXISTS {schema}.blotter_refuse_writer() CASCADE;\n{arriving}\nCOMMIT;\n"
        );
        (before, after)
    }

    /// Drops a copy of the desk that is not in use yet. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] if the schema is not marked as [`Moving::Arriving`];
    /// [`Error::is_permission_denied`] unless the login is a superuser, or owns the schema.
    pub fn drop_copy(&self, conn: &mut PgConnection) -> Result<bool, Error> {
        let exists: bool =
            diesel::select(to_regnamespace(self.quoted()).is_not_null()).get_result(conn)?;
        if !exists {
            return Ok(false);
        }
        if self.moving(conn)? != Some(Moving::Arriving) {
            return Err(Error::invalid(
                "desk",
                self.name(),
                "is no copy that waits to be taken into use there; it is not dropped",
            ));
        }
        conn.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.quoted()))?;
        Ok(true)
    }

    /// Closes the desk to those who write orders, fills and actions: takes the use of the schema from the roles of traders
    /// and of the engine, and ends the sessions of logins that are members of them, which may have statements prepared.
    /// Their transactions that are under way are rolled back. Compliance and auditors go on. Idempotent; returns how
    /// many sessions were ended.
    ///
    /// `url` is that of a superuser; for a desk that Citus holds, on the coordinator. Then the sessions on the holder are ended.
    ///
    /// # Errors
    ///
    /// - [`Error::is_permission_denied`] unless the login is a superuser.
    /// - [`Error::is_blocked`] if there are prepared transactions in the database, which would be committed later, or if a
    ///   session does not end within 30 seconds. The desk is closed then, but not at rest.
    pub fn close(&self, url: &str) -> Result<usize, Error> {
        self.close_to(url, &[self.role::<Trader>(), self.role::<Engine>()])
    }

    /// Closes the desk to those who seal as well: a seal that is made when the desk has been copied would be another one
    /// than that of the copy. Otherwise like [`Desk::close`].
    ///
    /// # Errors
    ///
    /// Those of [`Desk::close`].
    pub fn close_to_sealers(&self, url: &str) -> Result<usize, Error> {
        self.close_to(url, &[self.role::<Auditor>()])
    }

    fn close_to(&self, url: &str, roles: &[String]) -> Result<usize, Error> {
        let from = roles.join(", ");
        let revoke = format!("REVOKE USAGE ON SCHEMA {} FROM {from}", self.quoted());
        connect(url)?.batch_execute(&revoke)?;
        self.end_sessions(&mut self.connect(url)?, roles)
    }

    /// Ends the sessions of this server whose logins are members of these roles, and returns how many there were.
    fn end_sessions(&self, conn: &mut PgConnection, roles: &[String]) -> Result<usize, Error> {
        let sessions = self.sessions_of(conn, roles)?;
        for pid in &sessions {
            let has_ended: bool =
                diesel::select(pg_terminate_backend(*pid, PATIENCE)).get_result(conn)?;
            if !has_ended {
                return Err(Error::blocked(format!(
                    "process {pid} may write to desk {self} and has not ended; end it, and close the desk again"
                )));
            }
        }
        let prepared: Vec<String> = pg_prepared_xacts::table
            .filter(pg_prepared_xacts::database.eq(current_database()))
            .select(pg_prepared_xacts::gid)
            .load(conn)?;
        if prepared.is_empty() {
            return Ok(sessions.len());
        }
        Err(Error::blocked(format!(
            "the database has prepared transactions ({}), which may write to desk {self} when they are committed; commit \
             or roll them back, and close the desk again",
            prepared.join(", ")
        )))
    }

    /// Returns the sessions of this database whose logins are members of one of these roles. Superusers are left out.
    fn sessions_of(&self, conn: &mut PgConnection, roles: &[String]) -> QueryResult<Vec<i32>> {
        let mut sessions = Vec::new();
        for role in roles {
            let found: Vec<i32> = pg_stat_activity::table
                .inner_join(
                    pg_roles::table.on(pg_stat_activity::usename.eq(pg_roles::rolname.nullable())),
                )
                .filter(pg_stat_activity::datname.eq(current_database().nullable()))
                .filter(pg_stat_activity::pid.ne(pg_backend_pid()))
                .filter(diesel::dsl::not(pg_roles::rolsuper))
                .filter(pg_has_role(pg_roles::oid, role, "MEMBER"))
                .select(pg_stat_activity::pid)
                .load(conn)?;
            sessions.extend(found);
        }
        sessions.sort_unstable();
        sessions.dedup();
        Ok(sessions)
    }

    /// Opens a desk that was [closed](Desk::close), to all. Idempotent.
    ///
    /// # Errors
    ///
    /// [`Error::is_permission_denied`] unless the login is a superuser, or owns the schema.
    pub fn open(&self, conn: &mut PgConnection) -> Result<(), Error> {
        let grant = format!(
            "GRANT USAGE ON SCHEMA {} TO {}",
            self.quoted(),
            [self.role::<Trader>(), self.role::<Engine>(), self.role::<Auditor>()].join(", ")
        );
        Ok(conn.batch_execute(&grant)?)
    }

    /// Returns whether the desk is closed to traders or to the engine.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`]; and an error of the database if the schema or a role does not exist.
    pub fn is_closed(&self, conn: &mut PgConnection) -> Result<bool, Error> {
        Ok(self.is_closed_to::<Trader>(conn)? || self.is_closed_to::<Engine>(conn)?)
    }

    /// Returns whether a role of the desk may not use its schema.
    ///
    /// # Errors
    ///
    /// Those of [`Desk::is_closed`].
    pub fn is_closed_to<R: DatabaseRole>(&self, conn: &mut PgConnection) -> Result<bool, Error> {
        let may_use = has_schema_privilege(self.role::<R>(), self.name(), "USAGE");
        Ok(diesel::select(diesel::dsl::not(may_use)).get_result(conn)?)
    }

    /// Counts the rows of the desk that the connection has [entered](Desk::enter), in one snapshot.
    ///
    /// # Errors
    ///
    /// [`Error::is_permission_denied`] unless the login is a superuser; and those of the connection.
    pub fn rows(conn: &mut PgConnection) -> Result<DeskRows, Error> {
        conn.build_transaction().read_only().repeatable_read().run(|conn| {
            Ok(DeskRows {
                traders: traders::table.count().get_result(conn)?,
                orders: orders::table.count().get_result(conn)?,
                fills: fills::table.count().get_result(conn)?,
                entries: execution_logs::table.count().get_result(conn)?,
                breaks: breaks::table.count().get_result(conn)?,
                resolutions: break_resolutions::table.count().get_result(conn)?,
                archives: archives::table.count().get_result(conn)?,
                last_seal: seals::table
                    .select((seals::id, seals::root))
                    .order(seals::id.desc())
                    .first(conn)
                    .optional()?,
            })
        })
    }
}
