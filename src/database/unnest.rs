//! Rows of a batch as arrays, one for each column: inserted by `INSERT … SELECT * FROM unnest($1, $2, …)`, or passed
//! to a batch function of the database.
//!
//! A batch function writes the rows that pass its checks. It leaves out every other row; the caller inserts it as an
//! ordinary row, so that the triggers find it known or refuse it, with an error that names the rule.
//!
//! A statement is the same for any number of rows, so the server plans it once. A list of VALUES would be
//! another statement for each number of rows, planned each time, and limited to 65,535 parameters.

use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_source::Column;
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, HasSqlType, SqlType};

/// The most rows in one statement, so that the arrays in which the derivation collects them stay small.
pub(crate) const ROWS: usize = 10_000;

/// Rows of a table as arrays.
pub(crate) struct Rows<T: QuerySource, C> {
    table: T::FromClause,
    columns: C,
}

/// Begins rows of a table, without columns.
pub(crate) fn rows_of<T: QuerySource>(table: T) -> Rows<T, ()> {
    Rows { table: table.from_clause(), columns: () }
}

impl<T: QuerySource, C> Rows<T, C> {
    /// Adds a column with its values, one for each row.
    pub fn column<K, V>(self, _: K, values: impl Iterator<Item = V>) -> Rows<T, Values<C, K, V>>
    where
        K: Column<Table = T>,
        Values<C, K, V>: Columns,
    {
        let columns =
            Values { before: self.columns, values: values.collect(), column: PhantomData };
        Rows { table: self.table, columns }
    }

    /// Makes an INSERT of the rows that skips those that conflict with stored ones, and returns these columns of
    /// each row that it stores.
    pub fn insert_new<R: SelectableExpression<T>>(self, returning: R) -> Insert<T, C, R> {
        Insert { into: self.table, columns: self.columns, returning }
    }

    /// Makes a call of a function whose parameters are the columns, in this sequence; `A` is what it returns.
    pub fn pass_to<A>(self, function: &'static str) -> Call<C, A> {
        Call { function, columns: self.columns, answer: PhantomData }
    }
}

/// One column with its values, and the columns before it.
pub(crate) struct Values<C, K, V> {
    before: C,
    values: Vec<V>,
    column: PhantomData<K>,
}

/// The columns of a batch, as SQL.
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

impl<C: QueryId, K: QueryId, V> QueryId for Values<C, K, V> {
    type QueryId = (C::QueryId, K::QueryId);

    const HAS_STATIC_QUERY_ID: bool = C::HAS_STATIC_QUERY_ID && K::HAS_STATIC_QUERY_ID;
}

/// An INSERT of the rows that conflict with no stored one (ON CONFLICT DO NOTHING).
pub(crate) struct Insert<T: QuerySource, C, R> {
    into: T::FromClause,
    columns: C,
    returning: R,
}

impl<T, C, R> QueryFragment<Pg> for Insert<T, C, R>
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
        out.push_sql(") ON CONFLICT DO NOTHING RETURNING ");
        self.returning.walk_ast(out.reborrow())
    }
}

// The id does not depend on the values, so the statement is prepared once per connection.
impl<T, C, R> QueryId for Insert<T, C, R>
where
    T: QuerySource + QueryId,
    C: QueryId,
    R: QueryId,
{
    type QueryId = (T::QueryId, C::QueryId, R::QueryId);

    const HAS_STATIC_QUERY_ID: bool =
        T::HAS_STATIC_QUERY_ID && C::HAS_STATIC_QUERY_ID && R::HAS_STATIC_QUERY_ID;
}

impl<T: QuerySource, C, R: Expression> Query for Insert<T, C, R> {
    type SqlType = R::SqlType;
}

impl<T: QuerySource, C, R> RunQueryDsl<PgConnection> for Insert<T, C, R> {}

/// A call of a batch function with the rows.
pub(crate) struct Call<C, A> {
    function: &'static str,
    columns: C,
    answer: PhantomData<A>,
}

impl<C: Columns, A> QueryFragment<Pg> for Call<C, A> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        out.push_identifier(self.function)?;
        out.push_sql("(");
        self.columns.arrays(out.reborrow())?;
        out.push_sql(")");
        Ok(())
    }
}

// Types do not tell which function is called, so Diesel keeps the prepared statement by its text.
impl<C, A> QueryId for Call<C, A> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C, A> Query for Call<C, A> {
    type SqlType = A;
}

impl<C, A> RunQueryDsl<PgConnection> for Call<C, A> {}
