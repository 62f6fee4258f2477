//! Reports that change nothing, such as those of a status, and come before their order. What they count is compared at
//! the end of the input, when the order may be there: read again, they would be compared too.

use std::collections::VecDeque;

use uuid::Uuid;

use super::{Phase, Store, Writer};
use crate::error::Error;
use crate::ingest::apply::options::Options;
use crate::ingest::apply::step::Report;
use crate::ingest::apply::traders::Traders;
use crate::ingest::event::Event;
use crate::ingest::formats::read_message;

/// Bytes of the messages that are remembered. Older ones are forgotten.
const REMEMBERED: usize = 1 << 20;

/// Reports that are read again in one transaction.
const PAGE: usize = 500;

/// A report as it was received.
pub(super) struct EarlyReport {
    trader: Uuid,
    line: u64,
    raw: String,
}

impl EarlyReport {
    /// Returns the report; none if its trader is not known.
    pub fn of(Report { event, trader, .. }: &Report<'_>) -> Option<Self> {
        let trader = *trader.as_ref().ok()?;
        Some(Self { trader, line: event.line, raw: event.raw.clone().into_owned() })
    }
}

/// The reports of an input that came before their orders.
#[derive(Default)]
pub(super) struct EarlyReports {
    reports: VecDeque<EarlyReport>,
    bytes: usize,
}

impl EarlyReports {
    pub fn extend(&mut self, reports: Vec<EarlyReport>) {
        for report in reports {
            self.bytes += report.raw.len();
            self.reports.push_back(report);
            while self.bytes > REMEMBERED {
                let Some(oldest) = self.reports.pop_front() else { break };
                self.bytes -= oldest.raw.len();
            }
        }
    }
}

impl Writer {
    /// Adds the totals in early reports whose orders are known by now.
    pub(super) fn add_early_totals(&mut self, store: &mut Store<'_, '_, '_>) -> Result<(), Error> {
        let early: Vec<EarlyReport> = self.early.reports.drain(..).collect();
        self.early = EarlyReports::default();
        // The trader is that of the report when it was read first.
        let options = Options { trader: None, register_traders: false, ..self.options.clone() };
        for page in early.chunks(PAGE) {
            let events: Vec<Event<'_>> = page
                .iter()
                .filter_map(|EarlyReport { trader, line, raw }| {
                    let event = read_message(raw.as_bytes(), &options.reading)?;
                    Some(Event { line: *line, trader: Some(trader.to_string().into()), ..event })
                })
                .collect();
            let totals = store.run(|tx| {
                self.force_index_plans(tx)?;
                let traders = Traders::find(tx, &events, &self.traders, &options)?;
                let reports: Vec<Report<'_>> = events
                    .iter()
                    .zip(&traders.of_reports)
                    .enumerate()
                    .map(|(place, (event, trader))| Report::new(place, event, trader, ""))
                    .collect();
                Ok(self.apply_reports(tx, &reports, Phase::End)?.totals)
            })?;
            for totals in totals {
                self.totals.add(totals);
            }
        }
        Ok(())
    }
}
