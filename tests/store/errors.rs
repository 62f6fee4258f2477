//! Errors against the catalog. That no words are left over for a constraint that is gone is a unit
//! test beside the words.

use tradeblotter::Error;

use crate::support::{Database, texts};

#[test]
fn every_constraint_has_words() {
    let database = Database::migrated();
    // A unique index refuses a row under its own name, like a constraint.
    let names = texts(
        &mut database.admin(),
        "SELECT conname::text AS text FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
             AND conrelid <> '__diesel_schema_migrations'::regclass
         UNION
         SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique
             AND i.indrelid <> '__diesel_schema_migrations'::regclass
         ORDER BY text",
    );
    assert!(!names.is_empty());
    let wordless: Vec<_> = names.iter().filter(|name| Error::rule(name).is_none()).collect();
    assert!(wordless.is_empty(), "without words: {wordless:?}");
}
