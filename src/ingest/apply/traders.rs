//! The traders that reports name, by id or by name.

use diesel::prelude::*;
use uuid::Uuid;

use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::schema::traders;
use crate::traders::Trader;
use crate::types::text;

/// Namespace of the version 5 UUIDs of traders that are known by name only, so that every run and every
/// session registers the same name under the same id.
const TRADERS: Uuid = Uuid::from_u128(0x8f1c_5f0e_6d2b_4b7a_9c53_2f6a_1d7e_4c03);

/// Characters that the name of a trader may have.
const MAX_NAME: usize = 100;

/// Returns the trader that a report names, by its id or else by its name, and registers an unknown one:
/// an unknown id only if the report also has the name to register it under.
///
/// The inner error says why the report can't be applied: an unknown id, or a name that is blank or too
/// long. A name that several traders have is an outer error, which ends the run: guessing would record
/// orders for the wrong trader.
pub(super) fn find_or_register(
    tx: &mut Tx<'_, Engine>,
    id_or_name: &str,
    name: Option<&str>,
) -> Result<Result<Uuid, Error>, Error> {
    if let Ok(id) = id_or_name.parse::<Uuid>() {
        return match (tx.traders().get(id), name) {
            (Err(error), Some(name)) if error.is_not_found() => {
                separate_refusal(tx.traders().register_as(id, name))
            }
            (found, _) => separate_refusal(found),
        };
    }
    let found = tx.traders().named(id_or_name)?;
    match found.as_slice() {
        [] => separate_refusal(register_by_name(tx, id_or_name)),
        [trader] => Ok(Ok(trader.id)),
        _ => {
            let why = "is the name of several traders; use their ids";
            Err(Error::invalid("trader", id_or_name, why))
        }
    }
}

/// Registers a trader under an id made of its name. Idempotent, so that concurrent runs that meet the same
/// new name don't fail.
fn register_by_name(tx: &mut Tx<'_, Engine>, name: &str) -> Result<Trader, Error> {
    text::check("trader name", name, MAX_NAME)?;
    let id = Uuid::new_v5(&TRADERS, name.as_bytes());
    diesel::insert_into(traders::table)
        .values((traders::id.eq(id), traders::name.eq(name)))
        .on_conflict_do_nothing()
        .execute(tx.conn())?;
    tx.traders().get(id)
}

/// Separates an error that is about one report from one that is about the run.
fn separate_refusal(trader: Result<Trader, Error>) -> Result<Result<Uuid, Error>, Error> {
    match trader {
        Ok(trader) => Ok(Ok(trader.id)),
        Err(error) if error.is_not_found() || error.is_invalid_input() => Ok(Err(error)),
        Err(error) => Err(error),
    }
}
