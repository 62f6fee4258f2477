//! Prices with more than two decimal places: refused until the columns are widened, then stored exactly.

use bigdecimal::BigDecimal;
use diesel::connection::SimpleConnection;
use proptest::prelude::*;
use tradeblotter::{
    BreakReason, Commission, Error, Execution, ExecutionKind, NewBreakResolution, NewCorrection,
    NewFill, NewOrder, Outcome, Price, Side, catalog, migrations, precision,
};

use tradeblotter_test_support::{
    Database, assert_refused, check, fill_of, history, noon, price, record, submit, trader,
    with_order_of,
};

const TOO_FINE: &str = "has more than the 2 decimal places that the columns keep";

fn execution_at(fill: &NewFill<'static>, at: &str) -> Execution<'static> {
    Execution {
        kind: ExecutionKind::Fill,
        order_id: Some(fill.order_id),
        timestamp: fill.timestamp,
        quantity: fill.quantity_filled.into(),
        price: at.parse().unwrap(),
        venue: fill.venue,
        commission: 0.into(),
        rebate: 0.into(),
        source: None,
        client_order_id: None,
        execution_id: Some("E-1"),
        raw: None,
    }
}

#[test]
fn what_is_finer_than_a_cent_is_refused_on_every_road_and_nothing_of_it_is_stored() {
    let (db, blotter, order) = with_order_of(100);
    let engine = blotter.engine();
    let coarse = record(&blotter, &fill_of(&order, 10, "10.00")).unwrap();
    let before = db.contents();
    let fine = fill_of(&order, 10, "10.005");
    let costly = NewFill { commission: "0.001".parse().unwrap(), ..fill_of(&order, 10, "10.00") };
    let limit = NewOrder::limit(order.trader_id, Side::Buy, "AAPL", 1, price("10.005"));
    let guarded = NewOrder {
        stop_loss: Some(price("9.9999")),
        ..NewOrder::market(order.trader_id, Side::Buy, "AAPL", 1)
    };
    let correction = NewCorrection {
        amends: coarse.id,
        timestamp: noon(),
        quantity_filled: 10,
        price_at_fill: price("10.0001"),
        commission: Commission::default(),
        rebate: Commission::default(),
        execution_id: None,
    };
    let good = NewOrder::market(order.trader_id, Side::Buy, "AAPL", 1);
    let refusals: [Error; 7] = [
        record(&blotter, &fine).unwrap_err(),
        record(&blotter, &costly).unwrap_err(),
        engine
            .transaction(|tx| tx.fills().record_batch(&[fill_of(&order, 10, "10.00"), fine]))
            .unwrap_err(),
        engine.transaction(|tx| tx.fills().correct(&correction)).unwrap_err(),
        submit(&blotter, &limit).unwrap_err(),
        submit(&blotter, &guarded).unwrap_err(),
        engine.transaction(|tx| tx.orders().submit_batch(&[good, limit])).unwrap_err(),
    ];
    for refusal in refusals {
        assert!(refusal.is_invalid_input(), "{refusal:?}");
        assert!(refusal.to_string().contains(TOO_FINE), "{refusal}");
        assert!(refusal.to_string().contains("blotter precision"), "{refusal}");
    }
    assert_eq!(db.contents(), before);

    let kept = engine
        .transaction(|tx| tx.breaks().record_or_break(&execution_at(&fine, "10.005")))
        .unwrap();
    let Outcome::Broken(kept) = kept else { panic!("{kept:?}") };
    assert_eq!(kept.reason, BreakReason::Precision);
    let book = NewBreakResolution::book(kept.id, "as the venue says");
    let refused = engine.transaction(|tx| tx.breaks().resolve(&book)).unwrap_err();
    assert_refused(&refused, Error::is_rule_violation, Some("break_resolutions_exact"));
}

#[test]
fn once_widened_the_columns_keep_finer_prices_exactly_and_all_that_follows_from_them() {
    let (db, blotter, order) = with_order_of(100);
    record(&blotter, &fill_of(&order, 30, "10.01")).unwrap();
    record(&blotter, &fill_of(&order, 30, "10.02")).unwrap();
    record(&blotter, &fill_of(&order, 3, "10.00")).unwrap();
    let engine = blotter.engine();
    let early = execution_at(&fill_of(&order, 7, "1"), "10.0101");
    let kept = engine.transaction(|tx| tx.breaks().record_or_break(&early)).unwrap();
    let Outcome::Broken(kept) = kept else { panic!("{kept:?}") };
    drop((blotter, engine));

    let owner = &mut db.owner();
    assert_eq!(precision::get(owner).unwrap(), 2);
    precision::widen(owner, 4).unwrap();
    assert_eq!(precision::get(owner).unwrap(), 4);
    assert_eq!(catalog::differences(owner).unwrap(), []);

    let blotter = db.blotter();
    let engine = blotter.engine();
    // 630.90 / 63, now rounded to four decimal places.
    assert_eq!(history(&blotter, &order).order.average_fill_price, Some(price("10.0143")));
    let rebuilt = || engine.snapshot(|tx| tx.orders().rebuild(None)).unwrap().differing;
    assert_eq!(rebuilt(), []);

    let fine = NewFill { commission: "0.0001".parse().unwrap(), ..fill_of(&order, 10, "10.0005") };
    let fine = record(&blotter, &fine).unwrap();
    assert_eq!(
        (fine.price_at_fill, fine.commission.to_string()),
        (price("10.0005"), "0.0001".into())
    );
    let book = NewBreakResolution::book(kept.id, "now that it can be kept");
    engine.transaction(|tx| tx.breaks().resolve(&book)).unwrap();
    let correction = NewCorrection {
        amends: fine.id,
        timestamp: noon(),
        quantity_filled: 10,
        price_at_fill: price("10.0006"),
        commission: Commission::default(),
        rebate: Commission::default(),
        execution_id: None,
    };
    engine.transaction(|tx| tx.fills().correct(&correction)).unwrap();
    let now = history(&blotter, &order).order;
    assert_eq!(now.filled_notional, "800.9767".parse::<BigDecimal>().unwrap());
    assert_eq!((now.filled_quantity, now.average_fill_price), (80, Some(price("10.0122"))));
    assert_eq!(rebuilt(), []);
    let then = engine.snapshot(|tx| tx.orders().as_of(order.id, now.updated_at)).unwrap();
    assert_eq!(then, now);
    let finer = record(&blotter, &fill_of(&order, 1, "10.00001")).unwrap_err();
    assert!(finer.to_string().contains("more than the 4 decimal places"), "{finer}");
}

#[test]
fn widening_loses_no_row_and_no_guard() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let traders = ["Ada", "Grace"].map(|name| trader(&blotter, name));
    for of in &traders {
        let order = submit(&blotter, &NewOrder::market(of.id, Side::Buy, "AAPL", 10)).unwrap();
        record(&blotter, &fill_of(&order, 10, "10.01")).unwrap();
    }
    let before = db.contents();
    precision::widen(&mut db.owner(), 10).unwrap();
    assert_eq!(db.contents(), before);
    let admin = &mut db.admin();
    for change in [
        "UPDATE orders SET price = 1",
        "UPDATE orders SET status = 'PENDING'",
        "UPDATE fills SET price_at_fill = 1",
        "SET session_replication_role = replica; UPDATE orders SET stop_loss = 1",
    ] {
        let refused = Error::from(admin.batch_execute(change).unwrap_err());
        assert!(refused.is_immutable(), "{change}: {refused}");
    }
}

#[test]
fn columns_are_not_narrowed_and_not_widened_beyond_what_a_price_has() {
    let db = Database::migrated();
    let owner = &mut db.owner();
    precision::widen(owner, 6).unwrap();
    precision::widen(owner, 6).unwrap();
    for scale in [0, 1, 2, 5, 11, 255] {
        let refused = precision::widen(owner, scale).unwrap_err();
        assert!(refused.is_invalid_input(), "{refused:?}");
    }
    for scale in ["1", "5", "11", "NULL"] {
        let refused = owner.batch_execute(&format!("SELECT blotter_precision({scale})"));
        assert!(refused.unwrap_err().to_string().contains("decimal places"));
    }
    assert_eq!(precision::get(owner).unwrap(), 6);
    precision::widen(owner, 7).unwrap();
    assert_eq!(precision::get(owner).unwrap(), 7);
}

#[test]
fn nobody_but_the_owner_widens() {
    let db = Database::migrated();
    for role in ["blotter_trader", "blotter_engine", "blotter_compliance", "blotter_ledger"] {
        let conn = &mut db.admin();
        conn.batch_execute(&format!("SET ROLE {role}")).unwrap();
        let refused = precision::widen(conn, 4).unwrap_err();
        assert!(refused.is_permission_denied(), "{role}: {refused:?}");
        assert_eq!(precision::get(conn).unwrap(), 2);
    }
}

#[test]
fn one_column_that_is_wider_than_the_others_is_told() {
    let db = Database::migrated();
    let owner = &mut db.owner();
    owner.batch_execute("ALTER TABLE fills ALTER commission TYPE numeric(18,4)").unwrap();
    let told: Vec<String> =
        catalog::differences(owner).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["column fills.commission: type is numeric(18,4), expected numeric(10,2)"]);
}

#[test]
fn the_columns_go_back_to_cents_only_if_nothing_is_finer() {
    let (db, blotter, order) = with_order_of(100);
    for at in ["10.01", "10.02", "10.02"] {
        record(&blotter, &fill_of(&order, 10, at)).unwrap();
    }
    drop(blotter);
    let before = db.contents();
    let back = |db: &Database| {
        let owner = &mut db.owner();
        loop {
            let mut last = String::new();
            let (extent, records) = (migrations::Extent::Last(1), migrations::Records::Discard);
            migrations::revert(owner, extent, records, |step| last.clone_from(&step.name))?;
            if last.ends_with("widen_columns") {
                return Ok::<_, Error>(());
            }
        }
    };
    precision::widen(&mut db.owner(), 8).unwrap();
    back(&db).unwrap();
    migrations::run(&mut db.owner()).unwrap();
    assert_eq!(db.contents().orders, before.orders);
    assert_eq!(db.contents().fills, before.fills);

    precision::widen(&mut db.owner(), 8).unwrap();
    let blotter = db.blotter();
    record(&blotter, &fill_of(&order, 10, "10.00000001")).unwrap();
    drop(blotter);
    let refused = back(&db).unwrap_err();
    assert!(refused.to_string().contains("1 orders and fills"), "{refused}");
    migrations::run(&mut db.owner()).unwrap();
    assert_eq!(precision::get(&mut db.owner()).unwrap(), 8);
}

#[test]
fn whatever_the_scale_a_price_is_stored_as_it_was_said_or_refused() {
    for scale in [2, 3, 7, 10] {
        let (db, blotter, order) = with_order_of(i32::MAX);
        drop(blotter);
        precision::widen(&mut db.owner(), scale).unwrap();
        let blotter = db.blotter();
        check(24, (1..=99_999_999_i64, 0..=10_usize, any::<u32>()), |(whole, places, after)| {
            let after = format!("{after:010}");
            let said = format!("{whole}.{}", &after[..places.max(1)]);
            let said: Price = said.parse().unwrap();
            let fine = BigDecimal::from(said).normalized().fractional_digit_count();
            match record(&blotter, &NewFill { price_at_fill: said, ..fill_of(&order, 1, "1") }) {
                Ok(fill) => prop_assert_eq!(fill.price_at_fill, said),
                Err(error) => {
                    prop_assert!(error.is_invalid_input(), "{}", error);
                    prop_assert!(fine > i64::from(scale), "{}", error);
                }
            }
            Ok(())
        });
    }
}

#[test]
fn widened_columns_have_no_more_before_the_point_than_a_client_reads() {
    let (db, blotter, order) = with_order_of(100);
    drop(blotter);
    precision::widen(&mut db.owner(), 4).unwrap();
    for (price, commission) in [("100000000", "0"), ("1", "100000000")] {
        let fill = format!(
            "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, commission)
             VALUES ('{}', 1, {price}, 'NYSE', {commission})",
            order.id
        );
        let refused = Error::from(db.admin().batch_execute(&fill).unwrap_err());
        assert_eq!(refused.constraint(), Some("ck_fills_money_in_range"), "{refused}");
    }
}
