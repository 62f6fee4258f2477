//! Alpaca's trade updates and account activities: each execution is an event, and a fill has one id.

use tradeblotter::ingest::{Event, FormatName, Kind, Number, detect};
use tradeblotter::{OrderType, Side};

use super::formats::{UPDATES, defect, read};

/// The only event of a message.
#[track_caller]
fn event(message: &str) -> Event<'static> {
    let (mut events, wrong) = read(FormatName::Alpaca, message.as_bytes());
    assert_eq!((events.len(), wrong), (1, vec![]), "{message}");
    events.remove(0)
}

/// A trade update with these fields, for an order with these.
fn update(fields: &str, order: &str) -> String {
    format!(
        r#"{{"stream":"trade_updates","data":{{"timestamp":"2026-03-02T15:00:00Z",{fields},"order":{{
        "id":"V-2","client_order_id":"C-2",{order}}}}}}}"#
    )
}

#[test]
fn alpacas_updates_and_activities_become_events() {
    let (events, wrong) = read(FormatName::Alpaca, UPDATES.as_bytes());
    assert_eq!(wrong, [""; 0]);
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            format!(
                "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                event.line,
                event.kind,
                event.client_order_id.as_deref().unwrap_or("-"),
                event.venue_order_id.as_deref().unwrap_or("-"),
                event.execution_id.as_deref().unwrap_or("-"),
                event.last_quantity,
                event.price,
                event.cumulative_quantity,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "2 Fill \"C {1}\" \"O-1\" \"X-1\" Some(Number(40)) Some(Number(10.50)) Some(Number(40))",
            "7 Fill \"-\" \"O-1\" \"A-1\" Some(Number(60)) None Some(Number(100))",
            "10 Cancelled \"C-2\" \"O-2\" \"-\" None None Some(Number(0))",
        ]
    );
    assert_eq!(detect(UPDATES.as_bytes()).unwrap().0, FormatName::Alpaca);

    let broken = "{\"event\":\"fill\",\n{\"event\":\"new\",\"order\":{\"id\":\"O-3\"}}\n";
    let (events, wrong) = read(FormatName::Alpaca, broken.as_bytes());
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!((kinds, wrong.len()), (vec![Kind::Fill, Kind::Acknowledged], 0), "{wrong:?}");
    assert!(events[0].defect.is_some());
}

#[test]
fn the_same_fill_has_the_same_execution_id_in_the_stream_and_among_the_activities() {
    let id = "5c0f3a52-1d8e-4a70-9d0b-3f6f0f1b7a11";
    let stream = event(&update(
        &format!(r#""event":"partial_fill","execution_id":"{id}","qty":"40","price":"10.5""#),
        r#""symbol":"AAPL","side":"buy","type":"market","qty":"100","filled_qty":"40""#,
    ));
    let activity = event(&format!(
        r#"{{"id":"20260302150000000::{id}","activity_type":"FILL","order_id":"V-2","qty":"40",
        "price":"10.5","cum_qty":"40","side":"buy","symbol":"AAPL",
        "transaction_time":"2026-03-02T15:00:00Z"}}"#
    ));
    assert_eq!(
        (stream.execution_id.as_deref(), activity.execution_id.as_deref()),
        (Some(id), Some(id))
    );
    assert_eq!((stream.venue_order_id, stream.at), (activity.venue_order_id, activity.at));
    // It says which of the activities of a millisecond is the latest.
    assert_eq!(activity.sequence, Some(40));
}

#[test]
fn an_order_that_replaces_another_one_names_it_and_the_old_order_is_not_cancelled() {
    let terms = r#""symbol":"CGC","side":"sell","type":"limit","limit_price":"11.90","qty":"80""#;
    let replaces = format!(r#"{terms},"filled_qty":"0","filled_avg_price":null,"replaces":"V-1""#);
    for (name, kind) in [
        ("accepted", Kind::PendingNew),
        ("pending_new", Kind::PendingNew),
        ("new", Kind::Replaced),
        ("partial_fill", Kind::Fill),
        ("canceled", Kind::Cancelled),
    ] {
        let event = event(&update(&format!(r#""event":"{name}""#), &replaces));
        assert_eq!(
            (event.kind, event.replaces_venue_order_id.as_deref()),
            (kind, Some("V-1")),
            "{name}"
        );
        assert_eq!(event.quantity, Number::new("80"));
        // Alpaca counts the shares of this order, and not of the chain.
        assert_eq!((event.cumulative_quantity, event.average_price), (None, None));
    }
    let replaced = format!(r#"{terms},"filled_qty":"30","status":"replaced","replaced_by":"V-3""#);
    let old = event(&update(r#""event":"replaced""#, &replaced));
    assert_eq!((old.kind, old.status, old.cumulative_quantity), (Kind::Status, None, None));
    assert_eq!(old.reason.as_deref(), Some("replaced by the venue's order V-3"));
    // A fill that was on its way.
    let late = event(&update(r#""event":"fill","qty":"10","price":"12.03""#, &replaced));
    assert_eq!(
        (late.kind, late.status, late.cumulative_quantity),
        (Kind::Fill, None, Number::new("30"))
    );
}

#[test]
fn an_execution_with_a_field_that_cannot_be_read_is_an_event_with_a_defect() {
    let terms = r#""symbol":"AAPL","side":"buy","type":"market","qty":"100""#;
    let fill = |fields: &str| update(&format!(r#""event":"fill",{fields}"#), terms);
    for (message, complaint) in [
        (fill(r#""qty":"4,0","price":"1""#), "qty is \"4,0\"; expected a decimal such as 10.50"),
        (fill(r#""qty":"4","price":{"usd":1}"#), "price is {\"usd\":1}; expected a decimal"),
        (fill(r#""qty":"4","execution_id":7"#), "execution_id is 7; expected text"),
        (fill(r#""qty":"4","qty":"5""#), "qty occurs twice"),
        (
            update(r#""event":"fill","qty":"4""#, r#""symbol":["AAPL"]"#),
            "order.symbol is [\"AAPL\"]; expected text",
        ),
        (
            r#"{"event":"fill","qty":"4","timestamp":"noon","order":{"id":"V-2"}}"#.to_owned(),
            "timestamp is \"noon\"; expected a time such as",
        ),
        (
            r#"{"event":"fill","qty":"4","order":"V-2"}"#.to_owned(),
            "order is \"V-2\"; expected an object",
        ),
    ] {
        let event = event(&message);
        assert_eq!(event.kind, Kind::Fill);
        assert!(defect(&event).starts_with(complaint), "{event:?}");
        assert_eq!(event.raw, message);
    }
    // Side fields are left out with a note.
    let odd = r#""symbol":"AAPL","side":"up","type":"market","filled_avg_price":"NaN","expires_at":"1/2""#;
    let event = event(&update(r#""event":"fill","qty":"4","price":"1","commission":"free""#, odd));
    assert_eq!((event.side, event.average_price, event.defect.as_deref()), (None, None, None));
    let note = event.note.unwrap_or_default();
    for field in
        ["commission is \"free\"", "order.side is \"up\"", "order.filled_avg_price is \"NaN\""]
    {
        assert!(note.contains(field), "{note}");
    }
}

#[test]
fn the_fill_of_a_multi_leg_order_says_why_it_cannot_be_booked_and_its_legs_are_orders() {
    let parent = r#""symbol":"","side":"","order_class":"mleg","type":"limit","limit_price":"-0.55","qty":"1",
        "legs":[{"id":"V-3","symbol":"SPY260619P00500000","side":"sell"}]"#;
    let event_of =
        |order: &str| event(&update(r#""event":"fill","qty":"1","price":"-0.55""#, order));
    let spread = event_of(parent);
    assert!(defect(&spread).starts_with("order.order_class is mleg"), "{spread:?}");
    assert_eq!((spread.kind, spread.last_price), (Kind::Fill, Number::new("-0.55")));
    let leg = event_of(
        r#""symbol":"SPY260619P00500000","side":"sell","order_class":"mleg","order_type":"market","type":"",
        "asset_class":"us_option""#,
    );
    assert_eq!(
        (leg.defect, leg.side, leg.order_type),
        (None, Some(Side::Sell), Some(OrderType::Market))
    );
    assert_eq!(leg.symbol.as_deref(), Some("SPY260619P00500000"));
    let terms: Vec<_> = leg.instructions.iter().flat_map(|terms| terms.iter()).collect();
    assert_eq!(terms, [("asset_class", "us_option"), ("order_class", "mleg")]);
}

#[test]
fn a_broken_object_is_kept_with_its_kind_and_nothing_of_it_is_believed() {
    for broken in [
        r#"{"event":"fill","execution_id":"E-1","qty":"4","order":{"id":"V-1""#,
        r#"{"stream":"trade_updates","data":{"event":"partial_fill","qty" "4"}}"#,
        r#"{"activity_type":"FILL","id":"1::E-1","qty":"4""#,
        r#""event":"fill","qty":"4"}}"#,
    ] {
        let event = event(broken);
        assert!(event.defect.is_some());
        let kept = Event { defect: event.defect.clone(), ..Event::new(Kind::Fill, 1, broken) };
        assert_eq!(event, kept);
    }
    let (events, wrong) = read(FormatName::Alpaca, &br#"{"account":"A","cash":"#[..]);
    assert_eq!((events.len(), wrong.len()), (0, 1));
}

#[test]
fn an_order_of_a_type_that_the_store_lacks_keeps_the_type() {
    let order = r#""symbol":"AAPL","side":"buy","type":"trailing_stop","trail_price":"1.5""#;
    let event = event(&update(r#""event":"new""#, order));
    let terms: Vec<_> = event.instructions.iter().flat_map(|terms| terms.iter()).collect();
    assert_eq!(
        (event.order_type, terms),
        (None, vec![("trail_price", "1.5"), ("type", "trailing_stop")])
    );
}

#[test]
fn a_commission_below_0_is_a_rebate() {
    let order = r#""symbol":"AAPL""#;
    let paid = event(&update(r#""event":"fill","commission":"-0.25""#, order));
    assert_eq!((paid.commission, paid.rebate), (None, Number::new("0.25")));
    let charged = event(&update(r#""event":"fill","commission":0.25"#, order));
    assert_eq!((charged.commission, charged.rebate), (Number::new("0.25"), None));
}

#[test]
fn messages_in_a_log_are_read_and_a_broken_one_costs_its_own_line() {
    let new = r#"{"event": "new", "order": {"id": "V-1"}}"#;
    let pretty = "{\n  \"event\": \"canceled\",\n  \"order\": {\n    \"id\": \"V-1\"\n  }\n}";
    let log = format!(
        "2026-03-02T14:30:00Z TRACE:: {{main}} connected\n2026-03-02T14:30:00Z TRACE:: OnUpdate: {new}\n\
         2026-03-02T14:30:01Z TRACE:: OnUpdate: {{\"event\": \"fill\", \"order\":\n\
         2026-03-02T14:30:02Z TRACE:: OnUpdate: {pretty} (5 ms)\n[14:30:03] {new}\n14:30:04 \"bye\"\n"
    );
    let (events, wrong) = read(FormatName::Alpaca, log.as_bytes());
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    let expected = [Kind::Acknowledged, Kind::Fill, Kind::Cancelled, Kind::Acknowledged];
    assert_eq!((kinds.as_slice(), wrong), (&expected[..], vec![]));
    assert!(defect(&events[1]).starts_with("the object is not a message of Alpaca"), "{events:?}");
    assert_eq!((events[1].line, events[1].raw.as_ref()), (3, r#"{"event": "fill", "order":"#));
    assert_eq!(detect(log.as_bytes()).unwrap().0, FormatName::Alpaca);
}
