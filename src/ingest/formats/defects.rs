//! What becomes of a report that has a field which cannot be read: the rule for all fields of [`Event`].

use std::borrow::Cow;

use crate::ingest::event::{Event, Kind};

/// A field of a report that cannot be read.
pub(super) struct Unreadable {
    /// The field of [`Event`] that it would set, by name; or the name of a field that no event has.
    pub field: String,
    /// What was found and what is expected, beginning with the field in the terms of the format.
    pub what: String,
}

/// Records the fields of a report that cannot be read, after all others have been set: in its
/// [`defect`](Event::defect) if the report must not be applied without one of them, or else in its
/// [`note`](Event::note).
///
/// `has_raw` tells whether the report has a field for its original message. A break without one has none.
pub(super) fn record(event: &mut Event<'_>, unreadable: Vec<Unreadable>, has_raw: bool) {
    for Unreadable { field, what } in unreadable {
        if is_essential(event, &field) {
            append(&mut event.defect, what);
        } else {
            append(&mut event.note, format!("{what}; it is left out"));
        }
    }
    if event.kind == Kind::Break && event.defect.is_none() && !has_raw {
        event.raw = "".into();
    }
}

/// Returns the event for a report of which nothing but its kind can be read. It has no other field: what is broken may
/// have moved a value to another field.
pub(super) fn unreadable<'a>(
    kind: Kind,
    line: u64,
    raw: impl Into<Cow<'a, str>>,
    why: String,
) -> Event<'a> {
    Event { defect: Some(why), ..Event::new(kind, line, raw) }
}

/// Adds text to a note or a defect.
pub(super) fn append(to: &mut Option<String>, text: String) {
    match to {
        Some(before) => {
            before.push_str("; ");
            before.push_str(&text);
        }
        None => *to = Some(text),
    }
}

/// Returns whether a report must not be applied without this field. A side field is one without which the
/// report is applied in the same way. All others are essential, and so is what no event has a field for.
fn is_essential(event: &Event<'_>, field: &str) -> bool {
    match field {
        _ if event.kind.is_about_break() => true,
        "average_price" | "commission" | "rebate" | "currency" | "expires_at" | "received_at"
        | "sequence" | "reason" | "error_code" | "retry_attempt" | "venue" | "trader_name" => false,
        // One of the two is enough.
        "at" | "sent_at" => event.time().is_none(),
        "last_quantity" | "last_price" => event.kind.is_execution(),
        // The terms that a report presents; one of a known order repeats them.
        "side" | "order_type" | "time_in_force" | "quantity" | "price" | "limit_price"
        | "stop_loss" | "take_profit" | "instructions" => {
            matches!(event.kind, Kind::NewOrder | Kind::Replaced | Kind::Restated)
        }
        // It is subtracted from the quantity.
        "cumulative_quantity" => event.kind == Kind::Replaced,
        // It decides whether the order ends.
        "status" => event.kind == Kind::Recovered,
        _ => true,
    }
}
