//! The timelines of the page: the actions on each order.

use maud::{Markup, html};

use super::elements::{omission, status_badge};
use super::summary::{MAX_ORDERS, Timeline};
use crate::report::notation::{abbreviated, grouped, money, time};
use crate::report::row::ReportRow;
use crate::types::enums::Side;

/// The heading above the timelines, of which `shown` out of `orders` follow.
pub(super) fn heading(shown: u64, orders: u64) -> Markup {
    let omitted = orders.saturating_sub(shown);
    html! {
        h2 #orders { "Orders in detail" }
        @if omitted > 0 {
            p.soft {
                "The first " (grouped(MAX_ORDERS)) " orders are shown, "
                b { (grouped(omitted)) " are not" }
                ". The report as CSV or NDJSON has all of them: "
                span.mono { "blotter report --format csv" } "."
            }
        } @else if shown == 0 {
            p.soft { "None." }
        } @else {
            p.soft { "In the order of the log. Open an order to see its actions." }
        }
    }
}

/// The timeline of one order, collapsed to a summary.
pub(super) fn order(timeline: &Timeline) -> Markup {
    let (Some(first), Some(last)) = (timeline.rows.first(), timeline.rows.last()) else {
        return html! {};
    };
    let id = first.client_order_id.clone().unwrap_or_else(|| abbreviated(first.order_id));
    html! {
        details id={ "o-" (first.order_id) } {
            summary {
                span.id.mono.soft { (id) }
                span {
                    (first.side.map_or("", Side::label)) " " (grouped(first.quantity)) " "
                    b { (first.symbol) } " "
                    span.soft {
                        (first.order_type.label())
                        @if let Some(price) = first.price { " " (price) }
                        @if let Some(limit) = first.limit_price { " limit " (limit) }
                        @if let Some(currency) = &first.currency { " " (currency) }
                        @if let Some(time) = first.time_in_force { " " (time.label()) }
                        " · " (first.trader_name)
                    }
                }
                @if let Some(status) = last.status_after { (status_badge(status)) }
                @if last.cumulative_quantity > 0 {
                    span.filled.small.soft style="grid-column:2 / -1" {
                        (grouped(last.cumulative_quantity)) " filled"
                        @if let Some(average) = &last.average_price {
                            " at " (money(average)) @if last.average_is_exact == Some(false) { " (rounded)" }
                        }
                        ", " (money(&last.cumulative_notional)) " in total"
                    }
                }
            }
            div.order {
                div.terms {
                    span { "order " span.mono { (first.order_id) } }
                    @if let Some(id) = &first.client_order_id { span { "client's id " span.mono { (id) } } }
                    @if let Some(id) = &last.venue_order_id { span { "venue's id " span.mono { (id) } } }
                    @if let Some(id) = first.replaces {
                        span { "replaces " a.mono href={ "#o-" (id) } { (id) } }
                    }
                    @if let Some(price) = first.stop_loss { span { "stop loss " (price) } }
                    @if let Some(price) = first.take_profit { span { "take profit " (price) } }
                    @if let Some(at) = first.received_at { span { "received " (time(at)) } }
                    @if let Some(at) = first.expires_at { span { "expires " (time(at)) } }
                    @if let Some(day) = first.trading_day { span { "trading day " (day) } }
                    @if let Some(account) = &first.account {
                        span { "account " span.mono { (account) } }
                    }
                    @if let Some(instructions) = &first.instructions {
                        @for (name, value) in instructions.iter() {
                            span { (name) "=" span.mono { (value) } }
                        }
                    }
                    span { "trader " span.mono { (first.trader_id) } }
                }
                ol.time { @for row in &timeline.rows { (action(row)) } }
                (omission(timeline.omitted, "actions on this order"))
            }
        }
    }
}

fn action(row: &ReportRow) -> Markup {
    html! {
        li class=(row.action.label()) {
            div {
                b { (row.action.label()) }
                @if let (Some(before), Some(after)) = (row.status_before, row.status_after) {
                    @if before != after { " " span.soft { (before.label()) " → " (after.label()) } }
                }
                @if let (Some(quantity), Some(price)) = (row.fill_quantity, row.fill_price) {
                    " "
                    @match (row.is_bust, row.amends) {
                        (Some(true), _) => "bust of ",
                        (_, Some(_)) => "corrected to ",
                        _ => "",
                    }
                    (grouped(quantity)) " at " (price)
                    @if let Some(venue) = &row.fill_venue { " on " (venue) }
                    @if let Some(source) = &row.fill_source {
                        @if row.fill_venue.as_ref() != Some(source) { " through " (source) }
                    }
                    @if let Some(id) = &row.execution_id { " " span.mono.soft { (id) } }
                }
                @if let Some(code) = &row.error_code { " code " span.mono { (code) } }
                @if let Some(retry) = row.retry_attempt { " retry " (retry) }
                @if let Some(reason) = row.break_reason { " " span.bad { (reason.label()) } }
            }
            @if let Some(reason) = &row.reason { div { (reason) } }
            div.when {
                @if let Some(at) = row.event_time { "happened " (time(at)) " · " }
                "recorded " (time(row.record_time)) " by " (row.acted_by)
                @if row.acted_as != row.acted_by { " as " (row.acted_as) }
                " · entry " (row.sequence)
                @if row.seal_id.is_none() { ", not sealed" }
            }
        }
    }
}
