//! Turns: of several sessions that ingest reports of one trader, one at a time writes a batch.
//!
//! A batch is planned from what the store has when it begins. The keys of the database keep two sessions from storing
//! the same execution twice; turns keep them from planning with what the other one is about to change, so that they come
//! to what one session comes to.

use std::collections::BTreeSet;

use diesel::Connection;
use uuid::Uuid;

use crate::database::postgres::wait_for_advisory_locks;
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;

/// The class of the advisory locks: "turn" in ASCII.
const CLASS: i32 = 0x7475_726e;

/// Locks that traders share. There is one for several traders, since the server has room for a limited number of locks.
const LOCKS: u8 = 64;

/// Waits for the turn of these traders, and keeps it until the transaction ends. After the lock timeout it goes on
/// without: a session that hangs must not stop the others.
pub(super) fn take_turn(
    tx: &mut Tx<'_, Engine>,
    traders: impl IntoIterator<Item = Uuid>,
) -> Result<(), Error> {
    // In one global order, so that sessions cannot deadlock. The last byte of an id is random.
    let keys: BTreeSet<i32> =
        traders.into_iter().map(|trader| i32::from(trader.as_bytes()[15] % LOCKS)).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let keys: Vec<i32> = keys.into_iter().collect();
    let waited = tx
        .conn()
        .transaction(|conn| wait_for_advisory_locks(conn, CLASS, &keys).map_err(Error::from));
    match waited {
        Err(error) if error.is_lock_timeout() => Ok(()),
        waited => waited,
    }
}
