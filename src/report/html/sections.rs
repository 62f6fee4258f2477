//! The sections of the page above the timelines.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::elements::{omission, order_link, status_badge};
use super::summary::{BreakSummary, FillChart, Summary, Trades};
use crate::breaks::BreakHistory;
use crate::report::contents::Contents;
use crate::report::notation::{grouped, money, percentage, shares, time};
use crate::report::row::ReportRow;

/// Height of the chart, in its own units.
const CHART_HEIGHT: f64 = 100.0;

pub(super) fn outcomes(contents: &Contents) -> Markup {
    let Contents { orders, outcomes, .. } = contents;
    html! {
        section #outcomes {
            h2 { "Orders by outcome" }
            div.card {
                @if outcomes.is_empty() { p.soft { "No orders." } } @else {
                    div.outcomes role="img" aria-label="Orders by outcome, as in the table below" {
                        @for (status, count) in outcomes {
                            @let width = format!("flex:{count} 1 0");
                            i class=(status.label()) style=(width) title=(status.label()) {}
                        }
                    }
                    table {
                        @for (status, count) in outcomes {
                            tr {
                                td { (status_badge(*status)) }
                                td.number { (grouped(*count)) }
                                td.number.soft { (percentage(*count, *orders)) }
                            }
                        }
                    }
                }
                p.soft.small { "Status of each order after its last action in this report." }
            }
        }
    }
}

pub(super) fn fills(summary: &Summary) -> Markup {
    let Summary { chart, by_venue, by_symbol, .. } = summary;
    html! {
        section #fills {
            h2 { "Fills over time" }
            @match chart {
                None => div.card { p.soft { "No fills." } },
                Some(chart) => {
                    (bars(chart))
                    div.columns style="margin-top:.75rem" {
                        div.card { h3 { "By venue" } (trades_table("venue", by_venue.iter())) }
                        div.card { h3 { "By symbol" } (trades_table("symbol", by_symbol.iter())) }
                    }
                }
            }
        }
    }
}

fn trades_table<'t>(head: &str, trades: impl Iterator<Item = (&'t String, &'t Trades)>) -> Markup {
    html! {
        div.scroll { table {
            tr { th { (head) } th.number { "fills" } th.number { "shares" } th.number { "notional" } }
            @for (name, Trades { fills, total }) in trades {
                tr {
                    td { (name) }
                    td.number { (grouped(*fills)) }
                    td.number { (grouped(total.shares)) }
                    td.number { (money(&total.notional)) }
                }
            }
        } }
    }
}

fn bars(chart: &FillChart) -> Markup {
    let highest = chart.shares.iter().copied().max().unwrap_or_default().max(1);
    let count = chart.shares.len();
    // A float is good enough for the height of a bar; figures are never floats.
    let height = |shares: u64| CHART_HEIGHT * shares as f64 / highest as f64;
    let middle = chart.begin + (chart.end - chart.begin) / 2;
    let is_one_day = chart.begin.date_naive() == chart.end.date_naive();
    let label = |at: DateTime<Utc>| {
        at.format(if is_one_day { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
    };
    html! {
        div.card.plot {
            p.soft.small {
                "Shares filled, by the venue's time"
                @if is_one_day { ", " (chart.begin.format("%Y-%m-%d")) }
                "; the highest bar is " (grouped(highest)) "."
            }
            svg viewBox={ "0 0 " (count) " " (CHART_HEIGHT) } preserveAspectRatio="none" role="img"
                aria-label="Shares filled over time" {
                @for line in [25, 50, 75] { line x1="0" x2=(count) y1=(line) y2=(line) {} }
                @for (index, shares) in chart.shares.iter().enumerate() {
                    @if *shares > 0 {
                        @let height = height(*shares);
                        @let top = format!("{:.2}", CHART_HEIGHT - height);
                        rect x={ (index) ".1" } width="0.8" y=(top) height=(format!("{height:.2}")) {
                            title { (grouped(*shares)) }
                        }
                    }
                }
            }
            div.axis {
                span { (label(chart.begin)) } span { (label(middle)) } span { (label(chart.end)) }
            }
        }
    }
}

pub(super) fn rejections(summary: &Summary) -> Markup {
    html! {
        section #rejects {
            h2 { "Rejections by error code" }
            div.card {
                @if summary.rejections.is_empty() { p.soft { "None." } } @else {
                    div.scroll { table {
                        tr { th { "code" } th.number { "count" } th.rest { "first reason given" } }
                        @for (code, rejections) in &summary.rejections {
                            tr {
                                td.mono { (code) }
                                td.number { (grouped(rejections.count)) }
                                td { (rejections.reason.as_deref().unwrap_or_default()) }
                            }
                        }
                    } }
                }
            }
        }
    }
}

pub(super) fn amendments(summary: &Summary) -> Markup {
    let Summary { amendments, busts, corrections, .. } = summary;
    let omitted = (busts + corrections).saturating_sub(amendments.len() as u64);
    html! {
        section #amendments {
            h2 { "Busts and corrections" }
            div.card {
                @if amendments.is_empty() { p.soft { "None." } } @else {
                    ul.items { @for row in amendments { (amendment(row)) } }
                    (omission(omitted, "busts and corrections"))
                }
            }
        }
    }
}

fn amendment(row: &ReportRow) -> Markup {
    html! {
        li {
            b { (row.symbol) } " "
            @if row.is_bust == Some(true) { "bust of " } @else { "corrected to " }
            @if let (Some(quantity), Some(price)) = (row.fill_quantity, row.fill_price) {
                (grouped(quantity)) " at " (price)
            }
            @if let Some(venue) = &row.fill_venue { " on " (venue) }
            @if let Some(id) = &row.execution_id { " " span.mono { (id) } }
            @if let Some(id) = &row.amended_execution_id { span.soft { " amends " span.mono { (id) } } }
            div.when {
                @if let Some(at) = row.event_time { "happened " (time(at)) " · " }
                "recorded " (time(row.record_time)) " · " (order_link(row.order_id))
            }
        }
    }
}

pub(super) fn breaks(breaks: &BreakSummary) -> Markup {
    let BreakSummary { counts, open, newest } = breaks;
    let omitted = breaks.count().saturating_sub(newest.len() as u64);
    html! {
        section #breaks {
            h2 { "Breaks" }
            div.card {
                p.soft.small { "Executions that venues reported and that could not be applied to an order, and orders that could not be stored." }
                @if newest.is_empty() { p.soft { "None." } } @else {
                    p {
                        @for (reason, count) in counts {
                            span.nowrap { b { (grouped(*count)) } " " (reason.label()) } " · "
                        }
                        b { (grouped(*open)) } " open"
                    }
                    ul.items { @for history in newest { (break_item(history)) } }
                    @if omitted > 0 {
                        p.soft.small {
                            (grouped(omitted)) " older breaks are not shown here; "
                            span.mono { "blotter breaks list --all" } " lists them."
                        }
                    }
                }
            }
        }
    }
}

fn break_item(BreakHistory { reported, resolution }: &BreakHistory) -> Markup {
    html! {
        li {
            b { (reported.reason.label()) } " "
            @match resolution {
                None => span.bad { "open" },
                Some(it) if it.is_booked => span.good { "booked" },
                Some(_) => span.soft { "dismissed" },
            }
            " · " (shares(&reported.quantity)) " at " (money(&reported.price)) " on " (reported.venue)
            @if reported.source != reported.venue { " through " (reported.source) }
            @if let Some(id) = &reported.execution_id { " " span.mono { (id) } }
            @if let Some(id) = &reported.client_order_id { " of order " span.mono { (id) } }
            div { (reported.detail) }
            @if let Some(it) = resolution {
                div { (it.acted_by) ": " (it.reason) span.when { " · " (time(it.created_at)) } }
            }
            div.when {
                "happened " (time(reported.timestamp)) " · recorded " (time(reported.created_at))
                @if let Some(order) = reported.order_id { " · " (order_link(order)) }
            }
        }
    }
}

pub(super) fn evidence(contents: &Contents) -> Markup {
    let Contents { rows, sealed, breaks_without_order, archives, .. } = contents;
    let numbers = contents.first_sequence.zip(contents.last_sequence);
    html! {
        section #evidence {
            h2 { "Evidence" }
            div.card {
                @if let Some((first, last)) = numbers {
                    p { (grouped(*rows)) " log entries, with numbers from " (first) " to " (last) "." }
                }
                @match (&sealed.last_seal, sealed.first_unsealed) {
                    (None, _) => p.bad { "None of them is sealed." },
                    (Some(_), None) => p.good { "All of them are sealed." },
                    (Some(_), Some(first)) => p {
                        span.good { (grouped(sealed.rows)) " are sealed" } ", "
                        span.bad { (grouped(sealed.unsealed_rows)) " are not sealed yet" }
                        "; the first unsealed one has number " (first) "."
                    },
                }
                @if let Some(seal) = &sealed.last_seal {
                    div.scroll { table {
                        @if let Some(first) = sealed.first_seal.filter(|first| *first != seal.id) {
                            tr { td.soft.nowrap { "Seals" } td { (first) " to " (seal.id) } }
                        }
                        tr {
                            td.soft.nowrap { "Last seal" }
                            td {
                                (seal.id) ", covers numbers " (seal.covered) ", made at " (time(seal.sealed_at))
                            }
                        }
                        tr { td.soft.nowrap { "Name of the tree" } td { (seal.origin) } }
                        tr { td.soft.nowrap { "Records in the tree" } td { (seal.size) } }
                        tr { td.soft.nowrap { "Root of the tree" } td.mono.hash { (seal.root) } }
                        tr { td.soft.nowrap { "Signed with key" } td.mono.hash { (seal.public_key) } }
                    } }
                }
                @if *breaks_without_order > 0 {
                    p {
                        "Breaks without an order: " (grouped(*breaks_without_order)) ". "
                        "They belong to no order's log, so this report has no row for them."
                    }
                }
                @for archive in archives {
                    p.bad { "Records of this range may have left the database: " (archive) "." }
                }
            }
        }
    }
}
