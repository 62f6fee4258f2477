//! `blotter whoami`: shows the login of the connection and what it may do.

use std::io::Write;

use tradeblotter::Login;
use tradeblotter::harden::{self, Hardening};

use crate::database::Database;
use crate::failure::Failure;
use crate::output;
use crate::terminal::Output;

pub fn run(database: &Database, out: &mut Output) -> Result<(), Failure> {
    let conn = &mut database.connect()?;
    let login = Login::of(conn)?;
    writeln!(out, "{}", login.name)?;
    let powers = [
        (
            login.superuser,
            "is a superuser: no privilege check and no row-level security applies to it",
        ),
        (login.bypasses_row_security, "has BYPASSRLS: row-level security does not apply to it"),
        (login.owns_tables, "owns the tables: may alter them and disable their guards"),
    ];
    for (_, power) in powers.iter().filter(|(has, _)| *has) {
        writeln!(out, "  {power}")?;
    }
    for (role, ability) in login.abilities() {
        writeln!(out, "  may act as {role}: {ability}")?;
    }
    if login.roles.is_empty() {
        writeln!(out, "  may act as none of the blotter roles: cannot begin a session")?;
    }
    let hardened = match harden::state(conn)? {
        Hardening::Off => "no; the owner of the tables may change the schema",
        Hardening::On => "yes; changes of the schema are refused to everybody",
        Hardening::Partial(_) => {
            "in part; see `blotter schema check`, then run `blotter harden` again"
        }
    };
    writeln!(out, "hardened: {hardened}")?;
    out.flush()?;
    output::warn_about(&login);
    Ok(())
}
