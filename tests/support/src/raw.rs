//! Rows as a raw client may write them, with the combinations of columns that the API cannot express: the
//! database has to refuse those that are wrong.

use diesel::prelude::*;
use tradeblotter::role::Engine;
use tradeblotter::schema::break_resolutions;
use tradeblotter::{BreakResolution, Error, NewBreakResolution, Resolution, Tx};
use uuid::Uuid;

/// A resolution, also one that dismisses a break and names an order.
#[derive(Insertable, Clone, Copy, Debug, PartialEq, Eq)]
#[diesel(table_name = break_resolutions, treat_none_as_default_value = false)]
pub struct RawResolution<'a> {
    pub break_id: Uuid,
    pub is_booked: bool,
    pub order_id: Option<Uuid>,
    pub reason: &'a str,
}

impl<'a> RawResolution<'a> {
    /// The same by the API, if the API can express it.
    pub fn typed(&self) -> Option<NewBreakResolution<'a>> {
        let resolution = match (self.is_booked, self.order_id) {
            (true, order) => Resolution::Book { order },
            (false, None) => Resolution::Dismiss,
            (false, Some(_)) => return None,
        };
        Some(NewBreakResolution { break_id: self.break_id, resolution, reason: self.reason })
    }

    /// Inserts the row, beside the API.
    pub fn insert(&self, tx: &mut Tx<'_, Engine>) -> Result<BreakResolution, Error> {
        Ok(diesel::insert_into(break_resolutions::table)
            .values((break_resolutions::id.eq(Uuid::now_v7()), self))
            .returning(BreakResolution::as_returning())
            .get_result(tx.connection())?)
    }
}
