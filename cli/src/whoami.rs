//! `blotter whoami`: what the connection may do.

use std::io::Write;

use tradeblotter::Login;

use crate::database::Database;
use crate::failure::Failure;
use crate::output;

pub fn run(database: &Database, out: &mut impl Write) -> Result<(), Failure> {
    let login = Login::of(&mut database.connect()?)?;
    writeln!(out, "{}", login.name)?;
    let powers = [
        (login.superuser, "is a superuser: may do anything, and no policy holds it"),
        (login.bypasses_row_security, "has BYPASSRLS: no policy holds it"),
        (login.owns_tables, "owns the tables: may alter them and what guards them"),
    ];
    for (_, power) in powers.iter().filter(|(has, _)| *has) {
        writeln!(out, "  {power}")?;
    }
    for (role, ability) in login.abilities() {
        writeln!(out, "  may act as {role}: {ability}")?;
    }
    if login.roles.is_empty() {
        writeln!(out, "  may act as none of the blotter roles, so it begins no session")?;
    }
    out.flush()?;
    output::warn_about(&login);
    Ok(())
}
