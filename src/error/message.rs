//! The text of an [`Error`]: what happened, to which row, which rule refused it, and what to do next.

use std::error::Error as StdError;
use std::fmt;

use diesel::result::Error as DieselError;

use crate::error::repr::{Error, Repr, Row};
use crate::error::rules::{self, Rule, RuleSource};
use crate::types::difference::Difference;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Repr::Invalid { what, value, why } => write!(f, "{what} {value:?} {why}"),
            Repr::NotFound { noun, id } => {
                write!(f, "there is no {noun} {id}, or this session may not see it")
            }
            Repr::Rule { name, row, source } => match rules::find(name) {
                Some(Rule { source: RuleSource::Constraint | RuleSource::Insert, text, .. }) => {
                    write_row(f, row)?;
                    write!(f, "{text} (rule {name})")
                }
                Some(Rule { source: RuleSource::Trigger, .. }) => {
                    write!(f, "{source} (rule {name})")
                }
                None => {
                    write_row(f, row)?;
                    write!(f, "{source} (rule {name})")
                }
            },
            Repr::Mismatch { noun, id, key, differing } => {
                write!(f, "{noun} {id} is already stored under {key} with different content: ")?;
                for (n, Difference { field, stored, other }) in differing.iter().enumerate() {
                    let comma = if n == 0 { "" } else { ", " };
                    write!(f, "{comma}{field} is {stored}, not {other}")?;
                }
                f.write_str("; send the stored content again, or use another id")
            }
            Repr::Denied { row, source } => {
                write_row(f, row)?;
                write!(f, "{source}; this session is not allowed to do that")
            }
            Repr::InTransaction => f.write_str(
                "this connection already has a transaction open, and a transaction can't change its \
                 role; end it first",
            ),
            Repr::RoleDenied { role, source } => write!(
                f,
                "{source}; GRANT {role} to the login, or connect as a login that is a member of it"
            ),
            Repr::SuperuserNeeded(why) => f.write_str(why),
            Repr::Conflict(source) => write!(
                f,
                "conflict with another transaction ({source}); nothing was stored; try again"
            ),
            Repr::StalePlan(source) => write!(
                f,
                "a column has another type than when this connection prepared the statement ({source}); \
                 nothing was stored, and the statement will be prepared again; try again"
            ),
            Repr::LostRace { noun, id } => write!(
                f,
                "{noun} {id} was not stored: conflict with a row that another transaction changed at \
                 the same time; try again"
            ),
            Repr::Aborted(why) => f.write_str(why),
            Repr::Blocked(why) => f.write_str(why),
            Repr::Exhausted(connections) => write!(
                f,
                "no connection was free in time: all {connections} of the pool are in use; shorten \
                 the transactions or enlarge the pool"
            ),
            Repr::Connection(why) => write!(f, "can't reach the database: {why}"),
            Repr::NotMigrated { pending } => write!(
                f,
                "the database is not migrated: {} missing ({}); run `blotter migrate run`",
                count_of(pending.len()),
                pending.join(", ")
            ),
            Repr::Ahead { unknown } => write!(
                f,
                "the database is ahead of this build: {} unknown to it ({}); use a newer build",
                count_of(unknown.len()),
                unknown.join(", ")
            ),
            Repr::Migration { name, why } => {
                write!(f, "migration {name} failed: {why}")
            }
            #[cfg(any(feature = "audit", feature = "fleet"))]
            Repr::File { path, why } => write!(f, "{path}: {why}"),
            #[cfg(feature = "audit")]
            Repr::Unproven(why) => f.write_str(why),
            #[cfg(feature = "embedded")]
            Repr::NoServer(why) => f.write_str(why),
            #[cfg(feature = "embedded")]
            Repr::Server(why) => write!(f, "the private PostgreSQL server failed: {why}"),
            Repr::Database(DieselError::NotFound) => f.write_str("there is no such row"),
            Repr::Database(source) => {
                write!(f, "the database reported: {source}")?;
                // Diesel names the column that it could not read, and keeps the reason as the source.
                source.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
        }
    }
}

/// Writes the row before the rule that it breaks.
fn write_row(f: &mut fmt::Formatter<'_>, row: &Option<Row>) -> fmt::Result {
    match row {
        Some(Row { noun, id }) => write!(f, "{noun} {id}: "),
        None => Ok(()),
    }
}

fn count_of(migrations: usize) -> String {
    match migrations {
        1 => "1 migration is".to_owned(),
        many => format!("{many} migrations are"),
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.0)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &*self.0 {
            Repr::Rule { source, .. }
            | Repr::Denied { source, .. }
            | Repr::RoleDenied { source, .. }
            | Repr::Conflict(source)
            | Repr::StalePlan(source)
            | Repr::Database(source) => Some(source),
            _ => None,
        }
    }
}
