//! The traders that reports name, by id or by name.

use std::collections::HashMap;

use diesel::prelude::*;
use uuid::Uuid;

use super::options::Options;
use crate::database::role::{Engine, check_id};
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::ingest::event::Event;
use crate::schema::traders;
use crate::traders::Trader;
use crate::types::text;

/// Namespace of the version 5 UUIDs of traders that are known by name only, so that every run and every
/// session registers the same name under the same id.
const TRADERS: Uuid = Uuid::from_u128(0x8f1c_5f0e_6d2b_4b7a_9c53_2f6a_1d7e_4c03);

/// Characters that the name of a trader may have.
const MAX_NAME: usize = 100;

/// The traders of a batch.
#[derive(Default)]
pub(super) struct Traders {
    /// The trader of each report, or why it can't be told.
    pub of_reports: Vec<Result<Uuid, String>>,
    /// The traders that this batch names first, by the text of the report.
    pub new: HashMap<String, Uuid>,
    /// The names of those that were registered.
    pub registered: Vec<String>,
}

impl Traders {
    /// Finds the trader of each report, given those that earlier batches have named, and registers unknown ones
    /// if the options say so.
    pub fn find(
        tx: &mut Tx<'_, Engine>,
        events: &[Event<'_>],
        known: &HashMap<String, Uuid>,
        options: &Options,
    ) -> Result<Self, Error> {
        let mut traders = Self::default();
        let mut refused: HashMap<&str, String> = HashMap::new();
        for event in events {
            let named = event.trader.as_deref();
            let trader = match (options.trader, named) {
                (Some(trader), _) => Ok(trader),
                (None, None) => {
                    Err("the report names no trader: name one with --trader, or its FIX \
                                     tag with --trader-from"
                        .to_owned())
                }
                (None, Some(named)) => {
                    let found = known.get(named).or_else(|| traders.new.get(named)).copied();
                    match (found, refused.get(named)) {
                        (Some(id), _) => Ok(id),
                        (None, Some(why)) => Err(why.clone()),
                        (None, None) => {
                            let name = event.trader_name.as_deref();
                            let found = traders.find_or_register(tx, named, name, options)?;
                            match &found {
                                Ok(id) => drop(traders.new.insert(named.to_owned(), *id)),
                                Err(why) => drop(refused.insert(named, why.clone())),
                            }
                            found
                        }
                    }
                }
            };
            traders.of_reports.push(trader);
        }
        Ok(traders)
    }

    /// Returns the trader that a report names, by its id or else by its name, and registers an unknown one if
    /// the options say so: an unknown id only if the report also has the name to register it under.
    ///
    /// The inner error says why the trader can't be told. Several traders may have one name: to guess would
    /// record orders for the wrong one.
    fn find_or_register(
        &mut self,
        tx: &mut Tx<'_, Engine>,
        id_or_name: &str,
        name: Option<&str>,
        options: &Options,
    ) -> Result<Result<Uuid, String>, Error> {
        let registers = options.register_traders;
        let unknown = || {
            format!(
                "trader {id_or_name:?} is not registered; add it with `blotter traders add`, or register \
                 the traders of the input with --register-traders"
            )
        };
        if let Ok(id) = id_or_name.parse::<Uuid>() {
            return match (tx.traders().get(id), name) {
                (Err(error), Some(name)) if error.is_not_found() && registers => {
                    self.register(tx, id, name)
                }
                (Err(error), _) if error.is_not_found() => Ok(Err(unknown())),
                (found, _) => separate_refusal(found),
            };
        }
        if let Err(error) = text::check("trader name", id_or_name, MAX_NAME) {
            return Ok(Err(error.to_string()));
        }
        match tx.traders().named(id_or_name)?.as_slice() {
            // The id is made of the name, so that concurrent runs register the same trader.
            [] if registers => {
                let id = Uuid::new_v5(&TRADERS, id_or_name.as_bytes());
                self.register(tx, id, id_or_name)
            }
            [] => Ok(Err(unknown())),
            [trader] => Ok(Ok(trader.id)),
            _ => Ok(Err(format!(
                "trader {id_or_name:?} is the name of several traders; use their ids"
            ))),
        }
    }

    /// Registers a trader, unless a concurrent run has registered it meanwhile.
    fn register(
        &mut self,
        tx: &mut Tx<'_, Engine>,
        id: Uuid,
        name: &str,
    ) -> Result<Result<Uuid, String>, Error> {
        if let Err(error) = check_id(id).and_then(|()| text::check("trader name", name, MAX_NAME)) {
            return Ok(Err(error.to_string()));
        }
        // Without ON CONFLICT the second of two concurrent runs would lose its transaction.
        let inserted = diesel::insert_into(traders::table)
            .values((traders::id.eq(id), traders::name.eq(name)))
            .on_conflict_do_nothing()
            .execute(tx.conn())?;
        if inserted > 0 {
            self.registered.push(name.to_owned());
        }
        Ok(Ok(id))
    }
}

/// Separates an error that is about one report from one that is about the run.
fn separate_refusal(trader: Result<Trader, Error>) -> Result<Result<Uuid, String>, Error> {
    match trader {
        Ok(trader) => Ok(Ok(trader.id)),
        Err(error) if error.is_refusal() => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}
