//! How a command gets its connection or session.

use std::path::PathBuf;

use clap::ValueHint;
use diesel::prelude::*;
use tradeblotter::role::{Auditor, Compliance, DatabaseRole, Engine, Reader, Trader};
use tradeblotter::{
    Blotter, Desk, Error, FleetFile, Login, Place, Session, Tx, migrations, transaction_on,
};
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
    /// Desk to use: the schema that holds its blotter; or * for all, which `blotter report` reads [default: the schema
    /// of the connection, mostly public]
    #[arg(long, env = "BLOTTER_DESK", value_name = "NAME", global = true, value_parser = choice)]
    #[arg(help_heading = "Connection")]
    desk: Option<Choice>,
    /// File that says where each desk is (TOML: a table for each, with the URLs of its writer and its reader)
    #[arg(long, env = "BLOTTER_FLEET", value_name = "FILE", global = true)]
    #[arg(value_hint = ValueHint::FilePath, help_heading = "Connection")]
    fleet: Option<PathBuf>,
}

/// The desks that a command uses.
#[derive(Clone)]
enum Choice {
    One(Desk),
    All,
}

fn choice(name: &str) -> Result<Choice, Error> {
    match name {
        "*" => Ok(Choice::All),
        name => Desk::new(name).map(Choice::One),
    }
}

impl Database {
    /// Returns the database at this URL, or a desk of it.
    pub fn at(url: &str, desk: Option<&Desk>) -> Self {
        Self { url: Some(url.to_owned()), desk: desk.cloned().map(Choice::One), fleet: None }
    }

    /// Returns the fleet file if one is given.
    pub fn fleet(&self) -> Result<Option<FleetFile>, Failure> {
        Ok(self.fleet.as_deref().map(FleetFile::read).transpose()?)
    }

    /// Returns the desk that is given.
    fn desk(&self) -> Result<Option<&Desk>, Failure> {
        match &self.desk {
            None => Ok(None),
            Some(Choice::One(desk)) => Ok(Some(desk)),
            Some(Choice::All) => Err(Failure::Usage(
                "this command uses one desk; only `blotter report` reads all (--desk '*')"
                    .to_owned(),
            )),
        }
    }

    /// Returns whether all desks are to be used.
    pub fn has_all_desks(&self) -> bool {
        matches!(self.desk, Some(Choice::All))
    }

    /// Returns the desks of the fleet if there is one, or else those of the database, each with the URL of its database.
    pub fn desks(&self) -> Result<Vec<(Desk, String)>, Failure> {
        if let Some(fleet) = self.fleet()? {
            return Ok(fleet.desks().map(|(desk, at)| (desk.clone(), at.writer.clone())).collect());
        }
        let url = self.given_url()?;
        let desks = Desk::list(&mut tradeblotter::connect(&url)?)?;
        Ok(desks.into_iter().map(|desk| (desk, url.clone())).collect())
    }

    /// Returns where the desk is that is given, if there is a fleet.
    fn place(&self) -> Result<Option<Place>, Failure> {
        match (self.fleet()?, self.desk()?) {
            (Some(fleet), Some(desk)) => Ok(Some(fleet.place(desk)?.clone())),
            _ => Ok(None),
        }
    }

    /// Returns the URL if there is one. An empty `DATABASE_URL` counts as none.
    pub fn given(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }

    /// Returns the URL of the database to write to: that of the desk in the fleet, or the one that is given.
    pub fn url(&self) -> Result<String, Failure> {
        if let Some(place) = self.place()? {
            return Ok(place.writer);
        }
        self.given_url()
    }

    /// Returns the URL that is given, whatever the fleet says.
    pub fn given_url(&self) -> Result<String, Failure> {
        self.given().map(str::to_owned).ok_or_else(|| {
            Failure::Usage(
                "no database is given. Set DATABASE_URL or pass --database-url; `blotter demo` and \
                 `blotter sandbox` work without one"
                    .to_owned(),
            )
        })
    }

    /// Returns the database to read from: the replica of the desk if its fleet has one.
    fn to_read(&self) -> Result<Self, Failure> {
        let url = match self.place()? {
            Some(Place { reader: Some(reader), .. }) => reader,
            _ => self.url()?,
        };
        Ok(Self::at(&url, self.desk()?))
    }

    /// Connects, to the desk if one is given, whatever the state of the schema.
    pub fn connect(&self) -> Result<PgConnection, Failure> {
        let url = self.url()?;
        Ok(match self.desk()? {
            Some(desk) => desk.connect(&url)?,
            None => tradeblotter::connect(&url)?,
        })
    }

    /// Returns the store, of the desk if one is given.
    fn blotter(&self) -> Result<Blotter, Failure> {
        let builder = Blotter::builder(&self.url()?);
        Ok(match self.desk()? {
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
        match self.desk()? {
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

    /// Begins a session that reads the rows of one trader, or of all, as [`reader`](Self::reader) does, but as an
    /// auditor rather than as the engine or a trader, who see no seals.
    pub fn watcher(&self, trader: Option<Uuid>) -> Result<Session<Reader>, Failure> {
        let database = self.to_read()?;
        let (_, login) = database.login()?;
        if trader.is_none() && login.may_act_as::<Auditor>() && !login.may_act_as::<Compliance>() {
            return Ok(database.blotter()?.auditor().reader());
        }
        database.reader_as(&login, trader)
    }

    /// Begins a session that reads the rows of one trader, or of all, as the first role that allows it:
    /// compliance, engine, trader.
    pub fn reader(&self, trader: Option<Uuid>) -> Result<Session<Reader>, Failure> {
        let database = self.to_read()?;
        let (_, login) = database.login()?;
        database.reader_as(&login, trader)
    }

    fn reader_as(&self, login: &Login, trader: Option<Uuid>) -> Result<Session<Reader>, Failure> {
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
