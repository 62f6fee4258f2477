//! What each role can read and write, and that it can do nothing else.

use diesel::prelude::*;
use tradeblotter::{connect, schema};
use uuid::Uuid;

use crate::scene::{
    ADA, ADAS_CANCELLED, ADAS_PARTIAL, ADAS_PENDING, Actor, By, GRACES_PENDING, Held, Scene,
    TABLES, booking_of, break_of, fill_of, log_of, order_of,
};

/// The privileges that each role has on each table, as far as a statement can use them.
const GRANTED: [(&str, [(&str, &str); 8]); 6] = [
    (
        "",
        [
            ("traders", ""),
            ("orders", ""),
            ("fills", ""),
            ("execution_logs", ""),
            ("breaks", ""),
            ("break_resolutions", ""),
            ("seals", ""),
            ("archives", ""),
        ],
    ),
    (
        "blotter_trader",
        [
            ("traders", "SELECT"),
            ("orders", "SELECT INSERT"),
            ("fills", "SELECT"),
            ("execution_logs", "SELECT INSERT"),
            ("breaks", "SELECT"),
            ("break_resolutions", "SELECT"),
            ("seals", ""),
            ("archives", ""),
        ],
    ),
    (
        "blotter_engine",
        [
            ("traders", "SELECT INSERT"),
            ("orders", "SELECT INSERT"),
            ("fills", "SELECT INSERT"),
            ("execution_logs", "SELECT INSERT"),
            ("breaks", "SELECT INSERT"),
            ("break_resolutions", "SELECT INSERT"),
            ("seals", ""),
            ("archives", ""),
        ],
    ),
    (
        "blotter_compliance",
        [
            ("traders", "SELECT"),
            ("orders", "SELECT"),
            ("fills", "SELECT"),
            ("execution_logs", "SELECT"),
            ("breaks", "SELECT"),
            ("break_resolutions", "SELECT"),
            ("seals", "SELECT"),
            ("archives", "SELECT"),
        ],
    ),
    (
        "blotter_auditor",
        [
            ("traders", "SELECT"),
            ("orders", "SELECT"),
            ("fills", "SELECT"),
            ("execution_logs", "SELECT"),
            ("breaks", "SELECT"),
            ("break_resolutions", "SELECT"),
            ("seals", "SELECT INSERT"),
            ("archives", "SELECT"),
        ],
    ),
    (
        "blotter_ledger",
        [
            ("traders", ""),
            ("orders", "SELECT INSERT"),
            ("fills", "SELECT INSERT"),
            ("execution_logs", "SELECT INSERT"),
            ("breaks", "SELECT"),
            ("break_resolutions", "SELECT"),
            ("seals", ""),
            ("archives", ""),
        ],
    ),
];

/// Tries everything that the role has no privilege for.
fn overreach(mut attacker: Actor<'_>, role: &str) -> Held {
    let (_, granted) = GRANTED.iter().find(|(name, _)| *name == role).unwrap();
    for (table, granted) in granted {
        for (privilege, statement) in [
            ("SELECT", format!("SELECT id FROM {table}")),
            // Of no row, since a trigger of the table may need another privilege.
            ("INSERT", format!("INSERT INTO {table} (id) SELECT NULL WHERE false")),
            ("UPDATE", format!("UPDATE {table} SET id = DEFAULT")),
            ("DELETE", format!("DELETE FROM {table}")),
            ("TRUNCATE", format!("TRUNCATE {table} CASCADE")),
            (
                "TRIGGER",
                format!(
                    "CREATE TRIGGER t BEFORE UPDATE ON {table} FOR EACH ROW
                     EXECUTE FUNCTION suppress_redundant_updates_trigger()"
                ),
            ),
        ] {
            if !granted.contains(privilege) {
                attacker.refused(By::Grant(table), statement)?;
            }
        }
    }
    // A rollback does not undo a change of a sequence, so these use a harmless number.
    for (privilege, statement) in [
        ("USAGE", "SELECT nextval('execution_logs_sequence')"),
        ("SELECT", "SELECT last_value FROM execution_logs_sequence"),
        ("UPDATE", "SELECT setval('execution_logs_sequence', 1000000)"),
    ] {
        if (role, privilege) != ("blotter_ledger", "USAGE") {
            let refusal = By::Words("permission denied for sequence execution_logs_sequence");
            attacker.refused(refusal, statement)?;
        }
    }
    Ok(())
}

/// Asserts the number of rows that an attacker sees of traders, orders, fills, log, breaks and
/// resolutions.
fn shown(mut actor: Actor<'_>, expected: [&[&str]; 6]) -> Held {
    let [traders, orders, fills, log, breaks, resolutions] = expected;
    actor.sees(traders, "SELECT name AS text FROM traders ORDER BY name")?;
    actor.sees(orders, "SELECT symbol AS text FROM orders ORDER BY symbol")?;
    actor.sees(
        fills,
        "SELECT f.trader_id || ' ' || quantity_filled AS text FROM fills f ORDER BY 1",
    )?;
    actor.sees(
        log,
        "SELECT trader_id || ' ' || count(*) AS text FROM execution_logs GROUP BY trader_id
         ORDER BY trader_id",
    )?;
    actor.sees(breaks, "SELECT detail AS text FROM breaks ORDER BY detail")?;
    actor.sees(resolutions, "SELECT reason AS text FROM break_resolutions ORDER BY reason")?;
    // A backend checks that the schema is the one that it was built for.
    let versions = "SELECT (count(*) > 0)::text AS text FROM __diesel_schema_migrations";
    actor.sees(&["true"], versions)
}

fn everything(actor: Actor<'_>) -> Held {
    shown(
        actor,
        [
            &["A", "G", "N"],
            &[
                "ACANCELLED",
                "AFILLED",
                "APARTIAL",
                "APENDING",
                "AREJECTED",
                "GCANCELLED",
                "GFILLED",
                "GPARTIAL",
                "GPENDING",
                "GREJECTED",
                "NPENDING",
            ],
            &[
                "a0000000-0000-7000-8000-000000000000 300",
                "a0000000-0000-7000-8000-000000000000 50",
                "b0000000-0000-7000-8000-000000000000 300",
                "b0000000-0000-7000-8000-000000000000 50",
            ],
            &[
                "00000000-0000-0000-0000-000000000000 3",
                "a0000000-0000-7000-8000-000000000000 13",
                "b0000000-0000-7000-8000-000000000000 13",
            ],
            &["ALATE", "AOVER", "GLATE", "GOVER", "NOTHER", "UNKNOWN"],
            &["ATWICE", "GTWICE", "NTWICE"],
        ],
    )
}

attacks! {
    a_trader_sees_its_own_rows_and_no_others,
    a_trader_submits_its_orders_and_cancels_them,
    the_engine_sees_everything_without_an_identity,
    the_engine_registers_traders_and_submits_their_orders,
    the_engine_records_fills_and_what_follows_from_them_is_derived,
    the_engine_logs_every_action_on_every_traders_order,
    compliance_sees_everything_without_an_identity,
    compliance_writes_nothing_whatever_is_granted,
    a_trader_is_granted_nothing_beyond_that,
    the_engine_is_granted_nothing_beyond_that,
    compliance_is_granted_nothing_at_all_but_to_read,
    the_auditor_is_granted_what_it_seals_and_nothing_else,
    the_ledger_is_granted_what_it_derives_and_nothing_else,
    who_has_none_of_the_roles_is_granted_nothing,
}

pub fn a_trader_sees_its_own_rows_and_no_others(scene: &Scene) -> Held {
    shown(
        scene.ada(),
        [
            &["A"],
            &["ACANCELLED", "AFILLED", "APARTIAL", "APENDING", "AREJECTED"],
            &[
                "a0000000-0000-7000-8000-000000000000 300",
                "a0000000-0000-7000-8000-000000000000 50",
            ],
            &["a0000000-0000-7000-8000-000000000000 13"],
            &["ALATE", "AOVER"],
            &["ATWICE"],
        ],
    )?;
    shown(
        scene.grace(),
        [
            &["G"],
            &["GCANCELLED", "GFILLED", "GPARTIAL", "GPENDING", "GREJECTED"],
            &[
                "b0000000-0000-7000-8000-000000000000 300",
                "b0000000-0000-7000-8000-000000000000 50",
            ],
            &["b0000000-0000-7000-8000-000000000000 13"],
            &["GLATE", "GOVER"],
            &["GTWICE"],
        ],
    )
}

pub fn a_trader_submits_its_orders_and_cancels_them(scene: &Scene) -> Held {
    scene.ada().brings(
        &["SUBMITTED PENDING", "CANCELLED CANCELLED"],
        format!(
            "{};
             INSERT INTO execution_logs (order_id, action)
             SELECT id, 'CANCELLED' FROM orders WHERE symbol = 'X'",
            order_of(ADA)
        ),
        "SELECT l.action || ' ' || l.status AS text
         FROM execution_logs l JOIN orders o ON o.id = order_id
         WHERE symbol = 'X' AND o.status = 'CANCELLED' AND o.updated_at >= l.timestamp
         ORDER BY l.timestamp",
    )
}

pub fn the_engine_sees_everything_without_an_identity(scene: &Scene) -> Held {
    everything(scene.engine())
}

pub fn the_engine_registers_traders_and_submits_their_orders(scene: &Scene) -> Held {
    scene.engine().brings(
        &["X SUBMITTED"],
        "INSERT INTO traders (name) VALUES ('X');
         INSERT INTO orders (trader_id, symbol, quantity, order_type)
         SELECT id, 'X', 1, 'MARKET' FROM traders WHERE name = 'X'",
        "SELECT name || ' ' || action AS text FROM orders o
         JOIN traders t ON t.id = trader_id JOIN execution_logs ON order_id = o.id
         WHERE symbol = 'X'",
    )
}

pub fn the_engine_records_fills_and_what_follows_from_them_is_derived(scene: &Scene) -> Held {
    scene.engine().brings(
        &["FILLED 200 3500 17.50 t FILLED"],
        format!(
            "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue)
             VALUES ('{ADAS_PARTIAL}', 150, 20, 'X')"
        ),
        format!(
            "SELECT concat_ws(' ', o.status, filled_quantity, filled_notional::integer,
                 average_fill_price, o.updated_at >= now(), action) AS text
             FROM orders o JOIN execution_logs l ON order_id = o.id
             WHERE o.id = '{ADAS_PARTIAL}' AND l.status = 'FILLED'"
        ),
    )?;
    let too_many = format!(
        "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue)
         VALUES ('{ADAS_PARTIAL}', 151, 20, 'X')"
    );
    scene.engine().refused(By::Rule("ck_orders_filled_lte_quantity"), too_many)
}

pub fn the_engine_logs_every_action_on_every_traders_order(scene: &Scene) -> Held {
    for (action, status) in [
        ("APPROVED", "PENDING"),
        ("EXECUTED", "PENDING"),
        ("RECOVERED", "PENDING"),
        ("REJECTED", "REJECTED"),
        ("CANCELLED", "CANCELLED"),
    ] {
        for order in [ADAS_PENDING, GRACES_PENDING] {
            let query = format!("SELECT status::text AS text FROM orders WHERE id = '{order}'");
            scene.engine().brings(&[status], log_of(order, "", action), query)?;
        }
    }
    Ok(())
}

pub fn compliance_sees_everything_without_an_identity(scene: &Scene) -> Held {
    everything(scene.compliance())
}

/// Not even under a trader's identity, which would give any other role access.
pub fn compliance_writes_nothing_whatever_is_granted(scene: &Scene) -> Held {
    scene.run(&format!("GRANT INSERT ON {} TO blotter_compliance", TABLES.join(", ")));
    let mut compliance = scene.member("blotter_compliance", ADA);
    compliance.refused(By::Restriction("orders_compliance_submits_nothing"), order_of(ADA))?;
    compliance
        .refused(By::Restriction("fills_compliance_records_nothing"), fill_of(ADAS_PENDING, ""))?;
    compliance.refused(
        By::Restriction("execution_logs_compliance_logs_nothing"),
        log_of(ADAS_PENDING, "", "CANCELLED"),
    )?;
    compliance.refused(By::Policy("breaks"), break_of(ADAS_PENDING))?;
    compliance.refused(By::Policy("break_resolutions"), booking_of(ADAS_CANCELLED))?;
    compliance.refused(By::Policy("traders"), "INSERT INTO traders (name) VALUES ('X')")
}

pub fn a_trader_is_granted_nothing_beyond_that(scene: &Scene) -> Held {
    overreach(scene.ada(), "blotter_trader")
}

pub fn the_engine_is_granted_nothing_beyond_that(scene: &Scene) -> Held {
    overreach(scene.engine(), "blotter_engine")
}

pub fn compliance_is_granted_nothing_at_all_but_to_read(scene: &Scene) -> Held {
    overreach(scene.compliance(), "blotter_compliance")
}

pub fn the_auditor_is_granted_what_it_seals_and_nothing_else(scene: &Scene) -> Held {
    overreach(scene.auditor(), "blotter_auditor")
}

pub fn the_ledger_is_granted_what_it_derives_and_nothing_else(scene: &Scene) -> Held {
    overreach(scene.ledger(), "blotter_ledger")
}

pub fn who_has_none_of_the_roles_is_granted_nothing(scene: &Scene) -> Held {
    overreach(scene.stranger(), "")
}

/// Asserts how many orders a login with these attributes sees without any identity. `None` expects a refusal.
#[track_caller]
fn assert_shown(scene: &Scene, attributes: &str, orders: Option<i64>) {
    let login = format!("login_{}", Uuid::now_v7().simple());
    scene.run(&format!("CREATE ROLE {login} LOGIN {attributes}"));
    let url = scene.db.owner_url().replace("//blotter@", &format!("//{login}@"));
    let conn = &mut connect(&url).unwrap();
    let seen: QueryResult<i64> = schema::orders::table.count().get_result(conn);
    assert_eq!(seen.ok(), orders, "{attributes}");
    scene.run(&format!("DROP ROLE {login}"));
}

/// Roles belong to the cluster and not to the schema, so the schema cannot prevent this;
/// `Login::warnings` reports it instead.
#[test]
fn what_leads_around_row_security_is_an_attribute_or_a_membership_of_a_login() {
    for scene in [Scene::new(), Scene::in_a_desk()] {
        for (attributes, orders) in [
            ("", None),
            ("IN ROLE @trader", Some(0)),
            ("IN ROLE @trader, @engine", Some(11)),
            ("IN ROLE @trader BYPASSRLS", Some(11)),
            ("IN ROLE blotter_ledger", Some(11)),
            ("SUPERUSER", Some(11)),
        ] {
            assert_shown(&scene, attributes, orders);
        }
    }
}

/// The privileges on the tables of all desks are granted to the shared roles: whoever is let into a desk has those of
/// each of its roles, also of one that it holds in another desk. `Login::warnings` reports that.
#[test]
fn whoever_has_a_role_in_another_desk_has_it_in_each_of_its_own() {
    let scene = Scene::in_a_desk();
    let [other_trader, other_engine, ..] = scene.db.add_desk().roles();
    for (roles, orders) in [
        ("blotter_engine".to_owned(), None),
        (other_engine.clone(), None),
        (format!("@trader, {other_trader}"), Some(0)),
        (format!("@trader, {other_engine}"), Some(11)),
        ("@trader, blotter_engine".to_owned(), Some(11)),
    ] {
        assert_shown(&scene, &format!("IN ROLE {roles}"), orders);
    }
}
