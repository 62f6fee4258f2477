//! The order, fill and audit store that a synchronous trading backend links in, on Diesel and
//! PostgreSQL.

/// The tables and enums as the query builder knows them: generated from the migrations, with the
/// database's comments for docs.
// What the database has no comment for, the generated code has no docs for.
#[allow(missing_docs)]
#[rustfmt::skip]
pub mod schema;
