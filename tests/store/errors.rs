//! Every constraint of the catalog has an error text. A unit test in `error::rules` checks the reverse.

use diesel::connection::SimpleConnection;
use tradeblotter::Error;

use tradeblotter_test_support::{Database, assert_refused, fill_of, record, texts, with_order_of};

#[test]
fn every_rule_has_words() {
    let database = Database::migrated();
    // A unique index refuses a row under its own name, like a constraint, and so do triggers.
    let names = texts(
        &mut database.admin(),
        "SELECT conname::text AS text FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
             AND conrelid <> '__diesel_schema_migrations'::regclass
         UNION
         SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique
             AND i.indrelid <> '__diesel_schema_migrations'::regclass
         UNION
         SELECT raised[1]
         FROM pg_proc, regexp_matches(prosrc, 'CONSTRAINT = ''([a-z_]+)''', 'g') AS raised
         WHERE pronamespace = 'public'::regnamespace
         UNION
         SELECT tgrelid::regclass || '_append_only' FROM pg_trigger
         WHERE tgfoid = 'blotter_refuse_change'::regproc
         ORDER BY text",
    );
    assert!(!names.is_empty());
    let wordless: Vec<_> = names.iter().filter(|name| Error::rule(name).is_none()).collect();
    assert!(wordless.is_empty(), "without words: {wordless:?}");
}

#[test]
fn a_change_of_what_was_recorded_is_told_as_that() {
    let (database, blotter, order) = with_order_of(100);
    record(&blotter, &fill_of(&order, 1, "10.00")).unwrap();
    let before = database.contents();
    for table in ["orders", "fills", "execution_logs"] {
        let rule = format!("{table}_append_only");
        for change in [
            format!("UPDATE {table} SET created_at = now()"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
        ] {
            let error = Error::from(database.admin().batch_execute(&change).unwrap_err());
            assert_refused(&error, Error::is_immutable, Some(&rule));
        }
    }
    assert_eq!(database.contents(), before);
}
