//! Small elements that several sections of the page use.

use maud::{Markup, html};
use uuid::Uuid;

use crate::report::notation::{abbreviated, grouped};
use crate::types::enums::OrderStatus;

/// A tile with a name, a figure and a note.
pub(super) fn fact(name: &str, value: &str, note: &str) -> Markup {
    html! { div.fact { dt { (name) } dd { (value) } dd.note { (note) } } }
}

/// A status in its colour.
pub(super) fn status_badge(status: OrderStatus) -> Markup {
    html! { span class={ "is " (status.label()) } { (status.label()) } }
}

/// A link to the timeline of an order.
pub(super) fn order_link(order: Uuid) -> Markup {
    html! { a href={ "#o-" (order) } { "order " (abbreviated(order)) } }
}

/// A note that says how many items a list omits; nothing if it omits none.
pub(super) fn omission(omitted: u64, items: &str) -> Markup {
    html! {
        @if omitted > 0 {
            p.soft.small {
                (grouped(omitted)) " more " (items) " are not shown here; "
                "the report as CSV or NDJSON has them all."
            }
        }
    }
}
