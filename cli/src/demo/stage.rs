//! The database that the demo runs in, removed at the end.

use diesel::connection::SimpleConnection;
use tradeblotter::embedded::Server;
use tradeblotter::migrations::{self, Extent, Records};
use tradeblotter::role::DatabaseRole;
use tradeblotter::{Blotter, Error, Login, connect, role};
use uuid::Uuid;

use super::seat::Floor;
use crate::failure::Failure;

/// The database of the demo.
pub enum Stage {
    /// On a private server.
    Private(Server),
    /// In a database created for the demo on a server that is running.
    Scratch(Scratch),
}

/// A database that is dropped together with this value.
pub struct Scratch {
    name: String,
    server_url: String,
    url: String,
    /// The roles that were granted to the login for the demo.
    lent: Vec<&'static str>,
}

impl Stage {
    /// Starts a private server, or creates a database on the server of this URL.
    pub fn set(database_url: Option<&str>) -> Result<Self, Failure> {
        let Some(server_url) = database_url else {
            return Ok(Self::Private(Server::start()?));
        };
        let name = format!("blotter_demo_{}", Uuid::now_v7().simple());
        connect(server_url)?
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .map_err(Error::from)?;
        let url = with_database(server_url, &name);
        let server_url = server_url.to_owned();
        Ok(Self::Scratch(Scratch { name, server_url, url, lent: Vec::new() }))
    }

    /// Completes the sentence "It runs in".
    pub fn description(&self) -> String {
        match self {
            Self::Private(_) => {
                "a private PostgreSQL server,\nstarted for this demo and removed at its end"
                    .to_owned()
            }
            Self::Scratch(scratch) => {
                format!("database\n{}, created for this demo and removed at its end", scratch.name)
            }
        }
    }

    pub fn url(&self) -> &str {
        match self {
            Self::Private(server) => server.url(),
            Self::Scratch(scratch) => &scratch.url,
        }
    }

    /// Connects as a trader and as the engine. On the private server each role has a login; elsewhere the
    /// login of the URL is granted the roles that it lacks.
    pub fn open(&mut self) -> Result<Floor, Failure> {
        let (traders, engine) = match self {
            Self::Private(server) => {
                (server.login::<role::Trader>()?, server.login::<role::Engine>()?)
            }
            Self::Scratch(scratch) => {
                scratch.lend_roles()?;
                (scratch.url.clone(), scratch.url.clone())
            }
        };
        Ok(Floor {
            traders: Blotter::connect(&traders)?,
            engine: Blotter::connect(&engine)?.engine(),
        })
    }
}

impl Scratch {
    /// Grants the login the roles that it lacks, and remembers them to be revoked.
    fn lend_roles(&mut self) -> Result<(), Error> {
        let conn = &mut connect(&self.url)?;
        let login = Login::of(conn)?;
        let needed = [
            (role::Trader::NAME, login.may_act_as::<role::Trader>()),
            (role::Engine::NAME, login.may_act_as::<role::Engine>()),
        ];
        for (role, _) in needed.into_iter().filter(|(_, held)| !held) {
            conn.batch_execute(&format!("GRANT {role} TO CURRENT_USER"))?;
            self.lent.push(role);
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Errors are ignored: a destructor cannot return them.
        if let Ok(mut conn) = connect(&self.url) {
            for role in &self.lent {
                let _ = conn.batch_execute(&format!("REVOKE {role} FROM CURRENT_USER"));
            }
            // Reverting also drops the roles, unless another database uses them.
            let _ = migrations::revert(&mut conn, Extent::All, Records::Discard, |_| ());
        }
        if let Ok(mut conn) = connect(&self.server_url) {
            let _ = conn.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// Returns the URL or keyword string of another database on the same server. libpq takes the last of several
/// names.
fn with_database(url: &str, name: &str) -> String {
    if url.contains("://") {
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}dbname={name}")
    } else {
        format!("{url} dbname={name}")
    }
}
