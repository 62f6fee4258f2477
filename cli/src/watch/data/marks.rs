//! What is written without an entry in the log: breaks of no stored order, their resolutions, and seals.

use diesel::dsl::max;
use diesel::prelude::*;
use tradeblotter::role::Reader;
use tradeblotter::schema::{break_resolutions, breaks, seals};
use tradeblotter::{Error, Session};

use crate::watch::model::Acting;

/// The last numbers of the tables that the log does not tell of. While they are the same, so are their rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    break_number: Option<i64>,
    resolution: Option<i64>,
    seal: Option<i64>,
}

impl Marks {
    /// Reads the numbers, each by an index. A trader sees no breaks but those that the log tells of.
    pub fn read(session: &Session<Reader>, acting: Acting) -> Result<Self, Error> {
        if acting == Acting::Trader {
            return Ok(Self::default());
        }
        session.snapshot(|tx| {
            let conn = tx.connection();
            let last_break = breaks::table.select(max(breaks::sequence)).single_value();
            let last_resolution =
                break_resolutions::table.select(max(break_resolutions::sequence)).single_value();
            let (break_number, resolution) =
                diesel::select((last_break, last_resolution)).get_result(conn)?;
            // The engine does not see seals.
            let seal = match acting {
                Acting::Compliance => seals::table.select(max(seals::id)).get_result(conn)?,
                Acting::Engine | Acting::Trader => None,
            };
            Ok(Self { break_number, resolution, seal })
        })
    }
}
