//! The report as a page: whole in one file, without a script, every text in it escaped.

use std::io::{self, Write};

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use uuid::Uuid;

use super::contents::Contents;
use super::manifest::Manifest;
use super::row::Row;
use super::rows::amount;
use super::summary::{Breaks, MOST_ORDERS, Plot, Summary, Timeline, Traded};
use crate::breaks::BreakHistory;
use crate::types::enums::{Action, OrderStatus, Side};
use crate::types::filter::Filter;

const STYLE: &str = include_str!("report.css");

/// A browser that holds to this runs nothing and fetches nothing, whatever the page says.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Height of the plot, in its own units.
const HEIGHT: f64 = 100.0;

/// What a page shows.
pub(super) struct Page<'a> {
    pub filter: &'a Filter<'a>,
    pub contents: &'a Contents,
    pub summary: Summary,
    pub breaks: Breaks,
}

impl Page<'_> {
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let before = html! {
            (DOCTYPE)
            (PreEscaped("<html lang=\"en\">"))
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="generator" content=(Manifest::PROGRAM);
                title { "Compliance report, " (self.range()) }
                style { (PreEscaped(STYLE)) }
            }
            (PreEscaped("<body>"))
            (self.header())
            (PreEscaped("<main>"))
            (self.facts())
            (self.outcomes())
            (self.fills())
            (self.rejects())
            (self.amendments())
            (self.breaks())
            (self.evidence())
            (self.before_timelines())
        };
        out.write_all(before.into_string().as_bytes())?;
        for timeline in &self.summary.timelines {
            out.write_all(order(timeline).into_string().as_bytes())?;
        }
        let after = html! {
            (PreEscaped("</main>"))
            footer {
                p {
                    "Written by " (Manifest::PROGRAM) " from one serializable, read-only snapshot. "
                    "All times are UTC."
                }
                p {
                    "The manifest beside this file has its hash. That the log is as it was sealed is for "
                    span.mono { "blotter verify" } " to say."
                }
            }
            (PreEscaped("</body></html>\n"))
        };
        out.write_all(after.into_string().as_bytes())
    }

    fn range(&self) -> String {
        let moment = |at: DateTime<Utc>| match at.time() == NaiveTime::MIN {
            true => at.format("%Y-%m-%d").to_string(),
            false => time(at),
        };
        match (self.filter.from.map(moment), self.filter.until.map(moment)) {
            (None, None) => "at any time".to_owned(),
            (Some(from), None) => format!("from {from} on"),
            (None, Some(until)) => format!("before {until}"),
            (Some(from), Some(until)) => format!("from {from} on and before {until}"),
        }
    }

    fn header(&self) -> Markup {
        let Filter { trader_id, order_id, symbol, statuses, .. } = self.filter;
        html! {
            header {
                h1 { "Compliance report" }
                p {
                    "What was recorded " b { (self.range()) }
                    @if let Some(symbol) = symbol { ", in " b { (symbol) } }
                    @if let Some(trader) = trader_id { ", of trader " span.mono { (trader) } }
                    @if let Some(order) = order_id { ", of order " span.mono { (order) } }
                    @for status in *statuses { ", " (status.label()) }
                    "."
                }
                p.soft.small { "As it stood at " (time(self.contents.taken_at)) " UTC." }
                nav {
                    a href="#outcomes" { "Outcomes" }
                    a href="#fills" { "Fills" }
                    a href="#rejects" { "Rejects" }
                    a href="#amendments" { "Corrections" }
                    a href="#breaks" { "Breaks" }
                    a href="#evidence" { "Evidence" }
                    a href="#orders" { "Orders" }
                }
            }
        }
    }

    fn facts(&self) -> Markup {
        let Contents { rows, orders, actions, sealed, .. } = self.contents;
        let Summary { traded, fills, busts, corrections, .. } = &self.summary;
        let rejected = actions.get(&Action::Rejected).copied().unwrap_or_default();
        let breaks = self.breaks.count();
        let open = format!("{} open", grouped(self.breaks.open));
        let amended = format!("{busts} busts, {corrections} corrections");
        let unsealed = format!("{} entries not yet", grouped(sealed.unsealed_rows));
        html! {
            dl.facts {
                (fact("Orders", &grouped(*orders), &format!("{} actions", grouped(*rows))))
                (fact("Fills", &grouped(*fills), &format!("{} shares counted", grouped(traded.shares))))
                (fact("Notional", &money(&traded.notional), "of the fills that count"))
                (fact("Commission", &money(&traded.commission), "of the fills that count"))
                (fact("Amended", &grouped(busts + corrections), &amended))
                (fact("Rejects", &grouped(rejected), "by the venue"))
                (fact("Breaks", &grouped(breaks), &open))
                (fact("Sealed", &share(sealed.rows, *rows), &unsealed))
            }
        }
    }

    fn outcomes(&self) -> Markup {
        let Contents { orders, outcomes, .. } = self.contents;
        html! {
            section #outcomes {
                h2 { "Orders by outcome" }
                div.card {
                    @if outcomes.is_empty() { p.soft { "No orders." } } @else {
                        div.outcomes role="img" aria-label="Orders by outcome, as the table below has it" {
                            @for (status, count) in outcomes {
                                @let width = format!("flex:{count} 1 0");
                                i class=(status.label()) style=(width) title=(status.label()) {}
                            }
                        }
                        table {
                            @for (status, count) in outcomes {
                                tr {
                                    td { (state(*status)) }
                                    td.number { (grouped(*count)) }
                                    td.number.soft { (share(*count, *orders)) }
                                }
                            }
                        }
                    }
                    p.soft.small { "As each stood after its last action in this report." }
                }
            }
        }
    }

    fn fills(&self) -> Markup {
        let Summary { plot, by_venue, by_symbol, .. } = &self.summary;
        html! {
            section #fills {
                h2 { "Fills over time" }
                @match plot {
                    None => div.card { p.soft { "No fills." } },
                    Some(plot) => {
                        (bars(plot))
                        div.columns style="margin-top:.75rem" {
                            div.card { h3 { "By venue" } (traded_table("venue", by_venue.iter())) }
                            div.card { h3 { "By symbol" } (traded_table("symbol", by_symbol.iter())) }
                        }
                    }
                }
            }
        }
    }

    fn rejects(&self) -> Markup {
        html! {
            section #rejects {
                h2 { "Rejects by error code" }
                div.card {
                    @if self.summary.rejects.is_empty() { p.soft { "None." } } @else {
                        div.scroll { table {
                            tr { th { "code" } th.number { "count" } th.rest { "the first of them says" } }
                            @for (code, rejects) in &self.summary.rejects {
                                tr {
                                    td.mono { (code) }
                                    td.number { (grouped(rejects.count)) }
                                    td { (rejects.reason.as_deref().unwrap_or_default()) }
                                }
                            }
                        } }
                    }
                }
            }
        }
    }

    fn amendments(&self) -> Markup {
        let Summary { amendments, busts, corrections, .. } = &self.summary;
        let left_out = (busts + corrections).saturating_sub(amendments.len() as u64);
        html! {
            section #amendments {
                h2 { "Busts and corrections" }
                div.card {
                    @if amendments.is_empty() { p.soft { "None." } } @else {
                        ul.items { @for row in amendments { (amendment(row)) } }
                        (rest(left_out, "busts and corrections"))
                    }
                }
            }
        }
    }

    fn breaks(&self) -> Markup {
        let Breaks { counts, open, newest } = &self.breaks;
        let left_out = self.breaks.count().saturating_sub(newest.len() as u64);
        html! {
            section #breaks {
                h2 { "Breaks" }
                div.card {
                    p.soft.small { "What venues reported and could not be applied." }
                    @if newest.is_empty() { p.soft { "None." } } @else {
                        p {
                            @for (reason, count) in counts {
                                span.nowrap { b { (grouped(*count)) } " " (reason.label()) } " · "
                            }
                            b { (grouped(*open)) } " open"
                        }
                        ul.items { @for it in newest { (broken(it)) } }
                        @if left_out > 0 {
                            p.soft.small {
                                (grouped(left_out)) " older ones are left out here; "
                                span.mono { "blotter breaks list --all" } " has them."
                            }
                        }
                    }
                }
            }
        }
    }

    fn evidence(&self) -> Markup {
        let contents = self.contents;
        let Contents { rows, sealed, breaks_without_order, .. } = contents;
        let ends = contents.first_sequence.zip(contents.last_sequence);
        html! {
            section #evidence {
                h2 { "Evidence" }
                div.card {
                    @if let Some((first, last)) = ends {
                        p { (grouped(*rows)) " entries of the log, from number " (first) " to " (last) "." }
                    }
                    @match (&sealed.last_seal, sealed.first_unsealed) {
                        (None, _) => p.bad { "None of them is sealed." },
                        (Some(_), None) => p.good { "All of them are sealed." },
                        (Some(_), Some(first)) => p {
                            span.good { (grouped(sealed.rows)) " are sealed" } ", "
                            span.bad { (grouped(sealed.unsealed_rows)) " are not yet" }
                            ", the first of these is number " (first) "."
                        },
                    }
                    @if let Some(seal) = &sealed.last_seal {
                        div.scroll { table {
                            @if let Some(first) = sealed.first_seal.filter(|first| *first != seal.id) {
                                tr { td.soft.nowrap { "Seals" } td { (first) " to " (seal.id) } }
                            }
                            tr {
                                td.soft.nowrap { "Last seal" }
                                td { (seal.id) ", of entries " (seal.covered) ", at " (time(seal.sealed_at)) }
                            }
                            @if let Some(hash) = &sealed.last_seal_hash {
                                tr { td.soft.nowrap { "Its hash" } td.mono.hash { (hash) } }
                            }
                            tr { td.soft.nowrap { "Merkle root" } td.mono.hash { (seal.root) } }
                            tr { td.soft.nowrap { "Signed with" } td.mono.hash { (seal.public_key) } }
                        } }
                    }
                    @if *breaks_without_order > 0 {
                        p {
                            "Breaks that name no order that is known: " (grouped(*breaks_without_order)) ". "
                            "They are in the log of none, so no seal covers them and no row tells of them."
                        }
                    }
                }
            }
        }
    }

    fn before_timelines(&self) -> Markup {
        let shown = self.summary.timelines.len() as u64;
        let left_out = self.contents.orders.saturating_sub(shown);
        html! {
            h2 #orders { "Orders, one by one" }
            @if left_out > 0 {
                p.soft {
                    "The first " (grouped(MOST_ORDERS)) " orders are shown, and "
                    b { (grouped(left_out)) " are left out" }
                    "; the report as CSV or NDJSON has them all: "
                    span.mono { "blotter report --format csv" } "."
                }
            } @else if shown == 0 {
                p.soft { "None." }
            } @else {
                p.soft { "In the order in which they come in the log; each opens to what happened to it." }
            }
        }
    }
}

fn amendment(row: &Row) -> Markup {
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
                "recorded " (time(row.record_time)) " · "
                a href={ "#o-" (row.order_id) } { "order " (short(row.order_id)) }
            }
        }
    }
}

fn broken(BreakHistory { reported, resolution }: &BreakHistory) -> Markup {
    html! {
        li {
            b { (reported.reason.label()) } " "
            @match resolution {
                None => span.bad { "open" },
                Some(it) if it.is_booked => span.good { "booked" },
                Some(_) => span.soft { "dismissed" },
            }
            " · " (shares(&reported.quantity)) " at " (money(&reported.price)) " on " (reported.venue)
            @if let Some(id) = &reported.execution_id { " " span.mono { (id) } }
            div { (reported.detail) }
            @if let Some(it) = resolution {
                div { (it.acted_by) ": " (it.reason) span.when { " · " (time(it.created_at)) } }
            }
            div.when {
                "happened " (time(reported.timestamp)) " · recorded " (time(reported.created_at))
                @if let Some(order) = reported.order_id {
                    " · " a href={ "#o-" (order) } { "order " (short(order)) }
                }
            }
        }
    }
}

fn fact(name: &str, value: &str, note: &str) -> Markup {
    html! { div.fact { dt { (name) } dd { (value) } dd.note { (note) } } }
}

fn state(status: OrderStatus) -> Markup {
    html! { span class={ "is " (status.label()) } { (status.label()) } }
}

fn traded_table<'t>(head: &str, traded: impl Iterator<Item = (&'t String, &'t Traded)>) -> Markup {
    html! {
        div.scroll { table {
            tr { th { (head) } th.number { "fills" } th.number { "shares" } th.number { "notional" } }
            @for (name, Traded { fills, total }) in traded {
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

fn bars(plot: &Plot) -> Markup {
    let most = plot.shares.iter().copied().max().unwrap_or_default().max(1);
    let count = plot.shares.len();
    // For the eye only: the numbers themselves are never floats.
    let height = |shares: u64| HEIGHT * shares as f64 / most as f64;
    let middle = plot.begin + (plot.end - plot.begin) / 2;
    let is_one_day = plot.begin.date_naive() == plot.end.date_naive();
    let at = |at: DateTime<Utc>| {
        at.format(if is_one_day { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
    };
    html! {
        div.card.plot {
            p.soft.small {
                "Shares filled, by the time of the venue"
                @if is_one_day { ", " (plot.begin.format("%Y-%m-%d")) }
                "; the highest bar is " (grouped(most)) "."
            }
            svg viewBox={ "0 0 " (count) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                aria-label="Shares filled over time" {
                @for line in [25, 50, 75] { line x1="0" x2=(count) y1=(line) y2=(line) {} }
                @for (place, shares) in plot.shares.iter().enumerate() {
                    @if *shares > 0 {
                        @let height = height(*shares);
                        @let top = format!("{:.2}", HEIGHT - height);
                        rect x={ (place) ".1" } width="0.8" y=(top) height=(format!("{height:.2}")) {
                            title { (grouped(*shares)) }
                        }
                    }
                }
            }
            div.axis { span { (at(plot.begin)) } span { (at(middle)) } span { (at(plot.end)) } }
        }
    }
}

/// The timeline of one order.
fn order(timeline: &Timeline) -> Markup {
    let (Some(first), Some(last)) = (timeline.rows.first(), timeline.rows.last()) else {
        return html! {};
    };
    let id = first.client_order_id.clone().unwrap_or_else(|| short(first.order_id));
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
                        " · " (first.trader_name)
                    }
                }
                @if let Some(status) = last.status_after { (state(status)) }
                @if last.cumulative_quantity > 0 {
                    span.filled.small.soft style="grid-column:2 / -1" {
                        (grouped(last.cumulative_quantity)) " filled"
                        @if let Some(average) = &last.average_price {
                            " at " (money(average)) @if last.average_is_exact == Some(false) { " (rounded)" }
                        }
                        ", " (money(&last.cumulative_notional)) " in all"
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
                    @if let Some(at) = first.expires_at { span { "expires " (time(at)) } }
                    span { "trader " span.mono { (first.trader_id) } }
                }
                ol.time { @for row in &timeline.rows { (entry(row)) } }
                (rest(timeline.left_out, "actions on this order"))
            }
        }
    }
}

fn entry(row: &Row) -> Markup {
    let actor = row.acted_by.as_deref().unwrap_or("unknown");
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
                    @if let Some(id) = &row.execution_id { " " span.mono.soft { (id) } }
                }
                @if let Some(code) = &row.error_code { " code " span.mono { (code) } }
                @if let Some(retry) = row.retry_attempt { " retry " (retry) }
                @if let Some(reason) = row.break_reason { " " span.bad { (reason.label()) } }
            }
            @if let Some(reason) = &row.reason { div { (reason) } }
            div.when {
                @if let Some(at) = row.event_time { "happened " (time(at)) " · " }
                "recorded " (time(row.record_time)) " by " (actor)
                @if let Some(role) = &row.acted_as { @if role != actor { " as " (role) } }
                " · entry " (row.sequence)
                @if row.seal_id.is_none() { ", not sealed" }
            }
        }
    }
}

/// Says what a table or a timeline leaves out.
fn rest(left_out: u64, what: &str) -> Markup {
    html! {
        @if left_out > 0 {
            p.soft.small {
                (grouped(left_out)) " more " (what) " are left out here; "
                "the report as CSV or NDJSON has them all."
            }
        }
    }
}

fn short(id: Uuid) -> String {
    let whole = id.to_string();
    format!("…{}", &whole[whole.len() - 6..])
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// A part in percent, cut to one decimal place: what is not all is never shown as 100 %.
fn share(part: u64, whole: u64) -> String {
    match u128::from(part) * 1000 / u128::from(whole.max(1)) {
        1000 => "100 %".to_owned(),
        permille => format!("{}.{} %", permille / 10, permille % 10),
    }
}

fn money(value: &BigDecimal) -> String {
    grouped(amount(value).to_plain_string())
}

fn shares(value: &BigDecimal) -> String {
    grouped(value.normalized().to_plain_string())
}

/// A number with thin spaces between groups of three digits before the point.
fn grouped(number: impl ToString) -> String {
    let number = number.to_string();
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number.as_str(), None),
    };
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut shown = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    if let Some(fraction) = fraction {
        shown.push('.');
        shown.push_str(fraction);
    }
    shown
}
