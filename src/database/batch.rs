//! The batch functions of the database, which write the rows of a batch that pass its checks.
//!
//! They leave out every other row; the caller inserts it as an ordinary row, so that the triggers find it known
//! or refuse it, with an error that names the rule.

// One argument for each column.
#![allow(clippy::too_many_arguments)]

use diesel::sql_types::{Array, Date, Integer, Jsonb, Nullable, Numeric, Text, Timestamptz, Uuid};

use crate::schema::sql_types::{ActionEnum, OrderTypeEnum, SideEnum, TimeInForceEnum};

diesel::define_sql_function! {
    /// Submits orders; returns the ids of those that it has submitted.
    fn blotter_submit_orders(
        ids: Array<Uuid>,
        trader_ids: Array<Uuid>,
        sides: Array<SideEnum>,
        symbols: Array<Text>,
        quantities: Array<Integer>,
        order_types: Array<OrderTypeEnum>,
        prices: Array<Nullable<Numeric>>,
        stop_losses: Array<Nullable<Numeric>>,
        take_profits: Array<Nullable<Numeric>>,
        expiries: Array<Nullable<Timestamptz>>,
        client_order_ids: Array<Nullable<Text>>,
        trading_days: Array<Nullable<Date>>,
        accounts: Array<Nullable<Text>>,
        times_in_force: Array<Nullable<TimeInForceEnum>>,
        limit_prices: Array<Nullable<Numeric>>,
        currencies: Array<Nullable<Text>>,
        received: Array<Nullable<Timestamptz>>,
        instruction_sets: Array<Nullable<Jsonb>>,
    ) -> Array<Uuid>;
}

diesel::define_sql_function! {
    /// Records fills; returns the ids of those that it has recorded.
    fn blotter_record_fills(
        ids: Array<Uuid>,
        order_ids: Array<Uuid>,
        times: Array<Timestamptz>,
        quantities: Array<Integer>,
        prices: Array<Numeric>,
        venues: Array<Text>,
        commissions: Array<Numeric>,
        rebates: Array<Numeric>,
        sources: Array<Text>,
        execution_ids: Array<Nullable<Text>>,
    ) -> Array<Uuid>;
}

diesel::define_sql_function! {
    /// Logs actions; returns for each the number of its entry, or NULL if it has left it out.
    fn blotter_log_actions(
        order_ids: Array<Uuid>,
        actions: Array<ActionEnum>,
        reasons: Array<Nullable<Text>>,
        error_codes: Array<Nullable<Text>>,
        venue_order_ids: Array<Nullable<Text>>,
        reported: Array<Nullable<Timestamptz>>,
        report_ids: Array<Nullable<Uuid>>,
    ) -> Array<Nullable<BigInt>>;
}
