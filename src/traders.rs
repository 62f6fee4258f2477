//! Traders: the owners of orders.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::{Engine, Role, check_id};
use crate::database::session::Tx;
use crate::error::Error;
use crate::schema::traders;
use crate::types::text;

/// A registered trader. The row, and not the role [`role::Trader`](crate::role::Trader).
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

/// The repository of traders, from [`Tx::traders`]. It works on the columns `id`, `name` and
/// `created_at` of the table that the migrations make; an application that has a `traders` table of
/// its own looks after its traders, and who may see them, itself.
pub struct Traders<'c, R> {
    conn: &'c mut PgConnection,
    role: PhantomData<R>,
}

impl<R: Role> Tx<'_, R> {
    /// The traders.
    pub fn traders(&mut self) -> Traders<'_, R> {
        Traders { conn: self.connection(), role: PhantomData }
    }
}

impl Traders<'_, Engine> {
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
            .map_err(|error| Error::from(error).with_row("trader", id))
    }
}

impl<R: Role> Traders<'_, R> {
    /// The trader with this id.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`], also to another trader.
    pub fn get(&mut self, id: Uuid) -> Result<Trader, Error> {
        Trader::query()
            .find(id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("trader", id))
    }

    /// The traders of this name, by id.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn named(&mut self, name: &str) -> Result<Vec<Trader>, Error> {
        Ok(Trader::query().filter(traders::name.eq(name)).order(traders::id).load(self.conn)?)
    }

    /// The traders that this session may see, by name, those of one name by id: all of them, or to
    /// a trader itself.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn list(&mut self) -> Result<Vec<Trader>, Error> {
        Ok(Trader::query().order((traders::name, traders::id)).load(self.conn)?)
    }
}
