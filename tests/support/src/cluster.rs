//! A Citus cluster of private servers, and a desk that it holds.

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use libtest_mimic::{Arguments, Failed, Trial};
use tradeblotter::embedded::Server;
use tradeblotter::{Blotter, Desk, connect};
use uuid::Uuid;

use crate::{migrate_desk, texts};

/// The servers: the coordinator, then the workers.
pub struct Cluster {
    nodes: Vec<Server>,
}

/// A test on a cluster.
pub type Test = fn(&Cluster);

/// Runs tests on a cluster of one node and on one with two workers, and ends this program. Says so and runs none if the server
/// that tests find does not have the extension.
pub fn run(tests: Vec<(&'static str, Test)>) {
    if !has_citus() {
        println!(
            "SKIPPED: {} tests of Citus: this PostgreSQL does not have the extension; set PGBIN to one that has it",
            tests.len()
        );
        return;
    }
    let mut arguments = Arguments::from_args();
    // They share two clusters, whose nodes change together.
    arguments.test_threads = Some(1);
    let mut trials = Vec::new();
    for (nodes, workers) in [("one node", 0), ("two workers", 2)] {
        let cluster = Arc::new(Cluster::start(workers));
        trials.extend(tests.iter().map(|(name, test)| {
            let (cluster, test) = (Arc::clone(&cluster), *test);
            Trial::test(format!("{nodes}: {name}"), move || -> Result<(), Failed> {
                test(&cluster);
                Ok(())
            })
        }));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// Returns whether the server that tests find has the extension.
pub fn has_citus() -> bool {
    let server = Server::start().unwrap();
    let available = "SELECT name AS text FROM pg_available_extensions WHERE name = 'citus'";
    !texts(&mut server.connect().unwrap(), available).is_empty()
}

impl Cluster {
    /// Starts a coordinator with this many workers. Without a worker the coordinator holds the desks.
    pub fn start(workers: usize) -> Self {
        let nodes: Vec<Server> = (0..=workers).map(|_| node()).collect();
        let cluster = Self { nodes };
        let coordinator = &mut cluster.admin(0);
        let (host, port) = cluster.address(0);
        let add = format!("SELECT citus_set_coordinator_host('{host}', {port})");
        coordinator.batch_execute(&add).unwrap();
        for worker in 1..=workers {
            let (host, port) = cluster.address(worker);
            coordinator.batch_execute(&format!("SELECT citus_add_node('{host}', {port})")).unwrap();
        }
        if workers == 0 {
            let hold = format!(
                "SELECT citus_set_node_property('{host}', {port}, 'shouldhaveshards', true)"
            );
            coordinator.batch_execute(&hold).unwrap();
        }
        cluster
    }

    /// Returns the nodes besides the coordinator.
    pub fn workers(&self) -> std::ops::Range<usize> {
        1..self.nodes.len()
    }

    /// Returns the host and the port of a node, as the cluster knows it.
    pub fn address(&self, node: usize) -> (String, i32) {
        let conn = &mut connect(&self.nodes[node].admin_url()).unwrap();
        let directory = "SELECT current_setting('unix_socket_directories') AS text";
        let port = "SELECT current_setting('port') AS text";
        (texts(conn, directory).remove(0), texts(conn, port)[0].parse().unwrap())
    }

    /// Returns the number of the node that holds a desk.
    pub fn node_of(&self, desk: &Desk) -> usize {
        let holder = desk.holder(&mut self.admin(0)).unwrap().unwrap();
        let is_at = |node: &usize| self.address(*node) == (holder.host.clone(), holder.port);
        (0..self.nodes.len()).find(is_at).unwrap()
    }

    /// Returns the name of the shard of a table of a desk.
    pub fn shard(&self, desk: &Desk, table: &str) -> String {
        let number = format!(
            "SELECT shardid::text AS text FROM pg_dist_shard WHERE logicalrelid = '{desk}.{table}'::regclass"
        );
        format!("{table}_{}", texts(&mut self.admin(0), &number)[0])
    }

    /// Returns the URL of the superuser on a node.
    pub fn admin_url(&self, node: usize) -> String {
        self.nodes[node].admin_url()
    }

    /// Returns a connection of the superuser to a node.
    pub fn admin(&self, node: usize) -> PgConnection {
        connect(&self.admin_url(node)).unwrap()
    }

    /// Adds a desk on the coordinator that Citus does not hold yet.
    pub fn add_desk(&self) -> Desk {
        let desk = Desk::new(&format!("d{}", Uuid::now_v7().simple())).unwrap();
        migrate_desk(&desk, &mut self.nodes[0].connect().unwrap());
        desk
    }

    /// Adds a desk that Citus holds.
    pub fn desk(&self) -> Desk {
        let desk = self.add_desk();
        desk.distribute(&self.admin_url(0), None).unwrap();
        desk
    }

    /// Creates a login that is a member of these roles, and returns its URL on a node.
    pub fn member_url(&self, node: usize, roles: &[String]) -> String {
        let login = format!("m{}", Uuid::now_v7().simple());
        // Passed on to the workers by Citus.
        let create = format!("CREATE ROLE {login} LOGIN");
        self.admin(0).batch_execute(&create).unwrap();
        let grant = format!("GRANT {} TO {login}", roles.join(", "));
        self.admin(0).batch_execute(&grant).unwrap();
        self.admin_url(node).replace("//postgres@", &format!("//{login}@"))
    }

    /// Returns the store of a desk, for sessions of every role, with a URL of the coordinator.
    pub fn store(&self, desk: &Desk) -> Blotter {
        let url = self.member_url(0, &desk.roles());
        Blotter::builder(&url).desk(desk.name()).connect().unwrap()
    }

    /// Returns a connection of the superuser to the node that holds a desk, in the desk.
    pub fn admin_of(&self, desk: &Desk) -> PgConnection {
        desk.connect(&self.admin_url(0)).unwrap()
    }
}

/// Returns the rows of the tables that a connection is in, as text.
pub fn rows(conn: &mut PgConnection) -> Vec<String> {
    let tables = ["traders", "orders", "fills", "execution_logs", "breaks", "seals"];
    let all = |table| format!("SELECT row_to_json(t)::text AS text FROM {table} AS t ORDER BY id");
    tables.iter().flat_map(|table| texts(conn, &all(table))).collect()
}

/// Starts a server with the extension.
fn node() -> Server {
    let mut server = Server::start().unwrap();
    let set = |server: &Server, settings: &[&str]| {
        let conn = &mut connect(&server.admin_url()).unwrap();
        settings.iter().for_each(|setting| {
            conn.batch_execute(&format!("ALTER SYSTEM SET {setting}")).unwrap();
        });
    };
    set(&server, &["shared_preload_libraries = 'citus'", "max_prepared_transactions = 100"]);
    // The library is loaded when the server starts again.
    server.crash().unwrap();
    let conn = &mut connect(&server.admin_url()).unwrap();
    let directory =
        texts(conn, "SELECT current_setting('unix_socket_directories') AS text").remove(0);
    let host = format!("citus.local_hostname = '{directory}'");
    set(&server, &[&host, "citus.node_conninfo = 'sslmode=disable'"]);
    conn.batch_execute("SELECT pg_reload_conf()").unwrap();
    connect(&server.admin_url()).unwrap().batch_execute("CREATE EXTENSION citus").unwrap();
    server
}
