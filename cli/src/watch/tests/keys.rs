//! Which action each key stands for, and what the actions do to lists and forms.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Size;
use tradeblotter::OrderStatus;

use super::fixtures::{answer, breaks, model, orders, page, press, shown, type_text};
use crate::watch::data::Update;
use crate::watch::keys;
use crate::watch::model::input::Edit;
use crate::watch::model::list::Move;
use crate::watch::model::{Acting, Action, Effect, Model, Pane};
use crate::watch::page::{Page, Position};
use crate::watch::wanted::{OrderFilter, Owner, Sort};

fn action(model: &Model, code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
    keys::action(KeyEvent::new(code, modifiers), model)
}

#[test]
fn the_keys_are_those_of_less_and_htop() {
    let model = model(80, 24, Acting::Engine);
    let select = |by| Some(Action::Select(by));
    for (code, expected) in [
        (KeyCode::Up, select(Move::Up)),
        (KeyCode::Char('k'), select(Move::Up)),
        (KeyCode::Down, select(Move::Down)),
        (KeyCode::Char('j'), select(Move::Down)),
        (KeyCode::PageUp, select(Move::PageUp)),
        (KeyCode::PageDown, select(Move::PageDown)),
        (KeyCode::Char(' '), select(Move::PageDown)),
        (KeyCode::Char('g'), select(Move::First)),
        (KeyCode::Home, select(Move::First)),
        (KeyCode::Char('G'), select(Move::Last)),
        (KeyCode::End, select(Move::Last)),
        (KeyCode::Tab, Some(Action::NextPane)),
        (KeyCode::BackTab, Some(Action::PreviousPane)),
        (KeyCode::Enter, Some(Action::Enter)),
        (KeyCode::Esc, Some(Action::Escape)),
        (KeyCode::Char('/'), Some(Action::Filter)),
        (KeyCode::Char('s'), Some(Action::Sort)),
        (KeyCode::Char('?'), Some(Action::Help)),
        (KeyCode::F(1), Some(Action::Help)),
        (KeyCode::Char('c'), Some(Action::Cancel)),
        (KeyCode::Char('q'), Some(Action::Quit)),
        (KeyCode::Char('x'), None),
    ] {
        assert_eq!(action(&model, code, KeyModifiers::NONE), expected, "{code:?}");
    }
    let control = |key| action(&model, KeyCode::Char(key), KeyModifiers::CONTROL);
    assert_eq!(control('c'), Some(Action::Quit));
    assert_eq!(control('f'), select(Move::PageDown));
    assert_eq!(control('b'), select(Move::PageUp));
}

#[test]
fn ctrl_c_quits_wherever_the_focus_is_and_a_released_key_does_nothing() {
    let mut model = model(80, 24, Acting::Engine);
    for key in ['/', '?'] {
        press(&mut model, KeyCode::Char(key));
        let quit = action(&model, KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(quit.and_then(|quit| model.apply(quit)), Some(Effect::Quit));
        press(&mut model, KeyCode::Esc);
        assert!(model.dialog.is_none());
    }
    let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    released.kind = KeyEventKind::Release;
    assert_eq!(keys::action(released, &model), None);
}

#[test]
fn letters_are_text_in_a_form_and_keys_elsewhere() {
    let mut model = model(80, 24, Acting::Engine);
    press(&mut model, KeyCode::Char('/'));
    press(&mut model, KeyCode::Tab);
    for letter in ['q', 'j', 'c', '?'] {
        let edit = Some(Action::Edit(Edit::Insert(letter)));
        assert_eq!(action(&model, KeyCode::Char(letter), KeyModifiers::NONE), edit);
    }
    let clear = action(&model, KeyCode::Char('u'), KeyModifiers::CONTROL);
    assert_eq!(clear, Some(Action::Edit(Edit::Clear)));
}

#[test]
fn tab_goes_round_the_panes_and_the_details_are_of_the_list_before() {
    let mut model = model(80, 24, Acting::Engine);
    for pane in [Pane::Breaks, Pane::Details, Pane::Orders] {
        press(&mut model, KeyCode::Tab);
        assert_eq!(model.focus, pane);
        let is_of_break = shown(&model).contains("Break 01a22435");
        assert_eq!(is_of_break, pane != Pane::Orders, "{pane:?}");
    }
    press(&mut model, KeyCode::BackTab);
    assert_eq!(model.focus, Pane::Details);
    assert!(shown(&model).contains("■ Order "), "of the orders, which had the focus before");
}

#[test]
fn the_list_follows_its_first_row_and_stays_where_it_is_with_another_one_selected() {
    let mut model = model(80, 24, Acting::Engine);
    press(&mut model, KeyCode::Char('g'));
    assert_eq!(model.wanted().orders.window.position, Position::First);
    let rows = orders();
    answer(&mut model, &rows, &[]);
    assert_eq!(model.orders.selected().unwrap().order.id, rows[0].order.id);
    // A new order comes, and is the first.
    answer(&mut model, &rows[..1], &[]);
    answer(&mut model, &rows, &[]);
    press(&mut model, KeyCode::Down);
    assert_eq!(model.wanted().orders.window.position, Position::From(rows[0].number));
    assert_eq!(model.orders.selected().unwrap().order.id, rows[1].order.id);
    // And up beyond the first row, it follows again.
    press(&mut model, KeyCode::Up);
    press(&mut model, KeyCode::Up);
    assert_eq!(model.wanted().orders.window.position, Position::First);
}

#[test]
fn a_page_down_begins_after_the_last_row_and_a_page_up_ends_before_the_first() {
    let mut model = model(80, 24, Acting::Engine);
    let rows = orders();
    let room = model.wanted().orders.window.rows;
    press(&mut model, KeyCode::PageDown);
    let of = model.wanted().orders;
    assert_eq!(of.window.position, Position::After(rows[room - 1].number));
    // Until it comes, the page of before is shown, and the key again asks for nothing else.
    press(&mut model, KeyCode::PageDown);
    assert_eq!(model.wanted().orders, of);
    let next = Page { has_before: true, ..page(&rows[room..], room) };
    model.update(Update::Orders { of, page: next });
    assert_eq!(model.orders.selected().unwrap().order.id, rows[room].order.id);
    press(&mut model, KeyCode::Up);
    let of = model.wanted().orders;
    assert_eq!(of.window.position, Position::Before(rows[room].number));
    // It is the first page, and the row before the one that was selected is selected.
    model.update(Update::Orders { of, page: page(&rows, room) });
    assert_eq!(model.orders.selected().unwrap().order.id, rows[room - 1].order.id);
    assert_eq!(model.wanted().orders.window.position, Position::From(rows[0].number));
}

#[test]
fn a_selected_order_that_leaves_the_page_stays_in_the_details_until_another_is_selected() {
    let mut model = model(80, 24, Acting::Engine);
    let rows = orders();
    let selected = model.orders.selected().unwrap().clone();
    let others: Vec<_> =
        rows.iter().filter(|row| row.order.id != selected.order.id).cloned().collect();
    answer(&mut model, &others, &[]);
    assert_eq!(model.orders.selected().unwrap().order.id, selected.order.id);
    assert_eq!(model.orders.selected_place(), None);
    assert_eq!(model.wanted().history.unwrap().order, selected.order.id);
    press(&mut model, KeyCode::Down);
    assert_eq!(model.orders.selected().unwrap().order.id, others[1].order.id);
}

#[test]
fn a_page_of_another_query_is_not_shown() {
    let mut model = model(80, 24, Acting::Engine);
    let stale = model.wanted().orders;
    press(&mut model, KeyCode::Char('s'));
    let of = model.wanted().orders;
    assert_eq!(of.sort, Sort::LastChange);
    model.update(Update::Orders { of: stale, page: page(&orders(), 3) });
    assert!(model.orders.rows().is_empty());
    model.update(Update::Orders { of, page: page(&orders(), 3) });
    assert_eq!(model.orders.rows().len(), 3);
}

#[test]
fn the_sorts_go_round_and_begin_at_the_first_row() {
    let mut model = model(80, 24, Acting::Engine);
    for sort in [Sort::LastChange, Sort::Oldest, Sort::Newest] {
        press(&mut model, KeyCode::Down);
        press(&mut model, KeyCode::Char('s'));
        let wanted = model.wanted().orders;
        assert_eq!((wanted.sort, wanted.window.position), (sort, Position::First));
        assert!(shown(&model).contains(sort.label()));
        answer(&mut model, &orders(), &breaks());
    }
}

#[test]
fn the_filter_takes_status_symbol_and_trader_and_can_be_emptied() {
    let mut model = model(80, 24, Acting::Compliance);
    press(&mut model, KeyCode::Char('/'));
    type_text(&mut model, "r");
    press(&mut model, KeyCode::Tab);
    type_text(&mut model, " AAPL ");
    press(&mut model, KeyCode::Tab);
    type_text(&mut model, "Ada Lovelace");
    press(&mut model, KeyCode::Enter);
    let expected = OrderFilter {
        statuses: &[OrderStatus::Rejected],
        symbol: Some("AAPL".to_owned()),
        trader: Some(Owner::Name("Ada Lovelace".to_owned())),
    };
    assert_eq!(model.wanted().orders.filter, expected);
    // Leaving the form changes nothing.
    press(&mut model, KeyCode::Char('/'));
    type_text(&mut model, "open");
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.wanted().orders.filter, expected);
    press(&mut model, KeyCode::Char('/'));
    for _ in 0..3 {
        model.apply(Action::Edit(Edit::Clear));
        press(&mut model, KeyCode::Tab);
    }
    press(&mut model, KeyCode::Enter);
    assert_eq!(model.wanted().orders.filter, OrderFilter::default());
}

#[test]
fn enter_gives_the_details_the_whole_screen_and_escape_takes_it_back() {
    let mut model = model(80, 24, Acting::Trader);
    let rows = model.wanted().history.unwrap().window.rows;
    press(&mut model, KeyCode::Enter);
    assert!(model.wanted().history.unwrap().window.rows > rows + 5);
    assert!(!shown(&model).contains("Open breaks"));
    press(&mut model, KeyCode::Esc);
    assert!(shown(&model).contains("Open breaks"));
    assert_eq!(model.focus, Pane::Orders);
}

#[test]
fn a_resize_wants_as_many_rows_as_there_is_room_for() {
    let mut model = model(80, 24, Acting::Trader);
    let small = model.wanted();
    model.resize(Size { width: 200, height: 60 });
    let large = model.wanted();
    assert!(large.orders.window.rows > 3 * small.orders.window.rows, "{large:?}");
    assert!(large.breaks.rows > small.breaks.rows);
    // Never more than a screenful.
    assert!(large.orders.window.rows + large.breaks.rows < 60);
}
