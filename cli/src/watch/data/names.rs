//! The names of traders, read once each.

use std::collections::HashMap;

use diesel::prelude::*;
use tradeblotter::role::Reader;
use tradeblotter::schema::traders;
use tradeblotter::{Error, Session};
use uuid::Uuid;

/// The most names that are kept. When there are more they are forgotten, and read again as they are needed.
const MAX_NAMES: usize = 10_000;

/// The names that have been read; `None` for a trader that has none, or none that the session may see.
#[derive(Default)]
pub struct Names {
    known: HashMap<Uuid, Option<String>>,
}

impl Names {
    pub fn get(&self, trader: Uuid) -> Option<String> {
        self.known.get(&trader).cloned().flatten()
    }

    /// Reads the names of these traders that are not known.
    ///
    /// A table of traders that the application brought may have no names, or not be open to this session: then its
    /// traders have none here.
    pub fn read(
        &mut self,
        session: &Session<Reader>,
        of: impl Iterator<Item = Uuid>,
    ) -> Result<(), Error> {
        if self.known.len() > MAX_NAMES {
            self.known.clear();
        }
        let missing: Vec<Uuid> = of.filter(|id| !self.known.contains_key(id)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let read = session.snapshot(|tx| {
            let named = traders::table.filter(traders::id.eq_any(&missing));
            Ok::<_, Error>(named.select((traders::id, traders::name)).load(tx.connection())?)
        });
        let named: Vec<(Uuid, String)> = match read {
            Ok(named) => named,
            Err(error) if error.is_connection() || error.is_exhausted() => return Err(error),
            Err(_) => Vec::new(),
        };
        self.known.extend(missing.into_iter().map(|id| (id, None)));
        self.known.extend(named.into_iter().map(|(id, name)| (id, Some(name))));
        Ok(())
    }
}
