//! What PostgreSQL and Diesel bring themselves, told to the query builder. Private: the schema is
//! in [`schema`](crate::schema).

#[cfg(feature = "ingest")]
use diesel::sql_types::Bool;
use diesel::sql_types::{BigInt, Text};

diesel::define_sql_function! {
    fn pg_try_advisory_lock(key: BigInt) -> Bool;
}

diesel::define_sql_function! {
    fn pg_advisory_unlock(key: BigInt) -> Bool;
}

#[cfg(feature = "ingest")]
diesel::define_sql_function! {
    /// Sets a parameter of the server, to the end of the transaction if it is local.
    fn set_config(name: Text, value: Text, is_local: Bool) -> Text;
}

diesel::define_sql_function! {
    /// The table of this name along the search path, NULL if there is none.
    fn to_regclass(name: Text) -> Nullable<Oid>;
}

diesel::table! {
    /// Diesel's record of the migrations that were applied.
    __diesel_schema_migrations (version) {
        version -> Text,
        run_on -> Timestamp,
    }
}

#[cfg(feature = "embedded")]
diesel::table! {
    /// The processes of the server.
    pg_stat_activity (pid) {
        pid -> Integer,
    }
}
