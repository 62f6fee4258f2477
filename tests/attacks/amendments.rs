//! Attacks through rows that change the effect of an order or a fill: busts, corrections, replacements
//! and expiry.

use crate::scene::{
    ABSENT, ADA, ADAS_CANCELLED, ADAS_FILLED, ADAS_PARTIAL, ADAS_PENDING, ADAS_REJECTED, By, GRACE,
    GRACES_FILLED, GRACES_PARTIAL, GRACES_PENDING, Held, Scene, bust_of, replacement_of,
};

attacks! {
    a_bust_counts_against_the_fill_that_it_takes_back,
    a_correction_counts_in_the_place_of_the_fill,
    what_a_bust_opens_again_of_a_replaced_order_is_ended,
    a_fill_is_amended_once_as_a_whole_and_within_its_order,
    an_execution_of_a_venues_is_recorded_once,
    an_order_and_a_fill_are_of_the_chain_that_the_database_knows,
    a_trader_amends_no_fill_not_even_its_own,
    a_replaced_order_ends_with_the_one_in_its_place,
    no_order_takes_the_place_of_another_traders_whoever_submits_it,
    an_order_is_replaced_once_and_not_when_it_is_cancelled_or_rejected,
    the_engine_ends_the_orders_whose_time_is_up_and_no_others,
    nobody_but_the_engine_ends_orders_by_the_clock,
}

/// An order as it stands, and the newest entry of its log.
fn stands(order: &str) -> String {
    format!(
        "SELECT concat_ws(' ', o.status, filled_quantity, filled_notional::integer,
             coalesce(average_fill_price::text, 'none'), action, l.status, fill_id IS NOT NULL,
             reason) AS text
         FROM orders o JOIN execution_logs l ON order_id = o.id
         WHERE o.id = '{order}' ORDER BY sequence DESC LIMIT 1"
    )
}

/// Corrects a fill to this many shares at 12.
fn correction_of(fill: &str, quantity: u32) -> String {
    format!(
        "INSERT INTO fills (amends, quantity_filled, price_at_fill)
         VALUES ('{fill}', {quantity}, 12)"
    )
}

pub fn a_bust_counts_against_the_fill_that_it_takes_back(scene: &Scene) -> Held {
    let expected = format!("PENDING 0 0 none RECOVERED PENDING t bust of fill {ADAS_PARTIAL}");
    scene.engine().brings(&[expected], bust_of(ADAS_PARTIAL), stands(ADAS_PARTIAL))
}

pub fn a_correction_counts_in_the_place_of_the_fill(scene: &Scene) -> Held {
    for (quantity, status, total) in [(60, "PARTIAL", 720), (200, "FILLED", 2400)] {
        scene.engine().brings(
            &[format!(
                "{status} {quantity} {total} 12.00 RECOVERED {status} t \
                 correction of fill {ADAS_PARTIAL}"
            )],
            correction_of(ADAS_PARTIAL, quantity),
            stands(ADAS_PARTIAL),
        )?;
    }
    Ok(())
}

pub fn what_a_bust_opens_again_of_a_replaced_order_is_ended(scene: &Scene) -> Held {
    let expected =
        format!("CANCELLED 0 0 none CANCELLED CANCELLED f replaced by order {ADAS_REJECTED}");
    scene.engine().brings(&[expected], bust_of(ADAS_FILLED), stands(ADAS_FILLED))
}

pub fn a_fill_is_amended_once_as_a_whole_and_within_its_order(scene: &Scene) -> Held {
    let mut engine = scene.engine();
    let bust = bust_of(ADAS_PARTIAL);
    engine.refused_after(By::Rule("uq_fills_amends"), &bust, &bust)?;
    engine.refused_after(By::Rule("uq_fills_amends"), &bust, correction_of(ADAS_PARTIAL, 1))?;
    let busted = format!(
        "INSERT INTO fills (amends, is_bust)
         SELECT id, true FROM fills WHERE amends = '{ADAS_PARTIAL}'"
    );
    engine.refused_after(By::Rule("fills_amend_fill"), &bust, busted)?;
    for order in [ADAS_PENDING, GRACES_PARTIAL] {
        let elsewhere = format!(
            "INSERT INTO fills (order_id, amends, is_bust)
             VALUES ('{order}', '{ADAS_PARTIAL}', true)"
        );
        engine.refused(By::Rule("fk_fills_amends"), elsewhere)?;
    }
    engine.refused(By::Rule("fk_fills_amends"), bust_of(ABSENT))?;
    let half = format!(
        "INSERT INTO fills (amends, is_bust, quantity_filled) VALUES ('{ADAS_PARTIAL}', true, 25)"
    );
    engine.refused(By::Rule("fills_bust_whole"), half)?;
    let of_nothing = format!(
        "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, is_bust)
         VALUES ('{ADAS_PENDING}', 1, 1, 'X', true)"
    );
    engine.refused(By::Rule("ck_fills_bust_amends"), of_nothing)?;
    engine.refused(By::Rule("ck_orders_filled_lte_quantity"), correction_of(ADAS_PARTIAL, 201))
}

/// The same execution id in another order chain, at another venue or of another source is another execution.
pub fn an_execution_of_a_venues_is_recorded_once(scene: &Scene) -> Held {
    let executed = |order: &str, venue: &str| {
        format!(
            "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, execution_id)
             VALUES ('{order}', 1, 1, '{venue}', 'E-1');"
        )
    };
    let mut engine = scene.engine();
    engine.refused(By::Rule("uq_fills_execution_id"), executed(ADAS_PARTIAL, "NYSE"))?;
    engine.brings(
        &["4"],
        executed(ADAS_PARTIAL, "X") + &executed(ADAS_PENDING, "NYSE"),
        format!(
            "SELECT count(*)::text AS text FROM fills
             WHERE trader_id = '{ADA}' AND execution_id = 'E-1'"
        ),
    )?;
    let replacement = format!(
        "INSERT INTO orders (id, trader_id, symbol, quantity, order_type, replaces)
         VALUES ('{ABSENT}', '{ADA}', 'X', 1, 'MARKET', '{ADAS_PARTIAL}');"
    );
    let once = By::Rule("uq_fills_execution_id");
    engine.refused_after(once, &replacement, executed(ABSENT, "NYSE"))?;
    let of_a_broker = format!(
        "INSERT INTO fills
             (order_id, quantity_filled, price_at_fill, venue, source, execution_id)
         VALUES ('{ADAS_PARTIAL}', 1, 1, 'NYSE', 'X', 'E-1')"
    );
    let recorded = "SELECT venue || ' ' || source AS text FROM fills WHERE source = 'X'";
    engine.brings(&["NYSE X"], of_a_broker, recorded)
}

/// Otherwise an execution could be recorded twice, in a chain of its own.
pub fn an_order_and_a_fill_are_of_the_chain_that_the_database_knows(scene: &Scene) -> Held {
    let claimed = format!(
        "INSERT INTO orders (id, trader_id, symbol, quantity, order_type, replaces, root_id)
         VALUES ('{ABSENT}', '{ADA}', 'X', 1, 'MARKET', NULL, '{GRACES_PENDING}'),
             (gen_random_uuid(), '{ADA}', 'X', 1, 'MARKET', '{ADAS_PARTIAL}', '{GRACES_PENDING}');
         INSERT INTO fills (order_id, root_id, quantity_filled, price_at_fill, venue)
         SELECT id, '{GRACES_PENDING}', 1, 1, 'X' FROM orders WHERE symbol = 'X'"
    );
    let told = "SELECT concat_ws(' ', o.root_id, f.root_id) AS text
                FROM orders o JOIN fills f ON order_id = o.id WHERE symbol = 'X' ORDER BY 1";
    let expected = [ADAS_PARTIAL, ABSENT].map(|root| format!("{root} {root}"));
    scene.engine().brings(&expected, claimed, told)
}

pub fn a_trader_amends_no_fill_not_even_its_own(scene: &Scene) -> Held {
    let amendments = || [bust_of(ADAS_PARTIAL), correction_of(ADAS_PARTIAL, 1)];
    for sql in amendments() {
        scene.ada().refused(By::Grant("fills"), sql)?;
    }
    scene.run("GRANT INSERT ON fills TO blotter_trader");
    for sql in amendments() {
        scene.ada().refused(By::Restriction("fills_trader_records_nothing"), sql)?;
    }
    scene.ada().refused(By::Rule("fk_fills_amends"), bust_of(GRACES_FILLED))
}

pub fn a_replaced_order_ends_with_the_one_in_its_place(scene: &Scene) -> Held {
    for attacker in [Scene::ada, Scene::engine] {
        let mut attacker = attacker(scene);
        attacker.brings(
            &["CANCELLED CANCELLED t", "PENDING SUBMITTED t"],
            replacement_of(ADAS_PARTIAL, ADA),
            format!(
                "SELECT concat_ws(' ', o.status, action,
                     reason = 'replaced by order ' || (SELECT id FROM orders WHERE symbol = 'X')
                         OR reason = 'replaces order {ADAS_PARTIAL}') AS text
                 FROM orders o JOIN execution_logs l ON order_id = o.id
                 WHERE symbol = 'X' OR o.id = '{ADAS_PARTIAL}' AND action = 'CANCELLED'
                 ORDER BY 1"
            ),
        )?;
    }
    Ok(())
}

pub fn no_order_takes_the_place_of_another_traders_whoever_submits_it(scene: &Scene) -> Held {
    let absent = By::Rule("fk_orders_replaces");
    for attacker in [Scene::ada, Scene::engine, Scene::owner_as_ada] {
        let mut attacker = attacker(scene);
        attacker.refused(absent, replacement_of(GRACES_PENDING, ADA))?;
        attacker.refused(absent, replacement_of(ADAS_PENDING, GRACE))?;
        attacker.refused(absent, replacement_of(ABSENT, ADA))?;
    }
    let itself = format!(
        "INSERT INTO orders (id, trader_id, symbol, quantity, order_type, replaces)
         VALUES ('{ABSENT}', '{ADA}', 'X', 1, 'MARKET', '{ABSENT}')"
    );
    scene.ada().refused(By::Rule("ck_orders_replaces_other"), itself)
}

pub fn an_order_is_replaced_once_and_not_when_it_is_cancelled_or_rejected(scene: &Scene) -> Held {
    let mut ada = scene.ada();
    ada.refused(By::Rule("uq_orders_replaces"), replacement_of(ADAS_FILLED, ADA))?;
    let replacement = replacement_of(ADAS_PENDING, ADA);
    ada.refused_after(By::Rule("uq_orders_replaces"), &replacement, &replacement)?;
    for ended in [ADAS_REJECTED, ADAS_CANCELLED] {
        ada.refused(By::Rule("orders_transition"), replacement_of(ended, ADA))?;
    }
    Ok(())
}

/// Orders of two traders, of which two have expired, and one of these has been cancelled.
const TIMED: &str = "
    INSERT INTO orders (trader_id, symbol, quantity, order_type, expires_at)
    SELECT trader_id, 'X' || left(symbol, 1) || expires, 1, 'MARKET', '2026-11-20'::date + expires
    FROM orders CROSS JOIN generate_series(0, 1) AS expires WHERE symbol LIKE '_PARTIAL';
    INSERT INTO execution_logs (order_id, action)
    SELECT id, 'CANCELLED' FROM orders WHERE symbol = 'XG0';";

pub fn the_engine_ends_the_orders_whose_time_is_up_and_no_others(scene: &Scene) -> Held {
    scene.engine().brings(
        &["XA0 CANCELLED expired", "XA1 PENDING", "XG0 CANCELLED", "XG1 PENDING"],
        format!("{TIMED} SELECT blotter_expire_due('2026-11-20', 100)"),
        "SELECT concat_ws(' ', symbol, o.status, reason) AS text
         FROM orders o JOIN execution_logs l ON order_id = o.id
         WHERE symbol LIKE 'X%' AND l.status = o.status ORDER BY 1",
    )?;
    // It expires no more orders than the limit.
    scene.engine().brings(
        &["1"],
        format!("{TIMED} SELECT blotter_expire_due('2026-11-30', 1)"),
        "SELECT count(*)::text AS text FROM execution_logs WHERE reason = 'expired'",
    )
}

pub fn nobody_but_the_engine_ends_orders_by_the_clock(scene: &Scene) -> Held {
    let denied = By::Words("permission denied for function blotter_expire_due");
    for attacker in [Scene::ada, Scene::compliance, Scene::stranger, Scene::owner_as_ada] {
        attacker(scene).refused(denied, "SELECT blotter_expire_due('infinity', 100)")?;
    }
    Ok(())
}
