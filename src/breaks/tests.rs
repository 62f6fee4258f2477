//! Tests of what ingest uses and the API does not show, against a private server.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Awaited, Break, ExecutionIds, Outcome, fits_a_break, nearest_in_a_break};
use crate::database::embedded::Server;
use crate::database::migrations;
use crate::database::role::Engine;
use crate::{
    Blotter, BreakReason, Execution, ExecutionKind, NewBreakResolution, NewOrder, Order,
    Resolution, Session, Side, Totals,
};

struct Store {
    /// Declared first, so that it closes before the server ends.
    blotter: Blotter,
    _server: Server,
}

impl Store {
    fn new() -> Self {
        let server = Server::start().unwrap();
        migrations::run(&mut server.connect().unwrap()).unwrap();
        let blotter = Blotter::connect(&server.login::<Engine>().unwrap()).unwrap();
        Self { blotter, _server: server }
    }

    fn engine(&self) -> Session<Engine> {
        self.blotter.engine()
    }

    fn order(&self, client_order_id: &str) -> Order {
        let engine = self.engine();
        let ada = engine.transaction(|tx| tx.traders().register("Ada")).unwrap();
        let market = NewOrder::market(ada.id, Side::Buy, "AAPL", 100);
        let new = NewOrder { client_order_id: Some(client_order_id), ..market };
        engine.transaction(|tx| tx.orders().submit(&new)).unwrap()
    }

    fn take(&self, ids: &ExecutionIds, execution: &Execution<'_>) -> Outcome {
        let take = |tx: &mut crate::Tx<'_, Engine>| tx.breaks().record_or_break_as(ids, execution);
        self.engine().transaction(take).unwrap()
    }

    fn filled(&self, order: &Order) -> i32 {
        self.engine().transaction(|tx| tx.orders().get(order.id)).unwrap().filled_quantity
    }
}

fn noon() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// A fill of ten shares, without an execution id.
fn fill(order_id: Option<Uuid>) -> Execution<'static> {
    Execution {
        kind: ExecutionKind::Fill,
        order_id,
        trader_id: None,
        client_order_id: None,
        timestamp: noon(),
        quantity: 10.into(),
        price: 10.into(),
        venue: "XNAS",
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        execution_id: None,
        raw: None,
    }
}

fn broken(outcome: Outcome, reason: BreakReason) -> Break {
    match outcome {
        Outcome::Broken(broken) if broken.reason == reason => broken,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_execution_without_an_execution_id_is_known_by_the_ids_that_it_is_given() {
    let store = Store::new();
    let order = store.order("C-1");
    let ids = ExecutionIds::default();
    let ten = fill(Some(order.id));
    let Outcome::Recorded(recorded) = store.take(&ids, &ten) else { panic!() };
    assert_eq!(recorded.id, ids.fill_id);
    let Outcome::Known(known) = store.take(&ids, &ten) else { panic!() };
    assert_eq!(known, recorded);
    let eleven = Execution { quantity: 11.into(), ..ten.clone() };
    let kept = broken(store.take(&ids, &eleven), BreakReason::Mismatch);
    assert_eq!(kept.id, ids.break_id);
    assert_eq!(store.filled(&order), 10);

    // A bust that refers to the fill by its own id.
    let of = recorded.id.to_string();
    let bust = Execution { kind: ExecutionKind::Bust { of: &of }, ..ten.clone() };
    let ids = ExecutionIds::default();
    let Outcome::Recorded(busted) = store.take(&ids, &bust) else { panic!() };
    let Outcome::Known(known) = store.take(&ids, &bust) else { panic!() };
    assert_eq!((known, store.filled(&order)), (busted, 0));

    // A break, which is not applied again when its order could take it.
    let ids = ExecutionIds::default();
    let lost = broken(store.take(&ids, &fill(None)), BreakReason::UnknownOrder);
    assert_eq!(lost.id, ids.break_id);
    assert_eq!(broken(store.take(&ids, &ten), BreakReason::UnknownOrder), lost);
    let book = NewBreakResolution {
        resolution: Resolution::Book { order: Some(order.id) },
        ..NewBreakResolution::book(lost.id, "found")
    };
    let resolved = store.engine().transaction(|tx| tx.breaks().resolve(&book)).unwrap();
    let Outcome::Known(known) = store.take(&ids, &ten) else { panic!() };
    assert_eq!((Some(known.id), store.filled(&order)), (resolved.fill_id, 10));
}

#[test]
fn breaks_are_read_by_execution_id_by_order_and_in_pages() {
    let store = Store::new();
    let [one, two] = ["C-1", "C-2"].map(|id| store.order(id));
    let with_id = |order_id, id| Execution { execution_id: Some(id), ..fill(order_id) };
    let keep = |execution: &Execution<'_>| match store.take(&ExecutionIds::default(), execution) {
        Outcome::Broken(broken) => broken,
        other => panic!("{other:?}"),
    };
    let fine = |order: &Order, id| {
        keep(&Execution { price: "1.001".parse().unwrap(), ..with_id(Some(order.id), id) })
    };
    let lost = |trader_id, id| keep(&Execution { trader_id, ..with_id(None, id) });
    let kept = [
        fine(&one, "E-1"),
        fine(&two, "E-1"),
        fine(&one, "E-2"),
        lost(Some(one.trader_id), "E-1"),
        lost(Some(two.trader_id), "E-1"),
        lost(None, "E-1"),
    ];
    let over = keep(&Execution { quantity: 101.into(), ..with_id(Some(two.id), "E-3") });
    let engine = store.engine();
    let dismiss = NewBreakResolution::dismiss(kept[0].id, "X");
    engine.transaction(|tx| tx.breaks().resolve(&dismiss)).unwrap();

    let of = |orders: &[Uuid], traders: &[Uuid], ids: &[&str]| -> Vec<(Uuid, bool)> {
        let found = engine.transaction(|tx| tx.breaks().of_executions(orders, traders, ids));
        let found = found.unwrap().into_iter();
        found.map(|found| (found.reported.id, found.resolution.is_some())).collect()
    };
    let expected = [(kept[0].id, true), (kept[3].id, false), (kept[5].id, false)];
    assert_eq!(of(&[one.id], &[one.trader_id], &["E-1", "E-3"]), expected);
    assert_eq!(of(&[two.id], &[], &["E-2", "E-3"]), [(over.id, false)]);
    assert_eq!(of(&[one.id], &[one.trader_id], &[]), []);

    let page = |traders: Option<&[Uuid]>, after, limit| -> Vec<Break> {
        engine
            .transaction(|tx| {
                tx.breaks().open_waiting(Awaited::Anything { of: traders }, after, limit)
            })
            .unwrap()
    };
    let ids = |page: &[Break]| page.iter().map(|kept| kept.id).collect::<Vec<_>>();
    let first = page(None, None, 3);
    assert_eq!(ids(&first), [kept[1].id, kept[2].id, kept[3].id]);
    let last = first.last().map(|last| (last.created_at, last.id));
    assert_eq!(ids(&page(None, last, 3)), [kept[4].id, kept[5].id]);
    assert_eq!(ids(&page(Some(&[two.trader_id]), None, 3)), [kept[1].id, kept[4].id, kept[5].id]);

    let totals = Totals {
        order_id: one.id,
        venue: "XNAS",
        execution_id: None,
        timestamp: noon(),
        status: None,
        filled_quantity: 5.into(),
        average_price: None,
        currency: None,
        raw: None,
    };
    let reconcile = || engine.transaction(|tx| tx.breaks().reconcile(&totals)).unwrap().unwrap();
    let differing = [reconcile()];
    assert_eq!([reconcile()], differing);
    let open_totals = || -> Vec<Break> {
        engine.transaction(|tx| tx.breaks().open_totals(&[one.id, two.id])).unwrap()
    };
    assert_eq!(open_totals(), differing);
    let dismiss = NewBreakResolution::dismiss(differing[0].id, "X");
    engine.transaction(|tx| tx.breaks().resolve(&dismiss)).unwrap();
    assert_eq!(open_totals(), []);
}

#[test]
fn a_number_with_too_many_digits_is_kept_as_the_nearest_one_that_a_break_can_hold() {
    let greatest = "9".repeat(20);
    let (least, thirds) = (format!("0.{}1", "0".repeat(19)), "3".repeat(20));
    for (number, nearest) in [
        ("10.50", "10.50"),
        ("1E+21", greatest.as_str()),
        ("-1E+30", &format!("-{greatest}")),
        (&format!("{greatest}.{thirds}3"), &greatest),
        ("1E-30", &least),
        (&format!("10.{thirds}3"), &format!("10.{}4", &thirds[1..])),
    ] {
        let kept = nearest_in_a_break(number.parse().unwrap());
        assert!(fits_a_break(&kept));
        assert_eq!(kept, nearest.parse::<BigDecimal>().unwrap(), "{number}");
    }
}
