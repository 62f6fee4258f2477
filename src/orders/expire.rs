//! Orders cancelled when their time is up.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::Orders;
use crate::database::role::Engine;
use crate::error::Error;

diesel::define_sql_function! {
    /// Cancels what is due; a function because nobody but its owner may lock an order.
    fn blotter_expire_due(now: Timestamptz, at_most: Integer) -> Array<SqlUuid>;
}

impl Orders<'_, Engine> {
    /// Cancels up to `limit` open orders that expire at `now` or before, those that have waited
    /// longest first, and returns their ids. Logs CANCELLED with the reason `expired`.
    ///
    /// Any number of workers may run it at once: an order that another one has in hand is passed over.
    /// When fewer than `limit` are returned, no more were due, or others have them in hand.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn expire_due(&mut self, now: DateTime<Utc>, limit: u16) -> Result<Vec<Uuid>, Error> {
        let due = blotter_expire_due(now, i32::from(limit));
        Ok(diesel::select(due).get_result(self.conn)?)
    }
}
