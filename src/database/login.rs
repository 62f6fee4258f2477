//! Who a connection is logged in as, and what such a login may do.

use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text};

use crate::database::role::{Auditor, Compliance, DatabaseRole, Engine, Trader};
use crate::error::Error;

const FACTS: &str = include_str!("login.sql");

/// The role that owns the derivation; nobody should be a member of it.
const LEDGER: &str = "blotter_ledger";

/// The roles of the database, and what each may do, in words.
pub(crate) const ROLES: [(&str, &str); 5] = [
    (Trader::NAME, "sees its own rows, submits its own orders and cancels them"),
    (Engine::NAME, "sees all rows, registers traders, submits orders, records fills and actions"),
    (Compliance::NAME, "sees all rows, writes nothing"),
    (Auditor::NAME, "sees what is recorded, seals the log"),
    (LEDGER, "writes what is derived of orders, and the log"),
];

/// A database user as the server knows it, and the roles that it may act as.
#[derive(QueryableByName, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Login {
    /// The user who has connected, quoted as a statement would need it.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Whether it is, or may act as, a superuser, whom no grant and no policy holds.
    #[diesel(sql_type = Bool)]
    pub superuser: bool,
    /// Whether it has, or may act as one that has, `BYPASSRLS`, and sees every trader's rows.
    #[diesel(sql_type = Bool)]
    pub bypasses_row_security: bool,
    /// Whether it may alter the tables, as their owner.
    #[diesel(sql_type = Bool)]
    pub owns_tables: bool,
    /// What else it may do that reaches beyond the tables: `CREATEROLE`, `REPLICATION`, and the
    /// roles of PostgreSQL by which one reads and writes all data, or the server's files.
    #[diesel(sql_type = Array<Text>)]
    pub powers: Vec<String>,
    /// The roles of this schema that it may act as: `blotter_trader`, `blotter_engine`,
    /// `blotter_compliance`, `blotter_auditor`, `blotter_ledger`.
    #[diesel(sql_type = Array<Text>)]
    pub roles: Vec<String>,
}

impl Login {
    /// The login of this connection.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    ///
    /// ```
    /// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
    /// # use tradeblotter::{embedded, migrations};
    /// use tradeblotter::{Login, connect, role};
    ///
    /// # let server = embedded::Server::start()?;
    /// # migrations::run(&mut server.connect()?)?;
    /// let desk = Login::of(&mut connect(&server.login::<role::Trader>()?)?)?;
    /// assert_eq!(desk.roles, ["blotter_trader"]);
    /// assert!(desk.warnings().is_empty());
    ///
    /// let superuser = Login::of(&mut connect(&server.admin_url())?)?;
    /// assert!(superuser.warnings()[0].contains("superuser"));
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))] fn main() {}
    /// ```
    pub fn of(conn: &mut PgConnection) -> Result<Self, Error> {
        let roles = ROLES.map(|(role, _)| role);
        Ok(diesel::sql_query(FACTS).bind::<Array<Text>, _>(roles.as_slice()).get_result(conn)?)
    }

    /// Whether it may act as this role.
    pub fn may_act_as<R: DatabaseRole>(&self) -> bool {
        self.has(R::NAME)
    }

    fn has(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// What each role that it may act as is good for, in words.
    pub fn abilities(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        ROLES.into_iter().filter(|(role, _)| self.has(role))
    }

    /// What is wrong with this login for a backend, a sentence each; empty when all is well.
    pub fn warnings(&self) -> Vec<String> {
        let name = &self.name;
        if self.superuser {
            return vec![format!(
                "{name} is a superuser: no grant and no policy holds it; connect as a login that \
                 is a member of one of the blotter roles"
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
                "{name} may act as {LEDGER} and write what the database derives; \
                 REVOKE {LEDGER} FROM {name}"
            ));
        }
        let held = self.abilities().map(|(role, _)| role);
        let acting: Vec<_> = held.filter(|role| *role != LEDGER).collect();
        if acting.len() > 1 {
            warnings.push(format!(
                "{name} may act as {}: who runs SQL through it can act as either; make a login for \
                 each",
                acting.join(" and as ")
            ));
        }
        if let Some(role) = acting.first() {
            if self.owns_tables {
                warnings.push(format!(
                    "{name} may act as {role} and owns the tables: who runs SQL through it can \
                     switch off what guards them; use a login that owns nothing"
                ));
            }
            if !self.powers.is_empty() {
                warnings.push(format!(
                    "{name} may act as {role} and has {}: more than a backend needs; use a login \
                     that has its role and nothing else",
                    self.powers.join(", ")
                ));
            }
        }
        warnings
    }
}
