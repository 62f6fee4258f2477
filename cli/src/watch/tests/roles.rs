//! What each role is offered, and what its keys do.

use ratatui::crossterm::event::KeyCode;
use uuid::Uuid;

use super::fixtures::{breaks, id, model, orders, press, shown, type_text};
use crate::watch::data::Update;
use crate::watch::model::dialog::{Act, Dialog};
use crate::watch::model::{Acting, Effect, Model};

/// The last line of the screen.
fn footer(model: &Model) -> String {
    shown(model).lines().last().unwrap().to_owned()
}

#[test]
fn compliance_is_offered_nothing_that_changes_the_store() {
    let mut model = model(80, 24, Acting::Compliance);
    for _ in 0..3 {
        let footer = footer(&model);
        for offer in ["cancel", "book", "dismiss"] {
            assert!(!footer.contains(offer), "{footer}");
        }
        for key in ['c', 'b', 'd'] {
            assert_eq!(press(&mut model, KeyCode::Char(key)), None);
            assert!(model.dialog.is_none(), "{key}");
        }
        press(&mut model, KeyCode::Tab);
    }
    press(&mut model, KeyCode::Char('?'));
    let help = shown(&model);
    for offer in ["cancel the", "book the", "dismiss the"] {
        assert!(!help.contains(offer), "{help}");
    }
}

#[test]
fn a_trader_cancels_an_open_order_after_a_question_and_resolves_nothing() {
    let mut model = model(80, 24, Acting::Trader);
    let rows = orders();
    let ended = rows.iter().position(|row| !row.order.status.is_open()).unwrap();
    model.orders.choose(ended);
    assert!(!footer(&model).contains("cancel"), "{}", footer(&model));
    press(&mut model, KeyCode::Char('c'));
    assert!(model.dialog.is_none());
    let open = rows.iter().position(|row| row.order.status.is_open()).unwrap();
    model.orders.choose(open);
    assert!(footer(&model).contains("c cancel"), "{}", footer(&model));

    press(&mut model, KeyCode::Char('c'));
    let question = shown(&model);
    assert!(
        question.contains("Cancel this order?") && question.contains("y cancels"),
        "{question}"
    );
    // Every other key leaves the order as it is.
    for key in [KeyCode::Enter, KeyCode::Char('c'), KeyCode::Char(' ')] {
        assert_eq!(press(&mut model, key), None);
        assert!(matches!(model.dialog, Some(Dialog::Cancel(_))));
    }
    assert_eq!(press(&mut model, KeyCode::Char('n')), None);
    assert!(model.dialog.is_none());

    press(&mut model, KeyCode::Char('c'));
    let order = rows[open].order.id;
    let act = press(&mut model, KeyCode::Char('y'));
    assert_eq!(act, Some(Effect::Act(Act::Cancel { order })));
    assert!(footer(&model).contains("writing to the database"));
    model.update(Update::Done(Ok("cancelled it".to_owned())));
    assert!(footer(&model).contains("cancelled it"));

    press(&mut model, KeyCode::Tab);
    for key in ['b', 'd'] {
        press(&mut model, KeyCode::Char(key));
        assert!(model.dialog.is_none(), "{key}");
    }
}

#[test]
fn the_order_that_the_question_was_about_is_cancelled_whatever_is_selected_meanwhile() {
    let mut model = model(80, 24, Acting::Trader);
    let rows = orders();
    let open = rows.iter().position(|row| row.order.status.is_open()).unwrap();
    model.orders.choose(open);
    press(&mut model, KeyCode::Char('c'));
    let of = model.wanted().orders;
    let others = super::fixtures::page(&rows[open + 1..], 3);
    model.update(Update::Orders { of, page: others });
    let act = press(&mut model, KeyCode::Char('y'));
    assert_eq!(act, Some(Effect::Act(Act::Cancel { order: rows[open].order.id })));
}

#[test]
fn the_engine_books_a_break_to_the_order_that_it_names_with_a_reason() {
    let mut model = model(80, 24, Acting::Engine);
    press(&mut model, KeyCode::Tab);
    assert!(footer(&model).contains("b book  d dismiss"), "{}", footer(&model));
    press(&mut model, KeyCode::Char('b'));
    // Not without a reason.
    assert_eq!(press(&mut model, KeyCode::Enter), None);
    assert!(shown(&model).contains("write why"), "{}", shown(&model));
    type_text(&mut model, "confirmed by the broker");
    let open = &breaks()[0].reported;
    let act = Act::Book {
        break_id: open.id,
        order: open.order_id.unwrap(),
        reason: "confirmed by the broker".to_owned(),
    };
    assert_eq!(press(&mut model, KeyCode::Enter), Some(Effect::Act(act)));
    assert!(model.dialog.is_none());
}

#[test]
fn a_break_without_an_order_is_booked_to_the_selected_order_or_to_one_that_is_typed() {
    let mut model = model(80, 24, Acting::Engine);
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::Down);
    let break_id = breaks()[1].reported.id;
    let mut book = |order: Option<&str>| {
        press(&mut model, KeyCode::Char('b'));
        type_text(&mut model, "why");
        if let Some(order) = order {
            press(&mut model, KeyCode::Tab);
            model.apply(crate::watch::model::Action::Edit(crate::watch::model::input::Edit::Clear));
            type_text(&mut model, order);
            press(&mut model, KeyCode::Tab);
        }
        let effect = press(&mut model, KeyCode::Enter);
        let shown = shown(&model);
        press(&mut model, KeyCode::Esc);
        model.is_busy = false;
        (effect, shown)
    };
    let to =
        |order: Uuid| Some(Effect::Act(Act::Book { break_id, order, reason: "why".to_owned() }));
    let selected = orders()[1].order.id;
    assert_eq!(book(None).0, to(selected));
    assert_eq!(book(Some(&id(77).to_string())).0, to(id(77)));
    let (effect, shown) = book(Some("order 7"));
    assert_eq!(effect, None);
    assert!(shown.contains("must be the id of an order"), "{shown}");
}

#[test]
fn a_break_that_holds_no_execution_is_only_offered_to_be_dismissed() {
    let mut model = model(80, 24, Acting::Engine);
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::Char('G'));
    let footer = footer(&model);
    assert!(footer.contains("d dismiss") && !footer.contains("book"), "{footer}");
    press(&mut model, KeyCode::Char('b'));
    assert!(model.dialog.is_none());
    press(&mut model, KeyCode::Char('d'));
    type_text(&mut model, "the totals agree");
    let act =
        Act::Dismiss { break_id: breaks()[2].reported.id, reason: "the totals agree".to_owned() };
    assert_eq!(press(&mut model, KeyCode::Enter), Some(Effect::Act(act)));
}

#[test]
fn what_the_database_refuses_is_shown_until_it_is_closed_and_leaves_what_is_typed_alone() {
    let mut model = model(80, 24, Acting::Engine);
    let refusal = "break 01a2: the fills of the order would exceed its quantity (rule \
                   ck_orders_filled_lte_quantity)";
    model.update(Update::Done(Err(refusal.to_owned())));
    let refused = shown(&model);
    assert!(refused.contains("ck_orders_filled_lte_quantity"), "{refused}");
    press(&mut model, KeyCode::Down);
    assert!(model.dialog.is_some());
    press(&mut model, KeyCode::Enter);
    assert!(model.dialog.is_none());
    press(&mut model, KeyCode::Char('/'));
    model.update(Update::Done(Err(refusal.to_owned())));
    assert!(matches!(model.dialog, Some(Dialog::Filter(_))));
    assert!(footer(&model).contains("would exceed its quantity"));
}
