//! The report as an HTML page: self-contained in one file, without scripts; every text from the database is
//! escaped.

mod elements;
mod sections;
mod summary;
mod timelines;

use std::io::{self, Write};

use bigdecimal::Zero;
use chrono::{DateTime, NaiveTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(super) use self::summary::{BreakSummary, Summary};

use self::elements::fact;
use super::contents::Contents;
use super::manifest::Manifest;
use super::notation::{grouped, money, percentage, time};
use crate::types::enums::Action;
use crate::types::filter::Filter;

const STYLE: &str = include_str!("report.css");

/// Content security policy: a browser that applies it runs no script and loads nothing, whatever text the page
/// contains.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The data of a page.
pub(super) struct HtmlPage<'a> {
    pub filter: &'a Filter<'a>,
    pub contents: &'a Contents,
    pub summary: Summary,
    pub breaks: BreakSummary,
}

impl HtmlPage<'_> {
    /// Writes the page. The timelines are written one by one: all of them are too large to build in memory.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let before_timelines = html! {
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
            (sections::outcomes(self.contents))
            (sections::fills(&self.summary))
            (sections::rejections(&self.summary))
            (sections::amendments(&self.summary))
            (sections::breaks(&self.breaks))
            (sections::evidence(self.contents))
            (timelines::heading(self.summary.timelines.len() as u64, self.contents.orders))
        };
        out.write_all(before_timelines.into_string().as_bytes())?;
        for timeline in &self.summary.timelines {
            out.write_all(timelines::order(timeline).into_string().as_bytes())?;
        }
        let after_timelines = html! {
            (PreEscaped("</main>"))
            footer {
                p {
                    "Written by " (Manifest::PROGRAM) " from one serializable, read-only snapshot. "
                    "All times are UTC."
                }
                p {
                    "The manifest beside this file holds the SHA-256 hash of this file. To verify that the log is "
                    "as it was sealed, run " span.mono { "blotter verify" } "."
                }
            }
            (PreEscaped("</body></html>\n"))
        };
        out.write_all(after_timelines.into_string().as_bytes())
    }

    /// Describes the time range of the report; a whole day is written as its date.
    fn range(&self) -> String {
        let bound = |at: DateTime<Utc>| match at.time() == NaiveTime::MIN {
            true => at.format("%Y-%m-%d").to_string(),
            false => time(at),
        };
        match (self.filter.from.map(bound), self.filter.until.map(bound)) {
            (None, None) => "at any time".to_owned(),
            (Some(from), None) => format!("from {from} on"),
            (None, Some(until)) => format!("before {until}"),
            (Some(from), Some(until)) => {
                format!("from {from} (inclusive) until {until} (exclusive)")
            }
        }
    }

    fn header(&self) -> Markup {
        let Filter { trader_id, order_id, symbol, statuses, .. } = self.filter;
        html! {
            header {
                h1 { "Compliance report" }
                p {
                    "All actions on orders that were recorded " b { (self.range()) }
                    @if let Some(symbol) = symbol { ", in " b { (symbol) } }
                    @if let Some(trader) = trader_id { ", of trader " span.mono { (trader) } }
                    @if let Some(order) = order_id { ", of order " span.mono { (order) } }
                    @for status in *statuses { ", " (status.label()) }
                    "."
                }
                p.soft.small { "State of the database at " (time(self.contents.taken_at)) " UTC." }
                nav {
                    a href="#outcomes" { "Outcomes" }
                    a href="#fills" { "Fills" }
                    a href="#rejects" { "Rejections" }
                    a href="#amendments" { "Busts and corrections" }
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
        let unsealed = format!("{} entries not sealed yet", grouped(sealed.unsealed_rows));
        let effective = "after busts and corrections";
        let shares = format!("{} shares {effective}", grouped(traded.shares));
        html! {
            dl.facts {
                (fact("Orders", &grouped(*orders), &format!("{} actions", grouped(*rows))))
                (fact("Fills", &grouped(*fills), &shares))
                (fact("Notional", &money(&traded.notional), effective))
                (fact("Commission", &money(&traded.commission), effective))
                @if !traded.rebate.is_zero() {
                    (fact("Rebate", &money(&traded.rebate), effective))
                }
                (fact("Amended", &grouped(busts + corrections), &amended))
                (fact("Rejections", &grouped(rejected), "by venues"))
                (fact("Breaks", &grouped(breaks), &open))
                (fact("Sealed", &percentage(sealed.rows, *rows), &unsealed))
            }
        }
    }
}
