//! Changes past the guards, by a superuser, in one transaction that puts the guards back before it ends.
//!
//! Whatever the owner of the tables has planted in the schema would run as the superuser. So the tables are locked
//! first, then the schema is compared with what this build expects, and only then something is read or changed.

use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::database::catalog;
use crate::database::citus;
use crate::database::harden::{self, Hardening};
use crate::database::login::require_superuser;
use crate::database::migrations;
use crate::database::postgres::{
    current_setting, pg_class, pg_trigger, pin_schema, quote_ident, set_config, to_regclass,
};
use crate::error::Error;

/// How long it waits for the locks while writers wait behind it, before it lets them pass: less than the time after
/// which PostgreSQL looks for a deadlock (`deadlock_timeout`, 1 second).
const LOCK_TIMEOUT: &str = "900ms";

/// The pause in which writers pass.
const PAUSE: Duration = Duration::from_millis(100);

/// Attempts to lock the tables: a minute in all.
const ATTEMPTS: u32 = 60;

/// Runs `work` in one transaction with the triggers of these tables off. `locked` are further tables that nobody may
/// change meanwhile. Writers wait until it ends; readers do not.
///
/// Every trigger is enabled again as it was, and a hardened schema is hardened again, before the transaction commits; if
/// it does not, none of it has happened.
///
/// # Errors
///
/// - [`Error::is_permission_denied`] unless the login is a superuser; `superuser_needed` is its text.
/// - [`Error::is_invalid_input`] on a desk that Citus holds, whose shards have guards of their own.
/// - [`Error::is_unproven`]: the schema is not the one that this build expects, so its tables may not be what they seem
///   to be.
/// - [`Error::is_blocked`]: other transactions have held locks on the tables for a minute.
/// - Those of `work`, of [`migrations::require`] and of the connection.
pub(crate) fn run<T>(
    conn: &mut PgConnection,
    tables: &[&str],
    locked: &[&str],
    superuser_needed: &'static str,
    work: impl FnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    require_superuser(conn, superuser_needed)?;
    migrations::require(conn)?;
    citus::refuse(conn, "archive")?;
    let mut work = Some(work);
    for _ in 0..ATTEMPTS {
        let attempt = conn.transaction(|conn| {
            lock(conn, &[tables, locked].concat())?;
            match work.take() {
                Some(work) => without_triggers(conn, tables, work).map(Some),
                None => Ok(None),
            }
        });
        match attempt {
            Ok(Some(done)) => return Ok(done),
            Err(error) if work.is_none() || !error.is_lock_timeout() => return Err(error),
            _ => thread::sleep(PAUSE),
        }
    }
    Err(Error::blocked(
        "other transactions have held locks on the tables for a minute; nothing was changed, try again later".to_owned(),
    ))
}

/// Locks the tables against writers and against changes of the tables.
fn lock(conn: &mut PgConnection, tables: &[&str]) -> Result<(), Error> {
    let before: String = diesel::select(current_setting("lock_timeout")).get_result(conn)?;
    pin_schema(conn)?;
    conn.batch_execute(&format!(
        "SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
        tables.join(", ")
    ))?;
    diesel::select(set_config("lock_timeout", before, true)).execute(conn)?;
    Ok(())
}

fn without_triggers<T>(
    conn: &mut PgConnection,
    tables: &[&str],
    work: impl FnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    if let Some(difference) = catalog::differences(conn)?.first() {
        return Err(Error::unproven(format!(
            "the schema is not the one that this build expects, so nothing was changed; see blotter schema check: \
             {difference}"
        )));
    }
    let is_hardened = harden::state(conn)? != Hardening::Off;
    if is_hardened {
        harden::lift(conn)?;
    }
    let enable = enabling(conn, tables)?;
    for table in tables {
        conn.batch_execute(&format!("ALTER TABLE {table} DISABLE TRIGGER USER"))?;
    }
    let done = work(conn)?;
    conn.batch_execute(&enable)?;
    if is_hardened {
        harden::install(conn)?;
    }
    Ok(done)
}

/// Returns the statements that enable the triggers of these tables as they are enabled now.
fn enabling(conn: &mut PgConnection, tables: &[&str]) -> QueryResult<String> {
    let mut script = String::new();
    for table in tables {
        let triggers: Vec<(String, String)> = pg_trigger::table
            .inner_join(pg_class::table.on(pg_class::oid.eq(pg_trigger::tgrelid)))
            .filter(pg_class::oid.nullable().eq(to_regclass(*table)))
            .filter(pg_trigger::tgisinternal.eq(false))
            .select((quote_ident(pg_trigger::tgname), pg_trigger::tgenabled))
            .load(conn)?;
        for (trigger, enabled) in triggers {
            let mode = match enabled.as_str() {
                "A" => "ENABLE ALWAYS",
                "R" => "ENABLE REPLICA",
                "O" => "ENABLE",
                _ => continue,
            };
            script += &format!("ALTER TABLE {table} {mode} TRIGGER {trigger};\n");
        }
    }
    Ok(script)
}
