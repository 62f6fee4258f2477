//! [`Login`], the database user of a connection, and its privileges.

use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Text};

use crate::database::desk::{Desk, role_of};
use crate::database::postgres::current_setting;
use crate::database::role::{Auditor, Compliance, DatabaseRole, Engine, Trader};
use crate::error::Error;

/// The query of the privileges of the user who has connected.
const QUERY: &str = include_str!("login.sql");

/// The role that owns the functions which derive; no login should be a member of it.
pub(crate) const LEDGER: &str = "blotter_ledger";

/// The roles of the database, each with its abilities in words.
pub(crate) const ROLES: [(&str, &str); 5] = [
    (Trader::NAME, "sees its own rows, submits its own orders and cancels them"),
    (Engine::NAME, "sees all rows, registers traders, submits orders, records fills and actions"),
    (Compliance::NAME, "sees all rows, writes nothing"),
    (Auditor::NAME, "sees the recorded rows of all traders, seals the log"),
    (LEDGER, "writes the derived columns of orders, and the log"),
];

/// The database user of a connection: its privileges, and the roles of the store that it may act as.
#[derive(QueryableByName, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Login {
    /// The name of the user, quoted for use in a statement.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Whether the login is, or may act as, a superuser, to whom no privilege check and no policy
    /// applies.
    #[diesel(sql_type = Bool)]
    pub superuser: bool,
    /// Whether the login has `BYPASSRLS`, or may act as a role that has it: then it sees every trader's
    /// rows.
    #[diesel(sql_type = Bool)]
    pub bypasses_row_security: bool,
    /// Whether the login owns the tables, or may act as their owner, and so may alter them and drop
    /// guards.
    #[diesel(sql_type = Bool)]
    pub owns_tables: bool,
    /// Privileges of the login beyond the tables: `CREATEROLE`, `REPLICATION`, and PostgreSQL's
    /// predefined roles that read or write all data, or the server's files. In a desk also the shared roles that
    /// the login holds by a role of another desk and not by one of this desk: they hold here too.
    #[diesel(sql_type = Array<Text>)]
    pub powers: Vec<String>,
    /// The desk that the connection is in.
    #[diesel(sql_type = Nullable<Text>)]
    pub desk: Option<Desk>,
    /// The roles of the store that the login may act as: `blotter_trader`, `blotter_engine`,
    /// `blotter_compliance`, `blotter_auditor`, of the desk if the connection is in one; and `blotter_ledger`.
    #[diesel(sql_type = Array<Text>)]
    pub roles: Vec<String>,
    /// The settings with which a session of this login begins and that a backend does not expect, such as
    /// `ALTER ROLE desk SET role = blotter_engine`: of `role`, `session_authorization`, `app.user_id`,
    /// `search_path` (where another schema comes before that of the tables), `session_replication_role`,
    /// `row_security`, `event_triggers`, and `default_transaction_*`.
    #[diesel(sql_type = Array<Text>)]
    pub settings: Vec<String>,
    /// Those of `idle_in_transaction_session_timeout` and `lock_timeout` that a session of this login begins
    /// without.
    #[diesel(sql_type = Array<Text>)]
    pub missing_timeouts: Vec<String>,
}

impl Login {
    /// Reads the login of a connection.
    ///
    /// # Errors
    ///
    /// [`Error::is_connection`].
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// # use tradeblotter::{embedded, migrations};
    /// use tradeblotter::{Login, connect, role};
    ///
    /// # let server = embedded::Server::start()?;
    /// # migrations::run(&mut server.connect()?)?;
    /// let trader = Login::of(&mut connect(&server.login::<role::Trader>()?)?)?;
    /// assert_eq!(trader.roles, ["blotter_trader"]);
    /// assert!(trader.warnings().is_empty());
    ///
    /// let superuser = Login::of(&mut connect(&server.admin_url())?)?;
    /// assert!(superuser.warnings()[0].contains("superuser"));
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn of(conn: &mut PgConnection) -> Result<Self, Error> {
        let desk = Desk::of(conn)?;
        let roles = ROLES.map(|(role, _)| role_of(desk.as_ref(), role));
        let roles: Vec<&str> = roles.iter().map(AsRef::as_ref).collect();
        let query = diesel::sql_query(QUERY).bind::<Array<Text>, _>(roles);
        let desk = desk.as_ref().map(Desk::name);
        Ok(query.bind::<Nullable<Text>, _>(desk).get_result(conn)?)
    }

    /// Returns whether the login may act as this role, of the desk if the connection is in one.
    pub fn may_act_as<R: DatabaseRole>(&self) -> bool {
        self.has(&self.role::<R>())
    }

    /// Returns the name of a role, of the desk if the connection is in one.
    pub fn role<R: DatabaseRole>(&self) -> String {
        role_of(self.desk.as_ref(), R::NAME).into_owned()
    }

    fn has(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// Returns the roles that the login may act as, each with its abilities in words.
    pub fn abilities(&self) -> impl Iterator<Item = (String, &'static str)> {
        let named = |(role, ability)| (role_of(self.desk.as_ref(), role).into_owned(), ability);
        ROLES.into_iter().map(named).filter(|(role, _)| self.has(role))
    }

    /// Returns the reasons why a backend should not run with this login, one sentence each; empty when there
    /// are none.
    pub fn warnings(&self) -> Vec<String> {
        let name = &self.name;
        if self.superuser {
            return vec![format!(
                "{name} is a superuser, to whom no privilege check and no policy applies; connect as a \
                 login that is a member of one of the blotter roles"
            )];
        }
        let mut warnings = Vec::new();
        if self.bypasses_row_security {
            warnings.push(format!(
                "{name} has BYPASSRLS and sees every trader's rows; ALTER ROLE {name} NOBYPASSRLS"
            ));
        }
        if self.has(LEDGER) {
            warnings.push(format!(
                "{name} may act as {LEDGER}, and so write what only the database derives; \
                 REVOKE {LEDGER} FROM {name}"
            ));
        }
        let held = self.abilities().map(|(role, _)| role);
        let acting: Vec<_> = held.filter(|role| *role != LEDGER).collect();
        if acting.len() > 1 {
            warnings.push(format!(
                "{name} may act as {}, so an SQL injection through one role can act as the other; use \
                 one login for each role",
                acting.join(" and as ")
            ));
        }
        if let Some(role) = acting.first() {
            if self.owns_tables {
                warnings.push(format!(
                    "{name} may act as {role} and owns the tables, so an SQL injection can disable \
                     their guards; use a login that owns nothing"
                ));
            }
            if !self.powers.is_empty() {
                warnings.push(format!(
                    "{name} may act as {role} and has {}, which a backend does not need; use a login \
                     with its role and no other privilege",
                    self.powers.join(", ")
                ));
            }
            for setting in &self.settings {
                let (command, parameter) = setting.split_once(" SET ").unwrap_or_default();
                let (parameter, _) = parameter.split_once(" = ").unwrap_or_default();
                warnings.push(format!(
                    "sessions of {name} begin with a setting that a backend does not expect ({setting}); \
                     {command} RESET {parameter}"
                ));
            }
        }
        let trader = self.role::<Trader>();
        if self.has(&trader) && !self.missing_timeouts.is_empty() {
            warnings.push(format!(
                "{name} may act as {trader} and has no {}, so a client that dies keeps its locks on orders; \
                 ALTER ROLE {name} SET {} = '30s'",
                self.missing_timeouts.join(" and no "),
                self.missing_timeouts.join(&format!(" = '30s'; ALTER ROLE {name} SET "))
            ));
        }
        warnings
    }
}

/// Refuses a login that is no superuser, with this text.
pub(crate) fn require_superuser(
    conn: &mut PgConnection,
    superuser_needed: &'static str,
) -> Result<(), Error> {
    let is_superuser: String = diesel::select(current_setting("is_superuser")).get_result(conn)?;
    match is_superuser.as_str() {
        "on" => Ok(()),
        _ => Err(Error::superuser_needed(superuser_needed)),
    }
}
