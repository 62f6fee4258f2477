//! `src/schema.rs` against the catalog of a fresh database. `diesel migration run` writes the file;
//! this needs no tool to see that it was not forgotten.

use diesel::prelude::*;

use tradeblotter_test_support::{Database, texts};

const SCHEMA: &str = include_str!("../../src/schema.rs");

/// The `table!` blocks, without what Diesel derives from the columns (the imports).
fn tables() -> Vec<String> {
    SCHEMA
        .split("diesel::table! {\n")
        .skip(1)
        .map(|block| block.split("\n}\n").next().unwrap())
        .map(|block| {
            let lines = block.lines().map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("use "));
            lines.collect::<Vec<_>>().join("\n")
        })
        .collect()
}

/// The same blocks, written from the catalog.
fn tables_of(conn: &mut PgConnection) -> Vec<String> {
    texts(
        conn,
        r"
        WITH columns AS (
            SELECT a.*, t.typname, t.typtype,
                CASE WHEN t.typtype = 'e' THEN replace(initcap(t.typname), '_', '')
                    ELSE initcap(t.typname) END AS rust
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attnum > 0 AND NOT a.attisdropped
        )
        SELECT concat_ws(
            E'\n',
            regexp_replace(obj_description(c.oid, 'pg_class'), '^', '/// ', 'gn'),
            c.relname || ' (' || (
                SELECT string_agg(a.attname, ', ' ORDER BY array_position(i.indkey, a.attnum))
                FROM pg_index i JOIN columns a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
                WHERE i.indrelid = c.oid AND i.indisprimary
            ) || ') {',
            string_agg(
                concat_ws(
                    E'\n',
                    regexp_replace(col_description(c.oid, a.attnum), '^', '/// ', 'gn'),
                    CASE WHEN a.typname IN ('varchar', 'bpchar') AND a.atttypmod > 0
                        THEN '#[max_length = ' || a.atttypmod - 4 || ']' END,
                    a.attname || ' -> '
                        || CASE WHEN a.attnotnull THEN a.rust ELSE 'Nullable<' || a.rust || '>' END
                        || ','
                ),
                E'\n' ORDER BY a.attnum
            ),
            '}'
        ) AS text
        FROM pg_class c JOIN columns a ON a.attrelid = c.oid
        WHERE c.relkind IN ('r', 'p', 'v') AND c.relnamespace = 'public'::regnamespace
            AND c.relname <> '__diesel_schema_migrations'
        GROUP BY c.oid, c.relname
        ORDER BY c.relname",
    )
}

/// The text between two marks, each time they occur.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let parts = text.split(start).skip(1);
    parts.map(|part| part.split(end).next().unwrap()).collect()
}

#[test]
fn schema_rs_has_the_tables_of_the_catalog() {
    let database = Database::migrated();
    let (written, catalog) = (tables(), tables_of(&mut database.owner()));
    for (written, catalog) in written.iter().zip(&catalog) {
        assert_eq!(written, catalog);
    }
    assert_eq!(written.len(), catalog.len());
}

#[test]
fn schema_rs_has_the_enums_of_the_catalog() {
    let database = Database::migrated();
    let enums = "SELECT typname::text AS text FROM pg_type WHERE typtype = 'e' ORDER BY 1";
    let written = between(SCHEMA, "postgres_type(name = \"", "\"");
    assert_eq!(written, texts(&mut database.owner(), enums));
}

#[test]
fn schema_rs_joins_what_the_foreign_keys_join() {
    let database = Database::migrated();
    // A table that refers to itself is joined to itself, which takes an alias and an ON.
    let joins = "SELECT format('%s -> %s (%s)', conrelid::regclass, confrelid::regclass, attname)
                    AS text
                 FROM pg_constraint
                 JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
                 WHERE contype = 'f' AND conrelid <> confrelid ORDER BY 1";
    let written = between(SCHEMA, "joinable!(", ");");
    assert_eq!(written, texts(&mut database.owner(), joins));
}
