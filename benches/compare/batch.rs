//! What many rows cost that are written at once: through the library, which derives what follows from them,
//! and as INSERT … SELECT FROM unnest into bare tables, which is what the server can do at most.

use chrono::Utc;
use postgres::types::ToSql;
use tradeblotter::role::Engine;
use tradeblotter::{Action, NewExecutionLog, NewFill, NewOrder, Session, Side as Way};
use uuid::Uuid;

use crate::Options;
use crate::drive::{Extent, Outcome, Run, drive};
use crate::place::{Place, pool, trader};
use crate::report::{Report, quantile};
use crate::sides::{FILLS, next_id};

const CLIENTS: [usize; 2] = [1, 8];

/// Rows that are written at once.
const ROWS: usize = 1000;

/// Fills of one call each, of each client and round.
const SINGLE: usize = 200;

const RAW_ORDERS: &str = "
    INSERT INTO bare_orders (id, trader_id, symbol, quantity, order_type, price)
    SELECT id, trader_id, symbol, quantity, 'LIMIT', price::numeric
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::text[])
        AS new (id, trader_id, symbol, quantity, price)";

const RAW_FILLS: &str = "
    INSERT INTO bare_fills (
        id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission
    )
    SELECT id, order_id, timestamp, quantity_filled, price_at_fill::numeric, venue, commission::numeric
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::timestamptz[], $4::integer[], $5::text[], $6::text[], $7::text[]
    ) AS new (id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission)";

const RAW_ACTIONS: &str = "
    INSERT INTO bare_execution_logs (id, order_id, trader_id, action, status)
    SELECT id, order_id, trader_id, action::action_enum, 'PENDING'
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])
        AS new (id, order_id, trader_id, action)";

type Call = Box<dyn FnMut() -> Outcome<()> + Send>;

/// What is written, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Orders,
    RawOrders,
    Fills,
    RawFills,
    /// A call and a transaction to each.
    SingleFills,
    Actions,
    RawActions,
}

impl Work {
    const ALL: [Self; 7] = [
        Self::Orders,
        Self::RawOrders,
        Self::Fills,
        Self::RawFills,
        Self::SingleFills,
        Self::Actions,
        Self::RawActions,
    ];

    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Orders => ["orders", "library"],
            Self::RawOrders => ["orders", "raw UNNEST"],
            Self::Fills => ["fills", "library"],
            Self::RawFills => ["fills", "raw UNNEST"],
            Self::SingleFills => ["fills", "library, one by one"],
            Self::Actions => ["actions", "library"],
            Self::RawActions => ["actions", "raw UNNEST"],
        }
    }

    fn rows_of_call(self) -> usize {
        if self == Self::SingleFills { 1 } else { ROWS }
    }

    fn run(self, place: &Place, clients: usize, calls: usize) -> Outcome<Run> {
        let (calls, warm_up) = match self {
            Self::SingleFills => (SINGLE, 10),
            _ => (calls, 1),
        };
        let engine = pool(&place.engine, clients)?.engine();
        drive(clients, warm_up, Extent::Count(calls), |client| {
            Ok([self.call(place, engine.clone(), trader(client), warm_up + calls)?])
        })
        .map(|[run]| run)
    }

    /// Each call takes orders of its own, which are there before the first is timed.
    fn call(
        self,
        place: &Place,
        engine: Session<Engine>,
        trader: Uuid,
        calls: usize,
    ) -> Outcome<Call> {
        let price = "150.25".parse()?;
        let order = NewOrder::limit(trader, Way::Buy, "AAPL", 100, price);
        Ok(match self {
            Self::Orders => Box::new(move || {
                let ids: Vec<_> = (0..ROWS).map(|_| next_id('C')).collect();
                let new: Vec<_> = ids
                    .iter()
                    .map(|id| NewOrder { client_order_id: Some(id.as_str()), ..order })
                    .collect();
                engine.transaction(|tx| tx.orders().submit_batch(&new))?;
                Ok(())
            }),
            Self::Fills => {
                let orders = submitted(&engine, &order, calls * ROWS / FILLS.len())?;
                let mut batches = batches(executions(orders));
                Box::new(move || {
                    let batch = batches.next().ok_or("there are no more orders")?;
                    let new = batch.iter().map(Execution::fill).collect::<Outcome<Vec<_>>>()?;
                    engine.transaction(|tx| tx.fills().record_batch(&new))?;
                    Ok(())
                })
            }
            Self::SingleFills => {
                let orders = submitted(&engine, &order, calls.div_ceil(FILLS.len()))?;
                let mut fills = executions(orders).into_iter();
                Box::new(move || {
                    let fill = fills.next().ok_or("there are no more orders")?;
                    let new = fill.fill()?;
                    engine.transaction(|tx| tx.fills().record(&new))?;
                    Ok(())
                })
            }
            Self::Actions => {
                let orders = submitted(&engine, &order, calls * ROWS)?;
                let mut batches = batches(orders);
                Box::new(move || {
                    let batch = batches.next().ok_or("there are no more orders")?;
                    let new: Vec<_> = batch
                        .iter()
                        .map(|&order| NewExecutionLog::new(order, Action::Approved))
                        .collect();
                    engine.transaction(|tx| tx.execution_logs().append_batch(&new))?;
                    Ok(())
                })
            }
            Self::RawOrders => raw(place, RAW_ORDERS, move |insert| {
                insert(&[
                    &new_ids(),
                    &vec![trader; ROWS],
                    &vec!["AAPL"; ROWS],
                    &vec![100; ROWS],
                    &vec!["150.25"; ROWS],
                ])
            })?,
            Self::RawFills => raw(place, RAW_FILLS, |insert| {
                let fills = executions(new_ids().into_iter().take(ROWS / FILLS.len()).collect());
                let each = || fills.iter();
                insert(&[
                    &new_ids(),
                    &each().map(|fill| fill.order).collect::<Vec<_>>(),
                    &vec![Utc::now(); ROWS],
                    &each().map(|fill| fill.quantity).collect::<Vec<_>>(),
                    &each().map(|fill| fill.price).collect::<Vec<_>>(),
                    &vec!["NASDAQ"; ROWS],
                    &each().map(|fill| fill.commission).collect::<Vec<_>>(),
                ])
            })?,
            Self::RawActions => raw(place, RAW_ACTIONS, move |insert| {
                insert(&[&new_ids(), &new_ids(), &vec![trader; ROWS], &vec!["APPROVED"; ROWS]])
            })?,
        })
    }
}

/// An execution of an order, as it would come from outside.
struct Execution {
    order: Uuid,
    id: String,
    quantity: i32,
    price: &'static str,
    commission: &'static str,
}

impl Execution {
    fn fill(&self) -> Outcome<NewFill<'_>> {
        Ok(NewFill {
            order_id: self.order,
            timestamp: Utc::now(),
            quantity_filled: self.quantity,
            price_at_fill: self.price.parse()?,
            venue: "NASDAQ",
            commission: self.commission.parse()?,
            execution_id: Some(&self.id),
        })
    }
}

/// The executions that fill these orders.
fn executions(orders: Vec<Uuid>) -> Vec<Execution> {
    let of_order = |order| {
        FILLS.map(|(quantity, price, commission)| Execution {
            order,
            id: next_id('E'),
            quantity,
            price,
            commission,
        })
    };
    orders.into_iter().flat_map(of_order).collect()
}

fn batches<T>(mut rows: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    std::iter::from_fn(move || {
        let rest = rows.split_off(rows.len().min(ROWS));
        Some(std::mem::replace(&mut rows, rest)).filter(|batch| !batch.is_empty())
    })
}

/// So many orders, which are open.
fn submitted(engine: &Session<Engine>, order: &NewOrder<'_>, count: usize) -> Outcome<Vec<Uuid>> {
    let mut ids = Vec::with_capacity(count);
    while ids.len() < count {
        let new = vec![*order; ROWS.min(count - ids.len())];
        let orders = engine.transaction(|tx| tx.orders().submit_batch(&new))?;
        ids.extend(orders.into_iter().map(|order| order.id));
    }
    Ok(ids)
}

fn new_ids() -> Vec<Uuid> {
    (0..ROWS).map(|_| Uuid::now_v7()).collect()
}

type Values<'v> = [&'v (dyn ToSql + Sync)];

/// A call that sends the values which `rows` makes.
fn raw(
    place: &Place,
    sql: &str,
    rows: impl Fn(&mut dyn FnMut(&Values<'_>) -> Outcome<()>) -> Outcome<()> + Send + 'static,
) -> Outcome<Call> {
    let mut client = place.writer_client()?;
    let statement = client.prepare(sql)?;
    Ok(Box::new(move || {
        rows(&mut |values| {
            client.execute(&statement, values)?;
            Ok(())
        })
    }))
}

/// Holds them against each other, on databases that are almost empty.
pub fn compare(place: &Place, options: &Options, report: &mut Report) -> Outcome<()> {
    for clients in CLIENTS {
        let rates = measure(place, &Work::ALL, clients, options, 0, report)?;
        let rate = |work| {
            let of_work = rates.iter().find(|(other, _)| *other == work);
            of_work.map_or(f64::NAN, |(_, rate)| *rate)
        };
        for (work, other, bound) in [
            (Work::Fills, Work::RawFills, 0.5),
            (Work::Fills, Work::SingleFills, 20.0),
            (Work::Orders, Work::RawOrders, 0.5),
            (Work::Actions, Work::RawActions, 0.5),
        ] {
            let [what, by] = other.names();
            let goal = format!("batch of {what}, {clients} at a time: library to {by}");
            report.at_least(goal, rate(work) / rate(other), bound);
        }
    }
    Ok(())
}

/// Has the library alone record fills where so many orders are stored already; tells the milliseconds that a
/// batch takes one client.
pub fn grown(place: &Place, options: &Options, orders: u64, report: &mut Report) -> Outcome<f64> {
    let rates = measure(place, &[Work::Fills], 1, options, orders, report)?;
    Ok(rates.first().map_or(f64::NAN, |(_, rate)| 1e3 * ROWS as f64 / rate))
}

/// Rows a second of each.
fn measure(
    place: &Place,
    works: &[Work],
    clients: usize,
    options: &Options,
    orders: u64,
    report: &mut Report,
) -> Outcome<Vec<(Work, f64)>> {
    let mut results: Vec<_> = works.iter().map(|&work| (work, vec![], vec![])).collect();
    for _ in 0..options.rounds {
        for (work, rates, latencies) in &mut results {
            let run = work.run(place, clients, options.batches)?;
            rates.push(run.rate(clients) * work.rows_of_call() as f64);
            latencies.extend(run.milliseconds());
        }
        results.rotate_left(1);
    }
    results.sort_by_key(|(work, ..)| works.iter().position(|other| other == work));
    let mut rates = Vec::new();
    for (work, of_rounds, latencies) in results {
        let rate = quantile(&of_rounds, 0.5);
        let [what, by] = work.names();
        report.batch.add([
            orders.to_string(),
            clients.to_string(),
            what.to_owned(),
            by.to_owned(),
            format!("{rate:.0}"),
            format!("{:.2}", quantile(&latencies, 0.5)),
            format!("{:.2}", quantile(&latencies, 0.99)),
        ]);
        rates.push((work, rate));
    }
    Ok(rates)
}
