//! Mutation tests: each defence is removed in turn, and every attack that is listed for it must fail,
//! because an attack succeeds or because a role can no longer do what it must.
//!
//! The policies, triggers, grants and properties of functions to remove are read from the catalog, so a
//! new one fails this test until an attack detects its absence; [`WIDENED`] lists rules to weaken. An
//! attack that is listed for no defence is an error too: perhaps it cannot fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::scene::{Attack, Scene};
use super::{
    amendments, archives, batches, breaks, catalog, functions, history, identity, impersonation,
    oracles, overloads, owner, plans, pool, queries, roles, rules, seals, truncation,
};

/// The policies, which of them are restrictive, and row-level security itself.
const POLICIES: &str = "
    SELECT 'policy' AS kind, policyname AS name,
        format('DROP POLICY %I ON %I', policyname, tablename) AS weakening
    FROM pg_policies
    UNION ALL
    SELECT 'restriction', policyname, format(
        'DROP POLICY %1$I ON %2$I; CREATE POLICY %1$I ON %2$I FOR %3$s TO %4$s %5$s %6$s',
        policyname, tablename, cmd, array_to_string(roles, ', '),
        'USING (' || qual || ')', 'WITH CHECK (' || with_check || ')'
    )
    FROM pg_policies
    WHERE permissive = 'RESTRICTIVE'
    UNION ALL
    SELECT 'row security', relname, format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', relname)
    FROM pg_class WHERE relrowsecurity
    UNION ALL
    SELECT 'force', relname, format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', relname)
    FROM pg_class WHERE relforcerowsecurity";

/// The triggers, which of them fire for a replica too, and which columns they watch.
const TRIGGERS: &str = "
    SELECT 'trigger' AS kind, tgname AS name,
        format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) AS weakening
    FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'always', tgname,
        format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname)
    FROM pg_trigger WHERE tgenabled = 'A'
    UNION ALL
    SELECT 'column', attname, format(
        'CREATE OR REPLACE TRIGGER %I AFTER UPDATE OF %s ON %s FOR EACH ROW EXECUTE FUNCTION %s',
        tgname,
        (
            SELECT string_agg(quote_ident(other.attname), ', ') FROM pg_attribute AS other
            WHERE other.attrelid = tgrelid AND other.attnum = ANY (tgattr)
                AND other.attnum <> watched.attnum
        ),
        tgrelid::regclass, tgfoid::regprocedure
    )
    FROM pg_trigger
    JOIN pg_attribute AS watched ON attrelid = tgrelid AND attnum = ANY (tgattr)
    WHERE tgname = 'orders_keep_terms'";

/// The functions: who may execute them, the role that they run as, and their search path.
const FUNCTIONS: &str = "
    WITH functions AS (
        SELECT *, oid::regprocedure AS signature FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname !~ '^diesel_'
    )
    SELECT 'execute' AS kind, proname AS name,
        format('GRANT EXECUTE ON ROUTINE %s TO PUBLIC', signature) AS weakening
    FROM functions
    WHERE NOT has_function_privilege('pg_signal_backend', oid, 'EXECUTE')
    UNION ALL
    SELECT 'executed', proname, format(
        'REVOKE EXECUTE ON ROUTINE %s FROM %s',
        signature, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
    )
    FROM functions
    CROSS JOIN aclexplode(coalesce(proacl, acldefault('f', proowner)))
    WHERE grantee <> proowner
    UNION ALL
    SELECT 'search path', proname, format('ALTER ROUTINE %s RESET search_path', signature)
    FROM functions
    WHERE proconfig IS NOT NULL
    UNION ALL
    SELECT CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END, proname, format(
        'ALTER ROUTINE %s SECURITY %s',
        signature, CASE WHEN prosecdef THEN 'INVOKER' ELSE 'DEFINER' END
    )
    FROM functions
    UNION ALL
    SELECT 'owner', proname, format('ALTER ROUTINE %s OWNER TO postgres', signature)
    FROM functions
    WHERE prosecdef";

/// What the functions of the ledger and the guards refuse: each RAISE EXCEPTION becomes a notice, together with a CHECK
/// of the same name, and each rule of the rule functions returns none.
///
/// Left out is the error of a function that finds no order to update although it may: only another defence that is
/// missing leads there.
const REFUSALS: &str = r#"
    WITH functions AS (
        SELECT oid, proname, pg_get_functiondef(oid) AS body FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
            AND (proowner = 'blotter_ledger'::regrole OR proname IN ('blotter_refuse_change', 'seals_follow'))
    )
    SELECT 'refusal' AS kind, proname || ': ' || message[1] AS name, format(
        '%sDO $refusal$ BEGIN EXECUTE replace(pg_get_functiondef(%s), %L, %L); END $refusal$',
        CASE WHEN message[1] ~ 'beyond its quantity'
        THEN 'ALTER TABLE orders DROP CONSTRAINT ck_orders_filled_lte_quantity; ' END,
        oid, 'RAISE EXCEPTION ' || message[1], 'RAISE NOTICE ' || message[1]
    ) AS weakening
    FROM functions, regexp_matches(body, 'RAISE EXCEPTION (''(?:[^'']|'''')*'')', 'g') AS message
    WHERE message[1] !~ 'blotter_ledger cannot update it'
    UNION ALL
    SELECT 'rule', rule[1], format(
        'DO $rule$ BEGIN EXECUTE replace(pg_get_functiondef(%s), %L, ''NULL::text''); END $rule$',
        oid, format('%L::text', rule[1])
    )
    FROM functions, regexp_matches(body, '''(ck_\w+)''::text', 'g') AS rule
    WHERE proname ~ '_rule$'"#;

/// The privileges that roles have, each of which is needed, and every privilege that they lack.
const GRANTS: &str = "
    WITH objects AS (
        SELECT oid, relname::text AS object, relowner, relacl,
            CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END AS kind,
            CASE relkind WHEN 'S' THEN ARRAY['USAGE', 'SELECT', 'UPDATE']
                ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']
            END AS privileges
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
    ), grants AS (
        SELECT object, kind, '' AS part, acl.*
        FROM objects CROSS JOIN aclexplode(relacl) AS acl
        WHERE grantee <> relowner
        UNION ALL
        SELECT object, kind, format(' (%I)', attname), acl.*
        FROM pg_attribute
        JOIN objects ON objects.oid = attrelid
        CROSS JOIN aclexplode(attacl) AS acl
    )
    SELECT 'grant' AS kind,
        format('%s%s on %s to %s', privilege_type, part, object, grantee::regrole) AS name,
        format('REVOKE %s%s ON %s%I FROM %s', privilege_type, part, kind, object, grantee::regrole)
            AS weakening
    FROM grants
    UNION ALL
    SELECT 'no grant', 'to ' || role,
        format('GRANT %s ON %s%I TO %s', privilege, kind, object, role)
    FROM objects
    CROSS JOIN unnest(ARRAY[
        'blotter_trader', 'blotter_engine', 'blotter_compliance', 'blotter_auditor',
        'blotter_ledger', 'public'
    ]) AS role
    CROSS JOIN unnest(privileges) AS privilege
    CROSS JOIN LATERAL (
        SELECT CASE role WHEN 'public' THEN 'pg_signal_backend' ELSE role END AS asked
    ) AS somebody
    WHERE object !~ '^__diesel' AND NOT CASE kind
        WHEN '' THEN has_table_privilege(asked, oid, privilege)
        ELSE has_sequence_privilege(asked, oid, privilege)
    END";

type Named = (&'static str, Attack);

macro_rules! attacks_of {
    ($($theme:ident :: $name:ident),+ $(,)?) => {
        &[$((concat!(stringify!($theme), "::", stringify!($name)), $theme::$name)),+]
    };
}

/// The attacks that detect the removal of this defence.
fn noticed_by(kind: &str, name: &str) -> &'static [Named] {
    match (kind, name) {
        ("refusal", name) => noticed_without_refusal(name),
        ("rule", name) if name.starts_with("ck_orders_") => {
            attacks_of![rules::an_order_that_cannot_be_read_is_refused]
        }
        ("rule", name) if name.starts_with("ck_fills_") => {
            attacks_of![rules::a_fill_that_cannot_be_read_is_refused]
        }
        ("rule", name) if name.starts_with("ck_execution_logs_") => {
            attacks_of![rules::an_action_that_cannot_be_read_is_refused]
        }

        ("policy", "archives_compliance_reads" | "archives_auditor_reads")
        | (
            "grant",
            "SELECT on archives to blotter_compliance" | "SELECT on archives to blotter_auditor",
        ) => attacks_of![
            archives::compliance_and_the_auditor_see_the_archives_and_make_none_whatever_is_granted,
        ],
        ("row security", "archives") => attacks_of![
            archives::compliance_and_the_auditor_see_the_archives_and_make_none_whatever_is_granted,
            archives::nobody_else_sees_an_archive_or_makes_one_whatever_is_granted,
        ],
        ("force", "archives") => {
            attacks_of![archives::nobody_else_sees_an_archive_or_makes_one_whatever_is_granted]
        }
        ("trigger", "archives_stamp" | "archives_number") => attacks_of![
            archives::an_archive_tells_who_removed_the_records_and_when_whatever_is_claimed,
        ],
        ("trigger", "archives_keep_all") => attacks_of![archives::nobody_truncates_the_archives],
        ("always", "archives_keep_all") => attacks_of![
            archives::a_superuser_who_passes_over_ordinary_triggers_truncates_no_archive,
        ],
        ("trigger", "archives_keep_values" | "archives_keep_row") => {
            attacks_of![archives::a_superuser_rewrites_no_archive]
        }
        ("always", "archives_keep_values" | "archives_keep_row") => attacks_of![
            archives::a_superuser_who_passes_over_ordinary_triggers_rewrites_no_archive,
        ],
        ("policy", "seals_compliance_reads") | ("grant", "SELECT on seals to blotter_compliance") => {
            attacks_of![seals::compliance_sees_the_seals_and_makes_none_whatever_is_granted]
        }
        ("policy", "seals_auditor_seals") => {
            attacks_of![seals::the_auditor_sees_what_is_recorded_and_seals_it]
        }
        ("policy", name) if name.ends_with("_auditor_reads") => {
            attacks_of![seals::the_auditor_sees_what_is_recorded_and_seals_it]
        }
        ("grant", name) if name.ends_with("to blotter_auditor") => {
            attacks_of![seals::the_auditor_sees_what_is_recorded_and_seals_it]
        }
        ("row security", "seals") => attacks_of![
            seals::compliance_sees_the_seals_and_makes_none_whatever_is_granted,
            seals::nobody_else_sees_a_seal_or_makes_one_whatever_is_granted,
        ],
        ("force", "seals") => {
            attacks_of![seals::nobody_else_sees_a_seal_or_makes_one_whatever_is_granted]
        }
        ("trigger" | "search path", "seals_follow") => attacks_of![
            seals::a_table_of_the_callers_stands_in_for_no_seal,
        ],
        ("invoker", "seals_follow") => {
            attacks_of![catalog::functions_have_a_fixed_search_path_and_run_for_nobody_else]
        }
        ("trigger", "seals_keep_all") => attacks_of![seals::nobody_truncates_the_seals],
        ("always", "seals_keep_all") => {
            attacks_of![seals::a_superuser_who_passes_over_ordinary_triggers_truncates_no_seal]
        }
        ("trigger", "seals_keep_values" | "seals_keep_row") => {
            attacks_of![seals::a_superuser_rewrites_no_seal]
        }
        ("always", "seals_keep_values" | "seals_keep_row") => {
            attacks_of![seals::a_superuser_who_passes_over_ordinary_triggers_rewrites_no_seal]
        }
        ("policy", name) if name.ends_with("_trader_isolation") => {
            attacks_of![roles::a_trader_sees_its_own_rows_and_no_others]
        }
        ("policy", name) if name.ends_with("_engine_reads") => {
            attacks_of![roles::the_engine_sees_everything_without_an_identity]
        }
        ("policy", name) if name.ends_with("_compliance_reads") => {
            attacks_of![roles::compliance_sees_everything_without_an_identity]
        }
        // The ledger logs for the engine too, under no trader's identity.
        (
            "policy",
            "traders_engine_registers" | "orders_engine_submits" | "execution_logs_ledger_logs",
        ) => {
            attacks_of![roles::the_engine_registers_traders_and_submits_their_orders]
        }
        ("policy", "fills_engine_records" | "orders_ledger_reads" | "orders_ledger_derives") => {
            attacks_of![roles::the_engine_records_fills_and_what_follows_from_them_is_derived]
        }
        ("policy", "breaks_engine_keeps") => {
            attacks_of![breaks::the_engine_keeps_a_break_of_every_traders_order_and_of_none]
        }
        (
            "policy",
            "break_resolutions_engine_resolves"
            | "break_resolutions_ledger_reads"
            | "breaks_ledger_reads",
        ) => attacks_of![breaks::the_engine_books_a_break_as_a_fill_and_the_log_says_so],
        ("policy", "orders_ledger_submits" | "fills_ledger_records") => {
            attacks_of![batches::the_engine_writes_batches_that_the_log_and_the_totals_agree_with]
        }
        ("policy", "fills_ledger_reads") => {
            attacks_of![amendments::a_bust_counts_against_the_fill_that_it_takes_back]
        }
        ("policy", "execution_logs_engine_logs") => {
            attacks_of![roles::the_engine_logs_every_action_on_every_traders_order]
        }
        ("policy" | "restriction", "execution_logs_immutable") => {
            attacks_of![history::with_the_grant_an_update_of_the_log_finds_no_row]
        }
        ("policy" | "restriction", "execution_logs_immutable_delete") => {
            attacks_of![history::with_the_grant_a_delete_from_the_log_finds_no_row]
        }
        ("policy" | "restriction", "fills_trader_records_nothing") => attacks_of![
            impersonation::a_trader_records_no_fill_not_even_of_its_own_order,
            amendments::a_trader_amends_no_fill_not_even_its_own,
        ],
        (
            "policy" | "restriction",
            "orders_compliance_submits_nothing"
            | "fills_compliance_records_nothing"
            | "execution_logs_compliance_logs_nothing",
        ) => attacks_of![roles::compliance_writes_nothing_whatever_is_granted],
        ("row security", _) => attacks_of![
            roles::a_trader_sees_its_own_rows_and_no_others,
            identity::without_an_identity_there_is_nothing_to_see_and_nothing_to_write,
        ],
        ("force", "traders") => {
            attacks_of![identity::without_an_identity_there_is_nothing_to_see_and_nothing_to_write]
        }
        ("force", _) => attacks_of![
            identity::without_an_identity_there_is_nothing_to_see_and_nothing_to_write,
            queries::a_view_of_the_owners_shows_exactly_the_own_rows,
        ],

        ("trigger", "orders_admit") => attacks_of![
            rules::an_order_that_cannot_be_read_is_refused,
            impersonation::an_order_begins_with_nothing_filled_whoever_submits_it,
            impersonation::an_order_was_submitted_when_it_was_stored,
            amendments::no_order_takes_the_place_of_another_traders_whoever_submits_it,
        ],
        ("invoker", "orders_admit") => {
            attacks_of![oracles::an_order_in_the_place_of_anothers_meets_an_order_that_is_not_there]
        }
        ("trigger" | "definer" | "owner", "orders_log_submitted") => attacks_of![
            roles::a_trader_submits_its_orders_and_cancels_them,
            amendments::a_replaced_order_ends_with_the_one_in_its_place,
            amendments::an_order_is_replaced_once_and_not_when_it_is_cancelled_or_rejected,
        ],
        ("trigger", "fills_stamp") => attacks_of![
            rules::a_fill_that_cannot_be_read_is_refused,
            oracles::a_fill_of_anothers_order_meets_an_order_that_is_not_there,
            oracles::a_bust_of_anothers_fill_meets_a_fill_that_is_not_there,
            breaks::a_fill_books_no_break_by_naming_it,
        ],
        ("invoker", "fills_stamp") => attacks_of![
            oracles::a_fill_of_anothers_order_meets_an_order_that_is_not_there,
            oracles::a_bust_of_anothers_fill_meets_a_fill_that_is_not_there,
            breaks::a_fill_books_no_break_by_naming_it,
        ],
        ("trigger", "breaks_number" | "break_resolutions_number" | "traders_number")
        | ("definer", "blotter_number_row") => {
            attacks_of![history::a_break_a_resolution_and_a_trader_have_a_number_of_nobodys_choice]
        }
        ("search path", "blotter_number_row") => {
            attacks_of![history::a_sequence_of_the_callers_gives_no_number]
        }
        // Another owner that may draw numbers gives the same.
        ("owner", "blotter_number_row") => {
            attacks_of![catalog::functions_have_a_fixed_search_path_and_run_for_nobody_else]
        }
        ("trigger", "breaks_stamp") => attacks_of![
            breaks::a_break_of_an_order_is_shown_to_its_trader_whatever_the_engine_says,
            breaks::a_break_and_its_resolution_tell_who_wrote_them_and_when_whatever_is_claimed,
        ],
        ("trigger" | "definer" | "owner", "breaks_log") => {
            attacks_of![breaks::the_engine_keeps_a_break_of_every_traders_order_and_of_none]
        }
        ("trigger", "break_resolutions_stamp") => attacks_of![
            breaks::a_break_of_an_order_is_shown_to_its_trader_whatever_the_engine_says,
            breaks::a_break_and_its_resolution_tell_who_wrote_them_and_when_whatever_is_claimed,
            breaks::a_booking_makes_the_fill_that_was_reported_and_no_other,
            breaks::a_trader_keeps_no_break_and_resolves_none_whatever_is_granted,
        ],
        ("invoker", "break_resolutions_stamp") => attacks_of![
            oracles::a_resolution_of_anothers_break_meets_a_break_that_is_not_there,
            oracles::a_booking_to_anothers_order_meets_an_order_that_is_not_there,
        ],
        ("trigger" | "definer" | "owner", "break_resolutions_book") => attacks_of![
            breaks::the_engine_books_a_break_as_a_fill_and_the_log_says_so,
            breaks::the_engine_books_a_break_to_the_order_that_it_says,
            breaks::the_engine_dismisses_a_break_and_the_log_says_so,
        ],
        ("definer" | "owner" | "executed", "blotter_expire_due") => {
            attacks_of![amendments::the_engine_ends_the_orders_whose_time_is_up_and_no_others]
        }
        ("executed", "blotter_trader_id") => {
            attacks_of![roles::a_trader_sees_its_own_rows_and_no_others]
        }
        ("executed", "blotter_scale" | "blotter_symbol_length") => {
            attacks_of![functions::everybody_learns_how_wide_the_columns_are]
        }
        ("definer" | "search path" | "executed", "blotter_last_number") => {
            attacks_of![functions::every_role_learns_the_last_number_of_the_log]
        }
        // A superuser sees the same rows, and the number is no secret.
        ("owner" | "execute", "blotter_last_number") => {
            attacks_of![catalog::functions_have_a_fixed_search_path_and_run_for_nobody_else]
        }
        ("trigger" | "definer" | "owner", "fills_derive") => attacks_of![
            roles::the_engine_records_fills_and_what_follows_from_them_is_derived,
            amendments::a_bust_counts_against_the_fill_that_it_takes_back,
            amendments::a_correction_counts_in_the_place_of_the_fill,
            amendments::what_a_bust_opens_again_of_a_replaced_order_is_ended,
        ],
        ("trigger", "execution_logs_admit") | ("invoker", "execution_logs_require_order") => attacks_of![
            oracles::an_action_on_anothers_order_meets_an_order_that_is_not_there,
            impersonation::a_trader_logs_nothing_for_another,
        ],
        ("trigger", "execution_logs_derive") => attacks_of![
            roles::a_trader_submits_its_orders_and_cancels_them,
            impersonation::the_rows_of_one_statement_are_logged_as_they_happen,
            impersonation::what_the_database_logs_by_itself_is_logged_by_nobody_else,
            impersonation::an_action_tells_the_status_and_the_time_that_the_database_knows,
            impersonation::an_action_tells_its_place_in_the_log_and_who_acted_whatever_is_claimed,
            impersonation::what_is_logged_of_a_fill_or_a_break_is_logged_by_nobody_else,
            impersonation::a_trader_logs_nothing_for_another,
            history::an_entry_has_an_id_and_a_number_of_nobodys_choice,
            rules::an_action_that_cannot_be_read_is_refused,
        ],
        ("definer" | "owner", "execution_logs_derive") => {
            attacks_of![roles::a_trader_submits_its_orders_and_cancels_them]
        }
        ("trigger", "orders_keep_terms") | ("column", _) => {
            attacks_of![history::not_even_the_ledger_changes_the_terms_of_an_order]
        }
        ("always", "orders_keep_terms") => {
            attacks_of![history::the_ledger_changes_no_terms_as_a_replica_either]
        }
        ("trigger", "orders_keep_row") => attacks_of![
            history::an_order_that_has_a_log_is_deleted_by_nobody,
            history::a_superuser_rewrites_nothing_that_is_recorded,
        ],
        ("trigger", name) if name.ends_with("_keep_all") => attacks_of![
            truncation::no_role_truncates_a_table_whatever_is_granted,
            truncation::the_owner_truncates_no_table,
            truncation::a_superuser_truncates_no_table,
        ],
        ("always", name) if name.ends_with("_keep_all") => attacks_of![
            truncation::a_superuser_who_passes_over_ordinary_triggers_truncates_no_table,
        ],
        ("trigger", name) if name.contains("_keep_") => {
            attacks_of![history::a_superuser_rewrites_nothing_that_is_recorded]
        }
        ("always", name) if name.contains("_keep_") => attacks_of![
            history::a_superuser_who_passes_over_ordinary_triggers_rewrites_nothing_either,
        ],

        (
            "execute",
            "blotter_submit_orders" | "blotter_record_fills" | "blotter_log_actions",
        ) => attacks_of![
            functions::no_function_but_the_one_that_tells_the_identity_is_called_by_a_trader,
            batches::only_the_engine_writes_batches,
        ],
        ("execute", "blotter_expire_due") => attacks_of![
            functions::no_function_but_the_one_that_tells_the_identity_is_called_by_a_trader,
            amendments::nobody_but_the_engine_ends_orders_by_the_clock,
        ],
        (
            "execute",
            "blotter_refuse_transition"
            | "blotter_refuse_fill"
            | "blotter_refuse_action"
            | "blotter_booked_reason"
            | "blotter_widen"
            | "blotter_count_amendment"
            | "blotter_end_replaced"
            | "blotter_refuse_resolved"
            | "blotter_log_break"
            | "blotter_amended_fills"
            | "blotter_lend_ledger"
            | "blotter_permit_revert"
            | "blotter_settle_ledger",
        ) => attacks_of![
            functions::no_function_but_the_one_that_tells_the_identity_is_called_by_a_trader,
        ],
        // They read nothing.
        ("execute", "blotter_is_open" | "blotter_next_change") => {
            attacks_of![catalog::functions_have_a_fixed_search_path_and_run_for_nobody_else]
        }
        ("execute", _) => attacks_of![
            functions::no_function_that_derives_runs_on_a_table_of_the_callers,
        ],
        ("search path", "orders_log_submitted") => attacks_of![
            functions::a_table_of_the_callers_stands_in_for_none_when_an_order_is_submitted,
            functions::a_table_of_the_callers_stands_in_for_none_when_an_order_is_replaced,
        ],
        (
            "search path",
            "execution_logs_require_order" | "execution_logs_derive",
        ) => attacks_of![
            functions::a_table_of_the_callers_stands_in_for_none_when_an_order_is_cancelled,
        ],
        ("search path", "fills_stamp") => attacks_of![
            functions::a_table_of_the_callers_stands_in_for_none_when_a_fill_is_recorded,
            functions::a_table_of_the_callers_stands_in_for_none_when_a_fill_is_taken_back,
        ],
        ("search path", "fills_derive") => attacks_of![
            functions::a_table_of_the_callers_stands_in_for_none_when_a_fill_is_recorded,
            functions::a_table_of_the_callers_stands_in_for_none_when_a_fill_is_taken_back,
        ],
        ("search path", "orders_admit") => attacks_of![
            functions::an_operator_of_the_callers_admits_no_order_that_has_begun,
            functions::a_table_of_the_callers_stands_in_for_none_when_an_order_is_replaced,
        ],
        ("search path", "breaks_stamp") => attacks_of![
            functions::a_table_of_the_callers_stands_in_for_none_when_a_break_is_kept,
        ],
        ("search path", "breaks_log") => {
            attacks_of![functions::a_function_of_the_callers_is_not_called_when_a_break_is_kept]
        }
        ("search path", "break_resolutions_stamp" | "break_resolutions_book") => attacks_of![
            functions::a_table_of_the_callers_stands_in_for_none_when_a_break_is_booked,
        ],
        ("search path", "blotter_expire_due") => attacks_of![
            functions::a_table_of_the_callers_stands_in_for_none_when_an_orders_time_is_up,
        ],
        ("search path", "blotter_lend_ledger" | "blotter_settle_ledger") => attacks_of![
            functions::an_operator_of_the_callers_is_not_called_when_the_ledger_is_lent,
        ],
        ("search path", "blotter_refuse_change") => {
            attacks_of![functions::an_operator_of_the_callers_is_not_called_by_the_guards]
        }
        ("search path", "blotter_submit_orders" | "blotter_record_fills" | "blotter_log_actions") => {
            attacks_of![
                batches::the_engine_writes_batches_that_the_log_and_the_totals_agree_with,
                batches::an_operator_of_the_callers_is_not_called_when_a_batch_is_written,
            ]
        }
        (
            "definer" | "owner" | "executed",
            "blotter_submit_orders" | "blotter_record_fills" | "blotter_log_actions",
        ) => {
            attacks_of![batches::the_engine_writes_batches_that_the_log_and_the_totals_agree_with]
        }
        ("executed", "blotter_amended_fills") => {
            attacks_of![breaks::the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other]
        }
        // The engine, which alone calls it, reads the same rows as the ledger.
        ("search path" | "definer" | "owner", "blotter_amended_fills") => {
            attacks_of![catalog::functions_have_a_fixed_search_path_and_run_for_nobody_else]
        }
        // Only the owner of the tables or a superuser may call these, and it could only attack itself.
        ("search path", "archives_stamp" | "blotter_widen" | "blotter_permit_revert")
        // These do the same under any role: they only raise errors, or read nothing, or read only rows that
        // every role which stores breaks may read, or are called only by the ledger or by their owner.
        | (
            "invoker",
            "archives_stamp"
            | "blotter_refuse_transition"
            | "blotter_refuse_fill"
            | "blotter_refuse_action"
            | "blotter_booked_reason"
            | "blotter_order_rule"
            | "blotter_fill_rule"
            | "blotter_action_rule"
            | "blotter_refuse_change"
            | "blotter_is_open"
            | "blotter_next_change"
            | "blotter_trader_id"
            | "blotter_scale"
            | "blotter_symbol_length"
            | "blotter_widen"
            | "breaks_stamp"
            | "blotter_count_amendment"
            | "blotter_end_replaced"
            | "blotter_refuse_resolved"
            | "blotter_log_break"
            | "blotter_lend_ledger"
            | "blotter_permit_revert"
            | "blotter_settle_ledger",
        ) => {
            attacks_of![catalog::functions_have_a_fixed_search_path_and_run_for_nobody_else]
        }
        // Without it nobody but the ledger could insert a row.
        ("executed", "blotter_order_rule") => {
            attacks_of![roles::a_trader_submits_its_orders_and_cancels_them]
        }
        ("executed", "blotter_fill_rule") => {
            attacks_of![roles::the_engine_records_fills_and_what_follows_from_them_is_derived]
        }
        // The ledger calls it, which owns it.
        ("executed", "blotter_action_rule") => {
            attacks_of![catalog::functions_have_a_fixed_search_path_and_run_for_nobody_else]
        }

        ("grant", name) if name.starts_with("SELECT on") && name.ends_with("trader") => {
            attacks_of![roles::a_trader_sees_its_own_rows_and_no_others]
        }
        ("grant", name) if name.starts_with("SELECT on") && name.ends_with("engine") => {
            attacks_of![roles::the_engine_sees_everything_without_an_identity]
        }
        ("grant", name) if name.starts_with("SELECT on") && name.ends_with("compliance") => {
            attacks_of![roles::compliance_sees_everything_without_an_identity]
        }
        (
            "grant",
            "INSERT on orders to blotter_trader"
            | "INSERT on execution_logs to blotter_trader"
            | "INSERT on execution_logs to blotter_ledger",
        ) => attacks_of![roles::a_trader_submits_its_orders_and_cancels_them],
        ("grant", "INSERT on traders to blotter_engine" | "INSERT on orders to blotter_engine") => {
            attacks_of![roles::the_engine_registers_traders_and_submits_their_orders]
        }
        ("grant", "INSERT on execution_logs to blotter_engine") => {
            attacks_of![roles::the_engine_logs_every_action_on_every_traders_order]
        }
        (
            "grant",
            "INSERT on fills to blotter_engine" | "SELECT on orders to blotter_ledger",
        ) => attacks_of![roles::the_engine_records_fills_and_what_follows_from_them_is_derived],
        ("grant", "INSERT on orders to blotter_ledger") => {
            attacks_of![batches::the_engine_writes_batches_that_the_log_and_the_totals_agree_with]
        }
        ("grant", "UPDATE (break_count) on orders to blotter_ledger") => {
            attacks_of![breaks::the_engine_keeps_a_break_of_every_traders_order_and_of_none]
        }
        ("grant", "UPDATE (venue_order_id) on orders to blotter_ledger") => {
            attacks_of![impersonation::an_order_is_known_at_its_venue_by_one_name]
        }
        ("grant", name) if name.starts_with("UPDATE (") && name.ends_with("ledger") => {
            attacks_of![roles::the_engine_records_fills_and_what_follows_from_them_is_derived]
        }
        ("grant", "SELECT on execution_logs to blotter_ledger") => attacks_of![
            roles::a_trader_submits_its_orders_and_cancels_them,
            impersonation::nothing_happens_to_an_order_before_it_is_submitted,
        ],
        ("policy", "execution_logs_ledger_reads") => {
            attacks_of![impersonation::nothing_happens_to_an_order_before_it_is_submitted]
        }
        ("grant", "SELECT on fills to blotter_ledger") => {
            attacks_of![amendments::a_bust_counts_against_the_fill_that_it_takes_back]
        }
        ("grant", "INSERT on breaks to blotter_engine") => {
            attacks_of![breaks::the_engine_keeps_a_break_of_every_traders_order_and_of_none]
        }
        (
            "grant",
            "INSERT on break_resolutions to blotter_engine"
            | "INSERT on fills to blotter_ledger"
            | "SELECT on breaks to blotter_ledger"
            | "SELECT on break_resolutions to blotter_ledger",
        ) => attacks_of![breaks::the_engine_books_a_break_as_a_fill_and_the_log_says_so],
        ("grant", "USAGE on execution_logs_sequence to blotter_ledger") => {
            attacks_of![roles::a_trader_submits_its_orders_and_cancels_them]
        }
        ("no grant", "to blotter_trader") => attacks_of![
            roles::a_trader_is_granted_nothing_beyond_that,
        ],
        ("no grant", "to blotter_engine") => attacks_of![
            roles::the_engine_is_granted_nothing_beyond_that,
        ],
        ("no grant", "to blotter_compliance") => {
            attacks_of![roles::compliance_is_granted_nothing_at_all_but_to_read]
        }
        ("no grant", "to blotter_auditor") => {
            attacks_of![roles::the_auditor_is_granted_what_it_seals_and_nothing_else]
        }
        ("no grant", "to blotter_ledger") => {
            attacks_of![roles::the_ledger_is_granted_what_it_derives_and_nothing_else]
        }
        ("no grant", "to public") => attacks_of![
            roles::who_has_none_of_the_roles_is_granted_nothing,
        ],
        _ => &[],
    }
}

/// The attacks that detect that a function no longer raises an error, by the function and the error's message.
fn noticed_without_refusal(name: &str) -> &'static [Named] {
    let (function, message) = name.split_once(": '").unwrap();
    let is = |beginning: &str| message.starts_with(beginning);
    match function {
        "blotter_refuse_change" => attacks_of![
            history::a_superuser_rewrites_nothing_that_is_recorded,
            history::not_even_the_ledger_changes_the_terms_of_an_order,
            truncation::a_superuser_truncates_no_table,
        ],
        "seals_follow" => {
            attacks_of![seals::a_seal_has_one_place_and_continues_the_one_before_it]
        }
        "blotter_refuse_transition" => {
            attacks_of![impersonation::nothing_happens_to_an_order_after_its_end]
        }
        "blotter_refuse_resolved" => {
            attacks_of![breaks::an_execution_of_a_resolved_break_is_recorded_by_no_fill]
        }
        "blotter_count_amendment" => {
            attacks_of![amendments::a_fill_is_amended_once_as_a_whole_and_within_its_order]
        }
        "blotter_refuse_fill" => {
            attacks_of![roles::the_engine_records_fills_and_what_follows_from_them_is_derived]
        }
        "blotter_refuse_action" if is("there is no order") => {
            attacks_of![impersonation::nothing_happens_to_an_order_that_does_not_exist]
        }
        "blotter_refuse_action" if is("order % is not an order of trader") => {
            attacks_of![impersonation::a_trader_logs_nothing_for_another]
        }
        "blotter_refuse_action" if is("order % is % after") => attacks_of![
            impersonation::an_action_tells_the_status_and_the_time_that_the_database_knows
        ],
        "blotter_refuse_action" if is("order % is known at the venue") => {
            attacks_of![impersonation::an_order_is_known_at_its_venue_by_one_name]
        }
        "execution_logs_require_order" => {
            attacks_of![oracles::an_action_on_anothers_order_meets_an_order_that_is_not_there]
        }
        "execution_logs_derive" if is("new row") => {
            attacks_of![rules::an_action_that_cannot_be_read_is_refused]
        }
        "execution_logs_derive" if is("order %: % is logged by the database") => {
            attacks_of![impersonation::what_the_database_logs_by_itself_is_logged_by_nobody_else]
        }
        "execution_logs_derive" if is("order %: an entry about fill") => {
            attacks_of![impersonation::what_is_logged_of_a_fill_or_a_break_is_logged_by_nobody_else]
        }
        "fills_stamp" if is("order %: a fill does not book break") => {
            attacks_of![breaks::a_fill_books_no_break_by_naming_it]
        }
        "fills_stamp" if is("there is no fill") || is("fill %") => {
            attacks_of![amendments::a_fill_is_amended_once_as_a_whole_and_within_its_order]
        }
        "fills_stamp" if is("new row") => {
            attacks_of![rules::a_fill_that_cannot_be_read_is_refused]
        }
        "fills_stamp" if is("there is no order") => attacks_of![
            impersonation::nothing_happens_to_an_order_that_does_not_exist,
            oracles::a_fill_of_anothers_order_meets_an_order_that_is_not_there,
        ],
        "orders_admit" if is("new row") => {
            attacks_of![rules::an_order_that_cannot_be_read_is_refused]
        }
        "orders_admit" if is("order % would begin as") => {
            attacks_of![impersonation::an_order_begins_with_nothing_filled_whoever_submits_it]
        }
        "orders_admit" if is("order % would replace itself") || is("there is no order") => {
            attacks_of![amendments::no_order_takes_the_place_of_another_traders_whoever_submits_it]
        }
        "orders_log_submitted" if is("order %: another row of the same statement") => {
            attacks_of![impersonation::nothing_happens_to_an_order_before_it_is_submitted]
        }
        "orders_log_submitted" if is("order % is %, which does not allow order") => attacks_of![
            amendments::an_order_is_replaced_once_and_not_when_it_is_cancelled_or_rejected
        ],
        "break_resolutions_stamp" if is("there is no break") => {
            attacks_of![oracles::a_resolution_of_anothers_break_meets_a_break_that_is_not_there]
        }
        "break_resolutions_stamp" if is("the resolution dismisses break") => {
            attacks_of![breaks::a_dismissal_names_no_order]
        }
        "break_resolutions_stamp" if is("break % is %, and no execution") => {
            attacks_of![breaks::a_break_that_is_no_execution_is_not_booked]
        }
        "break_resolutions_stamp" if is("break % can''t be booked to order") => {
            attacks_of![breaks::a_booking_makes_the_fill_that_was_reported_and_no_other]
        }
        "break_resolutions_stamp" if is("break % is of another trader") => attacks_of![
            breaks::the_engine_books_a_break_to_the_order_that_it_says,
            breaks::a_break_of_an_unknown_order_is_booked_to_its_trader_and_to_no_other,
        ],
        "break_resolutions_book" if is("break %: % shares at") => {
            attacks_of![breaks::a_booking_makes_the_fill_that_was_reported_and_no_other]
        }
        "break_resolutions_book" if is("break %: the chain of order %") => {
            attacks_of![breaks::a_booked_bust_takes_back_a_fill_that_is_there]
        }
        _ => &[],
    }
}

/// Replaces a part of a function of the schema, which must have this part.
macro_rules! function_with {
    ($function:literal, $part:literal => $other:literal) => {
        concat!(
            "DO $with$ DECLARE body text := pg_get_functiondef('",
            $function,
            "'::regproc); BEGIN
                 ASSERT strpos(body, $part$",
            $part,
            "$part$) > 0;
                 EXECUTE replace(body, $part$",
            $part,
            "$part$, $part$",
            $other,
            "$part$); END $with$"
        )
    };
}

/// Defences that are weakened instead of removed.
const WIDENED: &[(&str, &[Named])] = &[
    (
        "ALTER POLICY execution_logs_trader_isolation ON execution_logs
         WITH CHECK (trader_id = blotter_trader_id())",
        attacks_of![
            impersonation::a_trader_approves_executes_rejects_and_repairs_none_of_its_orders,
            impersonation::a_trader_gives_no_code_of_a_venue_and_counts_no_retry,
        ],
    ),
    (
        "ALTER POLICY execution_logs_trader_isolation ON execution_logs
         WITH CHECK (trader_id = blotter_trader_id() AND action = 'CANCELLED')",
        attacks_of![impersonation::a_trader_gives_no_code_of_a_venue_and_counts_no_retry],
    ),
    (
        "ALTER POLICY execution_logs_trader_isolation ON execution_logs
         WITH CHECK (
             trader_id = blotter_trader_id() AND action = 'CANCELLED' AND error_code IS NULL
             AND retry_attempt IS NULL
         )",
        attacks_of![impersonation::a_trader_gives_no_code_of_a_venue_and_counts_no_retry],
    ),
    (
        "ALTER POLICY execution_logs_trader_isolation ON execution_logs
         WITH CHECK (
             trader_id = blotter_trader_id() AND action = 'CANCELLED' AND error_code IS NULL
             AND retry_attempt IS NULL AND venue_order_id IS NULL AND reported_at IS NULL
         )",
        attacks_of![impersonation::a_trader_gives_no_code_of_a_venue_and_counts_no_retry],
    ),
    (
        "ALTER POLICY execution_logs_trader_isolation ON execution_logs
         WITH CHECK (
             trader_id = blotter_trader_id() AND action = 'CANCELLED' AND error_code IS NULL
             AND retry_attempt IS NULL AND venue_order_id IS NULL AND report_id IS NULL
         )",
        attacks_of![impersonation::a_trader_gives_no_code_of_a_venue_and_counts_no_retry],
    ),
    (
        "ALTER POLICY execution_logs_trader_isolation ON execution_logs
         WITH CHECK (
             trader_id = blotter_trader_id() AND action = 'CANCELLED' AND error_code IS NULL
             AND retry_attempt IS NULL AND reported_at IS NULL AND report_id IS NULL
         )",
        attacks_of![impersonation::a_trader_gives_no_code_of_a_venue_and_counts_no_retry],
    ),
    (
        "ALTER POLICY archives_auditor_reads ON archives TO PUBLIC",
        attacks_of![archives::nobody_else_sees_an_archive_or_makes_one_whatever_is_granted],
    ),
    (
        "ALTER POLICY archives_compliance_reads ON archives TO PUBLIC",
        attacks_of![archives::nobody_else_sees_an_archive_or_makes_one_whatever_is_granted],
    ),
    (
        function_with!("archives_stamp", "NEW.acted_by := session_user;" => ""),
        attacks_of![archives::an_archive_tells_who_removed_the_records_and_when_whatever_is_claimed],
    ),
    (
        "ALTER POLICY seals_auditor_seals ON seals TO PUBLIC",
        attacks_of![
            seals::compliance_sees_the_seals_and_makes_none_whatever_is_granted,
            seals::nobody_else_sees_a_seal_or_makes_one_whatever_is_granted,
        ],
    ),
    (
        "ALTER POLICY seals_compliance_reads ON seals TO PUBLIC",
        attacks_of![seals::nobody_else_sees_a_seal_or_makes_one_whatever_is_granted],
    ),
    (
        "ALTER POLICY seals_auditor_reads ON seals TO PUBLIC",
        attacks_of![seals::nobody_else_sees_a_seal_or_makes_one_whatever_is_granted],
    ),
    (
        "ALTER TABLE seals DROP CONSTRAINT seals_pkey",
        attacks_of![seals::a_seal_has_one_place_and_continues_the_one_before_it],
    ),
    (
        "DROP TRIGGER seals_follow ON seals",
        attacks_of![
            seals::a_seal_has_one_place_and_continues_the_one_before_it,
            seals::a_seal_tells_the_login_that_inserted_it_whatever_is_claimed,
        ],
    ),
    (
        function_with!("seals_follow", "NEW.id = coalesce(last.id, 0) + 1" => "true"),
        attacks_of![seals::a_seal_has_one_place_and_continues_the_one_before_it],
    ),
    (
        function_with!("seals_follow", "NEW.origin = coalesce(last.origin, NEW.origin)" => "true"),
        attacks_of![seals::a_seal_has_one_place_and_continues_the_one_before_it],
    ),
    (
        function_with!("seals_follow", "NEW.size = coalesce(last.size, 0) + octet_length(NEW.leaves) / 32" => "true"),
        attacks_of![seals::a_seal_has_one_place_and_continues_the_one_before_it],
    ),
    (
        function_with!("seals_follow", "NEW.settled >= coalesce(last.settled, 0)" => "true"),
        attacks_of![seals::a_seal_has_one_place_and_continues_the_one_before_it],
    ),
    (
        function_with!("seals_follow", "NEW.sealed_by := session_user;" => ""),
        attacks_of![seals::a_seal_tells_the_login_that_inserted_it_whatever_is_claimed],
    ),
    (
        function_with!("seals_follow", "NEW.sealed_by := session_user;" => "NEW.sealed_by := current_user;"),
        attacks_of![seals::a_seal_tells_the_login_that_inserted_it_whatever_is_claimed],
    ),
    (
        function_with!(
            "blotter_number_row", "pg_catalog.nextval(" => "coalesce(NEW.sequence, 0) + 0 * pg_catalog.nextval("
        ),
        attacks_of![history::a_break_a_resolution_and_a_trader_have_a_number_of_nobodys_choice],
    ),
    (
        "ALTER POLICY traders_auditor_reads ON traders TO PUBLIC",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY execution_logs_auditor_reads ON execution_logs TO PUBLIC",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY breaks_trader_isolation ON breaks USING (true)",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY break_resolutions_trader_isolation ON break_resolutions USING (true)",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    // Permissive policies like those of the base schema, which the restrictive policies must limit.
    (
        "DROP POLICY breaks_trader_isolation ON breaks;
         CREATE POLICY breaks_trader_isolation ON breaks
             USING (trader_id = (SELECT blotter_trader_id()))",
        attacks_of![
            breaks::a_trader_keeps_no_break_and_resolves_none_whatever_is_granted,
            history::a_break_and_its_resolution_are_changed_and_deleted_by_nobody,
            roles::compliance_writes_nothing_whatever_is_granted,
        ],
    ),
    (
        "DROP POLICY break_resolutions_trader_isolation ON break_resolutions;
         CREATE POLICY break_resolutions_trader_isolation ON break_resolutions
             USING (trader_id = (SELECT blotter_trader_id()))",
        attacks_of![
            breaks::a_trader_keeps_no_break_and_resolves_none_whatever_is_granted,
            history::a_break_and_its_resolution_are_changed_and_deleted_by_nobody,
            roles::compliance_writes_nothing_whatever_is_granted,
        ],
    ),
    (
        "ALTER POLICY breaks_engine_reads ON breaks TO PUBLIC",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY break_resolutions_compliance_reads ON break_resolutions TO PUBLIC",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY breaks_ledger_reads ON breaks TO PUBLIC",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY break_resolutions_ledger_reads ON break_resolutions TO PUBLIC",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY fills_ledger_reads ON fills TO PUBLIC",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY breaks_engine_keeps ON breaks TO PUBLIC",
        attacks_of![
            breaks::a_trader_keeps_no_break_and_resolves_none_whatever_is_granted,
            roles::compliance_writes_nothing_whatever_is_granted,
        ],
    ),
    (
        "ALTER POLICY break_resolutions_engine_resolves ON break_resolutions TO PUBLIC",
        attacks_of![
            breaks::a_trader_keeps_no_break_and_resolves_none_whatever_is_granted,
            roles::compliance_writes_nothing_whatever_is_granted,
        ],
    ),
    (
        "DROP POLICY breaks_engine_keeps ON breaks;
         CREATE POLICY breaks_engine_keeps ON breaks TO blotter_engine USING (true)",
        attacks_of![history::a_break_and_its_resolution_are_changed_and_deleted_by_nobody],
    ),
    (
        "ALTER POLICY orders_trader_isolation ON orders USING (true)",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY orders_trader_isolation ON orders WITH CHECK (true)",
        attacks_of![
            impersonation::a_trader_submits_no_order_for_another,
            oracles::an_order_for_another_is_refused_whether_or_not_there_is_such_a_trader,
        ],
    ),
    (
        "ALTER POLICY fills_trader_isolation ON fills WITH CHECK (true)",
        attacks_of![impersonation::without_the_triggers_row_security_keeps_traders_apart],
    ),
    (
        "ALTER POLICY execution_logs_trader_isolation ON execution_logs WITH CHECK (true)",
        attacks_of![impersonation::without_the_triggers_row_security_keeps_traders_apart],
    ),
    (
        "ALTER POLICY orders_engine_reads ON orders TO PUBLIC",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY fills_compliance_reads ON fills TO PUBLIC",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY orders_ledger_reads ON orders TO PUBLIC",
        attacks_of![roles::a_trader_sees_its_own_rows_and_no_others],
    ),
    (
        "ALTER POLICY orders_ledger_derives ON orders TO PUBLIC",
        attacks_of![
            history::the_engine_and_compliance_change_no_order_and_no_fill_whatever_is_granted,
        ],
    ),
    (
        "ALTER POLICY execution_logs_ledger_logs ON execution_logs TO PUBLIC",
        attacks_of![impersonation::without_the_triggers_row_security_keeps_traders_apart],
    ),
    (
        "ALTER POLICY orders_engine_submits ON orders TO PUBLIC",
        attacks_of![impersonation::a_trader_submits_no_order_for_another],
    ),
    (
        "ALTER POLICY orders_ledger_submits ON orders TO PUBLIC",
        attacks_of![impersonation::a_trader_submits_no_order_for_another],
    ),
    (
        "ALTER POLICY fills_ledger_records ON fills TO PUBLIC",
        attacks_of![impersonation::without_the_triggers_row_security_keeps_traders_apart],
    ),
    (
        "ALTER POLICY fills_engine_records ON fills TO PUBLIC",
        attacks_of![impersonation::without_the_triggers_row_security_keeps_traders_apart],
    ),
    (
        "ALTER POLICY traders_engine_registers ON traders TO PUBLIC",
        attacks_of![impersonation::a_trader_is_registered_by_the_engine_only],
    ),
    (
        "DROP POLICY orders_engine_reads ON orders;
         CREATE POLICY orders_engine_reads ON orders TO blotter_engine USING (true)",
        attacks_of![
            history::the_engine_and_compliance_change_no_order_and_no_fill_whatever_is_granted,
        ],
    ),
    (
        "DROP POLICY traders_compliance_reads ON traders;
         CREATE POLICY traders_compliance_reads ON traders TO blotter_compliance USING (true)",
        attacks_of![
            history::the_engine_and_compliance_change_no_order_and_no_fill_whatever_is_granted,
            roles::compliance_writes_nothing_whatever_is_granted,
        ],
    ),
    (
        "CREATE POLICY orders_everything ON orders USING (true)",
        attacks_of![
            roles::a_trader_sees_its_own_rows_and_no_others,
            catalog::the_policies_are_those_that_are_promised,
        ],
    ),
    (
        "CREATE OR REPLACE FUNCTION blotter_trader_id() RETURNS uuid LANGUAGE sql STABLE
         RETURN nullif(current_setting('app.user_id', true), '')::uuid",
        attacks_of![identity::the_nil_uuid_is_nobodys_identity],
    ),
    (
        "CREATE OR REPLACE FUNCTION blotter_trader_id() RETURNS uuid LANGUAGE sql STABLE
         RETURN nullif(current_setting('app.user_id', true)::uuid,
             '00000000-0000-0000-0000-000000000000')",
        attacks_of![identity::without_an_identity_there_is_nothing_to_see_and_nothing_to_write],
    ),
    (
        "CREATE OR REPLACE FUNCTION blotter_trader_id() RETURNS uuid LANGUAGE plpgsql STABLE AS
         'BEGIN
              RETURN current_setting(''app.user_id'', true)::uuid;
          EXCEPTION WHEN OTHERS THEN RETURN NULL; END'",
        attacks_of![identity::a_malformed_identity_is_an_error_and_shows_nothing],
    ),
    (
        "CREATE OR REPLACE TRIGGER orders_keep_derived AFTER UPDATE ON orders
         FOR EACH ROW WHEN (current_user NOT IN ('blotter_ledger', 'postgres'))
         EXECUTE FUNCTION blotter_refuse_change()",
        attacks_of![history::a_superuser_rewrites_nothing_that_is_recorded],
    ),
    (
        "CREATE OR REPLACE TRIGGER execution_logs_derive BEFORE INSERT ON execution_logs
         FOR EACH ROW WHEN (NOT pg_has_role('blotter_engine', 'USAGE'))
         EXECUTE FUNCTION execution_logs_derive()",
        attacks_of![impersonation::what_the_database_logs_by_itself_is_logged_by_nobody_else],
    ),
    // A batch of fills that the function counts, and the trigger again.
    (
        "CREATE OR REPLACE TRIGGER fills_derive AFTER INSERT ON fills
         FOR EACH ROW EXECUTE FUNCTION fills_derive()",
        attacks_of![batches::the_engine_writes_batches_that_the_log_and_the_totals_agree_with],
    ),
    (
        "DROP INDEX uq_orders_client_order_id",
        attacks_of![oracles::a_client_order_id_that_another_has_used_is_as_good_as_a_new_one],
    ),
    (
        "CREATE UNIQUE INDEX ON orders (client_order_id) WHERE client_order_id <> 'C-1'",
        attacks_of![
            oracles::a_client_order_id_that_another_has_used_is_as_good_as_a_new_one,
            oracles::beside_ids_what_a_trader_chooses_is_unique_among_its_own_rows,
        ],
    ),
    (
        "DROP INDEX uq_orders_replaces",
        attacks_of![amendments::an_order_is_replaced_once_and_not_when_it_is_cancelled_or_rejected],
    ),
    (
        "DROP INDEX uq_fills_amends",
        attacks_of![amendments::a_fill_is_amended_once_as_a_whole_and_within_its_order],
    ),
    (
        "DROP INDEX uq_fills_execution_id",
        attacks_of![amendments::an_execution_of_a_venues_is_recorded_once],
    ),
    // Per order, or without the source or the kind, as it might be written.
    (
        "DROP INDEX uq_fills_execution_id;
         CREATE UNIQUE INDEX uq_fills_execution_id ON fills (order_id, source, execution_id)
             WHERE execution_id IS NOT NULL",
        attacks_of![amendments::an_execution_of_a_venues_is_recorded_once],
    ),
    (
        "DROP INDEX uq_fills_execution_id;
         CREATE UNIQUE INDEX uq_fills_execution_id ON fills (root_id, venue, execution_id)
             WHERE execution_id IS NOT NULL",
        attacks_of![amendments::an_execution_of_a_venues_is_recorded_once],
    ),
    (
        "DROP INDEX uq_fills_execution_id;
         CREATE UNIQUE INDEX uq_fills_execution_id ON fills (root_id, source, execution_id)
             WHERE execution_id IS NOT NULL",
        attacks_of![batches::a_batch_of_fills_is_written_without_those_that_it_leaves_out],
    ),
    (
        "DROP INDEX uq_execution_logs_report_id",
        attacks_of![history::a_report_that_is_logged_again_moves_nothing],
    ),
    ("DROP INDEX uq_execution_logs_sequence", attacks_of![history::a_number_is_given_to_one_entry]),
    (
        "ALTER TABLE breaks DROP CONSTRAINT uq_breaks_sequence",
        attacks_of![history::a_number_is_given_to_one_break_one_resolution_and_one_trader],
    ),
    (
        "ALTER TABLE breaks DROP CONSTRAINT ck_breaks_sequence_bounded",
        attacks_of![history::a_number_that_no_scan_reaches_is_given_to_no_break_resolution_or_trader],
    ),
    (
        "ALTER TABLE break_resolutions DROP CONSTRAINT uq_break_resolutions_sequence",
        attacks_of![history::a_number_is_given_to_one_break_one_resolution_and_one_trader],
    ),
    (
        "ALTER TABLE break_resolutions DROP CONSTRAINT ck_break_resolutions_sequence_bounded",
        attacks_of![history::a_number_that_no_scan_reaches_is_given_to_no_break_resolution_or_trader],
    ),
    (
        "ALTER TABLE traders DROP CONSTRAINT uq_traders_sequence",
        attacks_of![history::a_number_is_given_to_one_break_one_resolution_and_one_trader],
    ),
    (
        "ALTER TABLE traders DROP CONSTRAINT ck_traders_sequence_bounded",
        attacks_of![history::a_number_that_no_scan_reaches_is_given_to_no_break_resolution_or_trader],
    ),
    (
        "ALTER TABLE execution_logs ALTER acted_by SET DEFAULT current_user",
        attacks_of![
            batches::the_engine_writes_batches_that_the_log_and_the_totals_agree_with,
            impersonation::an_action_tells_its_place_in_the_log_and_who_acted_whatever_is_claimed,
        ],
    ),
    (
        "ALTER TABLE execution_logs ALTER acted_as SET DEFAULT current_user",
        attacks_of![
            batches::the_engine_writes_batches_that_the_log_and_the_totals_agree_with,
            impersonation::an_action_tells_its_place_in_the_log_and_who_acted_whatever_is_claimed,
        ],
    ),
    ("DROP INDEX uq_breaks_order", attacks_of![breaks::an_order_that_is_not_stored_is_kept_once]),
    (
        "DROP INDEX uq_breaks_execution",
        attacks_of![breaks::a_break_comes_as_often_as_it_is_reported_and_is_kept_once],
    ),
    // Without the trader or the client order id, or with the latter of orders that are known, as it might be written.
    (
        "DROP INDEX uq_breaks_execution;
         CREATE UNIQUE INDEX uq_breaks_execution ON breaks (
             execution_id, source, coalesce(order_id, '00000000-0000-0000-0000-000000000000'), timestamp,
             coalesce(client_order_id, '')
         )",
        attacks_of![
            breaks::executions_of_unknown_orders_are_kept_apart_by_trader_and_client_order_id
        ],
    ),
    (
        "DROP INDEX uq_breaks_execution;
         CREATE UNIQUE INDEX uq_breaks_execution ON breaks (
             execution_id, source, coalesce(order_id, '00000000-0000-0000-0000-000000000000'), timestamp,
             coalesce(trader_id, '00000000-0000-0000-0000-000000000000')
         )",
        attacks_of![
            breaks::executions_of_unknown_orders_are_kept_apart_by_trader_and_client_order_id
        ],
    ),
    (
        "DROP INDEX uq_breaks_execution;
         CREATE UNIQUE INDEX uq_breaks_execution ON breaks (
             execution_id, source, coalesce(order_id, '00000000-0000-0000-0000-000000000000'), timestamp,
             coalesce(trader_id, '00000000-0000-0000-0000-000000000000'), coalesce(client_order_id, '')
         )",
        attacks_of![
            breaks::executions_of_unknown_orders_are_kept_apart_by_trader_and_client_order_id
        ],
    ),
    (
        "ALTER TABLE breaks DROP CONSTRAINT ck_breaks_action_amends_nothing",
        attacks_of![breaks::a_break_that_is_no_execution_names_no_execution_or_fill],
    ),
    (
        "ALTER TABLE breaks DROP CONSTRAINT ck_breaks_order_not_stored",
        attacks_of![breaks::a_break_that_is_no_execution_names_no_execution_or_fill],
    ),
    (
        "ALTER TABLE break_resolutions DROP CONSTRAINT uq_break_resolutions_break_id",
        attacks_of![breaks::a_break_is_resolved_once],
    ),
    (
        "GRANT SELECT ON orders TO blotter_trader WITH GRANT OPTION",
        attacks_of![catalog::the_grants_are_those_that_are_promised],
    ),
    (
        "GRANT REFERENCES ON orders TO blotter_trader",
        attacks_of![catalog::the_grants_are_those_that_are_promised],
    ),
    (
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        attacks_of![overloads::nobody_but_the_owner_creates_an_object_in_the_schema],
    ),
    // An operator over a type of the schema, and one over built-in types that needs a conversion.
    (
        function_with!("orders_admit", "NEW.status::text <> 'PENDING'" => "NEW.status <> 'PENDING'"),
        attacks_of![
            overloads::no_overload_in_the_schema_is_called_when_a_trader_writes,
            overloads::no_overload_in_the_schema_is_called_when_the_engine_writes,
        ],
    ),
    (
        function_with!("orders_admit", "<> 0::numeric" => "<> 0"),
        attacks_of![overloads::no_overload_in_the_schema_is_called_when_a_trader_writes],
    ),
    // A polymorphic function, unqualified.
    (
        function_with!("blotter_record_fills", "pg_catalog.array_agg(" => "array_agg("),
        attacks_of![overloads::no_overload_in_the_schema_is_called_when_the_engine_writes_a_batch],
    ),
    (
        function_with!("blotter_log_actions", "pg_catalog.unnest(" => "unnest("),
        attacks_of![overloads::no_overload_in_the_schema_is_called_when_the_engine_writes_a_batch],
    ),
    (
        "CREATE TABLE notes (note text)",
        attacks_of![catalog::row_security_is_on_and_forced_on_every_table],
    ),
    (
        "CREATE VIEW everything AS SELECT * FROM orders",
        attacks_of![catalog::no_view_and_no_rule_leads_around_row_security],
    ),
    (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        attacks_of![catalog::what_is_created_later_is_granted_to_nobody],
    ),
    (
        "CREATE UNIQUE INDEX ON orders (symbol)",
        attacks_of![oracles::beside_ids_what_a_trader_chooses_is_unique_among_its_own_rows],
    ),
    (
        "ALTER TABLE orders DISABLE ROW LEVEL SECURITY;
         ALTER TABLE fills DISABLE ROW LEVEL SECURITY;
         ALTER TABLE execution_logs DISABLE ROW LEVEL SECURITY",
        attacks_of![
            functions::an_operator_of_the_callers_shows_no_other_traders_row,
            history::a_trader_changes_neither_the_terms_of_an_order_nor_what_is_derived_of_it,
            identity::an_unknown_identity_sees_nothing,
            impersonation::an_order_moves_to_no_other_trader,
            oracles::no_error_about_a_key_repeats_a_value_of_anothers_row,
            queries::a_cursor_fetches_exactly_the_own_rows,
            queries::a_function_that_tells_on_its_arguments_is_called_with_the_own_rows_only,
            queries::aggregates_count_exactly_the_own_rows,
            queries::copy_from_does_not_lead_around_the_policies,
            queries::explain_runs_a_query_on_exactly_the_own_rows_and_statistics_are_closed,
            queries::joins_show_exactly_the_own_rows,
            queries::returning_gives_back_exactly_what_was_written,
            queries::rows_are_locked_by_nobody_and_with_a_grant_the_own_ones_only,
            queries::sub_queries_and_set_operations_find_no_foreign_row,
        ],
    ),
    (
        "DROP TRIGGER fills_stamp ON fills",
        attacks_of![
            impersonation::a_fill_is_shown_to_the_trader_of_its_order_whatever_the_engine_says,
        ],
    ),
    (
        "GRANT UPDATE, DELETE ON execution_logs
         TO blotter_trader, blotter_engine, blotter_compliance",
        attacks_of![history::no_role_is_granted_a_rewrite_of_a_log_row_its_own_or_anothers],
    ),
    // Roles are shared by the whole cluster, but this change is rolled back before anyone else sees it.
    (
        "ALTER ROLE blotter_trader LOGIN",
        attacks_of![catalog::nobody_logs_in_as_a_role_and_no_role_is_another_or_has_an_attribute],
    ),
];

/// Replaces a part of the function that hardens the schema.
macro_rules! harden_with {
    ($part:literal => $other:literal) => {
        concat!(
            "DO $harden$
             DECLARE body text := pg_get_functiondef('blotter_harden.refuse_public()'::regprocedure);
             BEGIN
                 ASSERT strpos(body, $part$",
            $part,
            "$part$) > 0;
                 EXECUTE replace(body, $part$",
            $part,
            "$part$, $part$",
            $other,
            "$part$); END $harden$"
        )
    };
}

/// Conditions of functions that are removed.
const CONDITIONS: &[(&str, &[Named])] = &[
    (
        "CREATE OR REPLACE FUNCTION blotter_order_rule(
             symbol text, client_order_id text, account text, order_type text, price numeric,
             stop_loss numeric, take_profit numeric, limit_price numeric, currency text,
             expires_at timestamptz, received_at timestamptz, trading_day date, instructions jsonb
         ) RETURNS text LANGUAGE sql IMMUTABLE RETURN NULL::text",
        attacks_of![
            batches::a_batch_of_orders_leaves_out_what_a_trigger_would_refuse,
            rules::an_order_that_cannot_be_read_is_refused,
        ],
    ),
    (
        "CREATE OR REPLACE FUNCTION blotter_fill_rule(
             venue text, source text, execution_id text, is_amendment boolean, is_bust boolean,
             price numeric, commission numeric, rebate numeric, at timestamptz
         ) RETURNS text LANGUAGE sql IMMUTABLE RETURN NULL::text",
        attacks_of![
            batches::a_batch_of_fills_leaves_out_what_a_trigger_would_refuse,
            rules::a_fill_that_cannot_be_read_is_refused,
        ],
    ),
    (
        "CREATE OR REPLACE FUNCTION blotter_is_open(status order_status_enum) RETURNS boolean
         LANGUAGE sql IMMUTABLE RETURN true",
        attacks_of![impersonation::nothing_happens_to_an_order_after_its_end],
    ),
    (
        "CREATE OR REPLACE FUNCTION blotter_next_change(clock timestamptz, last_change timestamptz)
         RETURNS timestamptz LANGUAGE sql IMMUTABLE RETURN last_change",
        attacks_of![impersonation::the_rows_of_one_statement_are_logged_as_they_happen],
    ),
    (
        "CREATE OR REPLACE FUNCTION blotter_action_rule(
             reason text, retry_attempt integer, error_code text, venue_order_id text,
             reported_at timestamptz
         ) RETURNS text LANGUAGE sql IMMUTABLE RETURN NULL::text",
        attacks_of![
            batches::a_batch_of_actions_leaves_out_what_a_trigger_would_refuse,
            rules::an_action_that_cannot_be_read_is_refused,
        ],
    ),
    (
        function_with!("blotter_submit_orders", "WHERE order_id = given.id" => "WHERE false"),
        attacks_of![batches::a_batch_of_orders_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        function_with!(
            "blotter_submit_orders", "orders.client_order_id::text = given.client_order_id" => "false"
        ),
        attacks_of![batches::a_batch_of_orders_is_written_without_those_that_it_leaves_out],
    ),
    (
        function_with!(
            "blotter_submit_orders",
            "coalesce(orders.trading_day, '-infinity') = coalesce(given.trading_day, '-infinity')"
                => "true"
        ),
        attacks_of![batches::a_batch_of_orders_is_written_without_those_that_it_leaves_out],
    ),
    (
        function_with!("blotter_submit_orders", "WHERE is_accepted;" => ";"),
        attacks_of![batches::a_batch_of_orders_is_written_without_those_that_it_leaves_out],
    ),
    (
        function_with!("blotter_submit_orders", "integrity_constraint_violation OR" => ""),
        attacks_of![batches::a_batch_of_orders_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        function_with!("blotter_submit_orders", "OR data_exception" => ""),
        attacks_of![batches::a_value_that_does_not_fit_its_column_is_an_error_of_no_batch],
    ),
    (
        function_with!("blotter_record_fills", "integrity_constraint_violation OR" => ""),
        attacks_of![batches::a_batch_of_fills_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        function_with!("blotter_record_fills", "OR data_exception" => ""),
        attacks_of![batches::a_value_that_does_not_fit_its_column_is_an_error_of_no_batch],
    ),
    (
        function_with!("blotter_log_actions", "OR data_exception" => ""),
        attacks_of![batches::a_value_that_does_not_fit_its_column_is_an_error_of_no_batch],
    ),
    (
        function_with!("blotter_record_fills", "shares <= ordered - filled_quantity" => "true"),
        attacks_of![batches::a_batch_of_fills_is_written_without_those_that_it_leaves_out],
    ),
    (
        function_with!("blotter_record_fills", "fills.source::text = given.source" => "false"),
        attacks_of![batches::a_batch_of_fills_is_written_without_those_that_it_leaves_out],
    ),
    (
        function_with!("blotter_record_fills", "AND NOT is_bust AND amends IS NULL" => ""),
        attacks_of![batches::a_batch_of_fills_is_written_without_those_that_it_leaves_out],
    ),
    (
        function_with!("blotter_record_fills", "given.quantity > 0 AND" => ""),
        attacks_of![batches::a_batch_of_fills_is_written_without_those_that_it_leaves_out],
    ),
    (
        function_with!(
            "blotter_record_fills", "given.price = pg_catalog.round(given.price, scale)" => "true"
        ),
        attacks_of![batches::a_batch_of_fills_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        function_with!(
            "blotter_record_fills",
            "OVER of_order AS are_valid" => "OVER (PARTITION BY order_id, place) AS are_valid"
        ),
        attacks_of![batches::a_batch_of_fills_is_written_without_those_that_it_leaves_out],
    ),
    (
        function_with!("blotter_record_fills", "AND later = 0;" => "AND later = 1;"),
        attacks_of![batches::the_engine_writes_batches_that_the_log_and_the_totals_agree_with],
    ),
    (
        function_with!("blotter_record_fills", "later = 0 AND" => ""),
        attacks_of![batches::the_engine_writes_batches_that_the_log_and_the_totals_agree_with],
    ),
    (
        function_with!(
            "blotter_record_fills",
            "(row_number() OVER of_order - 1)::double precision * interval '1 microsecond'"
                => "interval '0'"
        ),
        attacks_of![batches::the_engine_writes_batches_that_the_log_and_the_totals_agree_with],
    ),
    (
        function_with!("blotter_log_actions", "AND NOT is_known" => ""),
        attacks_of![batches::a_batch_of_actions_is_written_without_those_that_it_leaves_out],
    ),
    (
        function_with!("blotter_record_fills", "status::text IN ('PENDING', 'PARTIAL')" => "true"),
        attacks_of![batches::a_batch_of_fills_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        function_with!("blotter_record_fills", "break_count = 0" => "true"),
        attacks_of![batches::a_batch_of_fills_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        function_with!("blotter_record_fills", "AND are_valid" => ""),
        attacks_of![batches::a_batch_of_fills_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        function_with!("blotter_log_actions", "of_order = 1" => "true"),
        attacks_of![batches::a_batch_of_actions_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        function_with!(
            "blotter_log_actions",
            "action::text IN ('APPROVED', 'EXECUTED', 'REJECTED', 'CANCELLED')" => "true"
        ),
        attacks_of![batches::a_batch_of_actions_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        function_with!("blotter_log_actions", "AND status::text IN ('PENDING', 'PARTIAL')" => ""),
        attacks_of![batches::a_batch_of_actions_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        function_with!("blotter_log_actions", "AND (known_as = venue_order_id) IS NOT FALSE" => ""),
        attacks_of![batches::a_batch_of_actions_leaves_out_what_a_trigger_would_refuse],
    ),
    (
        "ALTER TABLE execution_logs DROP CONSTRAINT ck_execution_logs_sequence_bounded",
        attacks_of![history::a_number_that_no_scan_reaches_is_given_to_no_entry],
    ),
    (
        "DROP TRIGGER fills_keep_values ON fills;
         CREATE TRIGGER fills_keep_values BEFORE UPDATE ON fills
         EXECUTE FUNCTION blotter_refuse_change()",
        attacks_of![history::a_table_that_records_inherit_from_changes_none_of_them],
    ),
    (
        "DROP TRIGGER execution_logs_keep_values ON execution_logs;
         CREATE TRIGGER execution_logs_keep_values BEFORE UPDATE ON execution_logs
         EXECUTE FUNCTION blotter_refuse_change()",
        attacks_of![history::a_table_that_records_inherit_from_changes_none_of_them],
    ),
    (
        "DROP TRIGGER execution_logs_keep_row ON execution_logs;
         CREATE TRIGGER execution_logs_keep_row BEFORE DELETE ON execution_logs
         EXECUTE FUNCTION blotter_refuse_change()",
        attacks_of![history::a_table_that_records_inherit_from_changes_none_of_them],
    ),
    // What the triggers set, whatever the client sends.
    (
        function_with!("execution_logs_derive", "    NEW.id := pg_catalog.gen_random_uuid();" => ""),
        attacks_of![history::an_entry_has_an_id_and_a_number_of_nobodys_choice],
    ),
    (
        function_with!("execution_logs_derive", "NEW.sequence :=" => "NEW.retry_attempt :="),
        attacks_of![history::an_entry_has_an_id_and_a_number_of_nobodys_choice],
    ),
    (
        function_with!("execution_logs_derive", "NEW.timestamp := moved.updated_at;" => ""),
        attacks_of![impersonation::an_action_tells_the_status_and_the_time_that_the_database_knows],
    ),
    (
        function_with!("execution_logs_derive", "NEW.created_at := moved.updated_at;" => ""),
        attacks_of![impersonation::an_action_tells_the_status_and_the_time_that_the_database_knows],
    ),
    (
        function_with!("execution_logs_derive", "NEW.acted_by := session_user;" => ""),
        attacks_of![
            impersonation::an_action_tells_its_place_in_the_log_and_who_acted_whatever_is_claimed
        ],
    ),
    (
        function_with!("execution_logs_derive", "nullif(pg_catalog.current_setting('role'), 'none')" => "NULL"),
        attacks_of![
            impersonation::an_action_tells_its_place_in_the_log_and_who_acted_whatever_is_claimed
        ],
    ),
    (
        function_with!("orders_admit", "NEW.created_at := pg_catalog.clock_timestamp();" => ""),
        attacks_of![impersonation::an_order_was_submitted_when_it_was_stored],
    ),
    (
        function_with!("orders_admit", "NEW.root_id := NEW.id;" => ""),
        attacks_of![amendments::an_order_and_a_fill_are_of_the_chain_that_the_database_knows],
    ),
    (
        function_with!("orders_admit", "NEW.root_id := replaced.root_id;" => ""),
        attacks_of![amendments::an_order_and_a_fill_are_of_the_chain_that_the_database_knows],
    ),
    (
        function_with!("fills_stamp", "SELECT trader_id, root_id INTO" => "SELECT trader_id, NEW.root_id INTO"),
        attacks_of![amendments::an_order_and_a_fill_are_of_the_chain_that_the_database_knows],
    ),
    (
        function_with!("breaks_stamp", "coalesce(owner, NEW.trader_id)" => "NEW.trader_id"),
        attacks_of![breaks::a_break_of_an_order_is_shown_to_its_trader_whatever_the_engine_says],
    ),
    // What an update finds: what it would refuse is looked for only if it finds nothing.
    (
        function_with!("execution_logs_derive", "AND (trader_id = NEW.trader_id) IS NOT FALSE" => ""),
        attacks_of![impersonation::a_trader_logs_nothing_for_another],
    ),
    (
        function_with!(
            "execution_logs_derive",
            "AND (blotter_is_open(status) OR may_have_ended)" => ""
        ),
        attacks_of![impersonation::nothing_happens_to_an_order_after_its_end],
    ),
    (
        function_with!(
            "execution_logs_derive",
            "AND (venue_order_id::text = NEW.venue_order_id::text) IS NOT FALSE" => ""
        ),
        attacks_of![impersonation::an_order_is_known_at_its_venue_by_one_name],
    ),
    (
        function_with!("execution_logs_derive", "NEW.status IS NULL OR" => "true OR"),
        attacks_of![impersonation::an_action_tells_the_status_and_the_time_that_the_database_knows],
    ),
    // Reads the log of the order for each of its new entries.
    (
        function_with!(
            "execution_logs_derive",
            "FOR attempt IN 1..2 LOOP"
                => "PERFORM FROM execution_logs WHERE order_id = NEW.order_id; FOR attempt IN 1..2 LOOP"
        ),
        attacks_of![
            impersonation::thousands_of_actions_of_one_order_in_one_statement_are_logged_one_by_one
        ],
    ),
    (
        function_with!(
            "fills_derive",
            "AND (blotter_is_open(status) OR NEW.break_id IS NOT NULL)" => ""
        ),
        attacks_of![impersonation::nothing_happens_to_an_order_after_its_end],
    ),
    (
        concat!(
            "ALTER TABLE orders DROP CONSTRAINT ck_orders_filled_lte_quantity; ",
            function_with!("fills_derive", "AND NEW.quantity_filled <= quantity - filled_quantity" => "")
        ),
        attacks_of![roles::the_engine_records_fills_and_what_follows_from_them_is_derived],
    ),
    (
        function_with!("fills_derive", "filled.break_count > 0 AND" => "false AND"),
        attacks_of![breaks::an_execution_of_a_resolved_break_is_recorded_by_no_fill],
    ),
    (
        function_with!(
            "blotter_count_amendment",
            "IF amendment.execution_id IS NOT NULL AND" => "IF false AND"
        ),
        attacks_of![
            breaks::an_execution_of_a_resolved_break_is_recorded_by_no_fill,
            breaks::an_amendment_of_a_resolved_break_is_recorded_for_no_order_of_the_chain,
        ],
    ),
    (
        function_with!("blotter_refuse_resolved", "OR fill.amends IS NOT NULL" => "OR false"),
        attacks_of![breaks::an_amendment_of_a_resolved_break_is_recorded_for_no_order_of_the_chain],
    ),
    (
        function_with!("blotter_refuse_resolved", ", 'UNAPPLIED_ACTION')" => ")"),
        attacks_of![breaks::a_dismissed_action_keeps_no_fill_out],
    ),
    (
        function_with!("break_resolutions_stamp", ", 'UNAPPLIED_ACTION')" => ")"),
        attacks_of![breaks::a_break_that_is_no_execution_is_not_booked],
    ),
    (
        function_with!(
            "break_resolutions_stamp",
            "(FOUND OR resolved.trader_id <> NEW.trader_id)" => "FOUND"
        ),
        attacks_of![breaks::a_break_of_an_unknown_order_is_booked_to_its_trader_and_to_no_other],
    ),
    (
        function_with!(
            "break_resolutions_stamp", "coalesce(resolved.trader_id, NEW.trader_id)" => "NEW.trader_id"
        ),
        attacks_of![breaks::the_resolution_of_a_break_is_shown_to_the_trader_of_the_break],
    ),
    // The fill that a bust refers to.
    (
        function_with!(
            "break_resolutions_stamp", "(SELECT order_id FROM fills WHERE id = amended[1])" => "NULL"
        ),
        attacks_of![breaks::a_bust_is_booked_to_the_order_of_the_chain_that_has_the_fill],
    ),
    (
        function_with!("blotter_amended_fills", "WHERE root_id = chain" => "WHERE order_id = of_order"),
        attacks_of![breaks::a_bust_is_booked_to_the_order_of_the_chain_that_has_the_fill],
    ),
    (
        function_with!("blotter_amended_fills", "WHERE root_id = chain AND" => "WHERE"),
        attacks_of![breaks::the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other],
    ),
    (
        function_with!("blotter_amended_fills", "source = by_source AND NOT is_bust THEN 1" => "false THEN 1"),
        attacks_of![breaks::the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other],
    ),
    (
        function_with!("blotter_amended_fills", "NOT is_bust AND timestamp <= at AND" => "NOT is_bust AND"),
        attacks_of![breaks::the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other],
    ),
    (
        function_with!("blotter_amended_fills", "timestamp DESC" => "timestamp"),
        attacks_of![breaks::the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other],
    ),
    (
        function_with!("blotter_amended_fills", "rank = 4 AND sources > 1" => "false"),
        attacks_of![breaks::the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other],
    ),
    (
        function_with!("blotter_amended_fills", "amends IS NOT NULL, is_bust" => "amends IS NULL"),
        attacks_of![breaks::the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other],
    ),
    (
        function_with!("blotter_amended_fills", "refers_to::uuid) AND root_id = chain" => "refers_to::uuid)"),
        attacks_of![breaks::the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other],
    ),
    (
        function_with!("blotter_amended_fills", "' [0-9]{4}-[0-9]{2}-[0-9]{2}$'" => "'[ 0-9-]*$'"),
        attacks_of![breaks::the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other],
    ),
    (
        function_with!("blotter_log_break", "greatest(break_count + new_breaks, at_least)" => "0"),
        attacks_of![breaks::an_execution_of_a_resolved_break_is_recorded_by_no_fill],
    ),
    (
        "DROP TRIGGER orders_keep_terms ON orders;
         DROP TRIGGER orders_keep_derived ON orders;
         CREATE TRIGGER orders_keep_terms BEFORE UPDATE ON orders
         EXECUTE FUNCTION blotter_refuse_change()",
        attacks_of![history::a_table_that_records_inherit_from_changes_none_of_them],
    ),
    (
        function_with!("execution_logs_derive", "IF NEW.report_id IS NOT NULL THEN" => "IF false THEN"),
        attacks_of![history::a_report_that_is_logged_again_moves_nothing],
    ),
    (
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC",
        attacks_of![batches::only_the_engine_writes_batches],
    ),
];

/// Defences of a hardened schema that are removed or weakened.
const HARDENED: &[(&str, &[Named])] = &[
    (
        "DROP EVENT TRIGGER blotter_harden_end_public",
        attacks_of![
            owner::the_owner_alters_nothing_of_a_hardened_schema,
            owner::the_owner_adds_nothing_to_a_hardened_table,
            owner::the_owner_renames_and_moves_nothing_of_a_hardened_schema,
            owner::the_owner_plants_nothing_that_the_functions_of_a_hardened_schema_would_call,
            owner::the_owner_gives_a_hardened_schema_to_nobody,
        ],
    ),
    (
        "ALTER EVENT TRIGGER blotter_harden_end_public DISABLE",
        attacks_of![owner::the_owner_alters_nothing_of_a_hardened_schema],
    ),
    (
        "DROP EVENT TRIGGER blotter_harden_drop_public",
        attacks_of![owner::the_owner_drops_nothing_of_a_hardened_schema],
    ),
    (
        "DROP EVENT TRIGGER blotter_harden_rewrite_public",
        attacks_of![owner::the_owner_rewrites_no_column_of_a_hardened_schema],
    ),
    (
        "DROP EVENT TRIGGER blotter_harden_start_public",
        attacks_of![
            owner::the_owner_builds_and_drops_no_index_of_a_hardened_schema_outside_of_a_transaction
        ],
    ),
    (
        "ALTER EVENT TRIGGER blotter_harden_end_public ENABLE",
        attacks_of![owner::a_superuser_in_replica_mode_alters_no_hardened_schema],
    ),
    (
        "ALTER EVENT TRIGGER blotter_harden_drop_public ENABLE",
        attacks_of![owner::a_superuser_in_replica_mode_alters_no_hardened_schema],
    ),
    (
        "ALTER EVENT TRIGGER blotter_harden_rewrite_public ENABLE",
        attacks_of![owner::a_superuser_in_replica_mode_alters_no_hardened_schema],
    ),
    (
        "ALTER SCHEMA blotter_harden OWNER TO blotter",
        attacks_of![owner::the_owner_lifts_no_hardening],
    ),
    (
        harden_with!("query ~ 'u&' OR" => ""),
        attacks_of![
            owner::the_owner_builds_and_drops_no_index_of_a_hardened_schema_outside_of_a_transaction
        ],
    ),
    (
        harden_with!("WHERE indexrelid = objid" => "WHERE false"),
        attacks_of![owner::the_owner_adds_nothing_to_a_hardened_table],
    ),
    (
        harden_with!("(inhrelid = objid AND inhparent = ANY (ours))" => "false"),
        attacks_of![owner::the_owner_adds_nothing_to_a_hardened_table],
    ),
    (
        harden_with!("FROM pg_trigger WHERE" => "FROM pg_trigger WHERE false AND"),
        attacks_of![owner::the_owner_adds_nothing_to_a_hardened_table],
    ),
    (
        harden_with!("FROM pg_policy WHERE" => "FROM pg_policy WHERE false AND"),
        attacks_of![owner::the_owner_adds_nothing_to_a_hardened_table],
    ),
    (
        harden_with!("FROM pg_rewrite WHERE" => "FROM pg_rewrite WHERE false AND"),
        attacks_of![owner::the_owner_adds_nothing_to_a_hardened_table],
    ),
    (
        harden_with!("FROM pg_constraint WHERE" => "FROM pg_constraint WHERE false AND"),
        attacks_of![owner::the_owner_renames_and_moves_nothing_of_a_hardened_schema],
    ),
    (
        harden_with!("AND type <> ALL (types)" => "AND false"),
        attacks_of![owner::other_objects_in_a_hardened_schema_are_altered_and_dropped_as_before],
    ),
    (
        harden_with!("AND oid <> ALL (types)" => "AND false"),
        attacks_of![owner::other_objects_in_a_hardened_schema_are_altered_and_dropped_as_before],
    ),
    (
        harden_with!("THEN objid = ANY (types)" => "THEN false"),
        attacks_of![owner::the_owner_alters_nothing_of_a_hardened_schema],
    ),
    (
        harden_with!("THEN objid = ANY (types)" => "THEN true"),
        attacks_of![owner::other_objects_in_a_hardened_schema_are_altered_and_dropped_as_before],
    ),
    (
        harden_with!("FROM pg_cast WHERE" => "FROM pg_cast WHERE false AND"),
        attacks_of![
            owner::the_owner_plants_nothing_that_the_functions_of_a_hardened_schema_would_call
        ],
    ),
    (
        harden_with!("planted.proname = ANY (routines) OR" => ""),
        attacks_of![
            owner::the_owner_alters_nothing_of_a_hardened_schema,
            owner::the_owner_plants_nothing_that_the_functions_of_a_hardened_schema_would_call,
        ],
    ),
    (
        harden_with!("AND own.proname = planted.proname" => "AND false"),
        attacks_of![
            owner::the_owner_plants_nothing_that_the_functions_of_a_hardened_schema_would_call
        ],
    ),
    (
        harden_with!("own.oprname = planted.oprname" => "false"),
        attacks_of![
            owner::the_owner_plants_nothing_that_the_functions_of_a_hardened_schema_would_call
        ],
    ),
    (
        harden_with!("object <> ALL (present)" => "false"),
        attacks_of![owner::the_owner_renames_and_moves_nothing_of_a_hardened_schema],
    ),
    (
        harden_with!("address_names[2] = ANY (tables)" => "false"),
        attacks_of![owner::the_owner_drops_nothing_of_a_hardened_schema],
    ),
    (
        harden_with!("WHERE object_identity = ANY (objects)" => "WHERE false"),
        attacks_of![owner::the_owner_drops_nothing_of_a_hardened_schema],
    ),
    (
        harden_with!("!~ '^\"RI_ConstraintTrigger_'" => "<> ''"),
        attacks_of![owner::other_objects_in_a_hardened_schema_are_altered_and_dropped_as_before],
    ),
];

/// The attacks that open their own connections, which do not see an uncommitted rehearsal.
const SHARING: &[Named] = attacks_of![
    identity::after_a_set_local_the_identity_is_gone_and_asking_is_no_error,
    plans::a_prepared_statement_shows_the_rows_of_whoever_runs_it,
    plans::a_statement_that_diesel_has_cached_shows_the_rows_of_whoever_runs_it,
    pool::a_connection_that_is_in_a_transaction_already_is_refused_and_left_in_it,
    pool::a_stranger_cancels_an_order_that_is_not_there,
    pool::every_repository_shows_a_stranger_nothing,
    pool::two_traders_who_take_turns_on_one_connection_never_see_a_foreign_row,
    pool::what_was_set_on_a_connection_for_good_does_not_reach_the_next_session,
    queries::copy_to_writes_exactly_the_own_rows,
];

#[derive(QueryableByName)]
struct Defence {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    weakening: String,
}

/// Returns those of these attacks that are still repelled without a defence.
fn repelled(scene: &mut Scene, weakening: &str, attacks: &[Named]) -> Vec<String> {
    let held = attacks.iter().filter(|(_, attack)| scene.rehearse(weakening, *attack).is_ok());
    held.map(|(name, _)| format!("{weakening}: not noticed by {name}")).collect()
}

/// The defences to remove, according to the query.
fn defences(scene: &Scene, query: &str) -> Vec<Defence> {
    let query = format!("SELECT kind::text, name::text, weakening FROM ({query}) AS defences");
    diesel::sql_query(query).load(scene.superuser().connection()).unwrap()
}

/// Removes, one by one, the defences that the query finds.
#[track_caller]
fn assert_all_are_needed(query: &str) {
    let mut scene = Scene::new().for_rehearsals();
    let defences = defences(&scene, query);
    assert!(!defences.is_empty());
    let mut missed = Vec::new();
    for Defence { kind, name, weakening } in &defences {
        match noticed_by(kind, name) {
            [] => missed.push(format!("{kind} {name}: no attack is known to notice ({weakening})")),
            attacks => missed.extend(repelled(&mut scene, weakening, attacks)),
        }
    }
    assert!(missed.is_empty(), "of {}:\n{}", defences.len(), missed.join("\n"));
}

#[test]
fn no_policy_could_be_missing() {
    assert_all_are_needed(POLICIES);
}

#[test]
fn no_trigger_could_be_missing() {
    assert_all_are_needed(TRIGGERS);
}

#[test]
fn no_property_of_a_function_could_be_missing() {
    assert_all_are_needed(FUNCTIONS);
}

#[test]
fn no_refusal_of_a_function_could_be_missing() {
    assert_all_are_needed(REFUSALS);
}

#[test]
fn no_grant_could_be_missing_and_none_could_be_added() {
    assert_all_are_needed(GRANTS);
}

#[test]
fn no_defence_could_be_wider() {
    let mut scene = Scene::new().for_rehearsals();
    let weakened = WIDENED.iter().chain(CONDITIONS);
    let missed = weakened.flat_map(|(sql, attacks)| repelled(&mut scene, sql, attacks));
    let missed: Vec<_> = missed.collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn no_part_of_the_hardening_could_be_missing() {
    let mut scene = Scene::new().for_rehearsals();
    let mut missed = Vec::new();
    for (weakening, attacks) in HARDENED {
        for (name, attack) in *attacks {
            if scene.rehearse_hardened(weakening, *attack).is_ok() {
                missed.push(format!("{weakening}: not noticed by {name}"));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// The attacks that are listed for a defence which a rehearsal removes or weakens.
fn rehearsed(scene: &Scene) -> Vec<Named> {
    let listed = WIDENED.iter().chain(CONDITIONS).chain(HARDENED);
    let mut named: Vec<Named> = listed.flat_map(|(_, attacks)| *attacks).copied().collect();
    for query in [POLICIES, TRIGGERS, FUNCTIONS, REFUSALS, GRANTS] {
        let defences = defences(scene, query);
        named.extend(defences.iter().flat_map(|d| noticed_by(&d.kind, &d.name)));
    }
    named.sort_by_key(|(name, _)| *name);
    named.dedup_by_key(|(name, _)| *name);
    named
}

/// A rehearsal of an attack on an intact database ends like the attack itself.
#[test]
fn what_is_repelled_is_repelled_in_a_rehearsal() {
    let mut scene = Scene::new().for_rehearsals();
    for (name, attack) in rehearsed(&scene) {
        let held = scene.rehearse("RESET ROLE", attack);
        assert!(held.is_ok(), "{name}: {held:?}");
    }
}

#[test]
fn whoever_shares_a_connection_or_a_plan_notices_that_row_security_is_off() {
    let scene = Scene::new();
    scene.run("ALTER TABLE orders DISABLE ROW LEVEL SECURITY");
    for (name, attack) in SHARING {
        let repelled = catch_unwind(AssertUnwindSafe(|| attack(&scene).is_ok()));
        assert!(!repelled.unwrap_or(false), "not noticed by {name}");
    }
}

macro_rules! all_of {
    ($($theme:ident),+ $(,)?) => {
        [$((stringify!($theme), $theme::ATTACKS)),+]
    };
}

/// Every attack, with its theme.
fn all() -> Vec<(String, Attack)> {
    let themes = all_of![
        amendments,
        archives,
        batches,
        breaks,
        catalog,
        functions,
        history,
        identity,
        impersonation,
        oracles,
        overloads,
        owner,
        plans,
        pool,
        queries,
        roles,
        rules,
        seals,
        truncation,
    ];
    let named = |(theme, attacks): (&str, &[(&str, Attack)])| {
        attacks
            .iter()
            .map(|(name, attack)| (format!("{theme}::{name}"), *attack))
            .collect::<Vec<_>>()
    };
    themes.into_iter().flat_map(named).collect()
}

/// The attacks that a rehearsal can run: all but those that open their own connections.
pub fn rehearsable() -> Vec<(String, Attack)> {
    let mut attacks = all();
    attacks.retain(|(name, _)| SHARING.iter().all(|(sharing, _)| sharing != name));
    attacks
}

#[test]
fn every_attack_is_one_that_can_fail() {
    let mut named = rehearsed(&Scene::new().for_rehearsals());
    named.extend(SHARING);
    let mut idle: Vec<_> = all().into_iter().map(|(name, _)| name).collect();
    idle.retain(|name| named.iter().all(|(other, _)| other != name));
    assert!(idle.is_empty(), "named for nothing that is taken away:\n{}", idle.join("\n"));
}
