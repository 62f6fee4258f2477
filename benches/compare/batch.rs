//! Cost of writing many rows at once: through the library, which derives status and totals, and as
//! INSERT … SELECT FROM unnest into bare tables, which is the most that the server can do.

use chrono::Utc;
use postgres::types::ToSql;
use tradeblotter::role::Engine;
use tradeblotter::{NewAction, NewExecutionLog, NewFill, NewOrder, Session, Side};
use uuid::Uuid;

use crate::Options;
use crate::clients::{Outcome, Run, RunLength, run_clients};
use crate::contenders::{FILLS, next_external_id};
use crate::databases::{Databases, pool, trader};
use crate::report::{Report, quantile};

const CLIENTS: [usize; 2] = [1, 8];

/// Rows of a batch.
const ROWS: usize = 1000;

/// Fills that are recorded one by one, by each client in each round.
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

/// Which rows are written, and by which means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Orders,
    RawOrders,
    Fills,
    RawFills,
    /// One call and one transaction for each fill.
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

    fn run(self, databases: &Databases, clients: usize, calls: usize) -> Outcome<Run> {
        let (calls, warm_up) = match self {
            Self::SingleFills => (SINGLE, 10),
            _ => (calls, 1),
        };
        let engine = pool(&databases.engine, clients)?.engine();
        run_clients(clients, warm_up, RunLength::Calls(calls), |client| {
            Ok([self.call(databases, engine.clone(), trader(client), warm_up + calls)?])
        })
        .map(|[run]| run)
    }

    /// Makes the call that is measured. Its orders are submitted here, before the measurement begins.
    fn call(
        self,
        databases: &Databases,
        engine: Session<Engine>,
        trader: Uuid,
        calls: usize,
    ) -> Outcome<Call> {
        let price = "150.25".parse()?;
        let order = NewOrder::limit(trader, Side::Buy, "AAPL", 100, price);
        Ok(match self {
            Self::Orders => Box::new(move || {
                let ids: Vec<_> = (0..ROWS).map(|_| next_external_id('C')).collect();
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
                    let batch = batches.next().ok_or("no orders are left")?;
                    let new = batch.iter().map(Execution::fill).collect::<Outcome<Vec<_>>>()?;
                    engine.transaction(|tx| tx.fills().record_batch(&new))?;
                    Ok(())
                })
            }
            Self::SingleFills => {
                let orders = submitted(&engine, &order, calls.div_ceil(FILLS.len()))?;
                let mut fills = executions(orders).into_iter();
                Box::new(move || {
                    let fill = fills.next().ok_or("no orders are left")?;
                    let new = fill.fill()?;
                    engine.transaction(|tx| tx.fills().record(&new))?;
                    Ok(())
                })
            }
            Self::Actions => {
                let orders = submitted(&engine, &order, calls * ROWS)?;
                let mut batches = batches(orders);
                Box::new(move || {
                    let batch = batches.next().ok_or("no orders are left")?;
                    let new: Vec<_> = batch
                        .iter()
                        .map(|&order| NewExecutionLog::new(order, NewAction::Approved))
                        .collect();
                    engine.transaction(|tx| tx.execution_logs().append_batch(&new))?;
                    Ok(())
                })
            }
            Self::RawOrders => raw(databases, RAW_ORDERS, move |insert| {
                insert(&[
                    &new_ids(),
                    &vec![trader; ROWS],
                    &vec!["AAPL"; ROWS],
                    &vec![100; ROWS],
                    &vec!["150.25"; ROWS],
                ])
            })?,
            Self::RawFills => raw(databases, RAW_FILLS, |insert| {
                let fills = executions(new_ids().into_iter().take(ROWS / FILLS.len()).collect());
                let each = || fills.iter();
                insert(&[
                    &new_ids(),
                    &each().map(|fill| fill.order).collect::<Vec<_>>(),
                    &vec![Utc::now(); ROWS],
                    &each().map(|fill| fill.quantity).collect::<Vec<_>>(),
                    &each().map(|fill| fill.price).collect::<Vec<_>>(),
                    &vec!["XNAS"; ROWS],
                    &each().map(|fill| fill.commission).collect::<Vec<_>>(),
                ])
            })?,
            Self::RawActions => raw(databases, RAW_ACTIONS, move |insert| {
                insert(&[&new_ids(), &new_ids(), &vec![trader; ROWS], &vec!["APPROVED"; ROWS]])
            })?,
        })
    }
}

/// An execution of an order, as a venue would report it.
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
            venue: "XNAS",
            commission: self.commission.parse()?,
            rebate: tradeblotter::Commission::default(),
            source: None,
            execution_id: Some(&self.id),
        })
    }
}

/// Returns the executions that fill these orders.
fn executions(orders: Vec<Uuid>) -> Vec<Execution> {
    let of_order = |order| {
        FILLS.map(|(quantity, price, commission)| Execution {
            order,
            id: next_external_id('E'),
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

/// Submits `count` orders and returns their ids.
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

/// Makes a call that inserts the values that `rows` supplies.
fn raw(
    databases: &Databases,
    sql: &str,
    rows: impl Fn(&mut dyn FnMut(&Values<'_>) -> Outcome<()>) -> Outcome<()> + Send + 'static,
) -> Outcome<Call> {
    let mut client = databases.writer_client()?;
    let statement = client.prepare(sql)?;
    Ok(Box::new(move || {
        rows(&mut |values| {
            client.execute(&statement, values)?;
            Ok(())
        })
    }))
}

/// Compares the library with bare tables, on databases that are almost empty.
pub fn compare(databases: &Databases, options: &Options, report: &mut Report) -> Outcome<()> {
    for clients in CLIENTS {
        let rates = measure(databases, &Work::ALL, clients, options, 0, report)?;
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

/// Measures fills through the library, with `orders` orders stored; returns the milliseconds per batch of one client.
pub fn grown(
    databases: &Databases,
    options: &Options,
    orders: u64,
    report: &mut Report,
) -> Outcome<f64> {
    let rates = measure(databases, &[Work::Fills], 1, options, orders, report)?;
    Ok(rates.first().map_or(f64::NAN, |(_, rate)| 1e3 * ROWS as f64 / rate))
}

/// Measures each kind of work and returns its rows per second.
fn measure(
    databases: &Databases,
    works: &[Work],
    clients: usize,
    options: &Options,
    orders: u64,
    report: &mut Report,
) -> Outcome<Vec<(Work, f64)>> {
    let mut results: Vec<_> = works.iter().map(|&work| (work, vec![], vec![])).collect();
    for _ in 0..options.rounds {
        for (work, rates, latencies) in &mut results {
            let run = work.run(databases, clients, options.batches)?;
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
