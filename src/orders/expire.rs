//! Cancels orders whose timeout has passed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::Orders;
use crate::database::role::Engine;
use crate::error::Error;

diesel::define_sql_function! {
    /// Cancels due orders and returns their ids. It runs as the owner of the tables, because no other role
    /// may lock an order.
    fn blotter_expire_due(now: Timestamptz, at_most: Integer) -> Array<SqlUuid>;
}

impl Orders<'_, Engine> {
    /// Cancels up to `limit` open orders with `expires_at` at or before `now`, and returns their ids.
    ///
    /// The orders that expired first are cancelled first. Each gets an entry CANCELLED with the reason
    /// `expired`; its fills stay.
    ///
    /// Several workers may run it at once: it skips an order that another transaction has locked. A result
    /// shorter than `limit` means that all other due orders, if any, are locked.
    ///
    /// # Errors
    ///
    /// Only those of the connection.
    pub fn expire_due(&mut self, now: DateTime<Utc>, limit: u16) -> Result<Vec<Uuid>, Error> {
        let due = blotter_expire_due(now, i32::from(limit));
        Ok(diesel::select(due).get_result(self.conn)?)
    }
}
