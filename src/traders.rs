//! Traders: the owners of orders.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::error::Error;
use crate::schema::traders;
use crate::text;

/// A registered trader.
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = traders)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Trader {
    /// Unique trader identifier.
    pub id: Uuid,
    /// Name shown to people.
    pub name: String,
    /// Registered.
    pub created_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = traders)]
struct NewTrader<'a> {
    id: Uuid,
    name: &'a str,
}

/// The repository of traders, from [`Tx::traders`](crate::Tx::traders). It works on the columns `id`,
/// `name` and `created_at`; an application whose own `traders` table lacks one of them looks after
/// its traders itself.
pub struct Traders<'c> {
    pub(crate) conn: &'c mut PgConnection,
}

impl Traders<'_> {
    /// Registers a trader under a name of 1 to 100 characters and gives it an id.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`] for a name that is blank or longer.
    pub fn register(&mut self, name: &str) -> Result<Trader, Error> {
        self.register_as(Uuid::now_v7(), name)
    }

    /// Registers a trader under an id that the application already has for it.
    ///
    /// # Errors
    ///
    /// As [`Traders::register`]; the nil uuid is refused too; [`Error::is_duplicate`] for an id
    /// that is registered already (rule `traders_pkey`).
    pub fn register_as(&mut self, id: Uuid, name: &str) -> Result<Trader, Error> {
        check_id(id)?;
        text::check("trader name", name, 100)?;
        diesel::insert_into(traders::table)
            .values(NewTrader { id, name })
            .returning(Trader::as_returning())
            .get_result(self.conn)
            .map_err(|error| Error::from(error).about("trader", id))
    }

    /// The trader with this id.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`].
    pub fn get(&mut self, id: Uuid) -> Result<Trader, Error> {
        Trader::query()
            .find(id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("trader", id))
    }

    /// All traders by name, those of one name by id.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn list(&mut self) -> Result<Vec<Trader>, Error> {
        Ok(Trader::query().order((traders::name, traders::id)).load(self.conn)?)
    }
}

/// Refuses the nil uuid, which programs use to say "none".
pub(crate) fn check_id(id: Uuid) -> Result<(), Error> {
    if id.is_nil() {
        return Err(Error::invalid("trader id", &id.to_string(), "is the nil uuid, nobody's id"));
    }
    Ok(())
}
