//! Scheme 1.

use super::line::Object;
use crate::audit::archive::Archive;
use crate::audit::record::{Content, OrderTerms, Record};
use crate::breaks::{Break, BreakResolution};
use crate::execution_logs::ExecutionLog;
use crate::fills::Fill;
use crate::traders::Trader;

/// Encodes a record.
pub(super) fn encode(record: &Record) -> String {
    let line = Object::new().integer("scheme", 1).integer("number", record.number);
    let line = match &record.content {
        Content::Entry { log, terms, fill } => {
            let line = line.object("entry", Some(entry(log)));
            let line = match Content::terms_id(log) {
                Some(_) => line.object("terms", terms.as_deref().map(self::terms)),
                None => line,
            };
            match log.fill_id {
                Some(_) => line.object("fill", fill.as_deref().map(self::fill)),
                None => line,
            }
        }
        Content::Break(broken) => line.object("break", Some(self::broken(broken))),
        Content::Resolution(it) => line.object("resolution", Some(resolution(it))),
        Content::Trader(it) => line.object("trader", Some(trader(it))),
        Content::Archive(it) => line.object("archive", Some(archive(it))),
    };
    line.end()
}

fn entry(log: &ExecutionLog) -> Object {
    Object::new()
        .uuid("id", log.id)
        .uuid("order_id", log.order_id)
        .uuid("trader_id", log.trader_id)
        .text("action", log.action.label())
        .text("status", log.status.map(|status| status.label()))
        .time("timestamp", log.timestamp)
        .text("reason", log.reason.as_deref())
        .integer("retry_attempt", log.retry_attempt.map(i64::from))
        .text("error_code", log.error_code.as_deref())
        .time("created_at", log.created_at)
        .uuid("fill_id", log.fill_id)
        .text("venue_order_id", log.venue_order_id.as_deref())
        .text("acted_by", log.acted_by.as_str())
        .text("acted_as", log.acted_as.as_str())
        .time("reported_at", log.reported_at)
        .uuid("report_id", log.report_id)
        .uuid("break_id", log.break_id)
}

fn terms(terms: &OrderTerms) -> Object {
    Object::new()
        .uuid("id", terms.id)
        .uuid("trader_id", terms.trader_id)
        .text("symbol", terms.symbol.as_str())
        .integer("quantity", i64::from(terms.quantity))
        .text("order_type", terms.order_type.label())
        .optional_decimal("price", terms.price)
        .optional_decimal("stop_loss", terms.stop_loss)
        .optional_decimal("take_profit", terms.take_profit)
        .time("created_at", terms.created_at)
        .time("expires_at", terms.expires_at)
        .text("side", terms.side.map(|side| side.label()))
        .text("client_order_id", terms.client_order_id.as_deref())
        .uuid("replaces", terms.replaces)
        .uuid("root_id", terms.root_id)
        .date("trading_day", terms.trading_day)
        .text("account", terms.account.as_deref())
        .text("time_in_force", terms.time_in_force.map(|time| time.label()))
        .optional_decimal("limit_price", terms.limit_price)
        .text("currency", terms.currency.as_deref())
        .time("received_at", terms.received_at)
        .instructions("instructions", terms.instructions.as_ref())
}

fn fill(fill: &Fill) -> Object {
    Object::new()
        .uuid("id", fill.id)
        .uuid("order_id", fill.order_id)
        .time("timestamp", fill.timestamp)
        .integer("quantity_filled", i64::from(fill.quantity_filled))
        .decimal("price_at_fill", fill.price_at_fill)
        .text("venue", fill.venue.as_str())
        .decimal("commission", fill.commission)
        .time("created_at", fill.created_at)
        .uuid("trader_id", fill.trader_id)
        .text("execution_id", fill.execution_id.as_deref())
        .uuid("amends", fill.amends)
        .boolean("is_bust", fill.is_bust)
        .uuid("root_id", fill.root_id)
        .text("source", fill.source.as_str())
        .decimal("rebate", fill.rebate)
        .uuid("break_id", fill.break_id)
}

fn broken(broken: &Break) -> Object {
    Object::new()
        .uuid("id", broken.id)
        .text("reason", broken.reason.label())
        .text("detail", broken.detail.as_str())
        .uuid("order_id", broken.order_id)
        .uuid("trader_id", broken.trader_id)
        .text("client_order_id", broken.client_order_id.as_deref())
        .text("venue", broken.venue.as_str())
        .text("source", broken.source.as_str())
        .text("execution_id", broken.execution_id.as_deref())
        .text("refers_to", broken.refers_to.as_deref())
        .boolean("is_bust", broken.is_bust)
        .time("timestamp", broken.timestamp)
        .decimal("quantity", broken.quantity.clone())
        .decimal("price", broken.price.clone())
        .decimal("commission", broken.commission.clone())
        .decimal("rebate", broken.rebate.clone())
        .text("raw", broken.raw.as_deref())
        .time("created_at", broken.created_at)
        .text("acted_by", broken.acted_by.as_str())
        .text("acted_as", broken.acted_as.as_str())
}

fn resolution(resolution: &BreakResolution) -> Object {
    Object::new()
        .uuid("id", resolution.id)
        .uuid("break_id", resolution.break_id)
        .boolean("is_booked", resolution.is_booked)
        .uuid("order_id", resolution.order_id)
        .uuid("trader_id", resolution.trader_id)
        .uuid("fill_id", resolution.fill_id)
        .text("reason", resolution.reason.as_str())
        .time("created_at", resolution.created_at)
        .text("acted_by", resolution.acted_by.as_str())
        .text("acted_as", resolution.acted_as.as_str())
}

fn trader(trader: &Trader) -> Object {
    Object::new()
        .uuid("id", trader.id)
        .text("name", trader.name.as_str())
        .time("created_at", trader.created_at)
}

fn archive(archive: &Archive) -> Object {
    Object::new()
        .uuid("id", archive.id)
        .time("before", archive.before)
        .integer("records", archive.records)
        .text("covered", archive.covered.hash().to_base64().as_str())
        .integer("seal", archive.seal)
        .integer("size", archive.size)
        .text("sha256", archive.sha256.to_string().as_str())
        .time("created_at", archive.created_at)
        .text("acted_by", archive.acted_by.as_str())
}
