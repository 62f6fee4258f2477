//! Breaks that are tried again: when what a break lacked has come, it is applied.

use chrono::NaiveDate;

use diesel::prelude::*;
use uuid::Uuid;

use super::kept::NUL;
use crate::breaks::{Break, Breaks, MAX_RAW, NewBreakResolution};
use crate::database::role::Engine;
use crate::database::transaction::Tx;
use crate::error::Error;
use crate::ingest::event::{Event, Kind, Number};
use crate::ingest::formats::{ReadOptions, message_of_kept, read_message};
use crate::types::enums::BreakReason;

/// The numbers of a break as text, for its event to borrow.
pub(in crate::ingest) struct BreakNumbers {
    pub quantity: String,
    pub price: String,
    pub commission: String,
    pub rebate: String,
}

impl BreakNumbers {
    pub fn of(kept: &Break) -> Self {
        Self {
            quantity: kept.quantity.to_plain_string(),
            price: kept.price.to_plain_string(),
            commission: kept.commission.to_plain_string(),
            rebate: kept.rebate.to_plain_string(),
        }
    }
}

/// A break to be tried again: how to read its message, and what its event borrows from.
pub(super) struct Retried<'b> {
    kept: &'b Break,
    options: &'b ReadOptions,
    numbers: BreakNumbers,
    /// The bytes of the message, if not all of them were UTF-8.
    message: Option<Vec<u8>>,
}

impl<'b> Retried<'b> {
    pub fn new(kept: &'b Break, options: &'b ReadOptions) -> Self {
        let message = kept.raw.as_deref().and_then(|raw| message_of_kept(raw, options));
        Self { kept, options, numbers: BreakNumbers::of(kept), message }
    }

    /// Reads the message of the break again; none if it can't be, or if the break does not have it as it was.
    pub fn received(&self) -> Option<Event<'_>> {
        let raw = self.kept.raw.as_deref()?;
        if raw.chars().nth(MAX_RAW - 1).is_some() {
            return None;
        }
        let event = read_message(self.message.as_deref().unwrap_or(raw.as_bytes()), self.options)?;
        Some(event).filter(|event| !has_changed_id(event))
    }
}

/// Returns the report that a break was made of; none if it can't be read again. `received` is its message, as
/// [`Retried::received`] returns it; `trader` is that of the reports whose trader is not known.
///
/// An execution of a known order is in the columns of its break, unless something in it is invalid, which they don't
/// hold. Any other report is read again from its message, which says more than they do.
pub(super) fn event_of<'r>(
    retried: &'r Retried<'_>,
    received: Option<&Event<'r>>,
    trader: Option<Uuid>,
) -> Option<Event<'r>> {
    let Retried { kept, numbers, message, .. } = retried;
    let is_execution = kept.reason.is_execution();
    let is_invalid = kept.reason == BreakReason::Invalid;
    let mut event = match kept.raw {
        Some(_) if !is_execution || is_invalid || kept.order_id.is_none() => {
            let event = received?;
            // The id that is made of the content is another one than when the bytes were not read, so the execution
            // could count twice.
            if message.is_some() && event.kind.is_execution() && event.execution_id.is_none() {
                return None;
            }
            event.clone()
        }
        _ if is_execution => execution_of(kept, numbers),
        _ => return None,
    };
    if let Some(trader_id) = kept.trader_id.or(trader) {
        event.trader = Some(trader_id.to_string().into());
    }
    event.venue.get_or_insert_with(|| kept.venue.as_str().into());
    event.source = Some(kept.source.as_str().into());
    // A source of one day has the day in its name.
    let day = kept.source.rsplit_once(' ').and_then(|(_, day)| day.parse::<NaiveDate>().ok());
    event.trading_day = event.trading_day.or(day);
    Some(event)
}

/// Returns whether an id or a name in the message of a break has [`NUL`]: it is not the one that was received.
fn has_changed_id(event: &Event<'_>) -> bool {
    let texts = [
        &event.trader,
        &event.account,
        &event.client_order_id,
        &event.original_client_order_id,
        &event.venue_order_id,
        &event.replaces_venue_order_id,
        &event.symbol,
        &event.execution_id,
        &event.refers_to,
        &event.venue,
        &event.source,
    ];
    texts.into_iter().flatten().any(|text| text.contains(NUL))
}

/// Resolves a break in a savepoint. Returns whether it did; false if another session has resolved it meanwhile.
pub(super) fn resolve_if_open(
    tx: &mut Tx<'_, Engine>,
    resolution: &NewBreakResolution<'_>,
) -> Result<bool, Error> {
    resolve_if_open_as(tx, Uuid::now_v7(), resolution)
}

/// Resolves a break as [`resolve_if_open`] does, under an id that the caller has chosen for the resolution.
pub(super) fn resolve_if_open_as(
    tx: &mut Tx<'_, Engine>,
    id: Uuid,
    resolution: &NewBreakResolution<'_>,
) -> Result<bool, Error> {
    let role = tx.role();
    match tx.conn().transaction(|conn| Breaks { conn, role }.resolve_as(id, resolution)) {
        Ok(_) => Ok(true),
        Err(error) if error.constraint() == Some("uq_break_resolutions_break_id") => Ok(false),
        Err(error) => Err(error),
    }
}

fn execution_of<'b>(kept: &'b Break, numbers: &'b BreakNumbers) -> Event<'b> {
    let kind = match (&kept.refers_to, kept.is_bust) {
        (None, _) => Kind::Fill,
        (_, true) => Kind::Bust,
        (_, false) => Kind::Correct,
    };
    let text = |text: &'b Option<String>| text.as_deref().map(Into::into);
    Event {
        order_id: kept.order_id,
        client_order_id: text(&kept.client_order_id),
        execution_id: text(&kept.execution_id),
        refers_to: text(&kept.refers_to),
        last_quantity: Number::new(&numbers.quantity),
        last_price: Number::new(&numbers.price),
        commission: Number::new(&numbers.commission),
        rebate: Number::new(&numbers.rebate),
        at: Some(kept.timestamp),
        ..Event::new(kind, 0, kept.raw.as_deref().unwrap_or_default())
    }
}
