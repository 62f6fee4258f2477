//! One migration, embedded in the build: applied, reverted and recorded as Diesel's own command does it.
//!
//! Without `diesel_migrations`, whose macro brings a parser of TOML and serde into every build.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::database::postgres::__diesel_schema_migrations::dsl::{
    __diesel_schema_migrations as applied, version,
};

/// A folder of `migrations/`.
#[derive(Debug)]
pub(crate) struct Migration {
    /// The folder's name.
    pub name: &'static str,
    up: &'static str,
    down: &'static str,
}

/// The migrations of this build, oldest first. build.rs lists them.
pub(crate) const MIGRATIONS: &[Migration] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

impl Migration {
    /// The key of Diesel's record: the name up to the first underscore, without its hyphens.
    pub fn version(&self) -> String {
        self.name.split('_').next().unwrap_or_default().replace('-', "")
    }

    /// Runs `up.sql` and records the migration, in one transaction.
    pub fn apply(&self, conn: &mut PgConnection) -> QueryResult<()> {
        conn.transaction(|conn| {
            conn.batch_execute(self.up)?;
            diesel::insert_into(applied).values(version.eq(self.version())).execute(conn)?;
            Ok(())
        })
    }

    /// Runs `down.sql` and deletes the record, in one transaction.
    pub fn revert(&self, conn: &mut PgConnection) -> QueryResult<()> {
        conn.transaction(|conn| {
            conn.batch_execute(self.down)?;
            diesel::delete(applied.find(self.version())).execute(conn)?;
            Ok(())
        })
    }
}
