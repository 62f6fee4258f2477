//! What is in front of the panes: help, the filter, a question, a message.

use tradeblotter::{NewBreakResolution, Order, Resolution};
use uuid::Uuid;

use super::input::{Field, Form, Input, Value};
use crate::watch::rows::OpenBreak;
use crate::watch::wanted::{OrderFilter, Owner};

/// What is in front of the panes and has the keys.
#[derive(Debug)]
pub enum Dialog {
    Help,
    Filter(Form),
    /// Whether to cancel this order.
    Cancel(Box<Order>),
    Resolve(ResolveForm),
    /// Something to be read.
    Message {
        title: &'static str,
        text: String,
    },
}

/// How to resolve a break.
#[derive(Debug)]
pub struct ResolveForm {
    pub of: Box<OpenBreak>,
    /// Whether the break is booked; otherwise it is dismissed.
    pub is_booking: bool,
    pub form: Form,
}

/// A change to the store that somebody has confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Cancel { order: Uuid },
    Book { break_id: Uuid, order: Uuid, reason: String },
    Dismiss { break_id: Uuid, reason: String },
}

impl Act {
    /// Returns the resolution of the break; none for a cancel.
    pub fn resolution(&self) -> Option<NewBreakResolution<'_>> {
        match self {
            Self::Cancel { .. } => None,
            Self::Book { break_id, order, reason } => Some(NewBreakResolution {
                resolution: Resolution::Book { order: Some(*order) },
                ..NewBreakResolution::book(*break_id, reason)
            }),
            Self::Dismiss { break_id, reason } => {
                Some(NewBreakResolution::dismiss(*break_id, reason))
            }
        }
    }
}

const STATUS: usize = 0;
const SYMBOL: usize = 1;
const TRADER: usize = 2;

/// Returns the form of a filter. A session of one trader has no other traders to choose.
pub fn filter_form(filter: &OrderFilter, has_traders: bool) -> Form {
    let options = OrderFilter::STATUSES.iter().map(|(label, _)| *label).collect();
    let is_chosen = |(_, statuses): &(&str, &[_])| *statuses == filter.statuses;
    let chosen = OrderFilter::STATUSES.iter().position(is_chosen).unwrap_or(0);
    let symbol = Input::new(filter.symbol.as_deref().unwrap_or_default());
    let mut fields = vec![
        Field { label: "status", value: Value::Choice { options, chosen } },
        Field { label: "symbol", value: Value::Text(symbol) },
    ];
    if has_traders {
        let trader = match &filter.trader {
            None => Input::default(),
            Some(Owner::Id(id)) => Input::new(&id.to_string()),
            Some(Owner::Name(name)) => Input::new(name),
        };
        fields.push(Field { label: "trader", value: Value::Text(trader) });
    }
    Form::new(fields)
}

/// Reads the filter from its form. Where the form has no trader, the one of before stays.
pub fn filter_of(form: &Form, before: &OrderFilter) -> OrderFilter {
    let (_, statuses) = OrderFilter::STATUSES[form.choice(STATUS) % OrderFilter::STATUSES.len()];
    let given = |field| Some(form.text(field)).filter(|text| !text.is_empty());
    let trader = match form.fields.get(TRADER) {
        None => before.trader.clone(),
        Some(_) => given(TRADER).map(|text| match text.parse::<Uuid>() {
            Ok(id) => Owner::Id(id),
            Err(_) => Owner::Name(text),
        }),
    };
    OrderFilter { statuses, symbol: given(SYMBOL), trader }
}

impl ResolveForm {
    /// Asks for the reason and the order to book a break to: by default the one that the break names, otherwise the
    /// one that is selected.
    pub fn book(of: OpenBreak, selected: Option<Uuid>) -> Self {
        let order = of.order.as_ref().map(|order| order.id).or(selected);
        let order = order.map(|order| order.to_string()).unwrap_or_default();
        let order = Field { label: "order", value: Value::Text(Input::new(&order)) };
        let mut form = Form::new(vec![order, reason()]);
        form.focus = 1;
        Self { of: Box::new(of), is_booking: true, form }
    }

    pub fn dismiss(of: OpenBreak) -> Self {
        Self { of: Box::new(of), is_booking: false, form: Form::new(vec![reason()]) }
    }

    /// Returns what was filled in, or says what is missing.
    pub fn act(&self) -> Result<Act, String> {
        let break_id = self.of.reported.id;
        let reason = self.form.text(self.form.fields.len() - 1);
        if reason.is_empty() {
            return Err("write why: the reason is kept in the log of the order".to_owned());
        }
        if !self.is_booking {
            return Ok(Act::Dismiss { break_id, reason });
        }
        let order = self.form.text(0).parse().map_err(|_| {
            "the order must be the id of an order, as the details of an order show it".to_owned()
        })?;
        Ok(Act::Book { break_id, order, reason })
    }
}

fn reason() -> Field {
    Field { label: "reason", value: Value::Text(Input::default()) }
}
