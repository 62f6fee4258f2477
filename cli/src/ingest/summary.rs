//! The summary of an input: what was stored of it, and what became of its reports.

use std::io::Write;

use tradeblotter::BreakReason;
use tradeblotter::ingest::Tally;

use crate::failure::Failure;
use crate::output::counted;
use crate::terminal::Output;

/// Names of registered traders that are printed at most.
const MAX_NAMES: usize = 100;

/// Prints what was stored, without what did not occur, and last how many reports were applied, known, without
/// effect, kept as breaks and unreadable.
pub fn print(out: &mut Output, tally: &Tally, unreadable: u64) -> Result<(), Failure> {
    let mut line = |count: u64, one: &str, many: &str| match count {
        0 => Ok(()),
        1 => writeln!(out, "{count:>8} {one}"),
        _ => writeln!(out, "{count:>8} {many}"),
    };
    line(tally.orders, "new order", "new orders")?;
    line(tally.fills, "fill, bust or correction", "fills, busts and corrections")?;
    line(
        tally.late_fills,
        "of them booked after its order had ended, because the venue's total counts it",
        "of them booked after their orders had ended, because the venue's totals count them",
    )?;
    line(tally.cancels, "cancel or expiry", "cancels and expiries")?;
    line(tally.rejects, "reject", "rejects")?;
    line(tally.actions, "other action", "other actions")?;
    let names = names(&tally.traders);
    line(
        tally.traders.len() as u64,
        &format!("trader registered: {names}"),
        &format!("traders registered: {names}"),
    )?;
    for (reason, count) in &tally.breaks {
        let meaning = meaning(*reason);
        line(
            *count,
            &format!("break: {meaning} ({reason})"),
            &format!("breaks: {meaning} ({reason})"),
        )?;
    }
    line(tally.healed, "break of an earlier input applied", "breaks of earlier inputs applied")?;
    let Tally { applied, known, without_effect, broken, .. } = tally;
    let reports = counted(tally.reports + unreadable, "report", "reports");
    let breaks = counted(*broken, "break", "breaks");
    Ok(writeln!(
        out,
        "{reports} = {applied} applied + {known} known + {without_effect} without effect + {breaks} + \
         {unreadable} unreadable"
    )?)
}

/// Lists the names of traders.
fn names(traders: &[String]) -> String {
    let mut names: Vec<_> = traders.iter().take(MAX_NAMES).cloned().collect();
    if traders.len() > MAX_NAMES {
        names.push(format!("and {} more", traders.len() - MAX_NAMES));
    }
    names.join(", ")
}

/// Returns what a reason for a break means.
fn meaning(reason: BreakReason) -> &'static str {
    match reason {
        BreakReason::UnknownOrder => "execution for an unknown order",
        BreakReason::UnknownFill => "bust or correction of an unknown fill",
        BreakReason::OverFill => "fill beyond the order's quantity",
        BreakReason::OrderEnded => "fill after the order had ended",
        BreakReason::Precision => "more decimal places than the store keeps",
        BreakReason::Mismatch => "report that contradicts what is stored",
        BreakReason::Invalid => "execution that is not valid",
        BreakReason::Totals => "the venue's totals differ from the store's",
        BreakReason::InvalidOrder => "order that cannot be stored",
        BreakReason::UnappliedAction => "report that cannot be applied",
    }
}
