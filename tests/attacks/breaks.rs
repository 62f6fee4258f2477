//! Attacks on breaks and resolutions: only the engine may store and resolve breaks, and a break can only
//! be booked through a resolution.

use crate::scene::{
    ADA, ADAS_CANCELLED, ADAS_FILLED, ADAS_PARTIAL, ADAS_PENDING, ADAS_REJECTED, By, GRACE,
    GRACES_CANCELLED, GRACES_PENDING, Held, NOBODYS_BREAK, Scene, booking_of, break_of,
};

attacks! {
    the_engine_keeps_a_break_of_every_traders_order_and_of_none,
    a_break_of_an_order_is_shown_to_its_trader_whatever_the_engine_says,
    a_break_and_its_resolution_tell_who_wrote_them_and_when_whatever_is_claimed,
    a_trader_keeps_no_break_and_resolves_none_whatever_is_granted,
    the_engine_books_a_break_as_a_fill_and_the_log_says_so,
    the_engine_books_a_break_to_the_order_that_it_says,
    the_engine_dismisses_a_break_and_the_log_says_so,
    a_break_is_resolved_once,
    a_break_comes_as_often_as_it_is_reported_and_is_kept_once,
    executions_of_unknown_orders_are_kept_apart_by_trader_and_client_order_id,
    a_break_of_an_unknown_order_is_booked_to_its_trader_and_to_no_other,
    the_resolution_of_a_break_is_shown_to_the_trader_of_the_break,
    a_booking_makes_the_fill_that_was_reported_and_no_other,
    an_order_that_is_not_stored_is_kept_once,
    a_break_that_is_no_execution_is_not_booked,
    a_break_that_is_no_execution_names_no_execution_or_fill,
    a_dismissed_action_keeps_no_fill_out,
    a_dismissal_names_no_order,
    a_booked_bust_takes_back_a_fill_that_is_there,
    a_bust_is_booked_to_the_order_of_the_chain_that_has_the_fill,
    the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other,
    an_execution_of_a_resolved_break_is_recorded_by_no_fill,
    an_amendment_of_a_resolved_break_is_recorded_for_no_order_of_the_chain,
    a_fill_books_no_break_by_naming_it,
}

/// An id that no row has.
const NEW: &str = "e0000000-0000-7000-8000-000000000000";

/// Stores a break of an open order, under the id [`NEW`].
fn new_break(reason: &str, refers_to: &str, is_bust: bool) -> String {
    format!(
        "INSERT INTO breaks (id, reason, detail, order_id, venue, execution_id, refers_to, is_bust,
             timestamp, quantity, price)
         VALUES ('{NEW}', '{reason}', 'X', '{ADAS_PARTIAL}', 'NYSE', 'E-9', {refers_to}, {is_bust},
             '2026-11-20', 1, 1)"
    )
}

/// The newest entries of the log, the last one first.
fn logged(entries: u32) -> String {
    format!(
        "SELECT concat_ws(' ', trader_id, action, status, break_id, reason) AS text
         FROM execution_logs ORDER BY sequence DESC LIMIT {entries}"
    )
}

/// Dismisses a break.
fn dismissal_of(broken: &str) -> String {
    format!(
        "INSERT INTO break_resolutions (break_id, is_booked, reason)
         VALUES ('{broken}', false, 'X')"
    )
}

pub fn the_engine_keeps_a_break_of_every_traders_order_and_of_none(scene: &Scene) -> Held {
    let kept = "SELECT concat_ws(' ', b.trader_id, l.trader_id, action, status, l.reason) AS text
                FROM breaks b LEFT JOIN execution_logs l ON break_id = b.id WHERE venue = 'X'";
    for (order, trader) in [(ADAS_PENDING, ADA), (GRACES_PENDING, GRACE)] {
        let expected = format!("{trader} {trader} RECOVERED PENDING break: X");
        scene.engine().brings(&[expected], break_of(order), kept)?;
    }
    scene.engine().brings(&[""], break_of(NOBODYS_BREAK), kept)?;
    let of_none = "INSERT INTO breaks (reason, detail, venue, timestamp, quantity, price)
                   VALUES ('UNKNOWN_ORDER', 'X', 'X', now(), 1, 1)";
    scene.engine().brings(&[""], of_none, kept)
}

/// A break of an order that is not stored belongs to the trader that the engine names.
pub fn a_break_of_an_order_is_shown_to_its_trader_whatever_the_engine_says(scene: &Scene) -> Held {
    let another = format!(
        "INSERT INTO breaks (reason, detail, order_id, trader_id, venue, timestamp, quantity, price)
         VALUES ('INVALID', 'X', '{ADAS_PENDING}', '{GRACE}', 'X', now(), 1, 1),
             ('INVALID', 'X', NULL, '{GRACE}', 'X', now(), 1, 1)"
    );
    let shown = "SELECT coalesce(trader_id::text, 'nobody') AS text FROM breaks WHERE venue = 'X'
                 ORDER BY trader_id";
    scene.engine().brings(&[ADA, GRACE], another, shown)?;
    let another = format!(
        "INSERT INTO break_resolutions (break_id, is_booked, trader_id, reason)
         VALUES ('{ADAS_CANCELLED}', false, '{GRACE}', 'X'),
             ('{NOBODYS_BREAK}', false, '{GRACE}', 'X')"
    );
    let shown = "SELECT coalesce(trader_id::text, 'nobody') AS text FROM break_resolutions
                 WHERE reason = 'X' ORDER BY trader_id";
    scene.engine().brings(&[ADA, "nobody"], another, shown)
}

pub fn a_break_and_its_resolution_tell_who_wrote_them_and_when_whatever_is_claimed(
    scene: &Scene,
) -> Held {
    let claimed = format!(
        "SET LOCAL ROLE @engine;
         INSERT INTO breaks (reason, detail, venue, timestamp, quantity, price,
                             created_at, acted_by, acted_as)
         VALUES ('INVALID', 'X', 'X', now(), 1, 1, '2000-01-01', 'X', 'X');
         INSERT INTO break_resolutions (break_id, is_booked, reason, created_at, acted_by, acted_as)
         VALUES ('{ADAS_CANCELLED}', false, 'X', '2000-01-01', 'X', 'X')"
    );
    let told = "SELECT concat_ws(' ', acted_by, acted_as, created_at >= now()) AS text
                FROM breaks WHERE venue = 'X'
                UNION ALL
                SELECT concat_ws(' ', acted_by, acted_as, created_at >= now())
                FROM break_resolutions WHERE reason = 'X'";
    scene.engine().brings(&["@engine_login @engine t"; 2], claimed, told)
}

/// Not even for its own order: no policy allows it.
pub fn a_trader_keeps_no_break_and_resolves_none_whatever_is_granted(scene: &Scene) -> Held {
    scene.ada().refused(By::Grant("breaks"), break_of(ADAS_PENDING))?;
    scene.ada().refused(By::Grant("break_resolutions"), booking_of(ADAS_CANCELLED))?;
    scene.run("GRANT INSERT ON breaks, break_resolutions TO blotter_trader");
    for attacker in [Scene::ada, Scene::owner_as_ada] {
        let mut attacker = attacker(scene);
        for order in [ADAS_PENDING, GRACES_PENDING, NOBODYS_BREAK] {
            attacker.refused(By::Policy("breaks"), break_of(order))?;
        }
        for resolution in [dismissal_of(ADAS_CANCELLED), booking_of(ADAS_CANCELLED)] {
            attacker.refused(By::Policy("break_resolutions"), resolution)?;
        }
        let absent = By::Rule("fk_break_resolutions_break_id");
        attacker.refused(absent, dismissal_of(GRACES_CANCELLED))?;
    }
    // The triggers refuse it first; without them the policies do.
    scene.run("ALTER TABLE break_resolutions DISABLE TRIGGER USER");
    scene.ada().refused(By::Policy("break_resolutions"), dismissal_of(GRACES_CANCELLED))
}

/// The order has ended, and the fill does not reopen it.
pub fn the_engine_books_a_break_as_a_fill_and_the_log_says_so(scene: &Scene) -> Held {
    let mut engine = scene.engine();
    let expected = format!("{ADA} RECOVERED CANCELLED {ADAS_CANCELLED} break booked: X");
    engine.brings(&[expected], booking_of(ADAS_CANCELLED), logged(1))?;
    let expected = format!("CANCELLED 500 10.00 {ADA} {ADA} NYSE E-2 {ADAS_CANCELLED} t");
    engine.brings(
        &[expected],
        booking_of(ADAS_CANCELLED),
        format!(
            "SELECT concat_ws(' ', orders.status, filled_quantity, average_fill_price, f.trader_id,
                 r.trader_id, venue, execution_id, f.break_id,
                 l.fill_id = f.id AND r.fill_id = f.id) AS text
             FROM orders JOIN fills f ON f.order_id = orders.id
             JOIN break_resolutions r ON r.break_id = f.break_id
             JOIN execution_logs l ON l.break_id = f.break_id AND l.fill_id IS NOT NULL
             WHERE orders.id = '{ADAS_CANCELLED}'"
        ),
    )
}

/// But not to an order of another trader: the intended trader would then see a break that is never
/// resolved.
pub fn the_engine_books_a_break_to_the_order_that_it_says(scene: &Scene) -> Held {
    let mut engine = scene.engine();
    let book = |broken: &str| {
        format!(
            "INSERT INTO break_resolutions (break_id, is_booked, order_id, reason)
             VALUES ('{broken}', true, '{ADAS_CANCELLED}', 'X')"
        )
    };
    engine.brings(
        &[format!("{ADA} {ADA} 1")],
        book(NOBODYS_BREAK),
        format!(
            "SELECT concat_ws(' ', f.trader_id, r.trader_id, o.filled_quantity) AS text
             FROM break_resolutions r
             JOIN fills f ON f.id = fill_id JOIN orders o ON o.id = f.order_id
             WHERE r.break_id = '{NOBODYS_BREAK}'"
        ),
    )?;
    engine.refused(By::Rule("break_resolutions_order"), book(GRACES_CANCELLED))
}

pub fn the_engine_dismisses_a_break_and_the_log_says_so(scene: &Scene) -> Held {
    let mut engine = scene.engine();
    let expected = format!("{ADA} RECOVERED CANCELLED {ADAS_CANCELLED} break dismissed: X");
    engine.brings(&[expected], dismissal_of(ADAS_CANCELLED), logged(1))?;
    let fills = format!("SELECT id::text AS text FROM fills WHERE order_id = '{ADAS_CANCELLED}'");
    engine.brings(&[""; 0], dismissal_of(ADAS_CANCELLED), fills)
}

pub fn a_break_is_resolved_once(scene: &Scene) -> Held {
    let once = By::Rule("uq_break_resolutions_break_id");
    let mut engine = scene.engine();
    engine.refused(once, dismissal_of(ADAS_FILLED))?;
    engine.refused(once, booking_of(ADAS_FILLED))?;
    for first in [booking_of(ADAS_CANCELLED), dismissal_of(ADAS_CANCELLED)] {
        engine.refused_after(once, &first, dismissal_of(ADAS_CANCELLED))?;
        engine.refused_after(once, &first, booking_of(ADAS_CANCELLED))?;
    }
    Ok(())
}

/// Also a break of no order, which would otherwise be stored again each time.
pub fn a_break_comes_as_often_as_it_is_reported_and_is_kept_once(scene: &Scene) -> Held {
    let mut engine = scene.engine();
    let once = By::Rule("uq_breaks_execution");
    engine.refused_after(once, break_of(ADAS_PENDING), break_of(ADAS_PENDING))?;
    let of_none =
        "INSERT INTO breaks (reason, detail, venue, execution_id, timestamp, quantity, price)
                   VALUES ('UNKNOWN_ORDER', 'X', 'X', 'E-1', '2026-11-20', 1, 1)";
    engine.refused_after(once, of_none, of_none)?;
    let again = format!("{of_none} ON CONFLICT DO NOTHING");
    engine.brings(
        &["1"],
        format!("{of_none}; {again}"),
        "SELECT count(*)::text AS text FROM breaks WHERE venue = 'X'",
    )
}

/// Stores a break of an order that is not known, under this id.
fn break_of_unknown_order(id: &str, trader: &str, client_order_id: &str) -> String {
    format!(
        "INSERT INTO breaks (id, reason, detail, trader_id, client_order_id, venue, execution_id,
             timestamp, quantity, price)
         VALUES ({id}, 'UNKNOWN_ORDER', 'X', {trader}, {client_order_id}, 'X', 'E-1',
             '2026-11-20', 1, 1)"
    )
}

/// The second trader's execution would be lost. Of an order that is known, the order alone counts.
pub fn executions_of_unknown_orders_are_kept_apart_by_trader_and_client_order_id(
    scene: &Scene,
) -> Held {
    let (ada, grace) = (format!("'{ADA}'"), format!("'{GRACE}'"));
    let named = [
        (ada.as_str(), "'C-1'"),
        (&grace, "'C-1'"),
        (&ada, "'C-2'"),
        (&ada, "NULL"),
        ("NULL", "'C-1'"),
        ("NULL", "NULL"),
    ];
    let keep = |(trader, client_order_id): (&str, &str)| {
        break_of_unknown_order("gen_random_uuid()", trader, client_order_id)
    };
    let all = named.map(keep).join("; ");
    let mut engine = scene.engine();
    let kept = "SELECT count(*)::text AS text FROM breaks WHERE venue = 'X'";
    engine.brings(&["6"], &all, kept)?;
    let once = By::Rule("uq_breaks_execution");
    for again in named {
        engine.refused_after(once, &all, keep(again))?;
    }
    let of_known = |trader: &str, client_order_id: &str| {
        format!(
            "INSERT INTO breaks (reason, detail, order_id, trader_id, client_order_id, venue,
                 execution_id, timestamp, quantity, price)
             VALUES ('INVALID', 'X', '{ADAS_PENDING}', {trader}, {client_order_id}, 'X', 'E-7',
                 '2026-11-20', 1, 1)"
        )
    };
    engine.refused_after(once, of_known(&ada, "'C-1'"), of_known(&grace, "'C-2'"))
}

/// The trader whose execution it is would never learn what became of it.
pub fn a_break_of_an_unknown_order_is_booked_to_its_trader_and_to_no_other(scene: &Scene) -> Held {
    let broken = break_of_unknown_order(&format!("'{NEW}'"), &format!("'{ADA}'"), "'C-9'");
    let book = |order: &str| {
        format!(
            "INSERT INTO break_resolutions (break_id, is_booked, order_id, reason)
             VALUES ('{NEW}', true, '{order}', 'X')"
        )
    };
    let mut engine = scene.engine();
    let others = By::Rule("break_resolutions_order");
    engine.refused_after(others, &broken, book(GRACES_PENDING))?;
    let told = format!(
        "SELECT concat_ws(' ', r.trader_id, f.trader_id) AS text
         FROM break_resolutions r JOIN fills f ON f.id = fill_id WHERE r.break_id = '{NEW}'"
    );
    let booked = format!("{broken}; {}", book(ADAS_PENDING));
    engine.brings(&[format!("{ADA} {ADA}")], booked, told)
}

pub fn the_resolution_of_a_break_is_shown_to_the_trader_of_the_break(scene: &Scene) -> Held {
    let broken = break_of_unknown_order(&format!("'{NEW}'"), &format!("'{GRACE}'"), "'C-9'");
    let told =
        format!("SELECT trader_id::text AS text FROM break_resolutions WHERE break_id = '{NEW}'");
    let dismissed = format!("{broken}; {}", dismissal_of(NEW));
    scene.engine().brings(&[GRACE], dismissed, told)
}

/// A fill with another id, an order that does not exist, a quantity that is no number of shares.
pub fn a_booking_makes_the_fill_that_was_reported_and_no_other(scene: &Scene) -> Held {
    let mut engine = scene.engine();
    let claimed = format!(
        "INSERT INTO break_resolutions (break_id, is_booked, fill_id, reason)
         VALUES ('{ADAS_CANCELLED}', true, '{ADAS_FILLED}', 'X')"
    );
    let made = format!(
        "SELECT (f.id <> '{ADAS_FILLED}')::text AS text
         FROM break_resolutions r JOIN fills f ON f.id = fill_id
         WHERE r.break_id = '{ADAS_CANCELLED}' AND f.break_id = r.break_id"
    );
    engine.brings(&["true"], claimed, made)?;
    engine.refused(By::Rule("break_resolutions_order"), booking_of(NOBODYS_BREAK))?;
    let over = format!(
        "INSERT INTO break_resolutions (break_id, is_booked, order_id, reason)
         VALUES ('{ADAS_CANCELLED}', true, '{ADAS_PENDING}', 'X')"
    );
    engine.refused(By::Rule("ck_orders_filled_lte_quantity"), over)?;
    let id = NOBODYS_BREAK.replace('d', "e");
    for (quantity, price) in [("0.5", "1"), ("3000000000", "1"), ("1", "1.001")] {
        let inexact = format!(
            "INSERT INTO breaks (id, reason, detail, order_id, venue, timestamp, quantity, price)
             VALUES ('{id}', 'PRECISION', 'X', '{ADAS_PENDING}', 'X', now(), {quantity}, {price})"
        );
        engine.refused_after(By::Rule("break_resolutions_exact"), inexact, booking_of(&id))?;
    }
    Ok(())
}

pub fn an_order_that_is_not_stored_is_kept_once(scene: &Scene) -> Held {
    let order = "INSERT INTO breaks
            (reason, detail, trader_id, client_order_id, venue, timestamp, quantity, price)
        VALUES ('INVALID_ORDER', 'X', 'a0000000-0000-7000-8000-000000000000', 'X', 'X',
            '2026-11-20', 0, 1)";
    scene.engine().refused_after(By::Rule("uq_breaks_order"), order, order)
}

/// Totals that differ, an order that cannot be stored, and an action that could not be applied.
pub fn a_break_that_is_no_execution_is_not_booked(scene: &Scene) -> Held {
    let order = format!(
        "INSERT INTO breaks (id, reason, detail, venue, timestamp, quantity, price)
         VALUES ('{NEW}', 'INVALID_ORDER', 'X', 'X', '2026-11-20', 1, 1)"
    );
    let booking = format!(
        "INSERT INTO break_resolutions (break_id, is_booked, order_id, reason)
         VALUES ('{NEW}', true, '{ADAS_PARTIAL}', 'X')"
    );
    let action = new_break("UNAPPLIED_ACTION", "NULL", false);
    for broken in [new_break("TOTALS", "NULL", false), order, action] {
        let no_execution = By::Rule("break_resolutions_execution");
        scene.engine().refused_after(no_execution, broken, &booking)?;
    }
    Ok(())
}

pub fn a_break_that_is_no_execution_names_no_execution_or_fill(scene: &Scene) -> Held {
    let bust = new_break("UNAPPLIED_ACTION", "'E-1'", true);
    scene.engine().refused(By::Rule("ck_breaks_action_amends_nothing"), bust)?;
    let order = new_break("INVALID_ORDER", "NULL", false);
    scene.engine().refused(By::Rule("ck_breaks_order_not_stored"), order)
}

/// An acknowledgement may have the execution id of the fill that it reports too.
pub fn a_dismissed_action_keeps_no_fill_out(scene: &Scene) -> Held {
    let action = new_break("UNAPPLIED_ACTION", "NULL", false);
    let fill = format!(
        "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, execution_id, timestamp)
         VALUES ('{ADAS_PARTIAL}', 1, 1, 'NYSE', 'E-9', '2026-11-20')"
    );
    let filled = "SELECT quantity_filled::text AS text FROM fills WHERE execution_id = 'E-9'";
    scene.engine().brings(&["1"], format!("{action}; {}; {fill}", dismissal_of(NEW)), filled)
}

/// The order would seem to have the fill that was dismissed.
pub fn a_dismissal_names_no_order(scene: &Scene) -> Held {
    let dismissal = format!(
        "INSERT INTO break_resolutions (break_id, is_booked, order_id, reason)
         VALUES ('{ADAS_CANCELLED}', false, '{ADAS_CANCELLED}', 'X')"
    );
    scene.engine().refused(By::Rule("break_resolutions_order"), dismissal)
}

pub fn a_booked_bust_takes_back_a_fill_that_is_there(scene: &Scene) -> Held {
    let absent = By::Rule("fk_fills_amends");
    let bust = new_break("UNKNOWN_FILL", "'NONE'", true);
    scene.engine().refused_after(absent, bust, booking_of(NEW))
}

/// Stores a break of a bust that names this order, under the id [`NEW`].
fn bust_reported_for(order: &str, refers_to: &str) -> String {
    format!(
        "INSERT INTO breaks (id, reason, detail, order_id, venue, execution_id, refers_to, is_bust,
             timestamp, quantity, price)
         VALUES ('{NEW}', 'UNKNOWN_FILL', 'X', '{order}', 'NYSE', 'E-9', '{refers_to}', true,
             '2026-11-20', 0, 0)"
    )
}

/// A venue names the last order of a chain, whichever was filled.
pub fn a_bust_is_booked_to_the_order_of_the_chain_that_has_the_fill(scene: &Scene) -> Held {
    let told = format!(
        "SELECT concat_ws(' ', r.order_id, f.order_id, f.amends, o.filled_quantity) AS text
         FROM break_resolutions r JOIN fills f ON f.id = fill_id JOIN orders o ON o.id = f.order_id
         WHERE r.break_id = '{NEW}'"
    );
    let booked = format!("{}; {}", bust_reported_for(ADAS_REJECTED, "E-1"), booking_of(NEW));
    let expected = format!("{ADAS_FILLED} {ADAS_FILLED} {ADAS_FILLED} 0");
    scene.engine().brings(&[expected], booked, told)
}

/// A bust of another fill would leave one in the totals that did not happen, and take out one that did.
pub fn the_engine_finds_the_fill_that_a_bust_refers_to_and_no_other(scene: &Scene) -> Held {
    let id = |n: u32| format!("e0000000-0000-7000-8000-{n:012}");
    let fill = |n: u32, source: &str, execution_id: &str, day: u32| {
        format!(
            "INSERT INTO fills (id, order_id, quantity_filled, price_at_fill, venue, source,
                 execution_id, timestamp)
             VALUES ('{}', '{ADAS_PARTIAL}', 1, 1, 'NYSE', '{source}', {execution_id},
                 '2026-11-{day} 12:00:00+00');",
            id(n)
        )
    };
    let fills = [
        fill(1, "A", "'E-7'", 20),
        fill(2, "B", "'E-7'", 20),
        fill(3, "C", "'E-8'", 20),
        fill(4, "D 2026-11-20", "'E-9'", 20),
        fill(5, "D 2026-11-21", "'E-9'", 21),
        fill(6, "D 2026-11-22", "'E-9'", 22),
        fill(7, "E", "NULL", 20),
        // A correction with the execution id of its fill, and a further one.
        format!(
            "INSERT INTO fills (id, amends, quantity_filled, price_at_fill, execution_id)
             VALUES ('{}', '{}', 2, 1, 'E-8');
             INSERT INTO fills (id, amends, quantity_filled, price_at_fill)
             VALUES ('{}', '{}', 3, 1)",
            id(8),
            id(3),
            id(9),
            id(8)
        ),
    ]
    .concat();
    let mut engine = scene.engine();
    let mut finds = |expected: &[u32], order: &str, source: &str, refers_to: &str, day: u32| {
        let expected: Vec<String> = expected.iter().map(|n| id(*n)).collect();
        let query = format!(
            "SELECT coalesce(array_to_string(blotter_amended_fills(
                 '{order}', '{source}', '{refers_to}', '2026-11-{day} 18:00:00+00'
             ), ' '), '') AS text"
        );
        engine.brings(&[expected.join(" ")], &fills, query)
    };
    // Its own source; the only one; neither of two.
    finds(&[1], ADAS_PARTIAL, "A", "E-7", 20)?;
    finds(&[2], ADAS_PARTIAL, "B", "E-7", 20)?;
    finds(&[3, 8, 9], ADAS_PARTIAL, "A", "E-8", 20)?;
    finds(&[], ADAS_PARTIAL, "C", "E-7", 20)?;
    // Its own day; the last day before it.
    finds(&[4], ADAS_PARTIAL, "D 2026-11-20", "E-9", 23)?;
    finds(&[6], ADAS_PARTIAL, "D 2026-11-23", "E-9", 23)?;
    finds(&[5], ADAS_PARTIAL, "D", "E-9", 21)?;
    finds(&[], ADAS_PARTIAL, "D1 2026-11-23", "E-9", 23)?;
    // By its own id, whether it has an execution id or not, and only of its chain.
    finds(&[7], ADAS_PARTIAL, "A", &id(7), 20)?;
    finds(&[], ADAS_PENDING, "A", &id(7), 20)?;
    finds(&[1], ADAS_PARTIAL, "A", &id(1), 20)?;
    finds(&[], ADAS_PENDING, "A", "E-8", 20)
}

/// The bust names the last order of the chain, and the fill is of the one before.
pub fn an_amendment_of_a_resolved_break_is_recorded_for_no_order_of_the_chain(
    scene: &Scene,
) -> Held {
    let before = format!("{}; {}", bust_reported_for(ADAS_REJECTED, "E-1"), dismissal_of(NEW));
    let bust = format!(
        "INSERT INTO fills (amends, is_bust, execution_id, timestamp)
         VALUES ('{ADAS_FILLED}', true, 'E-9', '2026-11-20')"
    );
    scene.engine().refused_after(By::Rule("fills_resolved_break"), before, bust)
}

/// A fill that was dismissed or booked to another order would count after all; a bust likewise.
pub fn an_execution_of_a_resolved_break_is_recorded_by_no_fill(scene: &Scene) -> Held {
    let resolved = By::Rule("fills_resolved_break");
    let fill = format!(
        "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, execution_id, timestamp)
         VALUES ('{ADAS_PARTIAL}', 1, 1, 'NYSE', 'E-9', '2026-11-20')"
    );
    let elsewhere = format!(
        "INSERT INTO break_resolutions (break_id, is_booked, order_id, reason)
         VALUES ('{NEW}', true, '{ADAS_PENDING}', 'X')"
    );
    let mut engine = scene.engine();
    for resolution in [dismissal_of(NEW), elsewhere] {
        let before = format!("{}; {resolution}", new_break("INVALID", "NULL", false));
        engine.refused_after(resolved, before, &fill)?;
    }
    let bust = format!(
        "INSERT INTO fills (amends, is_bust, execution_id, timestamp)
         VALUES ('{ADAS_PARTIAL}', true, 'E-9', '2026-11-20')"
    );
    let before = format!("{}; {}", new_break("INVALID", "'E-1'", true), dismissal_of(NEW));
    engine.refused_after(resolved, before, bust)
}

/// It would be a fill after the end of its order without a resolution that accounts for it.
pub fn a_fill_books_no_break_by_naming_it(scene: &Scene) -> Held {
    let claim = format!(
        "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, break_id)
         VALUES ('{ADAS_CANCELLED}', 1, 1, 'X', '{ADAS_CANCELLED}')"
    );
    for attacker in [Scene::engine, Scene::owner_as_ada, Scene::superuser] {
        attacker(scene).refused(By::Rule("fills_book_break"), &claim)?;
    }
    Ok(())
}
