//! [`Desk`], a schema of its own that holds a whole blotter, with roles of its own.

mod closing;

use std::borrow::Cow;
use std::fmt;

use diesel::connection::SimpleConnection;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::database::citus::{self, Holder};
use crate::database::login::LEDGER;
use crate::database::postgres::{
    current_schema, has_schema_privilege, pg_namespace, pg_roles, pg_tables, to_regclass,
    to_regnamespace,
};
use crate::database::role::{self, Auditor, Compliance, DatabaseRole, Engine, Role, Trader};
use crate::database::transaction::{Mode, Tx, run_once};
use crate::error::Error;

pub use self::closing::{DeskRows, Moving};

/// What the names of all roles begin with.
const PREFIX: &str = "blotter_";

/// The roles that logins are members of. A desk has each of them.
const ROLES: [&str; 4] = [Trader::NAME, Engine::NAME, Compliance::NAME, Auditor::NAME];

/// The longest name: those of the roles still fit into the 63 bytes of PostgreSQL.
const MAX_LENGTH: usize = 40;

/// A desk: a schema that holds a whole blotter, with tables, log, seals and roles of its own. Several desks share a
/// database without seeing each other, and a desk moves to another server as one piece.
///
/// The roles are named after the desk: `blotter_desk_a_trader`, `blotter_desk_a_engine`,
/// `blotter_desk_a_compliance` and `blotter_desk_a_auditor`. Each is a member of the role that all blotters of the
/// cluster share (`blotter_trader` and so on), to which the privileges on the tables are granted; and nobody but the
/// roles of the desk may use its schema. So a login that is a member of the roles of one desk sees nothing of another one.
/// A login of a firm that owns several desks is made a member of the same role of each: with another role in one of them
/// it has that in all of its desks.
///
/// ```
/// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
/// # use diesel::connection::SimpleConnection;
/// use tradeblotter::{Blotter, Desk, embedded, migrations, role};
///
/// let server = embedded::Server::start()?;
/// let owner = &mut server.connect()?;
/// let desk = Desk::new("desk_a")?;
/// desk.create(owner)?;
/// desk.enter(owner)?;
/// migrations::run(owner)?;
/// owner.batch_execute(&format!("GRANT {} TO blotter", desk.role::<role::Engine>()))?;
///
/// let engine = Blotter::builder(server.url()).desk("desk_a").connect()?.engine();
/// let ada = engine.transaction(|tx| tx.traders().register("Ada"))?;
/// assert_eq!(ada.name, "Ada");
/// # Ok(()) }
/// # #[cfg(not(feature = "embedded"))] fn main() {}
/// ```
#[derive(FromSqlRow, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String"))]
pub struct Desk(String);

impl TryFrom<String> for Desk {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        Self::new(&name)
    }
}

impl FromSql<Text, Pg> for Desk {
    fn from_sql(name: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self::try_from(<String as FromSql<Text, Pg>>::from_sql(name)?)?)
    }
}

impl Desk {
    /// Makes the name of a desk: that of its schema.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] unless the name has 1 to 40 characters, of which the first is one of `a` to `z` and the
    /// others are of `a` to `z`, `0` to `9` and `_`; and for the schemas `public`, `information_schema`,
    /// `blotter_harden` and those that begin with `pg_`.
    pub fn new(name: &str) -> Result<Self, Error> {
        let refuse = |why| Err(Error::invalid("desk", name, why));
        let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !is_plain || name.len() > MAX_LENGTH {
            return refuse(
                "is no name of a desk: that has 1 to 40 of the characters a to z, 0 to 9 and _, and begins with a letter",
            );
        }
        if name.starts_with("pg_")
            || matches!(name, "public" | "information_schema" | "blotter_harden")
        {
            return refuse("is a schema that has another use");
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the name, which is that of the schema.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Returns the name of a role of this desk, such as `blotter_desk_a_trader`. It needs no quoting.
    pub fn role<R: DatabaseRole>(&self) -> String {
        self.named(R::NAME)
    }

    /// Returns the names of the roles of this desk: trader, engine, compliance, auditor.
    pub fn roles(&self) -> [String; 4] {
        ROLES.map(|shared| self.named(shared))
    }

    fn named(&self, role: &str) -> String {
        let kind = role.strip_prefix(PREFIX).unwrap_or(role);
        format!("{PREFIX}{self}_{kind}")
    }

    /// Creates the schema of the desk and its roles, where they do not exist yet. Then [enter](Desk::enter) it and
    /// [migrate](crate::migrations::run).
    ///
    /// On the coordinator of a Citus cluster this session passes on the roles, and from then on nothing else: the other nodes get
    /// the desk when it is [distributed](Desk::distribute).
    ///
    /// The login needs CREATE on the database, and CREATEROLE. In PostgreSQL 16 and later it must also be able to
    /// grant the shared roles, as the login that has created them is.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`] if there is a blotter in the schema already that the shared roles use, or a role of
    ///   the same name that is not of this desk.
    /// - [`Error::is_permission_denied`].
    pub fn create(&self, conn: &mut PgConnection) -> Result<(), Error> {
        conn.transaction(|conn| {
            let blotter = format!("{}.orders", self.quoted());
            let is_migrated: bool =
                diesel::select(to_regclass(blotter).is_not_null()).get_result(conn)?;
            if is_migrated && !self.has_roles(conn)? {
                return Err(Error::invalid(
                    "desk",
                    &self.0,
                    "is a schema with a blotter that the shared roles use; move that to a desk by dump and restore, or \
                     choose another name",
                ));
            }
            self.create_roles(conn)?;
            citus::keep_ddl_here(conn)?;
            let schema = format!("CREATE SCHEMA IF NOT EXISTS {}", self.quoted());
            Ok(conn.batch_execute(&schema)?)
        })
    }

    fn create_roles(&self, conn: &mut PgConnection) -> Result<(), Error> {
        ROLES.iter().try_for_each(|role| self.create_role(conn, role))
    }

    /// Creates the roles of the desk and the shared ones that they are members of, where they do not exist yet: before a
    /// dump of the desk is restored.
    ///
    /// # Errors
    ///
    /// Those of [`Desk::create`].
    pub fn create_roles_for_restore(&self, conn: &mut PgConnection) -> Result<(), Error> {
        conn.transaction(|conn| {
            self.create_roles(conn)?;
            for shared in ROLES.into_iter().chain([LEDGER]) {
                if !role::exists(conn, shared)? {
                    conn.batch_execute(&format!("CREATE ROLE {shared} NOLOGIN"))?;
                }
            }
            for (role, shared) in own_roles(Some(self)) {
                conn.batch_execute(&format!("GRANT {shared} TO {role}"))?;
            }
            Ok(())
        })
    }

    fn create_role(&self, conn: &mut PgConnection, shared: &str) -> Result<(), Error> {
        let role = self.named(shared);
        if !role::exists(conn, &role)? {
            conn.batch_execute(&format!(
                "CREATE ROLE {role} NOLOGIN; COMMENT ON ROLE {role} IS 'tradeblotter: {shared} of desk {self}'"
            ))?;
            return Ok(());
        }
        let is_plain: bool = pg_roles::table
            .filter(pg_roles::rolname.eq(&role))
            .select(diesel::dsl::not(
                pg_roles::rolcanlogin
                    .or(pg_roles::rolsuper)
                    .or(pg_roles::rolbypassrls)
                    .or(pg_roles::rolcreaterole),
            ))
            .first(conn)?;
        if is_plain {
            return Ok(());
        }
        Err(Error::invalid(
            "role",
            &role,
            "exists and is a login, or has privileges of its own; the role of a desk is NOLOGIN and has none",
        ))
    }

    /// Puts the schema of the desk on the search path of this connection, and no other: for
    /// [`migrations`](crate::migrations), [`catalog`](crate::catalog) and [`harden`](crate::harden). The connections of
    /// a [`Blotter`](crate::Blotter) that is built for a desk are in it already.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`] if there is no such schema, or the login may not use it.
    pub fn enter(&self, conn: &mut PgConnection) -> Result<(), Error> {
        self.set_search_path(conn)?;
        let entered: Option<String> = diesel::select(current_schema()).get_result(conn)?;
        match entered.as_deref() == Some(&self.0) {
            true => Ok(()),
            false => Err(Error::not_found("desk", self)),
        }
    }

    /// Puts the schema on the search path, whether it exists or not.
    pub(crate) fn set_search_path(&self, conn: &mut PgConnection) -> QueryResult<()> {
        conn.batch_execute(&format!("SET search_path TO {}", self.quoted()))
    }

    /// Returns the desk that this connection is in: that of the first schema on its search path; none if that is no desk.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    pub fn of(conn: &mut PgConnection) -> Result<Option<Self>, Error> {
        let schema: Option<String> = diesel::select(current_schema()).get_result(conn)?;
        let Some(desk) = schema.and_then(|schema| Self::new(&schema).ok()) else {
            return Ok(None);
        };
        Ok(desk.has_roles(conn)?.then_some(desk))
    }

    /// Returns the desks of the connected database, by name: the schemas for which there are roles. Whether the login may
    /// use them plays no part.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    pub fn list(conn: &mut PgConnection) -> Result<Vec<Self>, Error> {
        let schemas: Vec<String> = pg_namespace::table
            .select(pg_namespace::nspname)
            .order(pg_namespace::nspname)
            .load(conn)?;
        let mut desks = Vec::new();
        for desk in schemas.iter().filter_map(|schema| Self::new(schema).ok()) {
            if desk.has_roles(conn)? {
                desks.push(desk);
            }
        }
        Ok(desks)
    }

    /// Returns whether the database has a schema of this name.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    pub fn exists(&self, conn: &mut PgConnection) -> Result<bool, Error> {
        let schema = to_regnamespace(self.quoted());
        Ok(diesel::select(schema.is_not_null()).get_result(conn)?)
    }

    /// Returns the login that owns the tables of the desk.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`] if the desk has no tables.
    pub fn owner(&self, conn: &mut PgConnection) -> Result<String, Error> {
        pg_tables::table
            .filter(pg_tables::schemaname.eq(&self.0).and(pg_tables::tablename.eq("orders")))
            .select(pg_tables::tableowner)
            .first(conn)
            .optional()?
            .ok_or_else(|| Error::not_found("desk", self))
    }

    /// Returns the schemas of the database that hold a blotter which the shared roles may use. So may the logins of every
    /// desk of the server, since their roles are members of these: there should be no such blotter beside desks.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    pub fn open_blotters(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
        if !role::exists(conn, Trader::NAME)? {
            return Ok(Vec::new());
        }
        Ok(pg_tables::table
            .filter(pg_tables::tablename.eq("execution_logs"))
            .filter(has_schema_privilege(Trader::NAME, pg_tables::schemaname, "USAGE"))
            .select(pg_tables::schemaname)
            .order(pg_tables::schemaname)
            .load(conn)?)
    }

    /// Returns the node of the Citus cluster that holds the desk; none if Citus does not.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    pub fn holder(&self, conn: &mut PgConnection) -> Result<Option<Holder>, Error> {
        citus::holder_of(conn, &format!("{}.orders", self.quoted()))
    }

    fn has_roles(&self, conn: &mut PgConnection) -> Result<bool, Error> {
        role::exists(conn, &self.role::<Trader>())
    }

    /// Runs `work` in one transaction of a role of this desk, on a connection that the application manages itself and
    /// that is in the desk; otherwise like [`transaction_on`](crate::transaction_on).
    ///
    /// # Errors
    ///
    /// Those of [`transaction_on`](crate::transaction_on).
    pub fn transaction_on<R, T, E, F>(
        &self,
        conn: &mut PgConnection,
        role: R,
        work: F,
    ) -> Result<T, E>
    where
        R: Role,
        F: FnOnce(&mut Tx<'_, R>) -> Result<T, E>,
        E: From<Error>,
    {
        run_once(conn, Mode::Write, Some(self), role, work)
    }

    /// Runs `work` in one read-only transaction of a role of this desk, on a connection that the application manages itself
    /// and that is in the desk; otherwise like [`snapshot_on`](crate::snapshot_on).
    ///
    /// # Errors
    ///
    /// Those of [`snapshot_on`](crate::snapshot_on).
    pub fn snapshot_on<R, T, E, F>(&self, conn: &mut PgConnection, role: R, work: F) -> Result<T, E>
    where
        R: Role,
        F: FnOnce(&mut Tx<'_, R>) -> Result<T, E>,
        E: From<Error>,
    {
        run_once(conn, Mode::Snapshot, Some(self), role, work)
    }

    /// A word such as `order` may be a name.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{self}\"")
    }
}

impl fmt::Display for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Returns the name of a role: that of the desk, or where there is none the shared one.
pub(crate) fn role_of<'r>(desk: Option<&Desk>, shared: &'r str) -> Cow<'r, str> {
    match desk {
        Some(desk) if ROLES.contains(&shared) => Cow::Owned(desk.named(shared)),
        _ => Cow::Borrowed(shared),
    }
}

/// Returns the roles of a desk, each with the shared one that it is a member of; none where there is no desk.
pub(crate) fn own_roles(desk: Option<&Desk>) -> impl Iterator<Item = (String, &'static str)> {
    desk.into_iter().flat_map(|desk| desk.roles().into_iter().zip(ROLES))
}
