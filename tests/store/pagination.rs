//! Pagination: the pages together have every row once, in the order of one large listing.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use proptest::collection::vec;
use proptest::prelude::*;
use tradeblotter::role;
use tradeblotter::schema::{execution_logs, fills, orders};
use tradeblotter::{
    Action, Cursor, Error, ExecutionLog, Fill, Filter, Listing, NewOrder, Order, OrderType, Page,
    Session, Side, Tx,
};
use uuid::Uuid;

use tradeblotter_test_support::{Database, assert_refused, check, noon, price, submit, trader};

/// One of the four listings, of one kind of row.
trait Listed: Sized {
    fn list(tx: &mut Tx<'_, role::Trader>, page: Page) -> Result<Listing<Self>, Error>;
    /// Inserts a row for each of these times, without the triggers that would stamp it.
    fn insert(conn: &mut PgConnection, order: &Order, at: &[DateTime<Utc>]);
    fn key(&self) -> (DateTime<Utc>, Uuid);
    const NEWEST_FIRST: bool = true;
}

impl Listed for Order {
    fn list(tx: &mut Tx<'_, role::Trader>, page: Page) -> Result<Listing<Self>, Error> {
        tx.orders().recent(&Filter::default(), page)
    }

    fn insert(conn: &mut PgConnection, order: &Order, at: &[DateTime<Utc>]) {
        let row = |at: &DateTime<Utc>| {
            (
                orders::trader_id.eq(order.trader_id),
                orders::symbol.eq("AAPL"),
                orders::quantity.eq(1),
                orders::order_type.eq(OrderType::Market),
                orders::created_at.eq(*at),
            )
        };
        let rows: Vec<_> = at.iter().map(row).collect();
        diesel::insert_into(orders::table).values(rows).execute(conn).unwrap();
    }

    fn key(&self) -> (DateTime<Utc>, Uuid) {
        (self.created_at, self.id)
    }
}

impl Listed for Fill {
    fn list(tx: &mut Tx<'_, role::Trader>, page: Page) -> Result<Listing<Self>, Error> {
        tx.fills().recent(&Filter::default(), page)
    }

    fn insert(conn: &mut PgConnection, order: &Order, at: &[DateTime<Utc>]) {
        let row = |at: &DateTime<Utc>| {
            (
                fills::order_id.eq(order.id),
                fills::trader_id.eq(order.trader_id),
                fills::quantity_filled.eq(1),
                fills::price_at_fill.eq(price("1.00")),
                fills::venue.eq("NYSE"),
                fills::timestamp.eq(*at),
            )
        };
        let rows: Vec<_> = at.iter().map(row).collect();
        diesel::insert_into(fills::table).values(rows).execute(conn).unwrap();
    }

    fn key(&self) -> (DateTime<Utc>, Uuid) {
        (self.timestamp, self.id)
    }
}

impl Listed for ExecutionLog {
    fn list(tx: &mut Tx<'_, role::Trader>, page: Page) -> Result<Listing<Self>, Error> {
        tx.execution_logs().recent(&Filter::default(), page)
    }

    fn insert(conn: &mut PgConnection, order: &Order, at: &[DateTime<Utc>]) {
        let row = |at: &DateTime<Utc>| {
            (
                execution_logs::order_id.eq(order.id),
                execution_logs::trader_id.eq(order.trader_id),
                execution_logs::action.eq(Action::Recovered),
                execution_logs::timestamp.eq(*at),
            )
        };
        let rows: Vec<_> = at.iter().map(row).collect();
        diesel::insert_into(execution_logs::table).values(rows).execute(conn).unwrap();
    }

    fn key(&self) -> (DateTime<Utc>, Uuid) {
        (self.timestamp, self.id)
    }
}

/// The log again, oldest first.
struct Trail(ExecutionLog);

impl Listed for Trail {
    fn list(tx: &mut Tx<'_, role::Trader>, page: Page) -> Result<Listing<Self>, Error> {
        let Listing { rows, next } = tx.execution_logs().trail(&Filter::default(), page)?;
        Ok(Listing { rows: rows.into_iter().map(Self).collect(), next })
    }

    fn insert(conn: &mut PgConnection, order: &Order, at: &[DateTime<Utc>]) {
        ExecutionLog::insert(conn, order, at);
    }

    fn key(&self) -> (DateTime<Utc>, Uuid) {
        self.0.key()
    }

    const NEWEST_FIRST: bool = false;
}

type Keys = Vec<(DateTime<Utc>, Uuid)>;

/// The keys of every page in turn. Each cursor goes by way of its text, as over a network.
fn walk<R: Listed>(
    session: &Session<role::Trader>,
    size: u16,
    mut between: impl FnMut(),
) -> Vec<Keys> {
    let mut pages = Vec::new();
    let mut page = Page::first(size);
    loop {
        let listing = session.transaction(|tx| R::list(tx, page)).unwrap();
        pages.push(listing.rows.iter().map(R::key).collect());
        let Some(next) = listing.next else {
            return pages;
        };
        page = Page::after(next.to_string().parse().unwrap(), size);
        between();
    }
}

fn moments(offsets: &[i64]) -> Vec<DateTime<Utc>> {
    offsets.iter().map(|offset| noon() + TimeDelta::microseconds(*offset)).collect()
}

/// Walks generated rows of which many share a timestamp, in pages of a generated size, while newer
/// rows come in after the first page.
fn assert_pages_are_one_listing<R: Listed>() {
    let db = Database::migrated();
    let blotter = db.blotter();
    check(16, (vec(0..5i64, 0..30), 1..8u16, 0..4i64), |(offsets, size, newer)| {
        // One trader per case, who sees only the rows of that case.
        let ada = trader(&blotter, "Ada");
        let session = blotter.trader(ada.id).unwrap();
        // Without triggers, the database logs no SUBMITTED entry that would be among the rows.
        let conn = &mut db.unguarded();
        let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1)).unwrap();
        // In the listing of orders the order itself is a row; it gets a time like the others.
        let at = orders::created_at.eq(noon());
        diesel::update(orders::table.find(order.id)).set(at).execute(conn).unwrap();
        R::insert(conn, &order, &moments(&offsets));

        let whole = walk::<R>(&session, Page::MAX, || ());
        prop_assert_eq!(whole.len(), 1);
        let whole = whole.concat();
        let mut sorted: Keys = BTreeSet::from_iter(whole.clone()).into_iter().collect();
        if R::NEWEST_FIRST {
            sorted.reverse();
        }
        prop_assert_eq!(&whole, &sorted);
        prop_assert!(whole.len() >= offsets.len());

        let pages = walk::<R>(&session, size, || ());
        prop_assert!(pages.iter().rev().skip(1).all(|page| page.len() == usize::from(size)));
        prop_assert_eq!(pages.len(), whole.len().div_ceil(size.into()).max(1));
        prop_assert_eq!(&pages.concat(), &whole);

        let news = moments(&(10..10 + newer).collect::<Vec<_>>());
        let mut arrived = false;
        let pages = walk::<R>(&session, size, || {
            if !std::mem::replace(&mut arrived, true) {
                R::insert(conn, &order, &news);
            }
        });
        // Newest first, the new rows belong to pages that were already read; oldest first, they come at
        // the end.
        let mut expected = whole.len();
        if arrived && !R::NEWEST_FIRST {
            expected += news.len();
        }
        let walked = pages.concat();
        prop_assert_eq!(&walked[..whole.len()], &whole);
        prop_assert_eq!(walked.len(), expected);
        Ok(())
    });
}

#[test]
fn pages_of_orders_give_every_row_once_in_order() {
    assert_pages_are_one_listing::<Order>();
}

#[test]
fn pages_of_fills_give_every_row_once_in_order() {
    assert_pages_are_one_listing::<Fill>();
}

#[test]
fn pages_of_the_log_give_every_row_once_in_order() {
    assert_pages_are_one_listing::<ExecutionLog>();
}

#[test]
fn pages_of_the_trail_give_every_row_once_in_order() {
    assert_pages_are_one_listing::<Trail>();
}

#[test]
fn a_page_has_1_to_1000_rows() {
    fn assert_limits<R: Listed>(session: Session<role::Trader>) {
        for limit in [0, 1_001, u16::MAX] {
            let refused = session.transaction(|tx| R::list(tx, Page::first(limit)).map(drop));
            assert_refused(&refused.unwrap_err(), Error::is_invalid_input, None);
        }
        for limit in [1, 1_000] {
            session.transaction(|tx| R::list(tx, Page::first(limit)).map(drop)).unwrap();
        }
    }
    let db = Database::migrated();
    let blotter = db.blotter();
    let session = blotter.trader(trader(&blotter, "Ada").id).unwrap();
    assert_limits::<Order>(session.clone());
    assert_limits::<Fill>(session.clone());
    assert_limits::<ExecutionLog>(session.clone());
    assert_limits::<Trail>(session);
}

/// A cursor's text for any moment that the store accepts, and any id.
fn cursor_text() -> impl Strategy<Value = String> {
    let first = -62_135_596_800_000_000_i64; // The start of year 1.
    let last = 253_402_300_799_999_999_i64; // The end of year 9999.
    let moment = prop_oneof![first..=last, 0..4_000_000_000_000_000_i64];
    (moment, any::<u128>()).prop_map(|(micros, id)| {
        let at = DateTime::from_timestamp_micros(micros).unwrap();
        let at = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        format!("{at}_{}", Uuid::from_u128(id))
    })
}

#[test]
fn a_cursor_reads_back_from_its_text_and_from_json() {
    check(512, cursor_text(), |text| {
        let cursor: Cursor = text.parse().unwrap();
        prop_assert_eq!(cursor.to_string(), text.as_str());
        let json = serde_json::to_string(&cursor).unwrap();
        prop_assert_eq!(&json, &format!("\"{text}\""));
        prop_assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        Ok(())
    });
}

#[test]
fn text_that_no_listing_gave_is_no_cursor_and_no_panic() {
    let id = "019ab000-0000-7000-8000-000000000001";
    let at = "2026-11-22T09:30:00.000001Z";
    let refused = [
        String::new(),
        "_".to_owned(),
        at.to_owned(),
        format!("{at}_"),
        format!("_{id}"),
        format!("{at} {id}"),
        format!("{at}_{id}_"),
        format!(" {at}_{id}"),
        format!("{at}_{{{id}}}"),
        format!("{at}_{}", id.replace('-', "")),
        format!("{at}_{}", id.to_uppercase()),
        format!("2026-11-22T09:30:00Z_{id}"),
        format!("2026-11-22T09:30:00.0000015Z_{id}"),
        format!("2026-11-22T10:30:00.000001+01:00_{id}"),
        format!("9999-12-31T23:59:59.000000-23:59_{id}"),
        format!("2026-13-22T09:30:00.000001Z_{id}"),
        format!("99999999999-01-01T00:00:00.000000Z_{id}"),
        format!("+10000-01-01T00:00:00.000000Z_{id}"),
        format!("0000-12-31T23:59:59.999999Z_{id}"),
        format!("{at}_{id}' OR true --"),
    ];
    for text in refused {
        let error = text.parse::<Cursor>().expect_err(&text);
        assert_refused(&error, Error::is_invalid_input, None);
    }
    let nearly = prop_oneof![
        any::<String>(),
        "[-+]?[0-9]{1,7}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,9})?[Zz]?_.{0,40}",
    ];
    check(1_000, nearly, |text| {
        if let Ok(cursor) = text.parse::<Cursor>() {
            prop_assert_eq!(cursor.to_string(), text);
        }
        Ok(())
    });
}

#[test]
fn a_cursor_of_any_moment_that_is_accepted_is_a_place_to_go_on_from() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let session = blotter.trader(ada.id).unwrap();
    let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1)).unwrap();
    let years = [1, 999, 1969, 1970, 1999, 2000, 9999];
    let at: Vec<DateTime<Utc>> = years
        .iter()
        .map(|year| chrono::NaiveDate::from_ymd_opt(*year, 1, 1).unwrap())
        .map(|day| day.and_hms_micro_opt(0, 0, 0, 1).unwrap().and_utc())
        .collect();
    Fill::insert(&mut db.unguarded(), &order, &at);
    let walked = walk::<Fill>(&session, 1, || ()).concat();
    let walked: Vec<_> = walked.into_iter().rev().map(|(at, _)| at).collect();
    assert_eq!(walked, at);
}
