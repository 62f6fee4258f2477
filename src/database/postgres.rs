//! Functions and catalog tables of PostgreSQL, declared for the query builder. Private: the tables of the
//! store are in [`schema`](crate::schema).
//!
//! Functions whose arguments PostgreSQL casts have their qualified names: in a schema on the search path the owner could plant one
//! that fits better, and it would run as the superuser who calls it.

#[cfg(any(feature = "audit", feature = "ingest"))]
use diesel::prelude::*;
#[cfg(feature = "ingest")]
use diesel::sql_types::{Array, Integer};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

diesel::define_sql_function! {
    fn pg_try_advisory_lock(key: BigInt) -> Bool;
}

diesel::define_sql_function! {
    fn pg_advisory_unlock(key: BigInt) -> Bool;
}

/// Waits for the advisory locks with these keys, one after another, and holds them until the transaction ends.
#[cfg(feature = "ingest")]
pub(crate) fn wait_for_advisory_locks(
    conn: &mut PgConnection,
    class: i32,
    keys: &[i32],
) -> QueryResult<()> {
    // The function returns void, for which Diesel has no type.
    let locked = diesel::sql_query("SELECT pg_advisory_xact_lock($1, key) FROM unnest($2) AS key");
    locked.bind::<Integer, _>(class).bind::<Array<Integer>, _>(keys).execute(conn)?;
    Ok(())
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

diesel::define_sql_function! {
    /// Returns the schema of this name; NULL if there is none.
    fn to_regnamespace(name: Text) -> Nullable<Oid>;
}

diesel::define_sql_function! {
    /// Returns the comment on an object of a catalog table; NULL if there is none.
    #[sql_name = "pg_catalog.obj_description"]
    fn obj_description(
        object: diesel::sql_types::Nullable<diesel::sql_types::Oid>,
        catalog: Text,
    ) -> diesel::sql_types::Nullable<Text>;
}

diesel::table! {
    /// Diesel's table of applied migrations.
    __diesel_schema_migrations (version) {
        version -> Text,
        run_on -> Timestamp,
    }
}

diesel::define_sql_function! {
    /// Returns the name of the connected database.
    fn current_database() -> Text;
}

diesel::define_sql_function! {
    /// Returns the greatest number of a committed entry of the log; a function of the store.
    fn blotter_last_number() -> BigInt;
}

/// The type of a transaction id.
#[derive(Clone, Copy, diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
#[diesel(postgres_type(name = "xid", schema = "pg_catalog"))]
pub struct Xid;

diesel::define_sql_function! {
    /// Returns how many transaction ids have been given since this one; negative for one that was given later.
    fn age(id: Nullable<Xid>) -> Nullable<Integer>;
}

diesel::table! {
    /// The databases of the cluster.
    pg_database (oid) {
        oid -> Oid,
        datname -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{Bool, Integer, Nullable, Oid, Text};
    use super::Xid;

    /// The locks that are held or waited for, in the whole cluster.
    pg_locks (virtualtransaction) {
        locktype -> Text,
        database -> Nullable<Oid>,
        relation -> Nullable<Oid>,
        virtualtransaction -> Text,
        transactionid -> Nullable<Xid>,
        pid -> Nullable<Integer>,
        mode -> Text,
        granted -> Bool,
    }
}

#[cfg(feature = "audit")]
diesel::table! {
    /// The columns of tables.
    pg_attribute (attrelid, attnum) {
        attrelid -> Oid,
        attnum -> SmallInt,
        attname -> Text,
        attisdropped -> Bool,
    }
}

diesel::table! {
    /// The processes of the server. Of other logins, a login without `pg_read_all_stats` sees the first four columns only.
    pg_stat_activity (pid) {
        pid -> Integer,
        datname -> Nullable<Text>,
        usename -> Nullable<Text>,
        application_name -> Nullable<Text>,
        xact_start -> Nullable<Timestamptz>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(pg_database, pg_locks, pg_stat_activity);
diesel::allow_tables_to_appear_in_same_query!(pg_roles, pg_stat_activity);

diesel::table! {
    /// The tables, views and sequences.
    pg_class (oid) {
        oid -> Oid,
        relnamespace -> Oid,
        relname -> Text,
        relkind -> Text,
    }
}

#[cfg(feature = "audit")]
diesel::table! {
    /// The constraints.
    pg_constraint (oid) {
        oid -> Oid,
        conname -> Text,
        contype -> Text,
        conrelid -> Oid,
        confrelid -> Oid,
    }
}

#[cfg(feature = "audit")]
diesel::table! {
    /// The triggers.
    pg_trigger (oid) {
        oid -> Oid,
        tgrelid -> Oid,
        tgname -> Text,
        tgenabled -> Text,
        tgisinternal -> Bool,
    }
}

diesel::define_sql_function! {
    /// Returns the first schema on the search path that exists and that the login may use; NULL if there is none.
    fn current_schema() -> diesel::sql_types::Nullable<Text>;
}

diesel::table! {
    /// The roles of the cluster.
    pg_roles (oid) {
        oid -> Oid,
        rolname -> Text,
        rolcanlogin -> Bool,
        rolsuper -> Bool,
        rolbypassrls -> Bool,
        rolcreaterole -> Bool,
    }
}

diesel::define_sql_function! {
    /// Returns whether this node is the coordinator of its cluster; a function of Citus.
    fn citus_is_coordinator() -> Bool;
}

diesel::define_sql_function! {
    /// Returns the process of this session.
    fn pg_backend_pid() -> Integer;
}

diesel::define_sql_function! {
    /// Ends the process of a session, and returns whether it has ended within this many milliseconds.
    fn pg_terminate_backend(pid: diesel::sql_types::Integer, timeout: BigInt) -> Bool;
}

diesel::define_sql_function! {
    /// Returns whether a login is a member of a role, directly or not.
    #[sql_name = "pg_catalog.pg_has_role"]
    fn pg_has_role(login: diesel::sql_types::Oid, role: Text, privilege: Text) -> Bool;
}

diesel::define_sql_function! {
    /// Returns whether a role may use a schema, or create in it.
    #[sql_name = "pg_catalog.has_schema_privilege"]
    fn has_schema_privilege(role: Text, schema: Text, privilege: Text) -> Bool;
}

diesel::table! {
    /// The tables of the database.
    pg_tables (schemaname, tablename) {
        schemaname -> Text,
        tablename -> Text,
        tableowner -> Text,
    }
}

diesel::table! {
    /// The transactions that were prepared for a commit in two phases.
    pg_prepared_xacts (gid) {
        gid -> Text,
        database -> Text,
    }
}

diesel::table! {
    /// The schemas.
    pg_namespace (oid) {
        oid -> Oid,
        nspname -> Text,
    }
}

#[cfg(feature = "audit")]
diesel::define_sql_function! {
    /// Quotes a name where it needs it.
    fn quote_ident(name: Text) -> Text;
}

#[cfg(feature = "audit")]
diesel::allow_tables_to_appear_in_same_query!(pg_class, pg_constraint, pg_namespace, pg_trigger);

/// Leaves nothing on the search path, until the end of the transaction, but the schema of the execution log: a table
/// of the same name in another schema can no longer come before that of the log.
#[cfg(feature = "audit")]
pub(crate) fn pin_schema(conn: &mut PgConnection) -> QueryResult<()> {
    let schema: String = pg_class::table
        .inner_join(pg_namespace::table.on(pg_class::relnamespace.eq(pg_namespace::oid)))
        .filter(pg_class::oid.nullable().eq(to_regclass("execution_logs")))
        .select(quote_ident(pg_namespace::nspname))
        .first(conn)?;
    diesel::select(set_config("search_path", format!("{schema}, pg_temp"), true)).execute(conn)?;
    Ok(())
}

/// Returns whether the table of this name on the search path has a column of this name.
#[cfg(feature = "audit")]
pub(crate) fn has_column(conn: &mut PgConnection, table: &str, column: &str) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        pg_attribute::table
            .filter(pg_attribute::attrelid.nullable().eq(to_regclass(table)))
            .filter(pg_attribute::attname.eq(column))
            .filter(pg_attribute::attisdropped.eq(false)),
    ))
    .get_result(conn)
}
