//! The traders and the engine of the demo.

use chrono::Utc;
use tradeblotter::{
    Blotter, Break, Commission, Error, Execution, ExecutionKind, Fill, NewAction,
    NewBreakResolution, NewCorrection, NewExecutionLog, NewFill, NewOrder, Order, Outcome, Session,
    Trader, role,
};

use crate::failure::Failure;

/// The sessions of the demo: a pool for the traders, and the engine.
pub struct Floor {
    pub traders: Blotter,
    pub engine: Session<role::Engine>,
}

impl Floor {
    pub fn seat_of(&self, trader: &Trader) -> Result<Seat, Error> {
        Ok(Seat { trader: self.traders.trader(trader.id)?, engine: self.engine.clone() })
    }
}

/// A trader and the engine that works for it. Each event is one transaction, as on a trading day.
pub struct Seat {
    pub trader: Session<role::Trader>,
    engine: Session<role::Engine>,
}

impl Seat {
    /// Submits an order, approves it and routes it.
    pub fn submit(&self, new: &NewOrder<'_>) -> Result<Order, Error> {
        let order = self.trader.transaction(|tx| tx.orders().submit(new))?;
        self.log(&NewExecutionLog::new(order.id, NewAction::Approved))?;
        self.log(&NewExecutionLog::new(order.id, NewAction::Executed { venue_order_id: None }))?;
        Ok(order)
    }

    pub fn cancel(&self, order: &Order) -> Result<(), Error> {
        let reason = Some("cancelled by the trader");
        self.trader.transaction(|tx| tx.execution_logs().cancel(order.id, reason).map(drop))
    }

    pub fn log(&self, entry: &NewExecutionLog<'_>) -> Result<(), Error> {
        self.engine.transaction(|tx| tx.execution_logs().append(entry).map(drop))
    }

    pub fn fill(
        &self,
        order: &Order,
        quantity: i32,
        price: &str,
        venue: &str,
        execution_id: &str,
    ) -> Result<Fill, Error> {
        let fill = NewFill {
            order_id: order.id,
            timestamp: Utc::now(),
            quantity_filled: quantity,
            price_at_fill: price.parse()?,
            venue,
            commission: "0.35".parse()?,
            rebate: Commission::default(),
            source: None,
            execution_id: Some(execution_id),
        };
        self.engine.transaction(|tx| tx.fills().record(&fill))
    }

    /// Records a correction of the price of a fill.
    pub fn correct(&self, fill: &Fill, price: &str, execution_id: &str) -> Result<Fill, Error> {
        let correction = NewCorrection {
            amends: fill.id,
            timestamp: Utc::now(),
            quantity_filled: fill.quantity_filled,
            price_at_fill: price.parse()?,
            commission: fill.commission,
            rebate: Commission::default(),
            execution_id: Some(execution_id),
        };
        self.engine.transaction(|tx| tx.fills().correct(&correction))
    }

    /// Applies an execution that a venue reports. Returns the break if it cannot be applied.
    pub fn report(
        &self,
        order: &Order,
        quantity: i32,
        price: &str,
        execution_id: &str,
    ) -> Result<Option<Break>, Failure> {
        let execution = Execution {
            kind: ExecutionKind::Fill,
            order_id: Some(order.id),
            timestamp: Utc::now(),
            quantity: quantity.into(),
            price: price.parse().map_err(|why| Failure::Failed(Some(format!("{price}: {why}"))))?,
            venue: "XNAS",
            commission: 0.into(),
            rebate: 0.into(),
            source: None,
            trader_id: None,
            client_order_id: None,
            execution_id: Some(execution_id),
            raw: None,
        };
        let outcome = self.engine.transaction(|tx| tx.breaks().record_or_break(&execution))?;
        Ok(match outcome {
            Outcome::Broken(broken) => Some(broken),
            Outcome::Recorded(_) | Outcome::Known(_) => None,
        })
    }

    pub fn book(&self, broken: &Break, reason: &str) -> Result<(), Error> {
        let book = NewBreakResolution::book(broken.id, reason);
        self.engine.transaction(|tx| tx.breaks().resolve(&book).map(drop))
    }

    pub fn order(&self, order: &Order) -> Result<Order, Error> {
        self.trader.transaction(|tx| tx.orders().get(order.id))
    }
}
