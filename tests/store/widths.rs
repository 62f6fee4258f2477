//! Prices with more than two decimal places and symbols of more than ten characters: refused until the columns are
//! widened, then stored exactly, also by sessions that were open before.

use std::thread;

use bigdecimal::BigDecimal;
use diesel::connection::SimpleConnection;
use diesel::r2d2::ConnectionManager;
use proptest::prelude::*;
use r2d2::Pool;
use tradeblotter::ingest::{Options, Reader, Writer};
use tradeblotter::widths::{self, Widening, Widths};
use tradeblotter::{Blotter, connect};
use tradeblotter::{
    BreakReason, Commission, Error, Execution, ExecutionKind, Filter, NewBreakResolution,
    NewCorrection, NewFill, NewOrder, Outcome, Price, Side, catalog, migrations, role, snapshot_on,
    transaction_on,
};

use tradeblotter_test_support::reports::{acknowledged, filled};
use tradeblotter_test_support::{
    Database, assert_refused, check, fill_of, fix_by_account, history, noon, price, record, submit,
    trader, with_order_of,
};

const TOO_FINE: &str = "has more than the 2 decimal places that the columns keep";

/// Widens prices alone.
fn prices(scale: u8) -> Widening {
    Widening { prices: Some(scale), symbols: None }
}

/// Widens symbols alone.
fn symbols(length: u16) -> Widening {
    Widening { prices: None, symbols: Some(length) }
}

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
        trader_id: None,
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
        assert!(refusal.to_string().contains("blotter widen --prices "), "{refusal}");
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
    assert_eq!(widths::get(owner).unwrap().prices, 2);
    widths::widen(owner, prices(4)).unwrap();
    assert_eq!(widths::get(owner).unwrap().prices, 4);
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
    widths::widen(&mut db.owner(), prices(10)).unwrap();
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
    widths::widen(owner, prices(6)).unwrap();
    widths::widen(owner, prices(6)).unwrap();
    for scale in [0, 1, 2, 5, 11, 255] {
        let refused = widths::widen(owner, prices(scale)).unwrap_err();
        assert!(refused.is_invalid_input(), "{refused:?}");
    }
    for scale in ["1", "5", "11"] {
        let refused = owner.batch_execute(&format!("SELECT blotter_widen({scale}, NULL)"));
        assert!(refused.unwrap_err().to_string().contains("decimal places"));
    }
    assert_eq!(widths::get(owner).unwrap().prices, 6);
    widths::widen(owner, prices(7)).unwrap();
    assert_eq!(widths::get(owner).unwrap().prices, 7);
}

#[test]
fn nobody_but_the_owner_widens() {
    let db = Database::migrated();
    for role in ["blotter_trader", "blotter_engine", "blotter_compliance", "blotter_ledger"] {
        let conn = &mut db.admin();
        conn.batch_execute(&format!("SET ROLE {role}")).unwrap();
        let refused = widths::widen(conn, prices(4)).unwrap_err();
        assert!(refused.is_permission_denied(), "{role}: {refused:?}");
        assert_eq!(widths::get(conn).unwrap().prices, 2);
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
    widths::widen(&mut db.owner(), prices(8)).unwrap();
    back(&db).unwrap();
    migrations::run(&mut db.owner()).unwrap();
    assert_eq!(db.contents().orders, before.orders);
    assert_eq!(db.contents().fills, before.fills);

    widths::widen(&mut db.owner(), prices(8)).unwrap();
    let blotter = db.blotter();
    record(&blotter, &fill_of(&order, 10, "10.00000001")).unwrap();
    drop(blotter);
    let refused = back(&db).unwrap_err();
    assert!(refused.to_string().contains("1 orders and fills"), "{refused}");
    migrations::run(&mut db.owner()).unwrap();
    assert_eq!(widths::get(&mut db.owner()).unwrap().prices, 8);
}

#[test]
fn whatever_the_scale_a_price_is_stored_as_it_was_said_or_refused() {
    for scale in [2, 3, 7, 10] {
        let (db, blotter, order) = with_order_of(i32::MAX);
        drop(blotter);
        widths::widen(&mut db.owner(), prices(scale)).unwrap();
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
    widths::widen(&mut db.owner(), prices(4)).unwrap();
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

#[test]
fn a_symbol_that_is_longer_than_its_column_is_refused_with_the_command_that_widens_it() {
    let (db, blotter, order) = with_order_of(100);
    let of = |symbol| NewOrder::market(order.trader_id, Side::Buy, symbol, 1);
    let long = of("AAPL  261218C00150000");
    let before = db.contents();
    for refused in [
        submit(&blotter, &long).unwrap_err(),
        blotter
            .engine()
            .transaction(|tx| tx.orders().submit_batch(&[of("IBM"), long]))
            .unwrap_err(),
    ] {
        assert!(refused.is_invalid_input(), "{refused:?}");
        let told = refused.to_string();
        assert!(told.starts_with("symbol "), "{told}");
        assert!(told.contains("longer than the 10 characters that the column keeps"), "{told}");
        assert!(told.contains("blotter widen --symbols 21"), "{told}");
    }
    assert_eq!(db.contents(), before);

    let owner = &mut db.owner();
    widths::widen(owner, symbols(21)).unwrap();
    assert_eq!(widths::get(owner).unwrap(), Widths { prices: 2, symbols: 21 });
    assert_eq!(catalog::differences(owner).unwrap(), []);
    assert_eq!(submit(&blotter, &long).unwrap().symbol, long.symbol);
    // Characters and not bytes.
    assert!(submit(&blotter, &of("ÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜ")).is_ok());
    let longer = submit(&blotter, &of("AAPL  261218C001500000")).unwrap_err();
    assert!(longer.to_string().contains("blotter widen --symbols 22"), "{longer}");
    let rebuilt = blotter.engine().snapshot(|tx| tx.orders().rebuild(None)).unwrap();
    assert_eq!(rebuilt.differing, []);
}

#[test]
fn symbols_are_widened_without_prices_and_never_cut() {
    let (db, _blotter, _order) = with_order_of(100);
    let owner = &mut db.owner();
    widths::widen(owner, symbols(20)).unwrap();
    widths::widen(owner, symbols(20)).unwrap();
    for length in [0, 9, 10, 19, 65, u16::MAX] {
        let both = Widening { prices: Some(4), symbols: Some(length) };
        let refused = widths::widen(owner, both).unwrap_err();
        assert!(refused.is_invalid_input(), "{refused:?}");
    }
    for length in ["9", "19", "65"] {
        let refused = owner.batch_execute(&format!("SELECT blotter_widen(4, {length})"));
        assert!(refused.unwrap_err().to_string().contains("symbols"));
    }
    owner.batch_execute("SELECT blotter_widen(NULL, NULL)").unwrap();
    assert_eq!(widths::get(owner).unwrap(), Widths { prices: 2, symbols: 20 });
    widths::widen(owner, Widening { prices: Some(3), symbols: Some(64) }).unwrap();
    assert_eq!(widths::get(owner).unwrap(), Widths { prices: 3, symbols: 64 });
    assert_eq!(catalog::differences(owner).unwrap(), []);
    let guarded = db.admin().batch_execute("UPDATE orders SET symbol = 'IBM'");
    assert!(Error::from(guarded.unwrap_err()).is_immutable());

    owner.batch_execute("BEGIN; ALTER TABLE fills ALTER venue TYPE varchar(64)").unwrap();
    assert_eq!(catalog::differences(owner).unwrap().len(), 1);
    owner.batch_execute("ROLLBACK").unwrap();
}

/// A blotter with a single connection, so that each transaction gets the one that was open before.
fn on_one_connection(db: &Database) -> Blotter {
    let manager = ConnectionManager::new(db.app_url());
    Blotter::with_pool(Pool::builder().max_size(1).build(manager).unwrap())
}

#[test]
fn a_session_that_was_open_before_the_columns_were_widened_goes_on_working() {
    let db = Database::migrated();
    let blotter = on_one_connection(&db);
    let ada = trader(&blotter, "Ada");
    let session = blotter.trader(ada.id).unwrap();
    let engine = blotter.engine();
    let order_at = |symbol, at| NewOrder::limit(ada.id, Side::Buy, symbol, 100, price(at));
    let work = |symbol: &'static str, at: &'static str| {
        let new = order_at(symbol, at);
        let mut runs = 0;
        let order = session.transaction(|tx| {
            runs += 1;
            tx.orders().submit(&new)
        })?;
        let read = session.snapshot(|tx| tx.orders().get(order.id))?;
        assert_eq!((read.symbol.as_str(), read.price), (symbol, Some(price(at))));
        engine.transaction(|tx| tx.orders().submit_batch(&[new, new]))?;
        let fill = record(&blotter, &fill_of(&order, 10, at))?;
        let fills = [fill_of(&order, 20, at), fill_of(&order, 30, at)];
        engine.transaction(|tx| tx.fills().record_batch(&fills))?;
        assert_eq!(fill.price_at_fill, price(at));
        let history = engine.snapshot(|tx| tx.orders().history(order.id))?;
        assert_eq!(history.order.average_fill_price, Some(price(at)));
        Ok::<_, Error>(runs)
    };
    let rebuild = || engine.snapshot(|tx| tx.orders().rebuild(None)).unwrap().differing;
    assert_eq!(work("AAPL", "10.05").unwrap(), 1);

    widths::widen(&mut db.owner(), prices(4)).unwrap();
    assert_eq!(work("AAPL", "10.0005").unwrap(), 2);
    assert_eq!(work("AAPL", "10.0006").unwrap(), 1);
    assert_eq!(rebuild(), []);

    // A transaction that only reads is the first to meet it.
    widths::widen(&mut db.owner(), symbols(21)).unwrap();
    assert_eq!(rebuild(), []);
    assert_eq!(work("AAPL  261218C00150000", "10.0007").unwrap(), 1);

    // Nothing of the old statements stays on the server.
    let left = "SELECT max(count) <= 1 FROM (
        SELECT count(*) FROM pg_prepared_statements GROUP BY statement
    ) AS prepared";
    let looked = engine.transaction(|tx| {
        use diesel::dsl::sql;
        use diesel::prelude::*;
        use diesel::sql_types::Bool;
        let left = diesel::select(sql::<Bool>(&format!("({left})")));
        Ok::<_, Error>(left.get_result::<bool>(tx.connection())?)
    });
    assert!(looked.unwrap());
}

#[test]
fn a_stream_on_a_connection_that_was_open_before_yields_every_row() {
    let db = Database::migrated();
    let blotter = on_one_connection(&db);
    let ada = trader(&blotter, "Ada");
    submit(&blotter, &NewOrder::limit(ada.id, Side::Buy, "AAPL", 1, price("10.05"))).unwrap();
    let engine = blotter.engine();
    let stream = || {
        engine.snapshot(|tx| {
            tx.orders().stream(&Filter::default())?.collect::<Result<Vec<_>, Error>>()
        })
    };
    assert_eq!(stream().unwrap().len(), 1);
    widths::widen(&mut db.owner(), prices(4)).unwrap();
    assert_eq!(stream().unwrap().len(), 1);
}

#[test]
fn sessions_that_write_while_the_columns_are_widened_lose_nothing() {
    const ORDERS: i32 = 60;
    let (db, blotter, order) = with_order_of(i32::MAX);
    let session = blotter.trader(order.trader_id).unwrap();
    let work = || {
        for _ in 0..ORDERS {
            let new = NewOrder::limit(order.trader_id, Side::Buy, "AAPL", 10, price("10.05"));
            let own = session.transaction(|tx| tx.orders().submit(&new)).unwrap();
            record(&blotter, &fill_of(&own, 10, "10.05")).unwrap();
            let fills = [fill_of(&order, 1, "10.05")];
            blotter.engine().transaction(|tx| tx.fills().record_batch(&fills)).unwrap();
        }
    };
    thread::scope(|scope| {
        let writers = [(); 3].map(|()| scope.spawn(work));
        let mut owner = db.owner();
        for scale in 3..=5 {
            let to = Widening { prices: Some(scale), symbols: Some(u16::from(scale) + 10) };
            // Of two transactions that wait for each other's locks, PostgreSQL ends either one.
            while let Err(conflict) = widths::widen(&mut owner, to) {
                assert!(conflict.is_conflict(), "{conflict:?}");
            }
        }
        for writer in writers {
            writer.join().unwrap();
        }
    });
    let engine = blotter.engine();
    assert_eq!(history(&blotter, &order).order.filled_quantity, 3 * ORDERS);
    assert_eq!(engine.snapshot(|tx| tx.orders().rebuild(None)).unwrap().differing, []);
}

#[test]
fn ingest_that_was_running_when_the_columns_were_widened_goes_on() {
    let db = Database::migrated();
    let engine = on_one_connection(&db).engine();
    let mut writer = Writer::new(Options { register_traders: true, ..Options::default() });
    let mut ingest = |symbol: &str, at: &str, id: &str| {
        let second = 1;
        let input = [acknowledged(second, id, 100), filled(second + 1, id, id, 40, 40)]
            .map(|report| {
                let body = report.trim_end().split('\u{1}').filter(|field| {
                    !field.is_empty() && !["8=", "9=", "10"].contains(&&field[..2])
                });
                let fields: Vec<_> = body
                    .map(|field| match field {
                        "55=ACME" => format!("55={symbol}"),
                        "44=10.00" => format!("44={at}"),
                        "31=10.00" => format!("31={at}"),
                        "6=10.00" => format!("6={at}"),
                        field => field.to_owned(),
                    })
                    .collect();
                tradeblotter_test_support::reports::message(&fields.join("|"))
            })
            .concat();
        let mut reader = Reader::new(input.as_bytes(), fix_by_account());
        while let Some(read) = reader.batch(100).unwrap() {
            assert_eq!(read.malformed, []);
            writer.write(&engine, &read.events).unwrap();
        }
    };
    ingest("ACME", "10.05", "A");
    let both = Widening { prices: Some(4), symbols: Some(21) };
    widths::widen(&mut db.owner(), both).unwrap();
    ingest("AAPL  261218C00150000", "10.0005", "B");
    assert_eq!(writer.finish(&engine).unwrap(), []);
    let rows = tradeblotter_test_support::texts(
        &mut db.admin(),
        "SELECT concat_ws(' ', client_order_id, symbol, price, average_fill_price) AS text
         FROM orders ORDER BY client_order_id",
    );
    assert_eq!(rows, ["A ACME 10.0500 10.0500", "B AAPL  261218C00150000 10.0005 10.0005"]);
    assert_eq!(engine.snapshot(|tx| tx.orders().rebuild(None)).unwrap().differing, []);
}

#[test]
fn a_transaction_on_a_connection_of_the_application_fails_once_and_says_to_try_again() {
    let (db, _blotter, order) = with_order_of(100);
    let conn = &mut connect(&db.app_url()).unwrap();
    conn.batch_execute("PREPARE kept AS SELECT 1").unwrap();
    let mut submit = |at: &str| {
        let new = NewOrder::limit(order.trader_id, Side::Buy, "AAPL", 1, price(at));
        let stored = transaction_on(conn, role::Engine, |tx| tx.orders().submit(&new))?;
        snapshot_on(conn, role::Engine, |tx| tx.orders().get(stored.id))
    };
    submit("10.05").unwrap();
    widths::widen(&mut db.owner(), prices(4)).unwrap();
    let refused = submit("10.0005").unwrap_err();
    assert_refused(&refused, Error::is_conflict, None);
    assert!(refused.to_string().contains("try again"), "{refused}");
    assert_eq!(submit("10.0005").unwrap().price, Some(price("10.0005")));
    // What the application prepared itself is still there.
    conn.batch_execute("EXECUTE kept").unwrap();
}

#[test]
fn symbols_go_back_to_ten_characters_only_if_none_is_longer() {
    let (db, blotter, order) = with_order_of(100);
    widths::widen(&mut db.owner(), symbols(64)).unwrap();
    let long = NewOrder::market(order.trader_id, Side::Buy, "ABCDEFGHIJK", 1);
    submit(&blotter, &long).unwrap();
    drop(blotter);
    let (extent, records) = (migrations::Extent::Last(1), migrations::Records::Discard);
    let refused = migrations::revert(&mut db.owner(), extent, records, |_| ()).unwrap_err();
    assert!(refused.to_string().contains("1 orders have a symbol"), "{refused}");
    assert_eq!(widths::get(&mut db.owner()).unwrap().symbols, 64);
}
