//! How a command gets its connection or session.

use diesel::prelude::*;
use tradeblotter::role::{Auditor, Compliance, DatabaseRole, Engine, Reader, Trader};
use tradeblotter::{Blotter, Desk, Error, Login, Session, Tx, migrations, transaction_on};
use uuid::Uuid;

use crate::failure::Failure;
use crate::watch::{Acting, RoleSession};

/// The database that the command line or the environment names.
#[derive(clap::Args)]
pub struct Database {
    /// PostgreSQL database to connect to: a postgres:// URL or a libpq keyword string
    #[arg(long = "database-url", env = "DATABASE_URL", value_name = "URL", global = true)]
    #[arg(hide_env_values = true, help_heading = "Connection")]
    url: Option<String>,
    /// Desk to use: the schema that holds its blotter [default: that of the connection, mostly public]
    #[arg(long, env = "BLOTTER_DESK", value_name = "NAME", global = true, value_parser = Desk::new)]
    #[arg(help_heading = "Connection")]
    desk: Option<Desk>,
}

impl Database {
    /// Returns the URL if there is one. An empty `DATABASE_URL` counts as none.
    pub fn given(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }

    fn url(&self) -> Result<&str, Failure> {
        self.given().ok_or_else(|| {
            Failure::Usage(
                "no database is given. Set DATABASE_URL or pass --database-url; `blotter demo` and \
                 `blotter sandbox` work without one"
                    .to_owned(),
            )
        })
    }

    /// Connects, to the desk if one is given, whatever the state of the schema.
    pub fn connect(&self) -> Result<PgConnection, Failure> {
        let mut conn = tradeblotter::connect(self.url()?)?;
        if let Some(desk) = &self.desk {
            desk.enter(&mut conn)?;
        }
        Ok(conn)
    }

    /// Returns the store, of the desk if one is given.
    fn blotter(&self) -> Result<Blotter, Failure> {
        let builder = Blotter::builder(self.url()?);
        Ok(match &self.desk {
            Some(desk) => builder.desk(desk.name()).connect()?,
            None => builder.connect()?,
        })
    }

    /// Begins a session that acts for every trader.
    pub fn engine(&self) -> Result<Session<Engine>, Failure> {
        self.session(Blotter::engine)
    }

    /// Begins a session that reads everything and writes nothing.
    pub fn compliance(&self) -> Result<Session<Compliance>, Failure> {
        self.session(Blotter::compliance)
    }

    /// Begins a session that seals the log.
    pub fn auditor(&self) -> Result<Session<Auditor>, Failure> {
        self.session(Blotter::auditor)
    }

    /// Connects, checks that the database is migrated, and returns what the login may do.
    fn login(&self) -> Result<(PgConnection, Login), Failure> {
        let mut conn = self.connect()?;
        migrations::require(&mut conn)?;
        let login = Login::of(&mut conn)?;
        Ok((conn, login))
    }

    /// Begins a session of a role. Fails if the login is not a member of it.
    fn session<R: DatabaseRole>(
        &self,
        begin: impl FnOnce(&Blotter) -> Session<R>,
    ) -> Result<Session<R>, Failure> {
        self.connection_as::<R>()?;
        Ok(begin(&self.blotter()?))
    }

    /// Runs `work` once, in one transaction of the engine.
    pub fn transaction_of_engine<T, E: From<Error> + From<Failure>>(
        &self,
        work: impl FnOnce(&mut Tx<'_, Engine>) -> Result<T, E>,
    ) -> Result<T, E> {
        let conn = &mut self.connection_as::<Engine>()?;
        match &self.desk {
            Some(desk) => desk.transaction_on(conn, Engine, work),
            None => transaction_on(conn, Engine, work),
        }
    }

    /// Connects as a login that is a member of this role. Fails if it is not.
    fn connection_as<R: DatabaseRole>(&self) -> Result<PgConnection, Failure> {
        let (conn, login) = self.login()?;
        if login.may_act_as::<R>() {
            return Ok(conn);
        }
        Err(Failure::Failed(Some(format!(
            "login {name} is not a member of {role}, which this command needs; GRANT {role} TO {name}, \
             or connect as another login",
            name = login.name,
            role = login.role::<R>()
        ))))
    }

    /// Begins a session that reads the log and its seals, as auditor or else as compliance.
    pub fn auditing(&self) -> Result<Session<Reader>, Failure> {
        let (_, login) = self.login()?;
        let blotter = self.blotter()?;
        if login.may_act_as::<Auditor>() {
            return Ok(blotter.auditor().reader());
        }
        if login.may_act_as::<Compliance>() {
            return Ok(blotter.compliance().reader());
        }
        Err(Failure::Failed(Some(format!(
            "login {name} may not read seals; GRANT {} or {} TO {name}, or connect as another login",
            login.role::<Auditor>(),
            login.role::<Compliance>(),
            name = login.name
        ))))
    }

    /// Begins a session that reads the rows of one trader, or of all, as the first role that allows it:
    /// compliance, engine, trader.
    pub fn reader(&self, trader: Option<Uuid>) -> Result<Session<Reader>, Failure> {
        let (_, login) = self.login()?;
        let blotter = self.blotter()?;
        match trader {
            _ if login.may_act_as::<Compliance>() => Ok(blotter.compliance().reader()),
            _ if login.may_act_as::<Engine>() => Ok(blotter.engine().reader()),
            Some(trader) if login.may_act_as::<Trader>() => Ok(blotter.trader(trader)?.reader()),
            None if login.may_act_as::<Trader>() => Err(Failure::Usage(format!(
                "login {} may read only one trader's rows at a time: pass --trader, or connect as a member \
                 of {} or {}",
                login.name,
                login.role::<Compliance>(),
                login.role::<Engine>()
            ))),
            _ => Err(Failure::Failed(Some(format!(
                "login {name} is not a member of any blotter role and sees no rows; \
                 GRANT {} TO {name}, or connect as another login",
                login.role::<Compliance>(),
                name = login.name
            )))),
        }
    }

    /// Begins a session in the role of the login, and returns it with the login. A login with several roles acts as
    /// this one, or else as the first of compliance, engine, trader.
    pub fn role_session(
        &self,
        role: Option<Acting>,
        trader: Option<Uuid>,
    ) -> Result<(RoleSession, Login), Failure> {
        let (_, login) = self.login()?;
        let blotter = self.blotter()?;
        let is_wanted = |acting| role.is_none_or(|role| role == acting);
        if is_wanted(Acting::Compliance) && login.may_act_as::<Compliance>() {
            return Ok((RoleSession::Compliance(blotter.compliance()), login));
        }
        if is_wanted(Acting::Engine) && login.may_act_as::<Engine>() {
            return Ok((RoleSession::Engine(blotter.engine()), login));
        }
        if is_wanted(Acting::Trader) && login.may_act_as::<Trader>() {
            let trader = trader.ok_or_else(|| {
                Failure::Usage(format!(
                    "login {} acts as one trader at a time: pass --trader with its id",
                    login.name
                ))
            })?;
            return Ok((RoleSession::Trader(blotter.trader(trader)?), login));
        }
        let roles = match role {
            Some(Acting::Trader) => vec![login.role::<Trader>()],
            Some(Acting::Engine) => vec![login.role::<Engine>()],
            Some(Acting::Compliance) => vec![login.role::<Compliance>()],
            None => {
                vec![login.role::<Compliance>(), login.role::<Engine>(), login.role::<Trader>()]
            }
        };
        Err(Failure::Failed(Some(format!(
            "login {name} is not a member of {roles}; GRANT the role TO {name}, or connect as another login",
            name = login.name,
            roles = roles.join(" or ")
        ))))
    }
}
