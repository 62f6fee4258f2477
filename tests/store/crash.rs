//! Crash recovery: a server is killed under load. Acknowledged transactions are stored, all others as a
//! whole or not at all.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tradeblotter::embedded::Server;
use tradeblotter::role::{Engine, Trader};
use tradeblotter::{
    Blotter, Commission, Error, Filter, NewFill, NewOrder, OrderStatus, Page, Session, Side,
    migrations,
};
use uuid::Uuid;

use tradeblotter_test_support::{noon, price};

const CRASHES: usize = 50;

const CLIENTS: usize = 4;

/// Writes that are acknowledged before a crash: a different number in each round, so that the crash comes
/// at a different moment.
const WRITES: std::ops::Range<usize> = 5..60;

/// Time limit for the load to reach that number.
const PATIENCE: Duration = Duration::from_secs(60);

/// One client, and the progress of its current order.
struct Client {
    desk: Session<Trader>,
    engine: Session<Engine>,
    trader: Uuid,
    name: usize,
    /// Orders that the client has begun.
    begun: usize,
}

/// The progress of an order that was acknowledged to its client.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    order: Option<Uuid>,
    fills: i32,
    cancelled: bool,
}

impl Client {
    fn new(server: &Server, trader: Uuid, name: usize) -> Self {
        let traders = Blotter::connect(&server.login::<Trader>().unwrap()).unwrap();
        let engine = Blotter::connect(&server.login::<Engine>().unwrap()).unwrap().engine();
        Self { desk: traders.trader(trader).unwrap(), engine, trader, name, begun: 0 }
    }

    /// Takes one order after the other through its life until the server is killed. Returns the progress
    /// of the last one.
    fn trade(&mut self, load: &Load) -> Life {
        loop {
            self.begun += 1;
            let mut life = Life::default();
            let lost = self.live(&mut life, || load.acknowledge()).is_err();
            // A session with an idle connection at that moment gets no error.
            if lost || load.killed.load(Ordering::Relaxed) {
                return life;
            }
        }
    }

    /// Takes an order to its end from its present state. Repeats the steps that were done already, which
    /// must change nothing.
    fn live(&self, life: &mut Life, acknowledge: impl Fn()) -> Result<(), Error> {
        let client_order_id = format!("{}-{}", self.name, self.begun);
        let new = NewOrder {
            client_order_id: Some(&client_order_id),
            ..NewOrder::market(self.trader, Side::Buy, "AAPL", 100)
        };
        let order = self.desk.transaction(|tx| tx.orders().submit(&new))?;
        life.order = Some(order.id);
        acknowledge();
        for part in 1..=2 {
            let execution_id = format!("{client_order_id}-{part}");
            let fill = NewFill {
                order_id: order.id,
                timestamp: noon(),
                quantity_filled: 30,
                price_at_fill: price("10.01"),
                venue: "NYSE",
                commission: Commission::default(),
                rebate: Commission::default(),
                source: None,
                execution_id: Some(&execution_id),
            };
            self.engine.transaction(|tx| tx.fills().record(&fill))?;
            life.fills = life.fills.max(part);
            acknowledge();
        }
        let stands = self.desk.transaction(|tx| tx.orders().get(order.id))?;
        if stands.status.is_open() {
            self.desk.transaction(|tx| tx.execution_logs().cancel(order.id, None))?;
        }
        life.cancelled = true;
        acknowledge();
        Ok(())
    }

    /// Asserts that acknowledged steps are stored, and all others as a whole or not at all.
    fn assert_kept(&self, life: &Life) {
        let Some(order) = life.order else { return };
        let history = self.desk.snapshot(|tx| tx.orders().history(order)).unwrap();
        let fills = i32::try_from(history.fills.len()).unwrap();
        assert!((life.fills..=life.fills + 1).contains(&fills), "{life:?}: {history:?}");
        assert_eq!(history.order.filled_quantity, 30 * fills);
        let cancelled = history.order.status == OrderStatus::Cancelled;
        assert!(cancelled || !life.cancelled, "{life:?}: {history:?}");
        let entries = 1 + history.fills.len() + usize::from(cancelled);
        assert_eq!(history.log.len(), entries, "{history:?}");
    }
}

/// The work of the clients up to the crash.
#[derive(Default)]
struct Load {
    acknowledged: AtomicUsize,
    killed: AtomicBool,
}

impl Load {
    fn acknowledge(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs the clients until this many writes were acknowledged; then kills the server.
    fn run(&self, server: &mut Server, clients: &mut [Client], writes: usize) -> Vec<Life> {
        thread::scope(|scope| {
            let trade = |client| scope.spawn(move || Client::trade(client, self));
            let threads: Vec<_> = clients.iter_mut().map(trade).collect();
            let begun = Instant::now();
            while self.acknowledged.load(Ordering::Relaxed) < writes {
                assert!(begun.elapsed() < PATIENCE, "{:?} of {writes} writes", self.acknowledged);
                thread::yield_now();
            }
            server.crash().unwrap();
            self.killed.store(true, Ordering::Relaxed);
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }
}

#[test]
fn what_was_acknowledged_outlives_a_killed_server_and_of_the_rest_there_is_all_or_nothing() {
    let mut server = Server::start().unwrap();
    migrations::run(&mut server.connect().unwrap()).unwrap();
    let engine = Blotter::connect(&server.login::<Engine>().unwrap()).unwrap().engine();
    let ada = engine.transaction(|tx| tx.traders().register("Ada")).unwrap();
    let mut clients: Vec<_> = (0..CLIENTS).map(|name| Client::new(&server, ada.id, name)).collect();

    for crash in 0..CRASHES {
        let writes = WRITES.start + crash * 7 % WRITES.len();
        let lives = Load::default().run(&mut server, &mut clients, writes);
        for (client, mut life) in clients.iter().zip(lives) {
            client.assert_kept(&life);
            client.live(&mut life, || ()).unwrap();
            client.assert_kept(&life);
        }
        let mut after = None;
        loop {
            let rebuilt = engine.snapshot(|tx| tx.orders().rebuild(after)).unwrap();
            assert_eq!(rebuilt.differing, []);
            after = rebuilt.next;
            if after.is_none() {
                break;
            }
        }
    }
    // Each order is stored once: none was lost, and none is duplicated by the second submission.
    let begun: usize = clients.iter().map(|client| client.begun).sum();
    let filter = Filter::default();
    let mut page = Page::first(1000);
    let mut stored = 0;
    loop {
        let listing = engine.snapshot(|tx| tx.orders().recent(&filter, page)).unwrap();
        stored += listing.rows.len();
        let Some(next) = listing.next else { break };
        page = Page::after(next, 1000);
    }
    assert_eq!(stored, begun);
}
