//! The named rules of the schema, and what each means in words.

use self::RuleSource::{Constraint, Insert, Trigger};

/// One named rule of the schema.
pub(super) struct Rule {
    /// The rule's name in the database: of a constraint or a unique index, or the name that a trigger
    /// raises.
    pub name: &'static str,
    pub source: RuleSource,
    /// The demand of the rule and, where it is not obvious, what to do instead.
    pub text: &'static str,
}

/// What enforces a rule, which decides how much the database's own message says.
pub(super) enum RuleSource {
    /// A constraint of a table: the message repeats its name and little else.
    Constraint,
    /// The insert trigger of a table, like a constraint: the message repeats the name and little else.
    Insert,
    /// A trigger of this schema: the message names the row and what is wrong with it.
    Trigger,
}

/// The text of a rule that no two rows have one number. A number occurs twice only if the sequence is behind the rows.
macro_rules! number_given {
    ($what:literal) => {
        concat!(
            $what,
            " with this number is already stored: execution_logs_sequence is behind the rows, which happens when they were \
             copied without it; set it to the greatest number with setval, or for a desk that Citus holds run \
             `blotter desk distribute`"
        )
    };
}

/// Returns the rule of this name, if the schema has it.
pub(super) fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

const fn constraint(name: &'static str, text: &'static str) -> Rule {
    Rule { name, source: Constraint, text }
}

const fn insert_rule(name: &'static str, text: &'static str) -> Rule {
    Rule { name, source: Insert, text }
}

const fn trigger(name: &'static str, text: &'static str) -> Rule {
    Rule { name, source: Trigger, text }
}

/// Every named rule of the schema. Tests compare this table with the catalog and the migrations.
const RULES: &[Rule] = &[
    constraint("traders_pkey", "a trader with this id is already registered"),
    constraint("orders_pkey", "an order with this id is already stored"),
    constraint("fills_pkey", "a fill with this id is already stored"),
    constraint("execution_logs_pkey", "a log entry with this id is already stored"),
    constraint(
        "fk_orders_trader_id",
        "no trader with this id is registered; register the trader first",
    ),
    constraint(
        "fk_execution_logs_trader_id",
        "no trader with this id is registered; register the trader first",
    ),
    constraint("breaks_pkey", "a break with this id is already stored"),
    constraint("archives_pkey", "an archive with this id is already stored"),
    constraint("break_resolutions_pkey", "a resolution with this id is already stored"),
    constraint("uq_execution_logs_sequence", number_given!("a log entry")),
    constraint("uq_breaks_sequence", number_given!("a break")),
    constraint("uq_break_resolutions_sequence", number_given!("a resolution")),
    constraint("uq_archives_sequence", number_given!("an archive")),
    constraint("uq_traders_sequence", number_given!("a trader")),
    constraint(
        "uq_orders_client_order_id",
        "an order of this trader with this client order id and trading day is already stored",
    ),
    constraint(
        "uq_orders_replaces",
        "the order is already replaced; replace the last order of its chain",
    ),
    constraint(
        "uq_fills_execution_id",
        "a row of this order chain with this execution id, source and kind is already stored",
    ),
    constraint(
        "uq_fills_amends",
        "the fill is already busted or corrected; amend its last correction",
    ),
    constraint("uq_fills_break_id", "the break is already booked as a fill"),
    constraint("uq_breaks_execution", "this execution is already kept as a break"),
    constraint("uq_breaks_order", "this order is already kept as a break"),
    constraint("uq_execution_logs_report_id", "the order has a log entry for this report already"),
    constraint("uq_break_resolutions_break_id", "the break was resolved already"),
    trigger("ck_orders_replaces_other", "an order can't replace itself"),
    trigger("fk_orders_replaces", "an order can only replace an order of the same trader"),
    trigger("fk_fills_amends", "a bust or a correction can only amend a fill of the same order"),
    constraint("fk_fills_break_id", "no break with this id is stored"),
    constraint(
        "fk_breaks_trader_id",
        "no trader with this id is registered; register the trader first",
    ),
    trigger("fk_break_resolutions_break_id", "no break with this id is stored"),
    constraint("fk_break_resolutions_order_id", "no order with this id is stored"),
    constraint(
        "fk_break_resolutions_trader_id",
        "no trader with this id is registered; register the trader first",
    ),
    constraint("fk_fills_order_id", "no order with this id is stored; submit the order first"),
    constraint(
        "fk_execution_logs_order_id",
        "no order with this id is stored; submit the order first",
    ),
    constraint("ck_orders_quantity_positive", "the quantity must be at least one share"),
    constraint("ck_orders_price_positive", "the price must be more than 0"),
    constraint("ck_orders_filled_quantity_nonnegative", "the filled quantity can't be less than 0"),
    constraint("ck_orders_limit_requires_price", "a LIMIT or STOP order needs a price"),
    constraint("ck_fills_quantity_positive", "the quantity must be at least one share"),
    constraint("ck_fills_price_positive", "the price must be more than 0"),
    constraint("ck_fills_commission_nonnegative", "the commission can't be less than 0"),
    insert_rule("ck_orders_price_not_nan", "the price must be a number"),
    insert_rule("ck_orders_stop_loss_positive", "the stop loss must be more than 0"),
    insert_rule("ck_orders_take_profit_positive", "the take profit must be more than 0"),
    insert_rule("ck_fills_price_not_nan", "the price must be a number"),
    insert_rule("ck_fills_commission_not_nan", "the commission must be a number"),
    insert_rule("ck_orders_symbol_not_blank", "the symbol must not be blank"),
    insert_rule(
        "ck_orders_expires_at_readable",
        "the expiration must be in the years 1 to 9999 (UTC)",
    ),
    insert_rule("ck_fills_venue_not_blank", "the venue must not be blank"),
    insert_rule(
        "ck_fills_timestamp_readable",
        "the time of a fill must be in the years 1 to 9999 (UTC)",
    ),
    insert_rule(
        "ck_execution_logs_reason_short",
        "the reason must have no more than 1000 characters",
    ),
    insert_rule(
        "ck_execution_logs_retry_attempt_nonnegative",
        "the retry attempt can't be less than 0",
    ),
    constraint("ck_traders_created_at_readable", "the time must be in the years 1 to 9999 (UTC)"),
    insert_rule("ck_orders_client_order_id_not_blank", "the client order id must not be blank"),
    insert_rule(
        "ck_execution_logs_venue_order_id_not_blank",
        "the venue order id must not be blank",
    ),
    insert_rule("ck_fills_execution_id_not_blank", "the execution id must not be blank"),
    insert_rule("ck_fills_bust_amends", "a bust must name the fill that it busts"),
    constraint("ck_breaks_detail_short", "the detail must have no more than 1000 characters"),
    constraint("ck_breaks_venue_not_blank", "the venue must not be blank"),
    constraint("ck_breaks_execution_id_not_blank", "the execution id must not be blank"),
    constraint("ck_breaks_refers_to_not_blank", "the execution id referred to must not be blank"),
    constraint("ck_breaks_bust_refers", "a bust must name the execution that it busts"),
    insert_rule("ck_orders_money_in_range", "prices must be less than 100000000"),
    insert_rule("ck_orders_account_not_blank", "the account must not be blank"),
    insert_rule(
        "ck_orders_no_control_characters",
        "symbol, client order id and account must not contain control characters",
    ),
    insert_rule("ck_orders_limit_price_positive", "the limit price must be more than 0"),
    insert_rule("ck_orders_limit_price_of_stop", "only a STOP order has a limit price of its own"),
    insert_rule(
        "ck_orders_currency_iso_4217",
        "the currency must be three capital letters, such as USD",
    ),
    insert_rule(
        "ck_orders_received_at_readable",
        "the time of receipt must be in the years 1 to 9999 (UTC)",
    ),
    insert_rule("ck_orders_trading_day_readable", "the trading day must be in the years 1 to 9999"),
    insert_rule(
        "ck_orders_instructions_readable",
        "the instructions must be a JSON object of strings of at most 65536 characters",
    ),
    insert_rule("ck_fills_source_not_blank", "the source must not be blank"),
    insert_rule(
        "ck_fills_no_control_characters",
        "venue, source and execution id must not contain control characters",
    ),
    insert_rule("ck_fills_rebate_nonnegative", "the rebate can't be less than 0"),
    insert_rule(
        "ck_execution_logs_no_control_characters",
        "venue order id and error code must not contain control characters",
    ),
    constraint(
        "ck_execution_logs_sequence_bounded",
        "the number of a log entry must be from 1 to 9007199254740991",
    ),
    constraint(
        "ck_breaks_sequence_bounded",
        "the number of a break must be from 1 to 9007199254740991",
    ),
    constraint(
        "ck_break_resolutions_sequence_bounded",
        "the number of a resolution must be from 1 to 9007199254740991",
    ),
    constraint(
        "ck_archives_sequence_bounded",
        "the number of an archive must be from 1 to 9007199254740991",
    ),
    constraint(
        "ck_traders_sequence_bounded",
        "the number of a trader must be from 1 to 9007199254740991",
    ),
    constraint("ck_breaks_client_order_id_not_blank", "the client order id must not be blank"),
    constraint("ck_breaks_source_not_blank", "the source must not be blank"),
    constraint(
        "ck_breaks_no_control_characters",
        "venue, source and ids must not contain control characters",
    ),
    constraint(
        "ck_breaks_rebate_readable",
        "the rebate must be less than 1e20, with at most 20 decimal places",
    ),
    constraint(
        "ck_breaks_order_not_stored",
        "an order that cannot be stored has no id of an order or an execution",
    ),
    constraint(
        "ck_breaks_action_amends_nothing",
        "an action that could not be applied amends no fill; store a bust or a correction as an \
         execution",
    ),
    insert_rule(
        "ck_fills_money_in_range",
        "price, commission and rebate must be less than 100000000",
    ),
    insert_rule(
        "ck_execution_logs_reported_at_readable",
        "the time reported must be in the years 1 to 9999 (UTC)",
    ),
    constraint(
        "ck_breaks_timestamp_readable",
        "the time of an execution must be in the years 1 to 9999 (UTC)",
    ),
    constraint(
        "ck_breaks_quantity_readable",
        "the quantity must be less than 1e20, with at most 20 decimal places",
    ),
    constraint(
        "ck_breaks_price_readable",
        "the price must be less than 1e20, with at most 20 decimal places",
    ),
    constraint(
        "ck_breaks_commission_readable",
        "the commission must be less than 1e20, with at most 20 decimal places",
    ),
    constraint("ck_breaks_raw_short", "the raw message must have no more than 65536 characters"),
    constraint(
        "ck_break_resolutions_reason_short",
        "the reason must have no more than 900 characters",
    ),
    constraint("ck_break_resolutions_reason_not_blank", "the reason must not be blank"),
    constraint(
        "seals_pkey",
        "a seal with this number is already stored; let one process seal at a time",
    ),
    constraint(
        "ck_seals_well_formed",
        "a seal must cover 1 to 65536 records, hold one hash for each, and be signed",
    ),
    constraint(
        "ck_seals_origin_is_a_name",
        "the origin of a seal must have 1 to 200 characters, without spaces and plus signs",
    ),
    trigger("seals_follow", "a seal must continue the one before it"),
    constraint(
        "ck_seals_sealed_at_readable",
        "the time of a seal must be in the years 1 to 9999 (UTC)",
    ),
    constraint(
        "ck_archives_well_formed",
        "an archive must state its records, and the size and hash of its file",
    ),
    constraint(
        "ck_archives_before_readable",
        "the time before which the records of an archive were written must be in the years 1 to 9999 (UTC)",
    ),
    trigger(OVER_FILL, "the fills of an order can't exceed its quantity"),
    trigger(TRANSITION, "only a PENDING or PARTIAL order can be filled, rejected or cancelled"),
    trigger("orders_begin_pending", "a new order must be PENDING, with nothing filled"),
    trigger(
        "execution_logs_automatic",
        "SUBMITTED, FILLED and the entries about amendments and breaks are logged by the database itself",
    ),
    trigger("execution_logs_same_trader", "a log entry must name the trader of its order"),
    trigger(
        "execution_logs_status_derived",
        "the status of a log entry is derived from its action; leave it out",
    ),
    trigger(
        "execution_logs_one_venue_order",
        "an order has one venue order id, the first that is logged for it",
    ),
    trigger(
        "fills_book_break",
        "a break is booked by adding a resolution, not by inserting its fill",
    ),
    trigger(
        "fills_resolved_break",
        "this execution was resolved as a break, and a resolution is final",
    ),
    trigger(
        "fills_amend_fill",
        "a bust is final and can't be amended; record what was executed as a new fill",
    ),
    trigger(
        "fills_bust_whole",
        "a bust takes back its whole fill; use a correction for a part of it",
    ),
    trigger(
        "break_resolutions_order",
        "a break is booked to a stored order of the trader that it was reported for, and dismissed \
         without an order",
    ),
    trigger(
        "break_resolutions_execution",
        "a TOTALS, INVALID_ORDER or UNAPPLIED_ACTION break is not an execution and can't be booked; \
         record what is missing, then dismiss it",
    ),
    trigger(
        "break_resolutions_exact",
        "a break is booked exactly as it was reported; if a fill can't hold it, dismiss it",
    ),
    trigger(APPEND_ONLY[0], "orders are append-only; record a fill or log an action instead"),
    trigger(APPEND_ONLY[1], "fills are append-only; record a bust or a correction instead"),
    trigger(APPEND_ONLY[2], "the execution log is append-only; add an entry instead"),
    trigger(APPEND_ONLY[3], "breaks are append-only; add a resolution instead"),
    trigger(APPEND_ONLY[4], "resolutions are append-only; a break is resolved once"),
    trigger(APPEND_ONLY[5], "seals are append-only"),
    trigger(APPEND_ONLY[6], "archives are append-only"),
    trigger(APPEND_ONLY[7], "registered traders are append-only; register another trader instead"),
];

/// The rule that the fills of an order do not exceed its quantity.
pub(crate) const OVER_FILL: &str = "ck_orders_filled_lte_quantity";

/// The rule that an order which has ended is not filled, rejected or cancelled any more.
pub(super) const TRANSITION: &str = "orders_transition";

/// The rules that recorded rows are neither changed nor removed, one for each table.
pub(super) const APPEND_ONLY: [&str; 8] = [
    "orders_append_only",
    "fills_append_only",
    "execution_logs_append_only",
    "breaks_append_only",
    "break_resolutions_append_only",
    "seals_append_only",
    "archives_append_only",
    "traders_append_only",
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::RULES;
    use super::RuleSource::{Constraint, Insert, Trigger};

    /// Returns whether a trigger in the migrations raises this rule.
    fn is_raised(rule: &str) -> bool {
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let folders = fs::read_dir(migrations).unwrap().map(|folder| folder.unwrap().path());
        let mut texts = folders.filter_map(|folder| fs::read_to_string(folder.join("up.sql")).ok());
        // The append-only guards put the name of their table before this suffix.
        let quoted = match rule.strip_suffix("_append_only") {
            Some(_) => "'_append_only'".to_owned(),
            None => format!("'{rule}'"),
        };
        texts.any(|text| text.contains(&quoted))
    }

    #[test]
    fn every_rule_is_one_of_the_schema() {
        let catalog = include_str!("../database/catalog.expected");
        let is_in_catalog = |rule: &str| {
            let ends = format!(".{rule}");
            let mut objects = catalog.lines().filter_map(|line| line.split('\t').next());
            objects.any(|object| object.ends_with(&ends))
        };
        for rule in RULES {
            let name = rule.name;
            match rule.source {
                Constraint => assert!(is_in_catalog(name), "{name}"),
                Insert | Trigger => assert!(is_raised(name), "{name}"),
            }
        }
    }
}
