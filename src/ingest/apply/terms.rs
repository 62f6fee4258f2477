//! The terms of an order: as it is stored, or as a report describes it.

use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::options::Options;
use crate::ingest::event::{Event, Kind, Number};
use crate::orders::{NewOrder, Order};
use crate::types::currency::unit_factors;
use crate::types::difference::{Comparison, Difference};
use crate::types::enums::{OrderType, Side, TimeInForce};
use crate::types::instructions::Instructions;
use crate::types::price::Price;

/// The terms of an order.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub trader_id: Uuid,
    pub symbol: String,
    pub side: Option<Side>,
    /// The shares of the order itself; the orders that it replaces have filled others.
    pub quantity: i32,
    pub order_type: OrderType,
    pub price: Option<Price>,
    pub limit_price: Option<Price>,
    pub stop_loss: Option<Price>,
    pub take_profit: Option<Price>,
    pub expires_at: Option<DateTime<Utc>>,
    pub time_in_force: Option<TimeInForce>,
    pub account: Option<String>,
    pub currency: Option<String>,
    pub received_at: Option<DateTime<Utc>>,
    pub instructions: Option<Instructions>,
    pub client_order_id: Option<String>,
    pub trading_day: Option<NaiveDate>,
    pub replaces: Option<Uuid>,
}

/// The order that a new one replaces, as far as its terms go on.
#[derive(Clone, Copy)]
pub(super) struct Replaced<'r> {
    pub id: Uuid,
    pub terms: &'r Terms,
    /// The shares filled of the chain when it was replaced (FIX tag 14, CumQty).
    pub filled: &'r BigDecimal,
}

impl Terms {
    /// Returns the terms of a stored order.
    pub fn of_stored(order: &Order) -> Self {
        Self {
            trader_id: order.trader_id,
            symbol: order.symbol.clone(),
            side: order.side,
            quantity: order.quantity,
            order_type: order.order_type,
            price: order.price,
            limit_price: order.limit_price,
            stop_loss: order.stop_loss,
            take_profit: order.take_profit,
            expires_at: order.expires_at,
            time_in_force: order.time_in_force,
            account: order.account.clone(),
            currency: order.currency.clone(),
            received_at: order.received_at,
            instructions: order.instructions.clone(),
            client_order_id: order.client_order_id.clone(),
            trading_day: order.trading_day,
            replaces: order.replaces,
        }
    }

    /// Returns the terms of the order that a report describes. What the report of a replacement leaves out is
    /// as in the order that it replaces, unless it is of an export. `client_order_id` is the id of its own.
    ///
    /// # Errors
    ///
    /// The term that is missing, or that the store cannot hold.
    pub fn of_report(
        event: &Event<'_>,
        trader_id: Uuid,
        client_order_id: Option<&str>,
        replaced: Option<Replaced<'_>>,
        options: &Options,
    ) -> Result<Self, String> {
        let missing = |field| format!("{} is missing", options.name_of(field));
        // An export has all terms of an order: what it leaves out, the order does not have.
        let is_whole = event.kind == Kind::NewOrder && event.is_exported();
        let before = replaced.filter(|_| !is_whole).map(|replaced| replaced.terms);
        let symbol = options.symbol_of(event).map(str::to_owned);
        let symbol = symbol.or_else(|| before.map(|before| before.symbol.clone()));
        let quantity = match (event.quantity, replaced) {
            (Some(quantity), _) => quantity.value(),
            (None, Some(replaced)) => BigDecimal::from(replaced.terms.quantity) + replaced.filled,
            (None, None) => return Err(missing("quantity")),
        };
        // The quantity of a replacement is that of the whole chain; the store keeps what is left of it. Other reports
        // of an order state that of the order itself.
        let left = match replaced.filter(|_| matches!(event.kind, Kind::Replaced | Kind::Restated))
        {
            Some(replaced) => &quantity - replaced.filled,
            None => quantity.clone(),
        };
        let left = whole_shares(&left).ok_or_else(|| {
            let (name, quantity) = (options.name_of("quantity"), quantity.normalized());
            let quantity = quantity.to_plain_string();
            format!("{name} is {quantity}; expected a whole number of shares up to {}", i32::MAX)
        })?;
        let order_type = event.order_type.or(before.map(|before| before.order_type));
        let order_type = order_type.ok_or_else(|| match unknown_type(event) {
            None => missing("order_type"),
            Some(found) => {
                let name = options.name_of("order_type");
                format!("{name} is {found:?}, which the store does not have")
            }
        })?;
        let same_type = before.filter(|before| before.order_type == order_type);
        let price = |number: Option<Number<'_>>, field| price(number, options.name_of(field));
        let (stated, limit) =
            (price(event.price, "price")?, price(event.limit_price, "limit_price")?);
        let presents_terms = matches!(event.kind, Kind::NewOrder | Kind::Replaced);
        let new = event.kind == Kind::NewOrder;
        let own = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self {
            trader_id,
            symbol: symbol.ok_or_else(|| missing("symbol"))?,
            side: Some(
                event
                    .side
                    .or(before.and_then(|before| before.side))
                    .ok_or_else(|| missing("side"))?,
            ),
            quantity: left,
            order_type,
            // Some engines report a price with market orders, which must have none.
            price: match order_type {
                OrderType::Market => None,
                _ => stated.or(same_type.and_then(|before| before.price)),
            },
            limit_price: limit.or(same_type.and_then(|before| before.limit_price)),
            stop_loss: price(event.stop_loss, "stop_loss")?,
            take_profit: price(event.take_profit, "take_profit")?,
            expires_at: event.expires_at.or(before.and_then(|before| before.expires_at)),
            time_in_force: event.time_in_force.or(before.and_then(|before| before.time_in_force)),
            account: own(event.account.as_deref()).or(before.and_then(|it| it.account.clone())),
            // A fill may state another notation of the currency than the order did, and the hundredth of a
            // currency (GBp) is no ISO code.
            currency: own(event.currency.as_deref().filter(|code| presents_terms && is_iso(code)))
                .or(before.and_then(|before| before.currency.clone())),
            received_at: event.received_at.filter(|_| new),
            instructions: event
                .instructions
                .clone()
                .or_else(|| before.and_then(|before| before.instructions.clone())),
            client_order_id: own(client_order_id),
            // Where ids are unique for ever, the day of the report is no part of them: sessions may leave it out.
            trading_day: options.day_of(event).or(event.trading_day.filter(|_| event.id.is_some())),
            replaces: event.replaces.or(replaced.map(|replaced| replaced.id)),
        })
    }

    /// Returns the order to submit, under the stored id of the order that it replaces.
    pub fn to_new_order(&self, replaces: Option<Uuid>) -> NewOrder<'_> {
        let side = self.side.unwrap_or(Side::Buy);
        NewOrder {
            order_type: self.order_type,
            price: self.price,
            stop_loss: self.stop_loss,
            take_profit: self.take_profit,
            limit_price: self.limit_price,
            expires_at: self.expires_at,
            trading_day: self.trading_day,
            account: self.account.as_deref(),
            time_in_force: self.time_in_force,
            currency: self.currency.as_deref(),
            received_at: self.received_at,
            instructions: self.instructions.as_ref(),
            client_order_id: self.client_order_id.as_deref(),
            replaces,
            ..NewOrder::market(self.trader_id, side, &self.symbol, self.quantity)
        }
    }

    /// Returns in what a report describes another order: in its symbol, or in its side as bought or sold. If the
    /// report presents the order as new, also in its quantity, type and price.
    ///
    /// # Errors
    ///
    /// The terms that differ, in words.
    pub fn check(&self, event: &Event<'_>, options: &Options) -> Result<(), String> {
        let mut comparison = Comparison::default();
        if let Some(symbol) = options.symbol_of(event) {
            comparison.field("symbol", self.symbol.as_str(), symbol);
        }
        // Venues report a short sale as a sale too.
        if let Some(side) = event.side
            && self.side.is_none_or(|own| own.is_buy() != side.is_buy())
        {
            comparison.optional("side", self.side, Some(side));
        }
        if event.kind.presents_new() {
            self.compare_as_new(event, &mut comparison);
        }
        let differing: Vec<String> = comparison
            .differences()
            .iter()
            .map(|Difference { field, stored, other }| {
                let field = options.name_of(field);
                format!("{field} is {other} in the report and {stored} in the store")
            })
            .collect();
        if differing.is_empty() { Ok(()) } else { Err(differing.join("; ")) }
    }

    fn compare_as_new(&self, event: &Event<'_>, comparison: &mut Comparison) {
        // The acknowledgement of a replacement has the quantity of the chain.
        let has_own_quantity = event.kind == Kind::NewOrder || self.replaces.is_none();
        if let Some(quantity) = event.quantity.filter(|_| has_own_quantity) {
            let reported = quantity.value().normalized().to_plain_string();
            comparison.field("quantity", self.quantity.to_string(), reported);
        }
        if let Some(order_type) = event.order_type {
            comparison.field("order_type", self.order_type, order_type);
        }
        if let (Some(price), Some(own)) = (event.price, self.price) {
            let own = BigDecimal::from(own);
            let reported = price.value();
            let mut factors = unit_factors(event.currency.as_deref()).into_iter();
            if !factors.any(|factor| &reported * factor == own) {
                let reported = reported.normalized().to_plain_string();
                comparison.field("price", own.normalized().to_plain_string(), reported);
            }
        }
    }
}

/// Returns the type of an order as FIX (tag 40) or Alpaca names it, where the store has no such type.
fn unknown_type<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    let instructions = event.instructions.as_ref()?;
    instructions.get("40").or_else(|| instructions.get("type"))
}

/// Whether a code has the form of ISO 4217.
fn is_iso(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase())
}

/// Returns a number of shares, if it is whole and fits the column.
pub(super) fn whole_shares(value: &BigDecimal) -> Option<i32> {
    value.is_integer().then(|| value.to_i32()).flatten()
}

fn price(number: Option<Number<'_>>, field: &str) -> Result<Option<Price>, String> {
    let price = |number: Number<'_>| {
        Price::try_from(number.value()).map_err(|error| format!("{field}: {error}"))
    };
    number.map(price).transpose()
}
