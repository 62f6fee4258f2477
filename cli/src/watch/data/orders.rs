//! Reads orders by the numbers of their entries in the log.

use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use tradeblotter::role::Reader;
use tradeblotter::schema::{execution_logs, orders, traders};
use tradeblotter::{Action, Error, Order, OrderStatus, Tx};
use uuid::Uuid;

use crate::watch::page::{Bounds, Direction, Slice};
use crate::watch::wanted::{OrderFilter, Owner, Sort};

/// How many numbers of the log are looked through for orders that match, before the orders are.
const SPANS: [i64; 2] = [5_000, 20_000];

/// How far the log reaches, and how much of it the session sees.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// The last number of the log, or one shortly before it.
    pub last: i64,
    /// Whether the session sees the orders of one trader only.
    pub is_of_one_trader: bool,
}

/// An order with the number by which it is listed.
type Numbered = (i64, Order);

/// Returns the orders of a slice that match the filter, with their numbers: that of SUBMITTED, or in the sequence of
/// changes that of the last entry.
///
/// Most orders of a listing are soon found along the log. Those that match a filter may be few and far between: then
/// the orders are looked through, and the number of each that matches is looked up.
pub fn read(
    tx: &mut Tx<'_, Reader>,
    filter: &OrderFilter,
    sort: Sort,
    slice: Slice,
    reach: Reach,
) -> Result<Vec<Numbered>, Error> {
    let is_everything = *filter == OrderFilter::default() && !reach.is_of_one_trader;
    if is_everything {
        return along_the_log(tx, filter, sort, slice, None);
    }
    for span in SPANS {
        let near = near(slice, span, reach.last);
        let found = along_the_log(tx, filter, sort, near, None)?;
        if found.len() >= slice.limit || near.bounds == slice.bounds {
            return Ok(found);
        }
    }
    among_the_orders(tx, filter, sort, slice)
}

/// Returns those of these orders that are in the slice and match the filter, with their numbers.
pub fn read_among(
    tx: &mut Tx<'_, Reader>,
    filter: &OrderFilter,
    sort: Sort,
    slice: Slice,
    ids: &[Uuid],
) -> Result<Vec<Numbered>, Error> {
    along_the_log(tx, filter, sort, slice, Some(ids))
}

/// Returns the beginning of a slice, of this many numbers.
fn near(slice: Slice, span: i64, last: i64) -> Slice {
    let Bounds { least, most } = slice.bounds;
    let bounds = match slice.direction {
        Direction::Descending => {
            // Numbers begin with 1.
            let end = Some(most.unwrap_or(last).saturating_sub(span)).filter(|end| *end > 0);
            Bounds { least: least.max(end), most }
        }
        Direction::Ascending => {
            let end = least.unwrap_or(0).saturating_add(span);
            Bounds { least, most: Some(most.map_or(end, |most| most.min(end))) }
        }
    };
    Slice { bounds, ..slice }
}

fn along_the_log(
    tx: &mut Tx<'_, Reader>,
    filter: &OrderFilter,
    sort: Sort,
    slice: Slice,
    among: Option<&[Uuid]>,
) -> Result<Vec<Numbered>, Error> {
    let mut query = execution_logs::table
        .inner_join(orders::table)
        .select((execution_logs::sequence, Order::as_select()))
        .into_boxed::<Pg>();
    query = match sort {
        Sort::Newest | Sort::Oldest => query.filter(execution_logs::action.eq(Action::Submitted)),
        // The last entry has the time of the order, and every other one an earlier time. PostgreSQL takes an equality
        // for a rare coincidence, and would read both tables in whole.
        Sort::LastChange => query.filter(execution_logs::timestamp.ge(orders::updated_at)),
    };
    if let Some(ids) = among {
        query = query.filter(execution_logs::order_id.eq_any(ids));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(orders::status.eq_any(filter.statuses));
    }
    if let Some(symbol) = &filter.symbol {
        query = query.filter(orders::symbol.eq(symbol));
    }
    match &filter.trader {
        None => {}
        Some(Owner::Id(id)) => query = query.filter(execution_logs::trader_id.eq(id)),
        Some(Owner::Name(name)) => {
            let named = traders::table.filter(traders::name.eq(name)).select(traders::id);
            query = query.filter(execution_logs::trader_id.eq_any(named));
        }
    }
    if let Some(least) = slice.bounds.least {
        query = query.filter(execution_logs::sequence.ge(least));
    }
    if let Some(most) = slice.bounds.most {
        query = query.filter(execution_logs::sequence.le(most));
    }
    query = match slice.direction {
        Direction::Descending => query.order(execution_logs::sequence.desc()),
        Direction::Ascending => query.order(execution_logs::sequence.asc()),
    };
    Ok(query.limit(limit(slice)).load(tx.connection())?)
}

fn among_the_orders(
    tx: &mut Tx<'_, Reader>,
    filter: &OrderFilter,
    sort: Sort,
    slice: Slice,
) -> Result<Vec<Numbered>, Error> {
    let is_by_change = sort == Sort::LastChange;
    // The number of an order. As a query of its own it cannot become a join, which might read the whole log.
    let number = || {
        let is_numbered =
            execution_logs::action.eq(Action::Submitted).or(is_by_change.into_sql::<Bool>()).and(
                execution_logs::timestamp
                    .ge(orders::updated_at)
                    .or((!is_by_change).into_sql::<Bool>()),
            );
        execution_logs::table
            .filter(execution_logs::order_id.eq(orders::id))
            .filter(is_numbered)
            .select(execution_logs::sequence)
            .single_value()
            .assume_not_null()
    };
    let mut query = orders::table.select((number(), Order::as_select())).into_boxed::<Pg>();
    if filter.statuses == OrderStatus::OPEN {
        // As a literal, by which PostgreSQL finds the index of open orders.
        query = query.filter(sql::<Bool>("orders.status IN ('PENDING', 'PARTIAL')"));
    } else if !filter.statuses.is_empty() {
        query = query.filter(orders::status.eq_any(filter.statuses));
    }
    if let Some(symbol) = &filter.symbol {
        query = query.filter(orders::symbol.eq(symbol));
    }
    match &filter.trader {
        None => {}
        Some(Owner::Id(id)) => query = query.filter(orders::trader_id.eq(id)),
        Some(Owner::Name(name)) => {
            let named = traders::table.filter(traders::name.eq(name)).select(traders::id);
            query = query.filter(orders::trader_id.eq_any(named));
        }
    }
    if let Some(least) = slice.bounds.least {
        query = query.filter(number().ge(least));
    }
    if let Some(most) = slice.bounds.most {
        query = query.filter(number().le(most));
    }
    query = match slice.direction {
        Direction::Descending => query.order(number().desc()),
        Direction::Ascending => query.order(number().asc()),
    };
    Ok(query.limit(limit(slice)).load(tx.connection())?)
}

/// Returns the LIMIT of a slice.
pub fn limit(slice: Slice) -> i64 {
    i64::try_from(slice.limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tradeblotter::{NewAction, NewExecutionLog, NewOrder, Side};
    use tradeblotter_test_support::{Database, append, fill_of, record, submit, trader};

    use super::*;

    #[test]
    fn the_orders_found_along_the_log_are_those_found_among_the_orders() {
        let db = Database::migrated();
        let store = db.blotter();
        let traders = ["Ada", "Grace"].map(|name| trader(&store, name));
        for n in 0..40_usize {
            let trader = traders[n % 2].id;
            let symbol = ["AAPL", "IBM", "MSFT"][n % 3];
            let order = submit(&store, &NewOrder::market(trader, Side::Buy, symbol, 100)).unwrap();
            if n % 4 > 0 {
                record(&store, &fill_of(&order, [0, 40, 100, 40][n % 4], "10.00")).unwrap();
            }
            if n % 8 == 3 {
                append(&store, &NewExecutionLog::new(order.id, NewAction::Cancelled)).unwrap();
            }
        }
        let filters = [
            OrderFilter::default(),
            OrderFilter { statuses: OrderStatus::OPEN, ..OrderFilter::default() },
            OrderFilter { statuses: &[OrderStatus::Cancelled], ..OrderFilter::default() },
            OrderFilter { symbol: Some("IBM".to_owned()), ..OrderFilter::default() },
            OrderFilter { trader: Some(Owner::Id(traders[0].id)), ..OrderFilter::default() },
            OrderFilter {
                statuses: OrderStatus::OPEN,
                symbol: Some("AAPL".to_owned()),
                trader: Some(Owner::Name("Grace".to_owned())),
            },
        ];
        let all = Bounds::default();
        let bounds = [all, Bounds { least: Some(30), ..all }, Bounds { most: Some(60), ..all }];
        let reader = store.engine().reader();
        let mut found = 0;
        for filter in &filters {
            for sort in [Sort::Newest, Sort::Oldest, Sort::LastChange] {
                for bounds in bounds {
                    for direction in [sort.direction(), sort.direction().reversed()] {
                        for limit in [3, 100] {
                            let slice = Slice { bounds, direction, limit };
                            let [along, among, read] = reader
                                .snapshot(|tx| {
                                    let reach = Reach { last: 0, is_of_one_trader: false };
                                    Ok::<_, Error>([
                                        along_the_log(tx, filter, sort, slice, None)?,
                                        among_the_orders(tx, filter, sort, slice)?,
                                        read(tx, filter, sort, slice, reach)?,
                                    ])
                                })
                                .unwrap();
                            assert_eq!(along, among, "{filter:?} {sort:?} {slice:?}");
                            assert_eq!(along, read, "{filter:?} {sort:?} {slice:?}");
                            found += along.len();
                        }
                    }
                }
            }
        }
        assert!(found > 1000, "{found}");
    }

    #[test]
    fn the_beginning_of_a_slice_has_its_bounds_and_no_more_numbers_than_the_span() {
        let slice =
            |direction, least, most| Slice { bounds: Bounds { least, most }, direction, limit: 3 };
        let (down, up) = (Direction::Descending, Direction::Ascending);
        for (of, least, most) in [
            (slice(down, None, None), Some(9_000), None),
            (slice(down, None, Some(800)), None, Some(800)),
            (slice(down, Some(9_500), None), Some(9_500), None),
            (slice(up, None, None), None, Some(1_000)),
            (slice(up, Some(50), None), Some(50), Some(1_050)),
            (slice(up, Some(50), Some(60)), Some(50), Some(60)),
        ] {
            assert_eq!(near(of, 1_000, 10_000).bounds, Bounds { least, most }, "{of:?}");
        }
    }
}
