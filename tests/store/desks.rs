//! Desks: schemas of their own that each hold a whole blotter.

use diesel::connection::SimpleConnection;
use tradeblotter::audit::{SealKey, SealOptions, VerifyOptions};
use tradeblotter::migrations::{Extent, Records};
use tradeblotter::role::{Auditor, Compliance, DatabaseRole, Engine, Trader};
use tradeblotter::{
    Blotter, Desk, Error, Filter, Login, NewOrder, Page, Side, catalog, connect, harden,
    migrations, transaction_on,
};

use tradeblotter_test_support::{Database, submit, texts, trader};

fn store(db: &Database, desk: &Desk, roles: &[String]) -> Blotter {
    Blotter::builder(&db.member_url(roles)).desk(desk.name()).connect().unwrap()
}

#[test]
fn a_desk_is_a_whole_blotter() {
    let db = Database::empty();
    let desk = db.add_desk();
    let blotter = store(&db, &desk, &desk.roles());
    assert_eq!(blotter.desk(), Some(&desk));
    let ada = trader(&blotter, "Ada");
    let order = submit(&blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    let log = blotter
        .compliance()
        .snapshot(|tx| tx.execution_logs().trail(&Filter::default(), Page::first(10)))
        .unwrap();
    assert_eq!(log.rows[0].order_id, order.id);
    assert_eq!(log.rows[0].acted_as, desk.role::<Trader>());

    let key = SealKey::generate().unwrap();
    let auditor = blotter.auditor();
    auditor.transaction(|tx| tx.seals().seal(&key, &SealOptions::default())).unwrap();
    let verified =
        blotter.compliance().snapshot(|tx| tx.seals().verify(&VerifyOptions::default(), |_| ()));
    assert!(verified.is_ok(), "{verified:?}");

    let owner = &mut db.owner();
    desk.enter(owner).unwrap();
    assert_eq!(catalog::differences(owner).unwrap(), []);
    assert_eq!(Desk::of(owner).unwrap().as_ref(), Some(&desk));
    assert_eq!(Desk::list(owner).unwrap(), [desk]);
}

#[test]
fn a_login_of_one_desk_is_not_let_into_another() {
    let db = Database::empty();
    let [a, b] = [db.add_desk(), db.add_desk()];
    let url = db.member_url(&a.roles());
    let refused = Blotter::builder(&url).desk(b.name()).connect().unwrap_err();
    assert!(refused.is_not_found(), "{refused}");
    // Whoever leaves the name of the desk out acts as the shared roles, which may use no desk.
    let engine = Blotter::connect(&url).unwrap().engine();
    let refused = engine.transaction(|tx| tx.traders().register("Ada")).unwrap_err();
    assert!(refused.to_string().contains("traders"), "{refused}");
}

#[test]
fn a_login_may_be_a_member_of_several_desks() {
    let db = Database::empty();
    let desks = [db.add_desk(), db.add_desk()];
    let url = db.member_url(&desks.clone().map(|desk| desk.role::<Compliance>()));
    for desk in &desks {
        trader(&store(&db, desk, &[desk.role::<Engine>()]), desk.name());
        let officer = Blotter::builder(&url).desk(desk.name()).connect().unwrap().compliance();
        let traders = officer.snapshot(|tx| tx.traders().list()).unwrap();
        let names: Vec<_> = traders.iter().map(|trader| trader.name.as_str()).collect();
        assert_eq!(names, [desk.name()]);
    }
}

#[test]
fn the_role_of_a_desk_is_not_that_of_another() {
    let db = Database::empty();
    let [a, b] = [db.add_desk(), db.add_desk()];
    let conn = &mut connect(&db.member_url(&[a.role::<Engine>()])).unwrap();
    a.enter(conn).unwrap();
    let register = |tx: &mut tradeblotter::Tx<'_, Engine>| tx.traders().register("Ada");
    assert!(a.transaction_on(conn, Engine, register).is_ok());
    let refused = b.transaction_on(conn, Engine, register).unwrap_err();
    assert!(refused.is_permission_denied(), "{refused}");
    assert!(refused.to_string().contains(&format!("GRANT {}", b.role::<Engine>())), "{refused}");
    // The shared role may use no desk.
    let refused: Error = transaction_on(conn, Engine, register).unwrap_err();
    assert!(refused.to_string().contains("traders"), "{refused}");
}

#[test]
fn a_login_knows_its_roles_in_the_desk() {
    let db = Database::empty();
    let desk = db.add_desk();
    let conn = &mut connect(&db.member_url(&[desk.role::<Trader>()])).unwrap();
    desk.enter(conn).unwrap();
    let login = Login::of(conn).unwrap();
    assert_eq!(login.roles, [desk.role::<Trader>()]);
    assert!(login.may_act_as::<Trader>() && !login.may_act_as::<Engine>());
    assert_eq!(login.desk, Some(desk));
}

/// The tables of all desks grant their privileges to the shared roles.
#[test]
fn a_login_with_another_role_in_another_desk_is_warned_of() {
    let db = Database::empty();
    let [a, b] = [db.add_desk(), db.add_desk()];
    let powers = |roles: [String; 2]| {
        let conn = &mut connect(&db.member_url(&roles)).unwrap();
        a.enter(conn).unwrap();
        let login = Login::of(conn).unwrap();
        let warned = login.warnings().join(" ").contains("and has blotter_engine, which");
        (login.powers, warned)
    };
    let trader = a.role::<Trader>();
    assert_eq!(powers([trader.clone(), b.role::<Trader>()]), (vec![], false));
    let engine = vec!["blotter_engine".to_owned()];
    assert_eq!(powers([trader, b.role::<Engine>()]), (engine, true));
}

#[test]
fn a_desk_stays_closed_when_its_migrations_are_redone() {
    let db = Database::empty();
    let desk = db.add_desk();
    let owner = &mut db.owner();
    desk.enter(owner).unwrap();
    migrations::redo(owner, Extent::All, Records::Keep, |_| ()).unwrap();
    assert_eq!(catalog::differences(owner).unwrap(), []);
    let users = format!(
        "SELECT rolname::text AS text FROM pg_roles
         WHERE rolname LIKE 'blotter\\_%' AND has_schema_privilege(oid, '{desk}', 'USAGE')
         ORDER BY rolname COLLATE \"C\""
    );
    let mut expected = Vec::from(desk.roles());
    expected.push("blotter_ledger".to_owned());
    expected.sort();
    assert_eq!(texts(&mut db.admin(), &users), expected);
}

#[test]
fn whoever_else_may_use_the_schema_of_a_desk_is_a_difference() {
    let db = Database::empty();
    let desk = db.add_desk();
    let owner = &mut db.owner();
    desk.enter(owner).unwrap();
    owner.batch_execute(&format!("GRANT USAGE ON SCHEMA {desk} TO blotter_trader")).unwrap();
    let differences = catalog::differences(owner).unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert!(
        differences[0]
            .to_string()
            .starts_with("schema of the tables: usage granted to is blotter_"),
        "{}",
        differences[0]
    );
}

#[test]
fn a_role_of_a_desk_that_is_more_than_a_member_is_a_difference() {
    let db = Database::empty();
    let desk = db.add_desk();
    let engine = desk.role::<Engine>();
    let promote = format!("ALTER ROLE {engine} BYPASSRLS; GRANT blotter_auditor TO {engine}");
    db.admin().batch_execute(&promote).unwrap();
    let owner = &mut db.owner();
    desk.enter(owner).unwrap();
    let differences = catalog::differences(owner).unwrap();
    let said: Vec<_> = differences.iter().map(ToString::to_string).collect();
    let role = format!("role {engine}: ");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with(&format!("{role}attributes is bypassrls")), "{said:?}");
    assert!(said[1].starts_with(&format!("{role}member of is ")), "{said:?}");
    let reset = format!("ALTER ROLE {engine} NOBYPASSRLS; REVOKE blotter_auditor FROM {engine}");
    db.admin().batch_execute(&reset).unwrap();
}

#[test]
fn desks_are_hardened_each_for_itself() {
    let db = Database::empty();
    let [a, b] = [db.add_desk(), db.add_desk()];
    let superuser = &mut db.admin();
    a.enter(superuser).unwrap();
    harden::install(superuser).unwrap();
    let open = |desk: &Desk| {
        db.owner().batch_execute(&format!("ALTER TABLE {desk}.fills DISABLE TRIGGER USER"))
    };
    assert!(open(&a).is_err());
    assert!(open(&b).is_ok());
}

#[test]
fn a_desk_is_created_once() {
    let db = Database::empty();
    let desk = db.add_desk();
    desk.create(&mut db.owner()).unwrap();
    let owner = &mut db.owner();
    desk.enter(owner).unwrap();
    assert_eq!(catalog::differences(owner).unwrap(), []);
}

#[test]
fn a_schema_that_the_shared_roles_use_does_not_become_a_desk() {
    let db = Database::empty();
    let owner = &mut db.owner();
    owner.batch_execute("CREATE SCHEMA trading; SET search_path TO trading").unwrap();
    migrations::run(owner).unwrap();
    let refused = Desk::new("trading").unwrap().create(owner).unwrap_err();
    assert!(refused.is_invalid_input(), "{refused}");
    assert_eq!(Desk::of(owner).unwrap(), None);
    assert_eq!(catalog::differences(owner).unwrap(), []);
}

#[test]
fn a_login_of_the_name_of_a_role_is_not_taken_for_that_of_a_desk() {
    let db = Database::empty();
    let name = format!("d{}", uuid::Uuid::now_v7().simple());
    db.admin().batch_execute(&format!("CREATE ROLE blotter_{name}_engine LOGIN")).unwrap();
    let refused = Desk::new(&name).unwrap().create(&mut db.owner()).unwrap_err();
    assert!(refused.is_invalid_input(), "{refused}");
    let left = format!("SELECT nspname::text AS text FROM pg_namespace WHERE nspname = '{name}'");
    assert_eq!(texts(&mut db.admin(), &left), [""; 0]);
}

#[test]
fn a_desk_may_have_the_name_of_a_word_of_sql_but_not_of_another_schema() {
    for name in ["order", "a", "equities_2"] {
        assert_eq!(Desk::new(name).unwrap().name(), name);
    }
    let long = "d".repeat(41);
    for name in
        ["", "Desk", "1desk", "desk-a", "désk", "public", "pg_desk", "information_schema", &long]
    {
        assert!(Desk::new(name).unwrap_err().is_invalid_input(), "{name}");
    }
    let db = Database::empty();
    let (owner, desk) = (&mut db.owner(), Desk::new("order").unwrap());
    desk.create(owner).unwrap();
    desk.enter(owner).unwrap();
    migrations::run(owner).unwrap();
    assert_eq!(catalog::differences(owner).unwrap(), []);
}

/// Citus copies the rows of some statements into shards past the policies; here the policies are switched off.
#[test]
fn what_stands_in_for_the_policies_on_citus_refuses_what_they_refuse() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let [ada, grace] = ["Ada", "Grace"].map(|name| trader(&blotter, name).id);
    let order = submit(&blotter, &NewOrder::market(ada, Side::Buy, "AAPL", 100)).unwrap().id;
    let admin = &mut db.admin();
    admin.batch_execute(include_str!("../../src/database/citus/writers.sql")).unwrap();
    for table in ["orders", "fills", "execution_logs", "breaks", "break_resolutions", "traders"] {
        let off = format!(
            "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY; ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"
        );
        admin.batch_execute(&off).unwrap();
    }
    admin.batch_execute("ALTER TABLE seals DISABLE ROW LEVEL SECURITY").unwrap();
    admin.batch_execute("ALTER TABLE archives DISABLE ROW LEVEL SECURITY").unwrap();

    let submits = |trader| {
        format!(
            "INSERT INTO orders (trader_id, symbol, quantity, order_type)
             VALUES ('{trader}', 'AAPL', 1, 'MARKET')"
        )
    };
    let logs = |columns: &str, values: &str| {
        format!("INSERT INTO execution_logs (order_id, {columns}) VALUES ('{order}', {values})")
    };
    let fill = format!(
        "INSERT INTO fills (order_id, timestamp, quantity_filled, price_at_fill, venue)
         VALUES ('{order}', '2026-11-20', 1, 1, 'XNAS')"
    );
    let broken =
        "INSERT INTO breaks (reason, venue, execution_id, timestamp, quantity, price, detail)
                  VALUES ('UNKNOWN_ORDER', 'XNAS', 'E-1', '2026-11-20', 1, 1, 'unknown')";
    let named = "INSERT INTO traders (name) VALUES ('Mallory')";
    let sealed = "INSERT INTO seals (id, scheme, origin, size, covered, settled, leaves, frontier, root,
                      sealed_at, public_key, signature)
                  SELECT 1, 1, 'example.com/blotter', 1, '{[1,2)}', 0, hash, hash, hash, '2026-11-20', hash,
                      hash || hash
                  FROM decode(repeat('00', 32), 'hex') AS hash";
    let archived = "INSERT INTO archives (before, records, covered, seal, size, sha256)
                    VALUES ('2026-11-20', 7, '{[1,2)}', 1, 1, decode(repeat('00', 32), 'hex'))";
    let refused = |conn: &mut diesel::PgConnection, statement: &str| {
        let error = conn.batch_execute(statement).unwrap_err().to_string();
        assert!(error.contains("violates row-level security policy"), "{statement}: {error}");
    };

    let mut as_trader = connect(&db.login_url(Trader::NAME)).unwrap();
    as_trader.batch_execute(&format!("SET app.user_id = '{ada}'")).unwrap();
    for statement in [
        submits(grace),
        logs("action", "'EXECUTED'"),
        logs("action, error_code", "'CANCELLED', 'E'"),
        logs("action, reported_at", "'CANCELLED', now()"),
        logs("action, venue_order_id", "'CANCELLED', 'V'"),
        logs("action, report_id", "'CANCELLED', gen_random_uuid()"),
        logs("action, retry_attempt", "'CANCELLED', 1"),
    ] {
        refused(&mut as_trader, &statement);
    }
    as_trader.batch_execute(&submits(ada)).unwrap();
    as_trader.batch_execute(&logs("action", "'CANCELLED'")).unwrap();
    as_trader.batch_execute(&format!("SET app.user_id = '{grace}'")).unwrap();
    refused(&mut as_trader, &submits(ada));

    let mut owner = db.owner();
    for statement in [&submits(ada), &fill, broken, named, sealed, archived] {
        refused(&mut owner, statement);
    }
    let mut engine = connect(&db.login_url(Engine::NAME)).unwrap();
    for statement in [&submits(grace), broken, named] {
        engine.batch_execute(statement).unwrap();
    }
    connect(&db.login_url(Auditor::NAME)).unwrap().batch_execute(sealed).unwrap();
    // A superuser records an archive.
    admin.batch_execute(archived).unwrap();
}
