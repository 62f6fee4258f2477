//! Functions and catalog tables of PostgreSQL, declared for the query builder. Private: the tables of the
//! store are in [`schema`](crate::schema).

#[cfg(feature = "audit")]
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

diesel::define_sql_function! {
    fn pg_try_advisory_lock(key: BigInt) -> Bool;
}

diesel::define_sql_function! {
    fn pg_advisory_unlock(key: BigInt) -> Bool;
}

diesel::define_sql_function! {
    /// Sets a server parameter; until the end of the transaction if it is local.
    fn set_config(name: Text, value: Text, is_local: Bool) -> Text;
}

diesel::define_sql_function! {
    /// Returns a server parameter.
    fn current_setting(name: Text) -> Text;
}

diesel::define_sql_function! {
    /// Returns the table of this name on the search path; NULL if there is none.
    fn to_regclass(name: Text) -> Nullable<Oid>;
}

diesel::table! {
    /// Diesel's table of applied migrations.
    __diesel_schema_migrations (version) {
        version -> Text,
        run_on -> Timestamp,
    }
}

#[cfg(feature = "audit")]
diesel::define_sql_function! {
    /// Returns the name of the connected database.
    fn current_database() -> Text;
}

#[cfg(feature = "audit")]
diesel::table! {
    /// The databases of the cluster.
    pg_database (oid) {
        oid -> Oid,
        datname -> Text,
    }
}

#[cfg(feature = "audit")]
diesel::table! {
    /// The locks that are held or waited for, in the whole cluster.
    pg_locks (virtualtransaction) {
        virtualtransaction -> Text,
        database -> Nullable<Oid>,
        relation -> Nullable<Oid>,
        mode -> Text,
        granted -> Bool,
    }
}

#[cfg(feature = "audit")]
diesel::allow_tables_to_appear_in_same_query!(pg_database, pg_locks);

/// Returns the open transactions that have written to the execution log or are about to, by their virtual
/// transaction ids, which are unique for as long as the server runs.
#[cfg(feature = "audit")]
pub(crate) fn writers_of_log(conn: &mut PgConnection) -> QueryResult<Vec<String>> {
    pg_locks::table
        .inner_join(pg_database::table.on(pg_locks::database.eq(pg_database::oid.nullable())))
        .filter(pg_database::datname.eq(current_database()))
        .filter(pg_locks::relation.eq(to_regclass("execution_logs")))
        .filter(pg_locks::mode.eq("RowExclusiveLock").and(pg_locks::granted))
        .select(pg_locks::virtualtransaction)
        .load(conn)
}

#[cfg(feature = "embedded")]
diesel::table! {
    /// The processes of the server.
    pg_stat_activity (pid) {
        pid -> Integer,
    }
}
