//! The roles of the cluster, which its databases share: each test on a server of its own.

use std::thread;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::embedded::Server;
use tradeblotter::migrations::{self, Extent, Records};
use tradeblotter::{Error, Login, catalog, connect};

use tradeblotter_test_support::texts;

const ROLES: [&str; 5] =
    ["blotter_auditor", "blotter_compliance", "blotter_engine", "blotter_ledger", "blotter_trader"];

/// A name that every statement has to quote.
const OWNER: &str = "The owner";

/// A server with these databases, which belong to [`OWNER`], a login with these attributes.
struct Cluster(Server);

impl Cluster {
    fn with(attributes: &str, databases: &[&str]) -> Self {
        let cluster = Self(Server::start().unwrap_or_else(|error| panic!("{error}")));
        let mut admin = cluster.admin("blotter");
        admin.batch_execute(&format!("CREATE ROLE \"{OWNER}\" LOGIN {attributes}")).unwrap();
        for name in databases {
            admin.batch_execute(&format!("CREATE DATABASE {name} OWNER \"{OWNER}\"")).unwrap();
        }
        cluster
    }

    fn admin(&self, database: &str) -> PgConnection {
        connect(&self.0.admin_url().replace("/blotter?", &format!("/{database}?"))).unwrap()
    }

    fn owner(&self, database: &str) -> PgConnection {
        let url = self.0.url().replace("//blotter@", "//The%20owner@");
        connect(&url.replace("/blotter?", &format!("/{database}?"))).unwrap()
    }

    fn roles(&self) -> Vec<String> {
        let roles = "SELECT rolname::text AS text FROM pg_roles
                     WHERE rolname ~ '^blotter_(auditor|compliance|engine|ledger|trader)$' ORDER BY 1";
        texts(&mut self.admin("blotter"), roles)
    }
}

/// Reverts every migration.
fn revert(conn: &mut PgConnection) {
    migrations::revert(conn, Extent::All, Records::Keep, |_| ()).unwrap();
}

/// The members of the ledger.
fn ledgers(conn: &mut PgConnection) -> Vec<String> {
    let members = "SELECT rolname::text AS text FROM pg_roles
                   WHERE pg_has_role(oid, 'blotter_ledger', 'USAGE')
                       AND NOT rolsuper AND rolname <> 'blotter_ledger'";
    texts(conn, members)
}

#[test]
fn databases_of_one_cluster_that_migrate_at_once_all_get_the_roles() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let cluster = Cluster::with("CREATEROLE", &names);
    thread::scope(|scope| {
        let run = |name| {
            let cluster = &cluster;
            scope.spawn(move || migrations::run(&mut cluster.owner(name)).map(drop))
        };
        let running: Vec<_> = names.iter().map(|name| run(*name)).collect();
        running.into_iter().try_for_each(|run| run.join().unwrap()).unwrap();
    });
    assert_eq!(cluster.roles(), ROLES);
    for name in names {
        assert_eq!(catalog::differences(&mut cluster.owner(name)).unwrap(), [], "{name}");
    }
    assert_eq!(ledgers(&mut cluster.owner("a")), [""; 0]);
}

#[test]
fn a_database_that_is_reverted_leaves_the_others_their_grants_and_the_last_takes_the_roles() {
    let cluster = Cluster::with("CREATEROLE", &["a", "b"]);
    let (a, b) = (&mut cluster.owner("a"), &mut cluster.owner("b"));
    migrations::run(a).unwrap();
    migrations::run(b).unwrap();
    cluster.admin("b").batch_execute("GRANT CONNECT ON DATABASE b TO blotter_trader").unwrap();

    revert(a);
    assert_eq!(cluster.roles(), ROLES);
    assert_eq!(catalog::differences(b).unwrap(), []);
    let granted = "SELECT datacl::text AS text FROM pg_database WHERE datname = 'b'";
    assert!(texts(b, granted)[0].contains("blotter_trader=c"));

    cluster.admin("b").batch_execute("REVOKE CONNECT ON DATABASE b FROM blotter_trader").unwrap();
    revert(b);
    assert_eq!(cluster.roles(), [""; 0]);
}

#[test]
fn a_role_that_a_login_was_made_a_member_of_outlives_a_redo() {
    let cluster = Cluster::with("CREATEROLE", &["a"]);
    let owner = &mut cluster.owner("a");
    migrations::run(owner).unwrap();
    cluster.admin("a").batch_execute("CREATE ROLE desk LOGIN IN ROLE blotter_trader").unwrap();
    migrations::redo(owner, Extent::All, Records::Keep, |_| ()).unwrap();
    let member = "SELECT pg_has_role('desk', 'blotter_trader', 'USAGE')::text AS text";
    assert_eq!(texts(owner, member), ["true"]);
    revert(owner);
    assert_eq!(cluster.roles(), ["blotter_trader"]);
}

#[test]
fn an_owner_that_may_not_create_roles_is_told_what_an_administrator_has_to_run() {
    let cluster = Cluster::with("NOCREATEROLE", &["a"]);
    let owner = &mut cluster.owner("a");
    let refused = migrations::run(owner).unwrap_err();
    assert!(refused.is_migration_failure());
    follow_instructions(&cluster, &refused);
    migrations::run(owner).unwrap();
    assert_eq!(ledgers(owner), [OWNER]);
    cluster.admin("a").batch_execute("REVOKE blotter_ledger FROM \"The owner\"").unwrap();
    assert_eq!(catalog::differences(owner).unwrap(), []);

    // Now the roles exist, and only the membership is missing.
    let refused = migrations::redo(owner, Extent::All, Records::Keep, |_| ()).unwrap_err();
    follow_instructions(&cluster, &refused);
    migrations::run(owner).unwrap();
    let ledger: Vec<_> =
        catalog::differences(owner).unwrap().iter().map(|d| d.to_string()).collect();
    assert_eq!(ledger, ["role blotter_ledger: acted as by is The owner, expected nobody"]);
    assert!(Login::of(owner).unwrap().warnings()[0].contains("REVOKE blotter_ledger FROM"));
    cluster.admin("a").batch_execute("REVOKE blotter_ledger FROM \"The owner\"").unwrap();
    assert_eq!(catalog::differences(owner).unwrap(), []);
}

/// As in the schema public before PostgreSQL 15: it belongs to a superuser, and everybody may create in it.
#[test]
fn a_schema_in_which_everybody_may_create_is_refused_until_an_administrator_has_closed_it() {
    let cluster = Cluster::with("CREATEROLE", &["a"]);
    let open = "ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO PUBLIC";
    cluster.admin("a").batch_execute(open).unwrap();
    let owner = &mut cluster.owner("a");
    let refused = migrations::run(owner).unwrap_err();
    assert!(refused.is_migration_failure());
    let words = "every role may create objects in the schema public";
    assert!(refused.to_string().contains(words), "{refused}");
    follow_instructions(&cluster, &refused);
    migrations::run(owner).unwrap();
    assert_eq!(catalog::differences(owner).unwrap(), []);
    revert(owner);
    let granted = "SELECT has_schema_privilege('public', 'public', 'CREATE')::text AS text";
    assert_eq!(texts(owner, granted), ["false"]);
}

/// Runs the statements that stand indented in the message.
fn follow_instructions(cluster: &Cluster, error: &Error) {
    let text = error.to_string();
    let statements: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
    assert!(!statements.is_empty(), "{text}");
    cluster.admin("a").batch_execute(&statements.concat()).unwrap();
}

#[test]
fn a_superuser_may_migrate_too() {
    let cluster = Cluster::with("SUPERUSER", &["a"]);
    let owner = &mut cluster.owner("a");
    migrations::run(owner).unwrap();
    migrations::redo(owner, Extent::All, Records::Keep, |_| ()).unwrap();
    assert_eq!(catalog::differences(owner).unwrap(), []);
    revert(owner);
    assert_eq!(cluster.roles(), [""; 0]);
}

#[test]
fn a_schema_of_its_own_is_as_good_as_public() {
    let cluster = Cluster::with("CREATEROLE", &["a"]);
    let owner = &mut cluster.owner("a");
    let setup =
        "CREATE SCHEMA \"My, Schema\"; ALTER ROLE \"The owner\" SET search_path = \"My, Schema\";
                 SET search_path = \"My, Schema\"";
    owner.batch_execute(setup).unwrap();
    migrations::run(owner).unwrap();
    assert_eq!(catalog::differences(owner).unwrap(), []);
    let used = "SELECT 1::text AS text
                WHERE has_schema_privilege('blotter_trader', 'My, Schema', 'USAGE')
                    AND NOT has_schema_privilege('blotter_trader', 'My, Schema', 'CREATE')
                    AND NOT has_schema_privilege('blotter_ledger', 'My, Schema', 'CREATE')";
    assert_eq!(texts(owner, used), ["1"]);
    revert(owner);
    assert_eq!(cluster.roles(), [""; 0]);
}
