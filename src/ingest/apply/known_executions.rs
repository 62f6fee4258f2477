//! Executions that are recorded, known again by the id that the venue gave them, whichever session
//! reports them.

use std::collections::HashMap;

use bigdecimal::BigDecimal;
use uuid::Uuid;

use crate::breaks::Execution;
use crate::fills::{Fill, NewFill};
use crate::ingest::event::Event;
use crate::types::currency::unit_factors;

/// What a report says that is to be recorded, beside what is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// No execution of this id is recorded.
    New,
    /// It is recorded.
    Known,
    /// Another one is recorded under its id: this is what differs.
    Other(String),
}

/// An execution that is recorded, or is to be.
#[derive(Debug)]
pub(super) struct Booked {
    execution_id: Option<String>,
    venue: String,
    what: &'static str,
    quantity: BigDecimal,
    price: BigDecimal,
}

/// Executions by the replace chain of their order and by their id.
pub(super) struct Executions<'o> {
    /// The venue of those that don't say where they were executed.
    venue: &'o str,
    booked: HashMap<(Uuid, String), Vec<Booked>>,
}

const FILL: &str = "fill";
const BUST: &str = "bust";
const CORRECTION: &str = "correction";

impl Booked {
    pub fn of(fill: &Fill) -> Self {
        Self {
            execution_id: fill.execution_id.clone(),
            venue: fill.venue.clone(),
            what: match (fill.amends, fill.is_bust) {
                (None, _) => FILL,
                (_, true) => BUST,
                (_, false) => CORRECTION,
            },
            quantity: fill.quantity_filled.into(),
            price: fill.price_at_fill.into(),
        }
    }

    pub fn new(new: &NewFill<'_>) -> Self {
        Self {
            execution_id: new.execution_id.map(str::to_owned),
            venue: new.venue.to_owned(),
            what: FILL,
            quantity: new.quantity_filled.into(),
            price: new.price_at_fill.into(),
        }
    }

    pub fn reported(execution: &Execution<'_>) -> Self {
        Self {
            execution_id: execution.execution_id.map(str::to_owned),
            venue: execution.venue.to_owned(),
            what: match (execution.refers_to, execution.is_bust) {
                (None, _) => FILL,
                (_, true) => BUST,
                (_, false) => CORRECTION,
            },
            quantity: execution.quantity.clone(),
            price: execution.price.clone(),
        }
    }

    fn is(&self, reported: &Self, currency: Option<&str>) -> bool {
        let is_price =
            || unit_factors(currency).iter().any(|factor| &reported.price * factor == self.price);
        // A bust is of the whole of its fill, whatever it says.
        self.what == reported.what
            && (self.what == BUST || self.quantity == reported.quantity && is_price())
    }
}

impl<'o> Executions<'o> {
    pub fn new(venue: &'o str) -> Self {
        Self { venue, booked: HashMap::new() }
    }

    pub fn add(&mut self, root: Uuid, booked: Booked) {
        if let Some(id) = &booked.execution_id {
            self.booked.entry((root, id.clone())).or_default().push(booked);
        }
    }

    /// What a report is beside those that are recorded; from now on it is one of them if it is new.
    pub fn account(&mut self, root: Uuid, reported: Booked, event: &Event<'_>) -> Account {
        let Some(id) = reported.execution_id.clone() else { return Account::New };
        let called = self.booked.entry((root, id)).or_default();
        // Not every session says where.
        let is_venue = |booked: &&Booked| {
            booked.venue == reported.venue
                || [&booked.venue, &reported.venue].iter().any(|venue| *venue == self.venue)
        };
        let Some(booked) = called.iter().find(is_venue) else {
            called.push(reported);
            return Account::New;
        };
        if booked.is(&reported, event.currency.as_deref()) {
            return Account::Known;
        }
        let told = |booked: &Booked| {
            let (quantity, price) = (&booked.quantity, &booked.price);
            format!(
                "a {} of {} at {}",
                booked.what,
                quantity.to_plain_string(),
                price.to_plain_string()
            )
        };
        Account::Other(format!(
            "execution id {:?} of {} is {} already, and not {}",
            booked.execution_id.as_deref().unwrap_or_default(),
            booked.venue,
            told(booked),
            told(&reported),
        ))
    }
}
