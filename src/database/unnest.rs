//! Batch inserts: `INSERT … SELECT * FROM unnest($1, $2, …)`, with one array for each column.
//!
//! The statement is the same for any number of rows, so the server plans it once. A list of VALUES would be
//! another statement for each number of rows, planned each time, and limited to 65,535 parameters.

use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_source::Column;
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, HasSqlType, SqlType};

/// The most rows in one INSERT, so that the arrays in which the derivation collects them stay small.
pub(crate) const ROWS: usize = 10_000;

/// An INSERT of rows from arrays. With `SKIP` it skips rows that conflict with stored ones (ON CONFLICT DO
/// NOTHING); otherwise such a row fails the statement.
pub(crate) struct Insert<T: QuerySource, C, R, const SKIP: bool> {
    into: T::FromClause,
    columns: C,
    returning: R,
}

/// Begins an INSERT into a table.
pub(crate) fn insert_into<T: QuerySource>(table: T) -> Insert<T, (), (), false> {
    Insert { into: table.from_clause(), columns: (), returning: () }
}

impl<T: QuerySource, C, const SKIP: bool> Insert<T, C, (), SKIP> {
    /// Adds a column with its values, one for each row.
    pub fn column<K, V>(
        self,
        _: K,
        values: impl Iterator<Item = V>,
    ) -> Insert<T, Values<C, K, V>, (), SKIP>
    where
        K: Column<Table = T>,
        Values<C, K, V>: Columns,
    {
        let columns =
            Values { before: self.columns, values: values.collect(), column: PhantomData };
        Insert { into: self.into, columns, returning: () }
    }

    /// Skips rows that conflict with stored ones.
    pub fn on_conflict_do_nothing(self) -> Insert<T, C, (), true> {
        Insert { into: self.into, columns: self.columns, returning: () }
    }

    /// Sets the columns that are returned for each stored row.
    pub fn returning<R>(self, returning: R) -> Insert<T, C, R, SKIP>
    where
        R: SelectableExpression<T>,
    {
        Insert { into: self.into, columns: self.columns, returning }
    }
}

/// One column with its values, and the columns before it.
pub(crate) struct Values<C, K, V> {
    before: C,
    values: Vec<V>,
    column: PhantomData<K>,
}

/// The columns of an INSERT, as SQL.
pub(crate) trait Columns {
    /// Writes the names of the columns, separated by commas.
    fn names(&self, out: AstPass<'_, '_, Pg>) -> QueryResult<()>;

    /// Writes the bind parameters of their arrays, separated by commas.
    fn arrays<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()>;

    /// The separator between these columns and a further one.
    const COMMA: &'static str;
}

impl Columns for () {
    fn names(&self, _: AstPass<'_, '_, Pg>) -> QueryResult<()> {
        Ok(())
    }

    fn arrays<'b>(&'b self, _: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        Ok(())
    }

    const COMMA: &'static str = "";
}

impl<C, K, V> Columns for Values<C, K, V>
where
    C: Columns,
    K: Column,
    K::SqlType: SqlType,
    Pg: HasSqlType<Array<K::SqlType>>,
    Vec<V>: ToSql<Array<K::SqlType>, Pg>,
{
    fn names(&self, mut out: AstPass<'_, '_, Pg>) -> QueryResult<()> {
        self.before.names(out.reborrow())?;
        out.push_sql(C::COMMA);
        out.push_identifier(K::NAME)
    }

    fn arrays<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.before.arrays(out.reborrow())?;
        out.push_sql(C::COMMA);
        out.push_bind_param::<Array<K::SqlType>, Vec<V>>(&self.values)
    }

    const COMMA: &'static str = ", ";
}

impl<T, C, R, const SKIP: bool> QueryFragment<Pg> for Insert<T, C, R, SKIP>
where
    T: QuerySource,
    T::FromClause: QueryFragment<Pg>,
    C: Columns,
    R: QueryFragment<Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("INSERT INTO ");
        self.into.walk_ast(out.reborrow())?;
        out.push_sql(" (");
        self.columns.names(out.reborrow())?;
        out.push_sql(") SELECT * FROM unnest(");
        self.columns.arrays(out.reborrow())?;
        out.push_sql(if SKIP { ") ON CONFLICT DO NOTHING RETURNING " } else { ") RETURNING " });
        self.returning.walk_ast(out.reborrow())
    }
}

// The id does not depend on the values, so the statement is prepared once per connection.
impl<T, C, R, const SKIP: bool> QueryId for Insert<T, C, R, SKIP>
where
    T: QuerySource + QueryId,
    C: QueryId,
    R: QueryId,
{
    type QueryId = (T::QueryId, C::QueryId, R::QueryId, Skips<SKIP>);

    const HAS_STATIC_QUERY_ID: bool =
        T::HAS_STATIC_QUERY_ID && C::HAS_STATIC_QUERY_ID && R::HAS_STATIC_QUERY_ID;
}

/// Distinguishes the query ids of inserts with and without ON CONFLICT.
pub(crate) struct Skips<const SKIP: bool>;

impl<C: QueryId, K: QueryId, V> QueryId for Values<C, K, V> {
    type QueryId = (C::QueryId, K::QueryId);

    const HAS_STATIC_QUERY_ID: bool = C::HAS_STATIC_QUERY_ID && K::HAS_STATIC_QUERY_ID;
}

impl<T: QuerySource, C, R: Expression, const SKIP: bool> Query for Insert<T, C, R, SKIP> {
    type SqlType = R::SqlType;
}

impl<T: QuerySource, C, R, const SKIP: bool> RunQueryDsl<PgConnection> for Insert<T, C, R, SKIP> {}
