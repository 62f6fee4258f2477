//! Times and days are in the years 1 to 9999 (UTC), whoever writes them: the years that every reader of the records
//! knows.

use std::borrow::Cow;

use chrono::{DateTime, TimeZone, Utc};
use diesel::connection::SimpleConnection;
use tradeblotter::ingest::{Event, FormatName, Kind, Options, Writer};
use tradeblotter::{
    Commission, Error, Execution, ExecutionKind, NewBust, NewCorrection, NewExecutionLog, NewFill,
    NewOrder, OrderType, Side, Totals, YEARS,
};
use tradeblotter_test_support::{
    Database, EXECUTED, append, assert_refused, fill_of, noon, price, record, submit, with_order_of,
};

use crate::ingest::feeds::Feed;
use crate::ingest::formats::{defect, read};

fn utc(year: i32, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, hour, minute, second).unwrap()
}

/// The last second of the year before the first, and the first of the year after the last.
fn outside() -> [DateTime<Utc>; 2] {
    [utc(YEARS.start() - 1, 12, 31, 23, 59, 59), utc(YEARS.end() + 1, 1, 1, 0, 0, 0)]
}

/// The first and the last microsecond that are accepted.
fn edges() -> [DateTime<Utc>; 2] {
    let micro = chrono::TimeDelta::microseconds(1);
    [utc(*YEARS.start(), 1, 1, 0, 0, 0), utc(YEARS.end() + 1, 1, 1, 0, 0, 0) - micro]
}

#[test]
fn the_library_refuses_a_time_or_a_day_outside_the_years_1_to_9999() {
    let (db, blotter, order) = with_order_of(100);
    let fill = record(&blotter, &fill_of(&order, 10, "10")).unwrap();
    let before = db.contents();
    let new = NewOrder::market(order.trader_id, Side::Buy, "AAPL", 100);
    let engine = blotter.engine();
    for at in outside() {
        let day = Some(at.date_naive());
        let execution = Execution {
            kind: ExecutionKind::Fill,
            order_id: Some(order.id),
            timestamp: at,
            quantity: 1.into(),
            price: 1.into(),
            venue: "NASDAQ",
            commission: 0.into(),
            rebate: 0.into(),
            source: None,
            trader_id: None,
            client_order_id: None,
            execution_id: None,
            raw: None,
        };
        let totals = Totals {
            order_id: order.id,
            timestamp: at,
            filled_quantity: 1.into(),
            average_price: None,
            venue: "NASDAQ",
            currency: None,
            status: None,
            execution_id: None,
            raw: None,
        };
        let correction = NewCorrection {
            amends: fill.id,
            timestamp: at,
            quantity_filled: 1,
            price_at_fill: price("1"),
            commission: Commission::default(),
            rebate: Commission::default(),
            execution_id: None,
        };
        let bust = NewBust { amends: fill.id, timestamp: at, execution_id: None };
        let entry =
            NewExecutionLog { reported_at: Some(at), ..NewExecutionLog::new(order.id, EXECUTED) };
        let refused: [Result<(), Error>; 10] = [
            submit(&blotter, &NewOrder { expires_at: Some(at), ..new }).map(drop),
            submit(&blotter, &NewOrder { received_at: Some(at), ..new }).map(drop),
            submit(&blotter, &NewOrder { trading_day: day, ..new }).map(drop),
            record(&blotter, &NewFill { timestamp: at, ..fill_of(&order, 1, "1") }).map(drop),
            engine.transaction(|tx| tx.fills().correct(&correction)).map(drop),
            engine.transaction(|tx| tx.fills().bust(&bust)).map(drop),
            append(&blotter, &entry).map(drop),
            engine.transaction(|tx| tx.execution_logs().append_batch(&[entry])).map(drop),
            engine.transaction(|tx| tx.breaks().record_or_break(&execution)).map(drop),
            engine.transaction(|tx| tx.breaks().reconcile(&totals)).map(drop),
        ];
        for refused in refused {
            let error = refused.unwrap_err();
            assert_refused(&error, Error::is_invalid_input, None);
            assert!(error.to_string().contains("the years 1 to 9999 (UTC)"), "{error}");
        }
    }
    assert_eq!(db.contents(), before);
}

#[test]
fn the_first_and_the_last_microsecond_of_the_years_1_to_9999_come_back_as_they_were_written() {
    let (_db, blotter, order) = with_order_of(100);
    let new = NewOrder::market(order.trader_id, Side::Buy, "AAPL", 100);
    for at in edges() {
        let terms = NewOrder {
            expires_at: Some(at),
            received_at: Some(at),
            trading_day: Some(at.date_naive()),
            ..new
        };
        let stored = submit(&blotter, &terms).unwrap();
        let times = (stored.expires_at, stored.received_at, stored.trading_day);
        assert_eq!(times, (Some(at), Some(at), Some(at.date_naive())));
        let fill = NewFill { timestamp: at, ..fill_of(&order, 1, "1") };
        assert_eq!(record(&blotter, &fill).unwrap().timestamp, at);
        let entry =
            NewExecutionLog { reported_at: Some(at), ..NewExecutionLog::new(order.id, EXECUTED) };
        assert_eq!(append(&blotter, &entry).unwrap().reported_at, Some(at));
    }
}

#[test]
fn the_database_refuses_a_time_or_a_day_outside_the_years_1_to_9999_from_every_client() {
    let (db, _, order) = with_order_of(100);
    let (id, trader) = (order.id, order.trader_id);
    let before = db.contents();
    let rows = |at: &str| {
        let order = |column: &str| {
            format!(
                "INSERT INTO orders (trader_id, symbol, quantity, order_type, {column})
                 VALUES ('{trader}', 'X', 1, 'MARKET', {at})"
            )
        };
        [
            (order("expires_at"), "ck_orders_expires_at_readable"),
            (order("received_at"), "ck_orders_received_at_readable"),
            (
                format!(
                    "INSERT INTO fills (order_id, quantity_filled, price_at_fill, venue, timestamp)
                     VALUES ('{id}', 1, 10, 'X', {at})"
                ),
                "ck_fills_timestamp_readable",
            ),
            (
                format!(
                    "INSERT INTO execution_logs (order_id, action, reported_at)
                     VALUES ('{id}', 'EXECUTED', {at})"
                ),
                "ck_execution_logs_reported_at_readable",
            ),
            (
                format!(
                    "INSERT INTO breaks (reason, detail, venue, source, timestamp, quantity, price)
                     VALUES ('INVALID', 'x', 'X', 'X', {at}, 1, 1)"
                ),
                "ck_breaks_timestamp_readable",
            ),
            (
                format!("INSERT INTO traders (id, name, created_at) VALUES (gen_random_uuid(), 'Eve', {at})"),
                "ck_traders_created_at_readable",
            ),
            (
                format!(
                    "INSERT INTO seals SELECT 1, 1, 'o', 1, '{{[1,2)}}', 1, hash, hash, hash, {at}, hash, hash || hash
                     FROM decode(repeat('00', 32), 'hex') AS hash"
                ),
                "ck_seals_sealed_at_readable",
            ),
        ]
    };
    let days = [("'0001-12-31 BC'", "0001-01-01"), ("'10000-01-01'", "9999-12-31")];
    for (outside, _) in days {
        let day = format!(
            "INSERT INTO orders (trader_id, symbol, quantity, order_type, trading_day)
             VALUES ('{trader}', 'X', 1, 'MARKET', {outside})"
        );
        let error = Error::from(db.admin().batch_execute(&day).expect_err(&day));
        assert_refused(&error, Error::is_rule_violation, Some("ck_orders_trading_day_readable"));
    }
    for at in [
        "'0001-12-31 23:59:59.999999+00 BC'",
        "'10000-01-01 00:00:00+00'",
        "'infinity'",
        "'-infinity'",
    ] {
        for (sql, rule) in rows(at) {
            let error = Error::from(db.admin().batch_execute(&sql).expect_err(&sql));
            assert_refused(&error, Error::is_rule_violation, Some(rule));
        }
    }
    assert_eq!(db.contents(), before);
    // The same rows are stored at the edges, so that nothing but the time was refused.
    for at in ["'0001-01-01 00:00:00+00'", "'9999-12-31 23:59:59.999999+00'"] {
        for (sql, _) in rows(at) {
            let mut admin = db.admin();
            admin
                .batch_execute(&format!("BEGIN; {sql}; ROLLBACK"))
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }
}

#[test]
fn no_format_reads_a_time_outside_the_years_1_to_9999() {
    for (at, accepted) in [
        ("0000-12-31T23:59:59Z", false),
        ("0001-01-01T00:00:00Z", true),
        ("0001-01-01T00:00:00+00:01", false),
        ("0000-12-31T23:59:00-00:01", true),
        ("9999-12-31T23:59:59.999999Z", true),
        ("9999-12-31T23:59:59-00:01", false),
    ] {
        let fix = at.replace('-', "").replacen('T', "-", 1);
        // The offset has lost its minus sign together with those of the day.
        let fix = match at.ends_with("-00:01") {
            true => format!("{}-00:01", &fix[..17]),
            false => fix,
        };
        let message = tradeblotter_test_support::reports::message(&format!(
            "35=8|49=BRK|56=DESK|34=1|11=A|37=V|17=E|150=F|39=1|55=KO|54=1|32=40|31=10|14=40|6=10|60={fix}"
        ));
        let (formats, alpaca) = (
            [
                (FormatName::Fix, message),
                (FormatName::Ndjson, format!(r#"{{"kind":"fill","at":"{at}"}}"#)),
                (FormatName::Csv, format!("kind,at\nfill,{at}\n")),
            ],
            format!(r#"{{"event":"fill","timestamp":"{at}","order":{{"id":"V"}}}}"#),
        );
        for (format, input) in formats.into_iter().chain([(FormatName::Alpaca, alpaca)]) {
            let (events, wrong) = read(format, input.as_bytes());
            assert_eq!((events.len(), &wrong), (1, &vec![]), "{input}");
            assert_eq!(events[0].kind, Kind::Fill, "{input}");
            assert_eq!(events[0].at.is_some(), accepted, "{format:?} {at}: {:?}", events[0]);
            if !accepted {
                let found = defect(&events[0]);
                assert!(found.contains("of the years 1 to 9999"), "{found}");
            }
        }
    }
    for (day, accepted) in [("0000-12-31", false), ("0001-01-01", true), ("+10000-01-01", false)] {
        let (events, _) = read(
            FormatName::Ndjson,
            format!(r#"{{"kind":"fill","trading_day":"{day}"}}"#).as_bytes(),
        );
        assert_eq!(events[0].trading_day.is_some(), accepted, "{day}");
        assert_eq!(events[0].defect.is_some(), !accepted, "{day}");
    }
}

#[test]
fn a_fill_dated_in_the_year_0000_is_a_break_and_no_fill_of_1_bc() {
    let fix = |at: &str, more: &str| {
        tradeblotter_test_support::reports::message(&format!(
            "35=8|49=BRK|56=DESK|34=1|1=ada|11=A|37=V|55=KO|54=1|38=100|40=1|60={at}|{more}"
        ))
    };
    let acknowledged = fix("20260302-14:30:00", "17=A-0|150=0|39=0|14=0|6=0");
    let filled = fix("00000302-14:30:00", "17=E-1|150=F|39=1|32=40|31=10|14=40|6=10");
    let input = [acknowledged, filled].concat();
    let (db, _) =
        Feed::fix().comes_to(&[input.as_bytes()], &["A PENDING 0/100"], &["INVALID - E-1 open"]);
    let kept = db.contents().breaks.remove(0);
    assert!(
        kept.detail.contains("(TransactTime) nor 52 (SendingTime) is a time"),
        "{}",
        kept.detail
    );
    assert_eq!(db.contents().fills, []);
}

#[test]
fn an_event_of_a_reader_of_your_own_with_such_a_time_is_a_break_and_ends_no_run() {
    let db = Database::migrated();
    let engine = db.blotter().engine();
    let number = |text| tradeblotter::ingest::Number::new(text);
    for (place, at) in outside().into_iter().enumerate() {
        let ids = [0, 1, 2].map(|kind| format!("{place}-{kind}"));
        let [order, fill, late] = &ids;
        let base = |kind, at| Event {
            trader: Some("ada".into()),
            client_order_id: Some(order.into()),
            symbol: Some("KO".into()),
            side: Some(Side::Buy),
            order_type: Some(OrderType::Market),
            quantity: number("100"),
            venue: Some("XNYS".into()),
            at: Some(at),
            ..Event::new(kind, 1, "raw")
        };
        let now = noon();
        let filled = |at, id| Event {
            execution_id: Some(Cow::Borrowed(id)),
            last_quantity: number("40"),
            last_price: number("10"),
            cumulative_quantity: number("40"),
            average_price: number("10"),
            ..base(Kind::Fill, at)
        };
        let options = Options { register_traders: true, ..Options::default() };
        let events = [
            base(Kind::NewOrder, now),
            base(Kind::Routed, at),
            filled(now, fill),
            filled(at, late),
            Event { expires_at: Some(at), ..base(Kind::Replaced, now) },
            base(Kind::Cancelled, at),
        ];
        for batch in [1, 6] {
            let mut writer = Writer::new(options.clone());
            for events in events.chunks(batch) {
                writer.write(&engine, events).unwrap();
            }
            writer.finish(&engine).unwrap();
            assert_eq!(writer.tally().reports, 6);
        }
    }
    let contents = db.contents();
    assert_eq!(contents.fills.len(), 2);
    assert!(!contents.breaks.is_empty());
}
