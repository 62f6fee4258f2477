//! Which numbers of the execution log are settled: an entry with such a number is visible by now, or never will be.
//!
//! Numbers are drawn in ascending order, but a transaction that drew a lower one may commit after one that drew a
//! higher one. Whoever draws a number has written before, so its transaction has an id. Hence: once a number has been
//! seen in a committed row, every transaction that may still commit a lower one has an id below the one that the
//! server was to give next at that moment. When all transactions below that id have ended, the number is settled.
//!
//! A primary knows which transactions write entries, by their locks, and waits for these only. A standby knows no
//! locks of others, so there every transaction with an id counts, of any database of the cluster.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use crate::database::open_transaction::{OpenTransaction, numbered_tables, writers};

/// A number of the log that had been committed, and the transaction id that was to be given next at that moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub number: i64,
    next_id: i64,
}

impl Mark {
    /// Returns whether the number is settled, and so are all lower ones. A statement that begins now sees their entries.
    pub(crate) fn is_settled(&self, open: &OpenWriters) -> bool {
        self.next_id <= open.oldest_id
    }
}

/// The transactions that are open and may commit an entry.
#[derive(Debug)]
pub(crate) struct OpenWriters {
    /// The transaction id that is to be given next.
    next_id: i64,
    /// No open transaction that has drawn a number has a lower id.
    oldest_id: i64,
    /// The transactions that have written entries, or are about to; none on a standby, which does not know them.
    pub transactions: Vec<OpenTransaction>,
}

#[derive(QueryableByName)]
struct Ids {
    #[diesel(sql_type = BigInt)]
    next_id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    oldest_on_standby: Option<i64>,
}

impl OpenWriters {
    /// Looks at the transactions that are open now.
    ///
    /// Call it once in a transaction, which must be READ COMMITTED: the server tells the next id once in each.
    pub(crate) fn look(conn: &mut PgConnection) -> QueryResult<Self> {
        let ids: Ids = diesel::sql_query(include_str!("transaction_ids.sql")).get_result(conn)?;
        if let Some(oldest_id) = ids.oldest_on_standby {
            return Ok(Self { next_id: ids.next_id, oldest_id, transactions: Vec::new() });
        }
        let tables = numbered_tables(conn, &["execution_logs"])?;
        let transactions = writers(conn, &tables)?;
        // The greatest age is that of the transaction itself, whose savepoints have ids too.
        let oldest = transactions.iter().map(OpenTransaction::age).max();
        let oldest_id = oldest.map_or(ids.next_id, |age| ids.next_id - i64::from(age));
        Ok(Self { next_id: ids.next_id, oldest_id: oldest_id.min(ids.next_id), transactions })
    }

    /// Returns the mark of a number that was seen in a committed row, in this transaction, before the look.
    pub(crate) fn mark(&self, number: i64) -> Mark {
        Mark { number, next_id: self.next_id }
    }
}
