//! `blotter desk`: adds desks, lists and checks them, and moves one to another server.

mod copy;
mod relocation;

use std::io::Write;

use clap::{Args, Subcommand};
use diesel::prelude::*;
use tradeblotter::{Desk as Name, Moving, Place, catalog, migrations};

use self::relocation::Relocation;
use crate::database::Database;
use crate::failure::Failure;
use crate::terminal::Output;

#[derive(Subcommand)]
pub enum Desk {
    /// Create a desk: its schema, its roles, its tables
    ///
    /// Idempotent: what is there already stays, and pending migrations are applied. Prints the roles, of which logins are to
    /// be made members. With --fleet and --writer the desk is written to the fleet file too. Needs a login
    /// that may create schemas in the database, and roles.
    #[command(after_long_help = "\
Examples:
  blotter desk add desk_a
  blotter desk add desk_a --fleet fleet.toml --writer postgres://app@db1/blotter")]
    Add(Add),
    /// Create the roles of a desk, and not the desk: on a server that it is to move to
    ///
    /// Idempotent. Make the logins members of them, so that backends can connect when the desk has moved. Needs a
    /// superuser.
    Roles(Named),
    /// List the desks of the fleet, or of the database
    ///
    /// With --fleet: each desk with its state, as the login of its writer's URL sees it. Without: the desks of the database.
    List,
    /// Check the schema of each desk of the fleet, or of the database
    ///
    /// Like `blotter schema check` for each, and whether what is outside of the desks is open to their logins. One
    /// line for each difference, with the name of the desk; nothing if there is none.
    #[command(after_long_help = "\
Exit status:
  0  no difference
  1  a difference, a desk that is closed or cannot be reached, or the database returned an error
  2  the command line is wrong")]
    Check,
    /// Move a desk to another server, or take an unfinished move back
    ///
    /// Closes the desk to writers, seals what is not sealed if there is a key, copies it with pg_dump and psql in one
    /// transaction, opens the copy, checks it (rows, schema, `verify`), writes the new URLs to the fleet file and marks the
    /// old desk, which stays closed and can be dropped. Prints each step when it is done. Stopped at any point, the same
    /// command goes on from there; and with --undo, before the fleet file is written, it drops the copy and opens the old
    /// desk. DATABASE_URL is that of a superuser on the server that the desk leaves; if Citus holds it, on the coordinator.
    #[command(after_long_help = "\
Examples:
  blotter desk move desk_a --to postgres://postgres@db2/blotter --key seal.key \\
      --fleet fleet.toml --writer postgres://app@db2/blotter
  blotter desk move desk_a --to postgres://postgres@db2/blotter --undo")]
    Move(Box<Relocation>),
    /// Hand a desk to Citus, or move it to another node of its cluster
    ///
    /// Citus keeps the whole desk on one node, the holder. Commands and backends that name the desk are given the URL of
    /// the coordinator; they ask it for the holder and connect to that, by the name that the nodes have for each other. The
    /// desk is closed to all who write while its rows are copied. If the command was stopped, run it again: it goes on.
    /// Run it again too when a node was added to the cluster. DATABASE_URL is that of a superuser on the coordinator.
    #[command(after_long_help = "\
Examples:
  blotter desk distribute desk_a
  blotter desk distribute desk_a --node db2:5432")]
    Distribute(Distribute),
}

#[derive(Args)]
pub struct Named {
    /// Name of the desk, and of its schema: up to 40 of a to z, 0 to 9 and _, a letter first
    #[arg(value_name = "DESK", value_parser = Name::new)]
    name: Name,
}

#[derive(Args)]
pub struct Add {
    #[command(flatten)]
    desk: Named,
    /// URL with which backends connect to the desk, for the fleet file
    #[arg(long, value_name = "URL", requires = "fleet")]
    writer: Option<String>,
    /// URL of a replica for those who only read, for the fleet file
    #[arg(long, value_name = "URL", requires = "writer")]
    reader: Option<String>,
}

#[derive(Args)]
pub struct Distribute {
    #[command(flatten)]
    desk: Named,
    /// Node to move the desk to: host and port as in `pg_dist_node` [default: none; Citus chooses where a new desk goes]
    #[arg(long, value_name = "HOST:PORT", value_parser = node)]
    node: Option<(String, i32)>,
}

/// Reads the host and the port of a node.
fn node(text: &str) -> Result<(String, i32), String> {
    let split = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    split
        .and_then(|(host, port)| Some((host.to_owned(), port.parse::<u16>().ok()?.into())))
        .ok_or_else(|| "is no host and port, such as db2:5432".to_owned())
}

impl Desk {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(database, out),
            Self::Roles(desk) => {
                let conn = &mut tradeblotter::connect(&database.given_url()?)?;
                desk.name.create_roles_for_restore(conn)?;
                print_roles(&desk.name, out)
            }
            Self::List => list(database, out),
            Self::Check => check(database, out),
            Self::Move(relocation) => relocation.run(database, out),
            Self::Distribute(distribute) => distribute.run(database, out),
        }
    }
}

impl Add {
    fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let desk = &self.desk.name;
        let mut fleet = database.fleet()?;
        let conn = &mut tradeblotter::connect(&database.given_url()?)?;
        desk.create(conn)?;
        desk.enter(conn)?;
        migrations::run(conn)?;
        migrations::require(conn)?;
        if let (Some(fleet), Some(writer)) = (&mut fleet, &self.writer) {
            fleet.set(desk, &Place { writer: writer.clone(), reader: self.reader.clone() })?;
        }
        writeln!(out, "desk {desk} is ready")?;
        print_roles(desk, out)
    }
}

impl Distribute {
    fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let desk = &self.desk.name;
        let to = self.node.as_ref().map(|(host, port)| (host.as_str(), *port));
        let holder = desk.distribute(&database.given_url()?, to)?;
        Ok(writeln!(out, "desk {desk} is on the node {}:{}", holder.host, holder.port)?)
    }
}

fn print_roles(desk: &Name, out: &mut Output) -> Result<(), Failure> {
    writeln!(out, "the roles, of which logins are made members with GRANT:")?;
    for role in desk.roles() {
        writeln!(out, "  {role}")?;
    }
    Ok(())
}

fn list(database: &Database, out: &mut Output) -> Result<(), Failure> {
    for (desk, url) in database.desks()? {
        let state = match state(&desk, &url) {
            Ok(state) => state.to_owned(),
            Err(why) => why.to_string(),
        };
        writeln!(out, "{desk}  {state}")?;
    }
    Ok(())
}

/// Returns the state of a desk in words.
fn state(desk: &Name, url: &str) -> Result<&'static str, tradeblotter::Error> {
    let conn = &mut tradeblotter::connect(url)?;
    match desk.moving(conn)? {
        Some(Moving::Leaving) => return Ok("is leaving, and closed to writers"),
        Some(Moving::Arriving) => return Ok("is a copy that is not in use yet"),
        Some(Moving::Left) => return Ok("has left; the schema may be dropped"),
        None if desk.is_closed(conn)? => return Ok("is closed to writers"),
        None => {}
    }
    migrations::require(&mut desk.connect(url)?)?;
    Ok("is ready")
}

fn check(database: &Database, out: &mut Output) -> Result<(), Failure> {
    let mut differs = false;
    for (desk, url) in database.desks()? {
        match differences(&desk, &url) {
            Ok(lines) => {
                for line in lines {
                    differs = true;
                    // A closed output must not change the exit code.
                    let _ = writeln!(out, "{desk}: {line}");
                }
            }
            Err(why) => {
                differs = true;
                let _ = writeln!(out, "{desk}: {why}");
            }
        }
    }
    if differs { Err(Failure::Failed(None)) } else { Ok(()) }
}

/// Returns what is wrong with a desk, a line for each.
fn differences(desk: &Name, url: &str) -> Result<Vec<String>, tradeblotter::Error> {
    let conn = &mut tradeblotter::connect(url)?;
    let mut lines = open_blotters(conn)?;
    let conn = &mut desk.connect(url)?;
    migrations::require(conn)?;
    lines.extend(catalog::differences(conn)?.iter().map(ToString::to_string));
    Ok(lines)
}

/// Names the blotters of the database that are no desks. A login of any desk may use these too, by the shared roles.
fn open_blotters(conn: &mut PgConnection) -> Result<Vec<String>, tradeblotter::Error> {
    let open = Name::open_blotters(conn)?;
    let named = |schema| {
        format!("the blotter in schema {schema} is open to the logins of all desks of this server")
    };
    Ok(open.into_iter().map(named).collect())
}
