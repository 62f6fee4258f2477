//! What the screen shows, at three sizes. To write the files again: `UPDATE_EXPECT=1 cargo test --locked
//! -p tradeblotter-cli watch`.

use chrono::TimeDelta;
use expect_test::{ExpectFile, expect, expect_file};
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Size;
use ratatui::style::{Color, Modifier};
use tradeblotter::OrderStatus;
use tradeblotter::audit::SealState;

use super::fixtures::{
    answer, breaks, draw, history, model, now, orders, page, press, shown, status, type_text,
};
use crate::watch::data::{Connection, Update};
use crate::watch::layout::LEAST;
use crate::watch::model::Acting;
use crate::watch::page::Page;

#[track_caller]
fn assert_shown(expected: ExpectFile, shown: &str) {
    expected.assert_eq(shown);
}

#[test]
fn a_narrow_terminal_has_the_panes_under_each_other() {
    let model = model(80, 24, Acting::Trader);
    assert_shown(expect_file!["snapshots/80x24.txt"], &shown(&model));
}

#[test]
fn a_wider_terminal_has_more_columns() {
    let model = model(120, 40, Acting::Engine);
    assert_shown(expect_file!["snapshots/120x40.txt"], &shown(&model));
}

#[test]
fn a_wide_terminal_has_the_details_beside_the_lists() {
    let mut model = model(200, 60, Acting::Compliance);
    press(&mut model, KeyCode::Tab);
    assert_shown(expect_file!["snapshots/200x60.txt"], &shown(&model));
}

#[test]
fn a_break_shows_what_it_wants_why_it_is_one_and_the_order_it_names() {
    let mut model = model(80, 24, Acting::Engine);
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::Enter);
    expect![[r#"
         blotter  engine_app acts as engine · connected · 12.4 entries/s
         3 open breaks, oldest 1 h · 24 open orders
        ─ ■ Break 01a22435-4d28-74ca-9486-000000001391 ─────────────────────────────────
          wants      a fill of 100 shares at 64.25, reported by XNAS, execution id
                     N-4719, for 2026-11-24 13:07:00 UTC
          why        OVER_FILL: it has more shares than the order has left
                     the fills of the order would exceed its quantity (rule
                     ck_orders_filled_lte_quantity)
          order      BUY 300 ACME LIMIT 64.96 of Ada: FILLED, 300 of 300 filled, client
                     order id 20261124-0996, id 01a22435-4d28-74ca-9486-0000000003e4
          next       ask the venue: book it to the order that it is for, or dismiss it
                     if it did not happen (b books it, d dismisses it)
          open since 2026-11-24 13:07:00 UTC, 1 h ago, recorded by engine_app
          message    8=FIX.4.4 | 35=8 | 17=N-4719 | 150=F | 32=100 | 31=64.25 | 30=XNAS
                     |








        ↑↓ select  Esc back  b book  d dismiss  ? help  q quit
    "#]]
    .assert_eq(&shown(&model));
}

#[test]
fn a_break_of_no_stored_order_says_so() {
    let mut model = model(80, 24, Acting::Compliance);
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Enter);
    let shown = shown(&model);
    assert!(shown.contains("client order id 20261124-x8: no such order is stored"), "{shown}");
    assert!(shown.contains("(only a session of the engine"), "{shown}");
}

#[test]
fn long_details_of_a_break_scroll_to_their_end_and_no_further() {
    let mut model = model(80, 24, Acting::Engine);
    press(&mut model, KeyCode::Tab);
    let mut rows = breaks();
    rows[0].reported.raw = Some(format!("{} END-OF-MESSAGE", "8=FIX ".repeat(300)));
    answer(&mut model, &orders(), &rows);
    press(&mut model, KeyCode::Enter);
    assert!(shown(&model).contains("▼ more below"), "{}", shown(&model));
    assert!(!shown(&model).contains("END-OF-MESSAGE"));
    for key in [KeyCode::End, KeyCode::Down, KeyCode::PageDown] {
        press(&mut model, key);
        let shown = shown(&model);
        assert!(shown.contains("END-OF-MESSAGE") && !shown.contains("more below"), "{shown}");
    }
    press(&mut model, KeyCode::Up);
    assert!(shown(&model).contains("more below"), "a key to go back does so at once");
    press(&mut model, KeyCode::Home);
    assert!(shown(&model).contains("  wants "), "{}", shown(&model));
}

#[test]
fn the_history_of_an_order_has_its_terms_totals_by_venue_fills_amendments_and_entries() {
    let mut model = model(80, 24, Acting::Trader);
    press(&mut model, KeyCode::Enter);
    answer(&mut model, &orders(), &breaks());
    expect![[r#"
         blotter  desk_app acts as trader · connected · 12.4 entries/s
         3 open breaks, oldest 1 h · 24 open orders
        ─ ■ Order SELL 300 MSFT LIMIT 417.99 ───────────────────────────────────────────
          PARTIAL 200 of 300 filled at 417.99 · Ada · account DESK-7 · in force DAY
          client order id 20261124-0999 · id 01a22435-4d28-74ca-9486-0000000003e7
          XNAS: 150 at 417.99 in 1 fill, commission 0.75
          ARCX: 50 at 417.99 in 1 fill, commission 0.75
          time        action    status    what
        ▸ 14:29:54    RECOVERED PARTIAL   bust of 50 @ 417.99 XNAS N-6 · by engine_app …
          14:29:54    FILLED    PARTIAL   50 @ 417.99 ARCX N-5
          14:29:54    FILLED    PARTIAL   150 @ 417.99 XNAS N-4
          14:29:53    FILLED    PARTIAL   50 @ 417.99 XNAS N-3 · amended later, does no…
          14:29:53    EXECUTED  PENDING   venue order id V-17 · by engine_app as blotte…
          14:29:53    SUBMITTED PENDING









        ↑↓ select  Esc back  c cancel  ? help  q quit
    "#]]
    .assert_eq(&shown(&model));
}

#[test]
fn a_terminal_that_is_too_small_says_so_and_what_it_needs() {
    for size in [(71, 24), (80, 19), (20, 5), (0, 0), (1, 1)] {
        let mut model = model(80, 24, Acting::Trader);
        model.resize(Size { width: size.0, height: size.1 });
        let shown = shown(&model);
        assert!(!shown.contains("Orders"), "{shown}");
        if size.0 >= 40 {
            assert!(shown.contains(&format!("too small: {} x {}.", size.0, size.1)), "{shown}");
            let least = format!("At least {} x {} are needed.", LEAST.width, LEAST.height);
            assert!(shown.contains(&least), "{shown}");
        }
        model.resize(LEAST);
        assert!(super::fixtures::shown(&model).contains("Orders"));
    }
}

#[test]
fn an_empty_store_says_so_and_a_filter_without_orders_too() {
    let mut model = model(80, 24, Acting::Engine);
    press(&mut model, KeyCode::Char('g'));
    answer(&mut model, &[], &[]);
    let empty = shown(&model);
    for text in ["there are no orders", "there are no open breaks", "no order is selected"] {
        assert!(empty.contains(text), "{empty}");
    }
    press(&mut model, KeyCode::Char('/'));
    press(&mut model, KeyCode::Right);
    press(&mut model, KeyCode::Tab);
    type_text(&mut model, "ZZZ");
    press(&mut model, KeyCode::Enter);
    answer(&mut model, &[], &[]);
    let filtered = shown(&model);
    assert!(filtered.contains("newest first · status open · symbol ZZZ"), "{filtered}");
    assert!(filtered.contains("no order matches the filter"), "{filtered}");
}

#[test]
fn a_lost_connection_shows_with_its_reason_and_since_when() {
    let mut model = model(120, 40, Acting::Engine);
    let lost = Connection::Lost { since: now(), why: "the server is away".to_owned() };
    model.update(Update::Connection(lost));
    let without = shown(&model);
    let expected = "CONNECTION LOST at 14:30:00, trying again: the server is away";
    assert!(without.contains(expected), "{without}");
    // What was read stays on the screen.
    assert!(without.contains("MSFT"), "{without}");
    model.update(Update::Connection(Connection::Live));
    assert!(shown(&model).contains("· connected"));
}

#[test]
fn colours_only_repeat_what_words_say_and_can_be_left_out() {
    for acting in [Acting::Trader, Acting::Engine, Acting::Compliance] {
        let mut model = model(200, 60, acting);
        let with = draw(&model, true);
        let without = draw(&model, false);
        assert_eq!(super::fixtures::text(&with), super::fixtures::text(&without));
        let is_coloured =
            |cell: &ratatui::buffer::Cell| cell.fg != Color::Reset || cell.bg != Color::Reset;
        assert!(with.content().iter().any(is_coloured));
        assert!(!without.content().iter().any(is_coloured));
        // The selected row has a mark, and its pane another.
        let text = super::fixtures::text(&without);
        assert!(text.contains("▸ ") && text.contains("■ Orders"), "{text}");
        press(&mut model, KeyCode::Tab);
        assert!(shown(&model).contains("■ Open breaks"));
    }
}

#[test]
fn breaks_and_rejected_orders_are_red_and_nothing_else_in_the_lists_is() {
    let mut model = model(120, 40, Acting::Engine);
    // Away from the row that is selected, which is reversed.
    press(&mut model, KeyCode::Tab);
    let buffer = draw(&model, true);
    let red: String = buffer
        .content()
        .iter()
        .filter(|cell| cell.fg == Color::Red)
        .map(|cell| cell.symbol())
        .collect();
    assert!(red.starts_with("3 open breaks, oldest 1 h"), "{red}");
    let rejected = model.orders.rows().iter();
    let rejected = rejected.filter(|row| row.order.status == OrderStatus::Rejected).count();
    assert_eq!(red.matches("REJECTED").count(), rejected, "{red}");
    for reason in ["OVER_FILL", "UNKNOWN_ORDER", "TOTALS"] {
        assert!(red.contains(reason), "{red}");
    }
    assert!(!red.contains("FILLED") && !red.contains("PENDING"), "{red}");
}

#[test]
fn the_selected_row_is_reversed_where_the_focus_is() {
    let model = model(80, 24, Acting::Trader);
    let buffer = draw(&model, false);
    let reversed: Vec<usize> = (0..24)
        .filter(|y| buffer[(10, *y)].modifier.contains(Modifier::REVERSED))
        .map(usize::from)
        .collect();
    let text = super::fixtures::text(&buffer);
    let [line] = reversed[..] else { panic!("{reversed:?}") };
    assert!(text.lines().nth(line).unwrap().starts_with("▸ "), "{text}");
}

/// Erases the screen, reverses text, hides a space, isolates, tags, ends the line.
const HOSTILE: &str = "\u{1b}[2J\u{202e}\u{200b}\u{2066}\u{e0041}\r\n\u{9b}31m";

#[test]
fn nothing_of_the_data_reaches_the_terminal_raw() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut model = model(width, height, Acting::Engine);
        let hostile = |text: &mut String| text.insert_str(0, HOSTILE);
        let mut rows = orders();
        for row in &mut rows {
            hostile(&mut row.order.symbol);
            row.order.client_order_id.iter_mut().for_each(hostile);
            row.order.account.iter_mut().for_each(hostile);
            row.trader.iter_mut().for_each(hostile);
        }
        let mut open = breaks();
        for row in &mut open {
            let reported = &mut row.reported;
            for text in [
                &mut reported.detail,
                &mut reported.venue,
                &mut reported.source,
                &mut reported.acted_by,
                row.trader.get_or_insert_default(),
            ] {
                hostile(text);
            }
            for text in [
                &mut reported.client_order_id,
                &mut reported.execution_id,
                &mut reported.refers_to,
                &mut reported.raw,
            ] {
                hostile(text.get_or_insert_default());
            }
            row.order.iter_mut().for_each(|order| hostile(&mut order.symbol));
        }
        model.login = HOSTILE.to_owned();
        let why = format!("no server {HOSTILE}");
        let screens = |model: &mut crate::watch::model::Model| {
            let mut screens = Vec::new();
            answer(model, &rows, &open);
            if let Some(of) = model.wanted().history {
                let mut history = history(&rows[1].order);
                history.order.id = of.order;
                history.trader = Some(HOSTILE.to_owned());
                history.totals.iter_mut().for_each(|totals| hostile(&mut totals.venue));
                for entry in &mut history.entries.rows {
                    for text in [
                        &mut entry.log.reason,
                        &mut entry.log.error_code,
                        &mut entry.log.venue_order_id,
                    ] {
                        hostile(text.get_or_insert_default());
                    }
                    hostile(&mut entry.log.acted_by);
                    if let Some(fill) = &mut entry.fill {
                        hostile(&mut fill.venue);
                        hostile(fill.execution_id.get_or_insert_default());
                    }
                }
                let Page { rows, .. } = history.entries;
                history.entries = page(&rows, of.window.rows);
                model.update(Update::History { of, history: Some(Box::new(history)) });
            }
            screens.push(shown(model));
            press(model, KeyCode::Enter);
            screens.push(shown(model));
            press(model, KeyCode::Enter);
            press(model, KeyCode::Char('b'));
            type_text(model, HOSTILE);
            screens.push(shown(model));
            press(model, KeyCode::Esc);
            screens
        };
        let mut all = screens(&mut model);
        press(&mut model, KeyCode::Tab);
        all.extend(screens(&mut model));
        model.update(Update::Connection(Connection::Lost { since: now(), why: why.clone() }));
        model.update(Update::Done(Ok(why.clone())));
        all.push(shown(&model));
        model.update(Update::Done(Err(why)));
        all.push(shown(&model));
        for screen in all {
            let is_raw =
                |c: char| c != '\n' && (c.is_control() || HOSTILE.contains(c) && !c.is_ascii());
            assert!(!screen.contains(is_raw), "{screen:?}");
            assert!(screen.contains(r"\u{1b}"), "{screen}");
            assert_eq!(screen.lines().count(), usize::from(height), "{screen}");
        }
    }
}

#[test]
fn ages_are_counted_by_the_clock_of_the_database() {
    let mut model = model(120, 40, Acting::Compliance);
    // Whatever the clock here says, the figures were read at this moment.
    model.update(Update::Status(Box::new(status(Acting::Compliance))));
    model.tick(chrono::Utc::now() + TimeDelta::minutes(5));
    let shown = shown(&model);
    assert!(shown.contains("14 records unsealed, last seal 5 min ago"), "{shown}");
    assert!(shown.contains("3 open breaks, oldest 1 h"), "{shown}");
}

#[test]
fn the_figures_say_what_kind_of_server_it_is_and_what_a_role_does_not_see_is_left_out() {
    let mut model = model(200, 60, Acting::Engine);
    let engine = shown(&model);
    assert!(engine.contains("12.4 entries/s") && engine.contains("24 open orders"), "{engine}");
    assert!(!engine.contains("unsealed"), "{engine}");
    let mut standby = status(Acting::Compliance);
    standby.connection.is_standby = true;
    standby.open_breaks = Vec::new();
    standby.seals = Some(SealState { last: None, unsealed: 1, oldest_unsealed: None });
    model.update(Update::Status(Box::new(standby)));
    let standby = shown(&model);
    for text in ["connected to a standby", "no open breaks", "1 record unsealed, never sealed"] {
        assert!(standby.contains(text), "{standby}");
    }
    model.update(Update::HeldBack(Some("2 entries are held back".to_owned())));
    assert!(shown(&model).contains("CHANGES HELD BACK: 2 entries are held back"));
}
