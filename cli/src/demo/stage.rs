//! The database that the demo runs in, removed at the end.

use diesel::connection::SimpleConnection;
use tradeblotter::embedded::Server;
use tradeblotter::migrations::{self, Extent};
use tradeblotter::role::DatabaseRole;
use tradeblotter::{Blotter, Error, Login, connect, role};
use uuid::Uuid;

use super::desk::Floor;
use crate::failure::Failure;

/// Where the demo plays.
pub enum Stage {
    /// On a server of its own.
    Private(Server),
    /// In a database made for it on a server that is running.
    Scratch(Scratch),
}

/// A database that is dropped with this value.
pub struct Scratch {
    name: String,
    server_url: String,
    url: String,
    /// The roles that the login was granted for the demo.
    lent: Vec<&'static str>,
}

impl Stage {
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

    pub fn what(&self) -> String {
        match self {
            Self::Private(_) => "A private PostgreSQL, started for this demo".to_owned(),
            Self::Scratch(scratch) => format!("Database {}, created for this demo", scratch.name),
        }
    }

    pub fn url(&self) -> &str {
        match self {
            Self::Private(server) => server.url(),
            Self::Scratch(scratch) => &scratch.url,
        }
    }

    /// Connects as each role: on the private server as a login of its own, on another one as whoever
    /// has connected, who lends itself the roles that it has not.
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
        // There is nobody left to tell if something can't be taken back.
        if let Ok(mut conn) = connect(&self.url) {
            for role in &self.lent {
                let _ = conn.batch_execute(&format!("REVOKE {role} FROM CURRENT_USER"));
            }
            // With the migrations go the roles that no other database uses.
            let _ = migrations::revert(&mut conn, Extent::All, |_| ());
        }
        if let Ok(mut conn) = connect(&self.server_url) {
            let _ = conn.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// The URL or keyword string of another database on the same server; libpq takes the last of several.
fn with_database(url: &str, name: &str) -> String {
    if url.contains("://") {
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}dbname={name}")
    } else {
        format!("{url} dbname={name}")
    }
}
