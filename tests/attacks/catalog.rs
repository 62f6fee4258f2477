//! Checks of the catalog for what no attack can show, such as a role that could log in, or a policy that
//! should not exist.

use crate::scene::{Held, ROLES, Scene};

attacks! {
    row_security_is_on_and_forced_on_every_table,
    the_policies_are_those_that_are_promised,
    functions_have_a_fixed_search_path_and_run_for_nobody_else,
    the_grants_are_those_that_are_promised,
    nobody_logs_in_as_a_role_and_no_role_is_another_or_has_an_attribute,
    no_view_and_no_rule_leads_around_row_security,
    what_is_created_later_is_granted_to_nobody,
}

pub fn row_security_is_on_and_forced_on_every_table(scene: &Scene) -> Held {
    scene.superuser().sees(
        &["__diesel_schema_migrations"],
        "SELECT relname::text AS text FROM pg_class
        WHERE relnamespace = '@schema'::regnamespace AND relkind IN ('r', 'p')
            AND NOT (relrowsecurity AND relforcerowsecurity)
        ORDER BY relname",
    )
}

pub fn the_policies_are_those_that_are_promised(scene: &Scene) -> Held {
    scene.superuser().sees(
        &[
            "archives_auditor_reads: PERMISSIVE SELECT blotter_auditor",
            "archives_compliance_reads: PERMISSIVE SELECT blotter_compliance",
            "break_resolutions_auditor_reads: PERMISSIVE SELECT blotter_auditor",
            "break_resolutions_compliance_reads: PERMISSIVE SELECT blotter_compliance",
            "break_resolutions_engine_reads: PERMISSIVE SELECT blotter_engine",
            "break_resolutions_engine_resolves: PERMISSIVE INSERT blotter_engine",
            "break_resolutions_ledger_reads: PERMISSIVE SELECT blotter_ledger",
            "break_resolutions_trader_isolation: PERMISSIVE SELECT public",
            "breaks_auditor_reads: PERMISSIVE SELECT blotter_auditor",
            "breaks_compliance_reads: PERMISSIVE SELECT blotter_compliance",
            "breaks_engine_keeps: PERMISSIVE INSERT blotter_engine",
            "breaks_engine_reads: PERMISSIVE SELECT blotter_engine",
            "breaks_ledger_reads: PERMISSIVE SELECT blotter_ledger",
            "breaks_trader_isolation: PERMISSIVE SELECT public",
            "execution_logs_auditor_reads: PERMISSIVE SELECT blotter_auditor",
            "execution_logs_compliance_logs_nothing: RESTRICTIVE INSERT blotter_compliance",
            "execution_logs_compliance_reads: PERMISSIVE SELECT blotter_compliance",
            "execution_logs_engine_logs: PERMISSIVE INSERT blotter_engine",
            "execution_logs_engine_reads: PERMISSIVE SELECT blotter_engine",
            "execution_logs_immutable: RESTRICTIVE UPDATE public",
            "execution_logs_immutable_delete: RESTRICTIVE DELETE public",
            "execution_logs_ledger_logs: PERMISSIVE INSERT blotter_ledger",
            "execution_logs_ledger_reads: PERMISSIVE SELECT blotter_ledger",
            "execution_logs_trader_isolation: PERMISSIVE ALL public",
            "fills_auditor_reads: PERMISSIVE SELECT blotter_auditor",
            "fills_compliance_reads: PERMISSIVE SELECT blotter_compliance",
            "fills_compliance_records_nothing: RESTRICTIVE INSERT blotter_compliance",
            "fills_engine_reads: PERMISSIVE SELECT blotter_engine",
            "fills_engine_records: PERMISSIVE INSERT blotter_engine",
            "fills_ledger_reads: PERMISSIVE SELECT blotter_ledger",
            "fills_ledger_records: PERMISSIVE INSERT blotter_ledger",
            "fills_trader_isolation: PERMISSIVE ALL public",
            "fills_trader_records_nothing: RESTRICTIVE INSERT blotter_trader",
            "orders_auditor_reads: PERMISSIVE SELECT blotter_auditor",
            "orders_compliance_reads: PERMISSIVE SELECT blotter_compliance",
            "orders_compliance_submits_nothing: RESTRICTIVE INSERT blotter_compliance",
            "orders_engine_reads: PERMISSIVE SELECT blotter_engine",
            "orders_engine_submits: PERMISSIVE INSERT blotter_engine",
            "orders_ledger_derives: PERMISSIVE UPDATE blotter_ledger",
            "orders_ledger_reads: PERMISSIVE SELECT blotter_ledger",
            "orders_ledger_submits: PERMISSIVE INSERT blotter_ledger",
            "orders_trader_isolation: PERMISSIVE ALL public",
            "seals_auditor_reads: PERMISSIVE SELECT blotter_auditor",
            "seals_auditor_seals: PERMISSIVE INSERT blotter_auditor",
            "seals_compliance_reads: PERMISSIVE SELECT blotter_compliance",
            "traders_auditor_reads: PERMISSIVE SELECT blotter_auditor",
            "traders_compliance_reads: PERMISSIVE SELECT blotter_compliance",
            "traders_engine_reads: PERMISSIVE SELECT blotter_engine",
            "traders_engine_registers: PERMISSIVE INSERT blotter_engine",
            "traders_trader_isolation: PERMISSIVE SELECT public",
        ],
        r#"SELECT policyname || ': '
            || concat_ws(' ', permissive, cmd, array_to_string(roles, ', ')) AS text
        FROM pg_policies WHERE schemaname = '@schema' ORDER BY policyname COLLATE "C""#,
    )
}

/// Executable by PUBLIC are only blotter_trader_id, which policies call under every role, blotter_scale and
/// blotter_symbol_length, which are no secrets, and the rules of rows, which read nothing.
pub fn functions_have_a_fixed_search_path_and_run_for_nobody_else(scene: &Scene) -> Held {
    let path = "search_path=@schema, pg_temp";
    // They read and write by keys: see create_roles.
    let runs = format!("{path}, enable_seqscan=off");
    let ledgers = |name: &str, kind: &str| {
        format!("{name} of blotter_ledger: {kind}, for nobody else, {runs}")
    };
    // They run on the path of the function that calls them.
    let helpers = |name: &str| format!("{name} of blotter_ledger: invoker, for nobody else");
    let rules = |name: &str| format!("{name} of blotter_ledger: invoker, for public");
    let engines =
        |name: &str| format!("{name} of blotter_ledger: definer, for blotter_engine, {runs}");
    let owners = |name: &str| format!("{name} of blotter: invoker, for nobody else, {path}");
    scene.superuser().sees(
        &[
            ledgers("archives_stamp", "invoker"),
            rules("blotter_action_rule"),
            engines("blotter_amended_fills"),
            helpers("blotter_booked_reason"),
            helpers("blotter_count_amendment"),
            helpers("blotter_end_replaced"),
            engines("blotter_expire_due"),
            rules("blotter_fill_rule"),
            helpers("blotter_is_open"),
            format!(
                "blotter_last_number of blotter_ledger: definer, for blotter_auditor and \
                 blotter_compliance and blotter_engine and blotter_trader, {runs}"
            ),
            owners("blotter_lend_ledger"),
            engines("blotter_log_actions"),
            helpers("blotter_log_break"),
            helpers("blotter_next_change"),
            ledgers("blotter_number_row", "definer"),
            rules("blotter_order_rule"),
            owners("blotter_permit_revert"),
            engines("blotter_record_fills"),
            helpers("blotter_refuse_action"),
            owners("blotter_refuse_change"),
            helpers("blotter_refuse_fill"),
            helpers("blotter_refuse_resolved"),
            helpers("blotter_refuse_transition"),
            "blotter_scale of blotter: invoker, for public".to_owned(),
            owners("blotter_settle_ledger"),
            engines("blotter_submit_orders"),
            "blotter_symbol_length of blotter: invoker, for public".to_owned(),
            "blotter_trader_id of blotter: invoker, for public".to_owned(),
            owners("blotter_widen"),
            ledgers("break_resolutions_book", "definer"),
            ledgers("break_resolutions_stamp", "invoker"),
            ledgers("breaks_log", "definer"),
            ledgers("breaks_stamp", "invoker"),
            ledgers("execution_logs_derive", "definer"),
            ledgers("execution_logs_require_order", "invoker"),
            ledgers("fills_derive", "definer"),
            ledgers("fills_stamp", "invoker"),
            ledgers("orders_admit", "invoker"),
            ledgers("orders_log_submitted", "definer"),
            owners("seals_follow"),
        ],
        r#"SELECT proname || ' of ' || pg_get_userbyid(proowner) || ': ' || concat_ws(', ',
            CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END,
            'for ' || coalesce((
                SELECT string_agg(
                    CASE grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(grantee) END, ' and '
                    ORDER BY pg_get_userbyid(grantee)
                )
                FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))
                WHERE grantee <> proowner
            ), 'nobody else'),
            array_to_string(proconfig, ', ')) AS text
        FROM pg_proc
        WHERE pronamespace = '@schema'::regnamespace AND proname !~ '^diesel_'
        ORDER BY proname COLLATE "C""#,
    )
}

pub fn the_grants_are_those_that_are_promised(scene: &Scene) -> Held {
    scene.superuser().sees(
        &[
            "__diesel_schema_migrations: blotter_auditor SELECT",
            "__diesel_schema_migrations: blotter_compliance SELECT",
            "__diesel_schema_migrations: blotter_engine SELECT",
            "__diesel_schema_migrations: blotter_trader SELECT",
            "archives: blotter_auditor SELECT",
            "archives: blotter_compliance SELECT",
            "break_resolutions: blotter_auditor SELECT",
            "break_resolutions: blotter_compliance SELECT",
            "break_resolutions: blotter_engine INSERT, SELECT",
            "break_resolutions: blotter_ledger SELECT",
            "break_resolutions: blotter_trader SELECT",
            "breaks: blotter_auditor SELECT",
            "breaks: blotter_compliance SELECT",
            "breaks: blotter_engine INSERT, SELECT",
            "breaks: blotter_ledger SELECT",
            "breaks: blotter_trader SELECT",
            "execution_logs: blotter_auditor SELECT",
            "execution_logs: blotter_compliance SELECT",
            "execution_logs: blotter_engine INSERT, SELECT",
            "execution_logs: blotter_ledger INSERT, SELECT",
            "execution_logs: blotter_trader INSERT, SELECT",
            "execution_logs_sequence: blotter_ledger USAGE",
            "fills: blotter_auditor SELECT",
            "fills: blotter_compliance SELECT",
            "fills: blotter_engine INSERT, SELECT",
            "fills: blotter_ledger INSERT, SELECT",
            "fills: blotter_trader SELECT",
            "orders.average_fill_price: blotter_ledger UPDATE",
            "orders.break_count: blotter_ledger UPDATE",
            "orders.filled_notional: blotter_ledger UPDATE",
            "orders.filled_quantity: blotter_ledger UPDATE",
            "orders.status: blotter_ledger UPDATE",
            "orders.updated_at: blotter_ledger UPDATE",
            "orders.venue_order_id: blotter_ledger UPDATE",
            "orders: blotter_auditor SELECT",
            "orders: blotter_compliance SELECT",
            "orders: blotter_engine INSERT, SELECT",
            "orders: blotter_ledger INSERT, SELECT",
            "orders: blotter_trader INSERT, SELECT",
            "seals: blotter_auditor INSERT, SELECT",
            "seals: blotter_compliance SELECT",
            "traders: blotter_auditor SELECT",
            "traders: blotter_compliance SELECT",
            "traders: blotter_engine INSERT, SELECT",
            "traders: blotter_trader SELECT",
        ],
        r#"SELECT object || ': ' || grantee || ' '
            || string_agg(privilege || grantable, ', ' ORDER BY privilege) AS text
        FROM (
            SELECT object, privilege_type AS privilege,
                CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS grantable,
                CASE acl.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(acl.grantee) END
                    AS grantee
            FROM (
                SELECT relname::text AS object, relowner, relacl AS acl FROM pg_class
                WHERE relnamespace = '@schema'::regnamespace
                UNION ALL
                SELECT relname || '.' || attname, relowner, attacl
                FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
                WHERE relnamespace = '@schema'::regnamespace
            ) AS objects
            CROSS JOIN aclexplode(objects.acl) AS acl
            WHERE acl.grantee <> relowner
        ) AS grants
        GROUP BY object, grantee
        ORDER BY (object || ': ' || grantee) COLLATE "C""#,
    )
}

pub fn nobody_logs_in_as_a_role_and_no_role_is_another_or_has_an_attribute(scene: &Scene) -> Held {
    let mut expected = ROLES.map(str::to_owned).to_vec();
    expected.push("blotter_ledger".to_owned());
    if scene.db.desk().is_some() {
        // A role of a desk is its shared one, and nothing else.
        expected.extend(ROLES.map(|shared| format!("{} is {shared}", scene.db.role(shared))));
    }
    expected.sort();
    scene.superuser().sees(
        &expected,
        r#"SELECT rolname || coalesce(' is ' || (
             SELECT string_agg(roleid::regrole::text, ' and ') FROM pg_auth_members
             WHERE member = pg_roles.oid
         ), '') AS text
         FROM pg_roles
         WHERE rolname ~ '^blotter_(@schema_)?(trader|engine|compliance|auditor|ledger)$'
             AND NOT (rolcanlogin OR rolsuper OR rolbypassrls)
             AND NOT (rolcreaterole OR rolcreatedb OR rolreplication)
         ORDER BY rolname COLLATE "C""#,
    )
}

/// A view returns the rows that its owner sees, and row-level security does not apply to a rule or a
/// materialized view.
pub fn no_view_and_no_rule_leads_around_row_security(scene: &Scene) -> Held {
    scene.superuser().sees(
        &[""; 0],
        "SELECT relname::text AS text FROM pg_class
        WHERE relnamespace = '@schema'::regnamespace AND relkind IN ('v', 'm', 'f')
        UNION ALL
        SELECT rulename::text FROM pg_rewrite JOIN pg_class c ON c.oid = ev_class
        WHERE relnamespace = '@schema'::regnamespace",
    )
}

pub fn what_is_created_later_is_granted_to_nobody(scene: &Scene) -> Held {
    scene.superuser().sees(&[""; 0], "SELECT defaclacl::text AS text FROM pg_default_acl")
}
