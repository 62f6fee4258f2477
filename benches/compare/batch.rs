//! Cost of writing many rows at once: through the library, which derives status and totals; by a hand-written,
//! set-based statement that stores the same rows in the same tables; and as INSERT … SELECT FROM unnest into bare
//! tables, which is the most that the server can do.

use chrono::Utc;
use postgres::Client;
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

/// Stores fills and what the library derives of them.
pub const SAME_FILLS: &str = "
    WITH stored AS (
        INSERT INTO fills (
            id, order_id, timestamp, quantity_filled, price_at_fill, venue, source, commission, execution_id,
            trader_id, root_id
        )
        SELECT new.id, order_id, timestamp, quantity_filled, price_at_fill::numeric, venue, venue,
            commission::numeric, execution_id, trader_id, root_id
        FROM unnest(
            $1::uuid[], $2::uuid[], $3::timestamptz[], $4::integer[], $5::text[], $6::text[], $7::text[],
            $8::text[]
        ) AS new (
            id, order_id, timestamp, quantity_filled, price_at_fill, venue, commission, execution_id
        )
        JOIN orders ON orders.id = order_id
        ON CONFLICT DO NOTHING
        RETURNING id, order_id, trader_id, quantity_filled, price_at_fill
    ), totals AS (
        SELECT order_id, sum(quantity_filled)::integer AS shares,
            sum(quantity_filled * price_at_fill) AS notional
        FROM stored GROUP BY order_id
    ), moved AS (
        UPDATE orders SET
            filled_quantity = filled_quantity + shares,
            filled_notional = filled_notional + notional,
            average_fill_price = (filled_notional + notional) / (filled_quantity + shares),
            status = CASE
                WHEN filled_quantity + shares = quantity THEN 'FILLED' ELSE 'PARTIAL'
            END::order_status_enum,
            updated_at = now()
        FROM totals
        WHERE id = order_id AND status IN ('PENDING', 'PARTIAL') AND filled_quantity + shares <= quantity
    )
    INSERT INTO execution_logs (sequence, order_id, trader_id, action, status, fill_id)
    SELECT nextval('execution_logs_sequence'), order_id, trader_id, 'FILLED', 'PARTIAL', id FROM stored";

/// Stores orders with their entries.
pub const SAME_ORDERS: &str = "
    WITH stored AS (
        INSERT INTO orders (
            id, root_id, trader_id, symbol, quantity, order_type, price, side, client_order_id
        )
        SELECT id, id, trader_id, symbol, quantity, 'LIMIT', price::numeric, 'BUY', client_order_id
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::text[], $6::text[])
            AS new (id, trader_id, symbol, quantity, price, client_order_id)
        ON CONFLICT DO NOTHING
        RETURNING id, trader_id
    )
    INSERT INTO execution_logs (sequence, order_id, trader_id, action, status)
    SELECT nextval('execution_logs_sequence'), id, trader_id, 'SUBMITTED', 'PENDING' FROM stored";

type Call = Box<dyn FnMut() -> Outcome<()> + Send>;

/// Which rows are written, and by which means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Orders,
    SameOrders,
    RawOrders,
    Fills,
    SameFills,
    RawFills,
    /// One call and one transaction for each fill.
    SingleFills,
    Actions,
    RawActions,
}

impl Work {
    const ALL: [Self; 9] = [
        Self::Orders,
        Self::SameOrders,
        Self::RawOrders,
        Self::Fills,
        Self::SameFills,
        Self::RawFills,
        Self::SingleFills,
        Self::Actions,
        Self::RawActions,
    ];

    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Orders => ["orders", "library"],
            Self::SameOrders => ["orders", "hand-written, same rows"],
            Self::RawOrders => ["orders", "raw UNNEST"],
            Self::Fills => ["fills", "library"],
            Self::SameFills => ["fills", "hand-written, same rows"],
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
            Self::SameOrders => raw(databases.same_rows_client()?, SAME_ORDERS, move |insert| {
                insert_same_orders(&new_ids(), trader, insert)
            })?,
            Self::SameFills => {
                let mut client = databases.same_rows_client()?;
                let submit = client.prepare(SAME_ORDERS)?;
                let mut orders = Vec::new();
                while orders.len() < calls * ROWS / FILLS.len() {
                    let ids = new_ids();
                    insert_same_orders(&ids, trader, &mut |values| {
                        client.execute(&submit, values)?;
                        Ok(())
                    })?;
                    orders.extend(ids);
                }
                let mut batches = batches(executions(orders));
                raw(client, SAME_FILLS, move |insert| {
                    let fills = batches.next().ok_or("no orders are left")?;
                    let each = || fills.iter();
                    insert(&[
                        &new_ids(),
                        &each().map(|fill| fill.order).collect::<Vec<_>>(),
                        &vec![Utc::now(); ROWS],
                        &each().map(|fill| fill.quantity).collect::<Vec<_>>(),
                        &each().map(|fill| fill.price).collect::<Vec<_>>(),
                        &vec!["XNAS"; ROWS],
                        &each().map(|fill| fill.commission).collect::<Vec<_>>(),
                        &each().map(|fill| fill.id.as_str()).collect::<Vec<_>>(),
                    ])
                })?
            }
            Self::RawOrders => raw(databases.writer_client()?, RAW_ORDERS, move |insert| {
                insert(&[
                    &new_ids(),
                    &vec![trader; ROWS],
                    &vec!["AAPL"; ROWS],
                    &vec![100; ROWS],
                    &vec!["150.25"; ROWS],
                ])
            })?,
            Self::RawFills => raw(databases.writer_client()?, RAW_FILLS, |insert| {
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
            Self::RawActions => raw(databases.writer_client()?, RAW_ACTIONS, move |insert| {
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

/// Executes the prepared statement with these values.
type Insert<'i> = &'i mut dyn FnMut(&Values<'_>) -> Outcome<()>;

fn insert_same_orders(ids: &[Uuid], trader: Uuid, insert: Insert<'_>) -> Outcome<()> {
    let client_order_ids: Vec<_> = ids.iter().map(|_| next_external_id('S')).collect();
    insert(&[
        &ids,
        &vec![trader; ROWS],
        &vec!["AAPL"; ROWS],
        &vec![100; ROWS],
        &vec!["150.25"; ROWS],
        &client_order_ids,
    ])
}

/// Makes a call that inserts the values that `rows` supplies.
fn raw(
    mut client: Client,
    sql: &str,
    mut rows: impl FnMut(Insert<'_>) -> Outcome<()> + Send + 'static,
) -> Outcome<Call> {
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
            (Work::Fills, Work::SameFills, 0.85),
            (Work::Orders, Work::SameOrders, 0.85),
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
