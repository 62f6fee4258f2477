//! The migrations, embedded in the build: run, revert and redo them, or list which are applied.
//!
//! They are the files that `diesel migration run` applies, recorded in the same table, so the two can be
//! mixed. These functions also take an advisory lock, so that any number of processes may start on an empty
//! database at once: one migrates, and the others wait and find it done.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::database::citus;
use crate::database::harden;
use crate::database::postgres::{
    __diesel_schema_migrations, pg_advisory_unlock, pg_class, pg_try_advisory_lock, set_config,
    to_regclass,
};
use crate::database::transaction::is_in_transaction;
use crate::error::Error;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The key of the advisory lock: "blotter" in ASCII.
const LOCK_KEY: i64 = 0x62_6c_6f_74_74_65_72;

/// The time between two attempts to take the lock.
// Waiting for it inside PostgreSQL would hold a snapshot, for which a `CREATE INDEX CONCURRENTLY` of the
// process that holds the lock would wait: a deadlock.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// The time to wait for the lock before giving up.
const LOCK_TIMEOUT: Duration = Duration::from_secs(600);

/// One migration that was applied or reverted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Step {
    /// Whether it was applied or reverted.
    pub direction: Direction,
    /// The name of the migration's folder.
    pub name: String,
    /// The time that it took.
    pub elapsed: Duration,
}

/// Whether a migration was applied or reverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Direction {
    /// Applied: its `up.sql` was run.
    Up,
    /// Reverted: its `down.sql` was run.
    Down,
}

/// How many migrations to revert or redo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Extent {
    /// This many of the newest migrations.
    Last(usize),
    /// All applied migrations.
    All,
}

/// Whether a migration is reverted although there are log entries or breaks.
///
/// After a partial revert that discards, the remaining rows may lack what a migration requires, so that it can't
/// be applied again: then revert all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// Refuse the revert.
    Keep,
    /// Revert: recorded rows, or the guards and derivations that protect them, are lost.
    Discard,
}

/// One migration, and whether it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Status {
    /// The name of the migration's folder; for a migration that this build does not know, its version.
    pub name: String,
    /// Whether it is applied, pending or unknown to this build.
    pub state: State,
}

/// Whether a migration is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum State {
    /// Applied at this time.
    Applied(DateTime<Utc>),
    /// Known to this build, but not applied to this database.
    Pending,
    /// Applied at this time, but not known to this build: a migration of a newer build, or of the
    /// application itself if it shares this schema.
    Unknown(DateTime<Utc>),
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "applied",
            Self::Down => "reverted",
        })
    }
}

/// Applies every pending migration, oldest first, each in its own transaction. Idempotent: returns no steps
/// if all are applied.
///
/// # Errors
///
/// [`Error::is_migration_failure`], which names the migration: it is rolled back, those before it stay.
/// Also while the schema is hardened ([`harden`](crate::harden)), when another process holds the migration lock for ten minutes, or when the connection is in a
/// transaction, which would hide the migrations from the process that takes the lock next.
pub fn run(conn: &mut PgConnection) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    run_each(conn, |step| steps.push(step.clone()))?;
    Ok(steps)
}

/// Applies every pending migration like [`run`], and calls `note` after each.
///
/// # Errors
///
/// As [`run`].
pub fn run_each(conn: &mut PgConnection, mut note: impl FnMut(&Step)) -> Result<(), Error> {
    locked(conn, |conn| up(conn, &mut note))
}

/// Reverts applied migrations, newest first, each in its own transaction, and calls `note` after each. The
/// data in the tables and columns that they made is lost.
///
/// # Errors
///
/// Those of [`run`]; with [`Records::Keep`], [`Error::is_migration_failure`] while the execution log has
/// entries; [`Error::is_ahead`], with nothing reverted, when the database has a migration that this build does
/// not know and that is newer than the oldest to be reverted.
pub fn revert(
    conn: &mut PgConnection,
    extent: Extent,
    records: Records,
    mut note: impl FnMut(&Step),
) -> Result<(), Error> {
    locked(conn, |conn| down(conn, extent, records, &mut note).map(drop))
}

/// Reverts applied migrations and applies them again, and calls `note` after each: for testing that a
/// `down.sql` undoes its `up.sql`. The data in the tables and columns that they made is lost.
///
/// # Errors
///
/// Those of [`revert`].
pub fn redo(
    conn: &mut PgConnection,
    extent: Extent,
    records: Records,
    mut note: impl FnMut(&Step),
) -> Result<(), Error> {
    locked(conn, |conn| {
        for migration in down(conn, extent, records, &mut note)?.iter().rev() {
            step(conn, Direction::Up, migration, &mut note)?;
        }
        Ok(())
    })
}

/// Returns the status of every migration: those of this build in order, then those that it does not know.
/// Changes nothing.
///
/// # Errors
///
/// [`Error::is_connection`].
pub fn status(conn: &mut PgConnection) -> Result<Vec<Status>, Error> {
    let mut applied = applied(conn)?;
    let mut statuses: Vec<Status> = Vec::new();
    for migration in known()? {
        let version = version(&migration);
        let at = applied.iter().position(|(v, _)| *v == version).map(|i| applied.remove(i).1);
        statuses.push(Status {
            name: migration.name().to_string(),
            state: at.map_or(State::Pending, State::Applied),
        });
    }
    let unknown = applied.into_iter();
    statuses.extend(unknown.map(|(name, at)| Status { name, state: State::Unknown(at) }));
    Ok(statuses)
}

/// Succeeds if the database has every migration of this build, and none that is newer and unknown to it.
/// Changes nothing.
///
/// An application may ignore [`Error::is_ahead`] if its own, newer Diesel migrations share this schema, or if
/// an old build runs beside a new one: migrations only add.
///
/// # Errors
///
/// [`Error::is_not_migrated`] and [`Error::is_ahead`], each naming the migrations.
pub fn require(conn: &mut PgConnection) -> Result<(), Error> {
    let statuses = status(conn)?;
    let named = |state: fn(State) -> bool| -> Vec<String> {
        statuses.iter().filter(|s| state(s.state)).map(|s| s.name.clone()).collect()
    };
    let pending = named(|state| state == State::Pending);
    if !pending.is_empty() {
        return Err(Error::not_migrated(pending));
    }
    let newest = known()?.last().map(version).unwrap_or_default();
    let mut unknown = named(|state| matches!(state, State::Unknown(_)));
    unknown.retain(|version| *version > newest);
    if !unknown.is_empty() {
        return Err(Error::ahead(unknown));
    }
    Ok(())
}

type BoxedMigration = Box<dyn Migration<Pg>>;

fn up(conn: &mut PgConnection, note: &mut dyn FnMut(&Step)) -> Result<(), Error> {
    let applied = applied(conn)?;
    let mut pending = known()?;
    pending.retain(|migration| applied.iter().all(|(applied, _)| *applied != version(migration)));
    refuse_if_held(conn, &pending)?;
    pending.iter().try_for_each(|migration| step(conn, Direction::Up, migration, note))
}

/// Refuses these migrations while the schema is hardened, or Citus holds it.
fn refuse_if_held(conn: &mut PgConnection, migrations: &[BoxedMigration]) -> Result<(), Error> {
    match migrations.first() {
        Some(first) => {
            citus::refuse(conn, "migrate")?;
            harden::refuse_migration(conn, &first.name().to_string())
        }
        None => Ok(()),
    }
}

/// Reverts migrations, and returns them in the order in which they were reverted.
fn down(
    conn: &mut PgConnection,
    extent: Extent,
    records: Records,
    note: &mut dyn FnMut(&Step),
) -> Result<Vec<BoxedMigration>, Error> {
    let applied: Vec<String> = applied(conn)?.into_iter().map(|(version, _)| version).collect();
    let mut steps = known()?;
    let mut unknown = applied.clone();
    unknown.retain(|applied| steps.iter().all(|known| version(known) != *applied));
    steps.retain(|known| applied.contains(&version(known)));
    steps.reverse();
    if let Extent::Last(count) = extent {
        steps.truncate(count);
    }
    // A later migration may depend on those that would be reverted.
    if let Some(oldest) = steps.last().map(version) {
        unknown.retain(|version| *version > oldest);
        if !unknown.is_empty() {
            return Err(Error::ahead(unknown));
        }
    }
    refuse_if_held(conn, &steps)?;
    permit_discarding(conn, records)?;
    let reverted =
        steps.iter().try_for_each(|migration| step(conn, Direction::Down, migration, note));
    let reset = permit_discarding(conn, Records::Keep);
    reverted?;
    reset.map(|()| steps)
}

/// Tells every `down.sql`, through a setting of the session, whether it may discard records.
fn permit_discarding(conn: &mut PgConnection, records: Records) -> Result<(), Error> {
    let setting = match records {
        Records::Keep => "off",
        Records::Discard => "on",
    };
    diesel::select(set_config("blotter.discard_records", setting, false)).execute(conn)?;
    Ok(())
}

fn step(
    conn: &mut PgConnection,
    direction: Direction,
    migration: &BoxedMigration,
    note: &mut dyn FnMut(&Step),
) -> Result<(), Error> {
    let started = Instant::now();
    let name = migration.name().to_string();
    match direction {
        Direction::Up => conn.run_migration(migration),
        Direction::Down => conn.revert_migration(migration),
    }
    .map_err(|why| Error::migration(&name, why))?;
    note(&Step { direction, name, elapsed: started.elapsed() });
    Ok(())
}

fn known() -> Result<Vec<BoxedMigration>, Error> {
    let mut known: Vec<BoxedMigration> = MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(|why| Error::migration("list", why))?;
    known.sort_by_key(version);
    Ok(known)
}

fn version(migration: &BoxedMigration) -> String {
    migration.name().version().to_string()
}

/// Returns the applied versions, oldest first; none if the database has no table of migrations.
fn applied(conn: &mut PgConnection) -> Result<Vec<(String, DateTime<Utc>)>, Error> {
    let kind: Option<String> = pg_class::table
        .filter(pg_class::oid.nullable().eq(to_regclass("__diesel_schema_migrations")))
        .select(pg_class::relkind)
        .first(conn)
        .optional()?;
    match kind.as_deref() {
        None => return Ok(Vec::new()),
        Some("r") => {}
        // A view of the owner's would run what it likes as whoever reads it.
        Some(_) => {
            let why = "__diesel_schema_migrations is not a table; somebody has replaced it";
            return Err(Error::migration("list", why));
        }
    }
    let rows: Vec<(String, NaiveDateTime)> =
        __diesel_schema_migrations::table.order(__diesel_schema_migrations::version).load(conn)?;
    Ok(rows.into_iter().map(|(version, at)| (version, at.and_utc())).collect())
}

/// Runs `work` while holding the advisory lock of migrations.
fn locked(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<(), Error>,
) -> Result<(), Error> {
    if is_in_transaction(conn) {
        return Err(Error::migration("lock", "the connection is in a transaction; end it first"));
    }
    let started = Instant::now();
    while !diesel::select(pg_try_advisory_lock(LOCK_KEY)).get_result::<bool>(conn)? {
        if started.elapsed() > LOCK_TIMEOUT {
            return Err(Error::migration(
                "lock",
                "another process has held it for ten minutes; find it in pg_locks, and try again",
            ));
        }
        thread::sleep(LOCK_POLL);
    }
    // Diesel creates its own table outside the transaction of any migration.
    let done = conn
        .applied_migrations()
        .map_err(|why| Error::migration("set-up", why))
        .and_then(|_| work(conn));
    let unlocked = diesel::select(pg_advisory_unlock(LOCK_KEY)).execute(conn);
    done?;
    unlocked?;
    Ok(())
}
