//! Tests of a desk that Citus holds, on a cluster of private servers. They need a PostgreSQL with the extension: set PGBIN to
//! the directory of its programs. Without it none runs, and the output says so.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod attacks;
mod lifecycle;
mod nodes;

use tradeblotter_test_support::cluster::{self, Test};

/// The tests of a module, with their names.
macro_rules! tests {
    ($module:ident: $($name:ident),* $(,)?) => {
        vec![$((concat!(stringify!($module), "::", stringify!($name)), $module::$name as Test)),*]
    };
}

fn main() {
    let tests = [
        tests!(nodes:
            a_desk_is_handed_over_with_every_row_and_goes_on_with_the_next_number,
            a_desk_moves_to_another_node_under_those_who_use_it,
            a_desk_that_cannot_be_handed_over_is_refused_and_stays_open,
            a_hand_over_that_was_stopped_goes_on,
            the_check_tells_what_is_wrong_on_a_shard,
            the_check_tells_what_is_missing_on_the_holder,
            what_is_not_done_on_citus_is_refused,
        ),
        tests!(lifecycle:
            orders_fills_and_actions_are_derived_and_refused_as_on_one_server,
            breaks_are_kept_and_resolved,
            a_batch_is_written_at_once,
            a_day_is_ingested_as_on_one_server,
            the_log_is_sealed_verified_and_reported,
        ),
        tests!(attacks:
            a_trader_writes_nothing_in_the_name_of_another_by_any_statement,
            a_trader_logs_nothing_but_a_cancel_by_any_statement,
            a_trader_sees_its_own_rows_and_no_others_in_tables_and_shards,
            nobody_changes_or_removes_a_record_in_tables_and_shards,
            the_owner_of_the_tables_inserts_nothing,
            a_login_of_another_desk_sees_nothing,
            a_client_of_another_node_is_refused,
        ),
    ]
    .concat();
    cluster::run(tests);
}
