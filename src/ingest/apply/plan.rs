//! Plans what to write for a batch of reports: one queue of steps per order chain, in the sequence of the
//! reports.

use std::collections::{HashMap, HashSet, VecDeque};

use uuid::Uuid;

use super::known_orders::{KnownOrder, KnownOrders};
use super::options::Options;
use super::step::{PlannedStep, ReportId, Step, execution, step_for, whole_shares};
use super::tally::Problem;
use super::venue_totals::ReportedTotals;
use crate::execution_logs::{NewAction, NewExecutionLog};
use crate::ingest::event::{Event, Kind, Number};
use crate::orders::NewOrder;
use crate::types::enums::OrderType;
use crate::types::price::Price;

/// Namespace of the version 5 UUIDs of orders that have neither a client's id nor one of the store.
const ORDERS: Uuid = Uuid::from_u128(0x8f1c_5f0e_6d2b_4b7a_9c53_2f6a_1d7e_4c02);

/// What to write for a batch.
#[derive(Default)]
pub(super) struct Plan<'e> {
    /// The steps of each order chain, by the chain's first order. Queues are independent of each other:
    /// they may be written in any order.
    pub queues: HashMap<Uuid, VecDeque<PlannedStep<'e>>>,
    pub totals: ReportedTotals<'e>,
    pub problems: Vec<Problem>,
    /// Reports of new orders that are known already.
    pub duplicates: u64,
    /// Reports without effect on an order.
    pub unchanged: u64,
}

impl<'e> Plan<'e> {
    /// Plans a batch. `traders` holds the trader of each report; the reports at the indexes in `refused`
    /// are left out. Orders that the batch creates are added to `orders`.
    pub fn new(
        events: &'e [Event<'e>],
        traders: &[Option<Uuid>],
        refused: &HashSet<usize>,
        orders: &mut KnownOrders,
        options: &'e Options,
    ) -> Self {
        let mut plan = Self::default();
        for (index, (event, trader)) in events.iter().zip(traders).enumerate() {
            if refused.contains(&index) {
                continue;
            }
            if let Err(why) = plan.add(event, *trader, orders, options) {
                plan.problems.push(Problem { line: event.line, why });
            }
        }
        plan
    }

    fn add(
        &mut self,
        event: &'e Event<'e>,
        trader: Option<Uuid>,
        orders: &mut KnownOrders,
        options: &'e Options,
    ) -> Result<(), String> {
        let order = match event.kind {
            Kind::CancelRejected => {
                self.unchanged += 1;
                return Ok(());
            }
            Kind::Status | Kind::PendingNew | Kind::Restated => {
                self.unchanged += 1;
                if let Some(order) = orders.find(event, trader) {
                    self.totals.record(event, order.id);
                }
                return Ok(());
            }
            Kind::NewOrder => {
                if let Some(known) = orders.find(event, trader) {
                    known.check(event)?;
                    self.duplicates += 1;
                    return Ok(());
                }
                Some(self.create_order(event, trader, orders)?)
            }
            Kind::Replaced => Some(self.find_or_create_replacement(event, trader, orders)?),
            _ => match orders.find(event, trader).cloned() {
                Some(known) => Some(known),
                None => self.create_from_first_report(event, trader, orders)?,
            },
        };
        let Some(order) = order else {
            // All executions of unknown orders share one queue.
            let execution = execution(event, None, options)?;
            self.push(Uuid::nil(), event, None, Step::Execution(execution));
            return Ok(());
        };
        if let Some(venue_order_id) = event.venue_order_id.as_deref() {
            orders.add_venue_id(order.id, venue_order_id);
        }
        self.totals.record(event, order.id);
        if let Some(step) = step_for(event, order.id, options)? {
            self.push(order.root, event, Some(order.id), step);
        }
        Ok(())
    }

    fn push(&mut self, root: Uuid, event: &'e Event<'e>, order_id: Option<Uuid>, step: Step<'e>) {
        let venue_filled = order_id.and_then(|id| self.totals.filled_quantity(id));
        let planned = PlannedStep { event, order_id, venue_filled, step };
        self.queues.entry(root).or_default().push_back(planned);
    }

    /// Creates the order from the first report of it, if the report has its terms. Returns none if it does
    /// not and is an execution, which can be kept as a break without its order.
    fn create_from_first_report(
        &mut self,
        event: &'e Event<'e>,
        trader: Option<Uuid>,
        orders: &mut KnownOrders,
    ) -> Result<Option<KnownOrder>, String> {
        let is_execution = matches!(event.kind, Kind::Fill | Kind::Bust | Kind::Correct);
        match self.create_order(event, trader, orders) {
            Ok(order) => {
                let is_acknowledgement = event.kind == Kind::Acknowledged;
                if event.venue_order_id.is_some() && !is_acknowledgement {
                    let venue_order_id = event.venue_order_id.as_deref();
                    let entry = NewExecutionLog {
                        reason: Some("first seen in a report of the venue"),
                        reported_at: event.time(),
                        ..NewExecutionLog::new(order.id, NewAction::Executed { venue_order_id })
                    };
                    let id = ReportId::Derived("first seen".to_owned());
                    self.push(order.root, event, Some(order.id), Step::Log(id, entry));
                }
                Ok(Some(order))
            }
            Err(_) if is_execution => Ok(None),
            Err(why) => {
                Err(format!("the order is unknown and can't be created from this report: {why}"))
            }
        }
    }

    /// Plans to submit the order that a report describes.
    fn create_order(
        &mut self,
        event: &'e Event<'e>,
        trader: Option<Uuid>,
        orders: &mut KnownOrders,
    ) -> Result<KnownOrder, String> {
        let replaced = match event.kind {
            Kind::NewOrder | Kind::Replaced => orders.find_replaced(event, trader).cloned(),
            _ => None,
        };
        let trader_id = trader.or(replaced.as_ref().map(|replaced| replaced.trader_id)).ok_or(
            "the trader is missing: name one with --trader, or its FIX tag with --trader-from",
        )?;
        let new = new_order(event, trader_id, replaced.as_ref())?;
        let id = match (event.id.filter(|_| event.kind == Kind::NewOrder), new.client_order_id) {
            (Some(id), _) => id,
            (None, Some(_)) => Uuid::now_v7(),
            (None, None) => {
                let venue_order_id = event.venue_order_id.as_deref().ok_or(
                    "both the client's and the venue's order id (tags 11 and 37) are missing",
                )?;
                Uuid::new_v5(&ORDERS, format!("{trader_id} {venue_order_id}").as_bytes())
            }
        };
        let root = replaced.as_ref().map_or(id, |replaced| replaced.root);
        let order = KnownOrder {
            id,
            trader_id,
            root,
            replaced_by: None,
            is_new: true,
            symbol: new.symbol.to_owned(),
            side: Some(new.side),
            quantity: new.quantity,
        };
        orders.insert(order.clone(), new.client_order_id, event.venue_order_id.as_deref());
        if let Some(replaced) = &replaced {
            orders.mark_replaced(replaced.id, id);
            self.totals.remove(replaced.id);
        }
        self.push(root, event, Some(id), Step::Submit(new));
        Ok(order)
    }

    /// Finds the order that took the place of another one (FIX 150=5), or creates it.
    fn find_or_create_replacement(
        &mut self,
        event: &'e Event<'e>,
        trader: Option<Uuid>,
        orders: &mut KnownOrders,
    ) -> Result<KnownOrder, String> {
        let known = orders.find_by_client_id(event.client_order_id.as_deref(), trader);
        match known.cloned() {
            Some(known) => Ok(known),
            None => self.create_order(event, trader, orders),
        }
    }
}

/// The terms of the order that a report describes, which replaces this one.
fn new_order<'e>(
    event: &'e Event<'e>,
    trader_id: Uuid,
    replaced: Option<&KnownOrder>,
) -> Result<NewOrder<'e>, String> {
    // In the report of a cancel, tag 11 is the id of the request, and 41 that of the order.
    let has_ended = matches!(event.kind, Kind::Cancelled | Kind::Expired);
    let original = event.original_client_order_id.as_deref().filter(|_| has_ended);
    let quantity = event.quantity.ok_or("quantity (tag 38) is missing")?;
    let mut quantity = shares(quantity, "quantity (tag 38)")?;
    // The quantity of a replacement is that of the whole chain; the store keeps what is left of it.
    if event.kind == Kind::Replaced
        && replaced.is_some()
        && let Some(filled) = event.cumulative_quantity
    {
        quantity -= shares(filled, "cumulative quantity (tag 14)")?;
    }
    let side = event.side.ok_or("side (tag 54) is missing")?;
    let symbol = event.symbol.as_deref().ok_or("symbol (tag 55) is missing")?;
    let new = NewOrder {
        order_type: event
            .order_type
            .ok_or("order type (tag 40) is missing, or is none of MARKET, LIMIT and STOP")?,
        price: price(event.price, "price (tag 44 or 99)")?,
        stop_loss: price(event.stop_loss, "stop loss")?,
        take_profit: price(event.take_profit, "take profit")?,
        limit_price: price(event.limit_price, "limit price (tag 44)")?,
        expires_at: event.expires_at,
        trading_day: event.trading_day,
        account: event.account.as_deref(),
        time_in_force: event.time_in_force,
        currency: currency(event),
        received_at: event.received_at,
        instructions: event.instructions.as_ref(),
        client_order_id: original.or(event.client_order_id.as_deref()),
        replaces: event.replaces.or(replaced.map(|replaced| replaced.id)),
        ..NewOrder::market(trader_id, side, symbol, quantity)
    };
    // Some engines report a price with market orders, which must have none.
    Ok(match new.order_type {
        OrderType::Market => NewOrder { price: None, ..new },
        _ => new,
    })
}

/// The currency of the order that a report presents. A fill or an acknowledgement may state another notation of
/// it than the order did, and the hundredth of a currency (GBp) is no ISO code.
fn currency<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    let is_code = |code: &&str| code.len() == 3 && code.bytes().all(|it| it.is_ascii_uppercase());
    let presents_order = matches!(event.kind, Kind::NewOrder | Kind::Replaced);
    event.currency.as_deref().filter(is_code).filter(|_| presents_order)
}

fn shares(number: Number<'_>, field: &str) -> Result<i32, String> {
    whole_shares(number)
        .ok_or_else(|| format!("{field} is {number}; expected a whole number of shares"))
}

fn price(number: Option<Number<'_>>, field: &str) -> Result<Option<Price>, String> {
    let price = |number: Number<'_>| {
        Price::try_from(number.value()).map_err(|error| format!("{field}: {error}"))
    };
    number.map(price).transpose()
}
