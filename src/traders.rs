//! Traders: the owners of orders, their rows, how they are registered and read.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::{Engine, Role, check_id};
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::schema::traders;
use crate::types::text;

/// A registered trader, as stored; not to be confused with the role [`role::Trader`](crate::role::Trader).
#[derive(HasQuery, Identifiable, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[diesel(table_name = traders)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Trader {
    /// Unique id of the trader.
    pub id: Uuid,
    /// Display name, 1 to 100 characters, not unique.
    pub name: String,
    /// When the trader was registered, by the database's clock.
    pub created_at: DateTime<Utc>,
}

/// Characters that the name of a trader may have.
const MAX_NAME: usize = 100;

#[derive(Insertable)]
#[diesel(table_name = traders)]
struct NewTrader<'a> {
    id: Uuid,
    name: &'a str,
}

/// The repository of traders, from [`Tx::traders`].
///
/// Every role reads traders; only the engine registers them.
///
/// It uses the columns `id`, `name` and `created_at` of the table `traders` that the migrations create. An
/// application that brings a `traders` table of its own manages its traders itself, and also who may see
/// them.
pub struct Traders<'c, R> {
    conn: &'c mut PgConnection,
    role: PhantomData<R>,
}

impl<R: Role> Tx<'_, R> {
    /// Returns the repository of traders, on this transaction.
    pub fn traders(&mut self) -> Traders<'_, R> {
        Traders { conn: self.conn(), role: PhantomData }
    }
}

impl Traders<'_, Engine> {
    /// Registers a trader under a new id.
    ///
    /// The name has 1 to 100 characters and need not be unique: each call registers another trader.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_input`]: the name is blank or longer than 100 characters.
    pub fn register(&mut self, name: &str) -> Result<Trader, Error> {
        self.register_as(Uuid::now_v7(), name)
    }

    /// Registers a trader under an id of the application's.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_input`]: the name is blank or longer than 100 characters, or the id is the nil
    ///   UUID.
    /// - [`Error::is_duplicate`]: a trader with this id is registered (rule `traders_pkey`).
    pub fn register_as(&mut self, id: Uuid, name: &str) -> Result<Trader, Error> {
        check_id(id)?;
        text::check("trader name", name, MAX_NAME)?;
        diesel::insert_into(traders::table)
            .values(NewTrader { id, name })
            .returning(Trader::as_returning())
            .get_result(self.conn)
            .map_err(|error| Error::from(error).with_row("trader", id))
    }
}

impl<R: Role> Traders<'_, R> {
    /// Returns the trader with this id.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`]: no trader with this id is registered, or the session is another trader's.
    pub fn get(&mut self, id: Uuid) -> Result<Trader, Error> {
        Trader::query()
            .find(id)
            .first(self.conn)
            .optional()?
            .ok_or_else(|| Error::not_found("trader", id))
    }

    /// Returns the traders with this name that the session may see, by id.
    ///
    /// # Errors
    ///
    /// Only those of the connection.
    pub fn named(&mut self, name: &str) -> Result<Vec<Trader>, Error> {
        Ok(Trader::query().filter(traders::name.eq(name)).order(traders::id).load(self.conn)?)
    }

    /// Returns all traders that the session may see, by name and id. A trader's session sees only itself.
    ///
    /// # Errors
    ///
    /// Only those of the connection.
    pub fn list(&mut self) -> Result<Vec<Trader>, Error> {
        Ok(Trader::query().order((traders::name, traders::id)).load(self.conn)?)
    }
}
