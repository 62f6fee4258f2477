//! Streams: all matching rows, one at a time, whatever their number.

use tradeblotter::{Action, Error, Filter, NewFill, NewOrder, OrderStatus, Page, Side};

use tradeblotter_test_support::{Database, fill_of, history, record, submit, trader};

fn all<T>(rows: impl Iterator<Item = Result<T, Error>>) -> Vec<T> {
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_stream_gives_what_matches_oldest_first_and_only_what_the_role_may_see() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let (ada, grace) = (trader(&blotter, "Ada"), trader(&blotter, "Grace"));
    let market =
        |id, symbol| submit(&blotter, &NewOrder::market(id, Side::Buy, symbol, 100)).unwrap();
    let orders = [market(ada.id, "AAPL"), market(grace.id, "AAPL"), market(ada.id, "MSFT")];
    for (order, id) in orders.iter().zip(["E-1", "E-2", "E-3"]) {
        record(&blotter, &NewFill { execution_id: Some(id), ..fill_of(order, 40, "10.00") })
            .unwrap();
    }
    let orders = orders.map(|order| history(&blotter, &order).order);

    let engine = blotter.engine();
    let apple = Filter { symbol: Some("AAPL"), ..Filter::default() };
    engine
        .snapshot(|tx| {
            assert_eq!(all(tx.orders().stream(&Filter::default())?), orders);
            assert_eq!(all(tx.orders().stream(&apple)?), orders[..2]);
            assert_eq!(all(tx.fills().stream(&apple)?).len(), 2);
            let log = all(tx.execution_logs().stream(&Filter::default())?);
            let trail = tx.execution_logs().trail(&Filter::default(), Page::first(100))?;
            assert_eq!(log, trail.rows);
            Ok::<_, Error>(())
        })
        .unwrap();

    let desk = blotter.trader(ada.id).unwrap();
    desk.snapshot(|tx| {
        let own = [&orders[0], &orders[2]];
        assert!(all(tx.orders().stream(&Filter::default())?).iter().eq(own));
        assert!(
            all(tx.fills().stream(&Filter::default())?).iter().all(|row| row.trader_id == ada.id)
        );
        assert!(
            all(tx.execution_logs().stream(&Filter::default())?)
                .iter()
                .all(|row| row.trader_id == ada.id)
        );
        assert!(all(tx.orders().stream(&Filter::of_trader(grace.id))?).is_empty());
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn a_stream_that_is_left_in_the_middle_leaves_the_connection_usable() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let new = vec![NewOrder::market(ada.id, Side::Buy, "AAPL", 100); 3000];
    blotter.engine().transaction(|tx| tx.orders().submit_batch(&new)).unwrap();
    let actions = blotter
        .engine()
        .transaction(|tx| {
            let first = tx.execution_logs().stream(&Filter::default())?.next().unwrap()?;
            let open = tx.orders().open(ada.id, Page::first(10))?;
            assert_eq!(open.rows[0].status, OrderStatus::Pending);
            Ok::<_, Error>(first.action)
        })
        .unwrap();
    assert_eq!(actions, Action::Submitted);
}
