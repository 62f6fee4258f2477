//! What desks cost: lifecycles of the same clients on one blotter without a desk, on 1, 2 and 4 desks of one server, on
//! two desks that have a server each, on servers that have a core each, and on a desk that Citus holds if the server has
//! the extension (set PGBIN).

use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection;
use tradeblotter::embedded::Server;
use tradeblotter::role::{Engine, Trader};
use tradeblotter::{Blotter, Desk, connect, migrations};
use tradeblotter_test_support::cluster::{Cluster, has_citus};

use crate::Options;
use crate::clients::{Outcome, RunLength, run_clients};
use crate::contenders::{WARM_UP, through_library};
use crate::databases::{
    Databases, in_database, insert_traders, pool, postmaster, set_fsync, trader,
};
use crate::report::{Report, quantile};

/// Concurrent clients in all, whatever the number of desks.
const CLIENTS: usize = 4;

/// Turns of each arrangement in a round of the other parts: the differences are smaller than the noise of a few.
const TURNS: usize = 3;

/// The database of the desks.
const DATABASE: &str = "desks";

/// The least rate of one desk, divided by that of a blotter without a desk.
const MIN_RATIO: f64 = 0.95;

/// Stores among which the clients are shared out.
struct Arrangement {
    name: String,
    stores: Vec<Blotter>,
    rates: Vec<f64>,
}

/// Runs the clients on each arrangement in turn.
pub fn compare(
    server: &Server,
    databases: &Databases,
    options: &Options,
    report: &mut Report,
) -> Outcome<()> {
    let second = Server::start()?;
    set_fsync(&mut connect(&second.admin_url())?, true)?;
    let one_server: Vec<Blotter> =
        (0..CLIENTS).map(|number| add_desk(server, number)).collect::<Outcome<_>>()?;
    let elsewhere = add_desk(&second, 0)?;
    let without = pool(&everything(databases, server)?, CLIENTS)?;
    let arrangement =
        |name: &str, stores| Arrangement { name: name.to_owned(), stores, rates: Vec::new() };
    let mut arrangements = vec![arrangement("no desk", vec![without])];
    for desks in [1, 2, 4] {
        let stores = one_server.iter().take(desks).cloned().collect();
        arrangements.push(arrangement(&format!("{desks} on one server"), stores));
    }
    let two = one_server.iter().take(1).cloned().chain([elsewhere]).collect();
    arrangements.push(arrangement("2 on two servers", two));
    let on_cores = on_cores_of_their_own()?;
    if let Some([first, second]) = &on_cores {
        let [first, second] = [add_desk(first, 0)?, add_desk(second, 0)?];
        arrangements.push(arrangement("1 on a server with a core", vec![first.clone()]));
        arrangements.push(arrangement("2 on two servers with a core each", vec![first, second]));
    }
    let cluster = has_citus().then(|| Cluster::start(1));
    if let Some(cluster) = &cluster {
        arrangements.push(arrangement("1 on a worker of Citus", vec![on_citus(cluster)?]));
    }
    for round in 0..options.rounds * TURNS {
        for turn in 0..arrangements.len() {
            let which = (round + turn) % arrangements.len();
            let Some(arrangement) = arrangements.get_mut(which) else { continue };
            let rate = arrangement.run(RunLength::Time(options.time))?;
            arrangement.rates.push(rate);
        }
    }
    let Some((base, _)) = arrangements.split_first() else { return Ok(()) };
    for (which, arrangement) in arrangements.iter().enumerate() {
        // Of the same round: the machine may be busier in another.
        let rounds = arrangement.rates.iter().zip(&base.rates);
        let ratio = quantile(&rounds.map(|(rate, base)| rate / base).collect::<Vec<_>>(), 0.5);
        let rate = quantile(&arrangement.rates, 0.5);
        report.desks.add([
            arrangement.name.clone(),
            CLIENTS.to_string(),
            format!("{rate:.0}"),
            format!("{ratio:.2}"),
        ]);
        if which == 1 {
            report.at_least("lifecycles/s: one desk to no desk", ratio, MIN_RATIO);
        }
    }
    Ok(())
}

impl Arrangement {
    /// Returns the lifecycles of all clients per second.
    fn run(&self, length: RunLength) -> Outcome<f64> {
        let [run] = run_clients(CLIENTS, WARM_UP, length, |client| {
            let store = &self.stores[client % self.stores.len()];
            let (traders, engine) = (store.trader(trader(client))?, store.engine());
            Ok([move || through_library(&traders, &engine, trader(client))])
        })?;
        Ok(run.rate(CLIENTS))
    }
}

/// Starts two servers that have a core each for their sessions; none if the machine has one core, or no `taskset`.
fn on_cores_of_their_own() -> Outcome<Option<[Server; 2]>> {
    let servers = [Server::start()?, Server::start()?];
    for (core, server) in servers.iter().enumerate() {
        let admin = &mut connect(&server.admin_url())?;
        set_fsync(admin, true)?;
        let pinned = Command::new("taskset")
            .args(["--cpu-list", "--pid", &core.to_string(), &postmaster(admin)?])
            .stdout(Stdio::null())
            .status();
        if !pinned.is_ok_and(|status| status.success()) {
            return Ok(None);
        }
    }
    Ok(Some(servers))
}

/// Adds a desk to a server, with the traders of the clients.
fn add_desk(server: &Server, number: usize) -> Outcome<Blotter> {
    let admin = &mut connect(&server.admin_url())?;
    if connect(&in_database(&server.admin_url(), DATABASE)).is_err() {
        admin.batch_execute(&format!("CREATE DATABASE {DATABASE} OWNER blotter"))?;
    }
    let url = in_database(server.url(), DATABASE);
    let (owner, desk) = (&mut connect(&url)?, Desk::new(&format!("desk_{number}"))?);
    desk.create(owner)?;
    desk.enter(owner)?;
    migrations::run(owner)?;
    let roles = [desk.role::<Trader>(), desk.role::<Engine>()].join(", ");
    admin.batch_execute(&format!("GRANT {roles} TO blotter"))?;
    let superuser = &mut connect(&in_database(&server.admin_url(), DATABASE))?;
    desk.enter(superuser)?;
    insert_traders(superuser)?;
    Ok(Blotter::builder(&url).desk(desk.name()).connect()?)
}

/// Adds a desk that a worker of Citus holds, with the traders of the clients.
fn on_citus(cluster: &Cluster) -> Outcome<Blotter> {
    for node in [0, 1] {
        set_fsync(&mut cluster.admin(node), true)?;
    }
    let desk = cluster.desk();
    insert_traders(&mut cluster.admin_of(&desk))?;
    Ok(cluster.store(&desk))
}

/// Creates a login that may act as trader and as engine of the blotter without a desk, and returns its URL. On the desks
/// the login `blotter` may.
fn everything(databases: &Databases, server: &Server) -> Outcome<String> {
    let admin = &mut connect(&server.admin_url())?;
    admin.batch_execute("CREATE ROLE everything LOGIN IN ROLE blotter_trader, blotter_engine")?;
    let login = databases.engine.split_once("//").and_then(|(_, rest)| rest.split_once('@'));
    let (user, _) = login.ok_or("the URL has no user")?;
    Ok(databases.engine.replacen(&format!("//{user}@"), "//everything@", 1))
}
