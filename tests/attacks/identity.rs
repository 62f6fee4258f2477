//! Reading and writing without an identity, or with an invalid one.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tradeblotter::{Error, role, schema};
use uuid::Uuid;

use crate::scene::{ABSENT, ADA, ADAS_PENDING, By, Held, NIL, Scene, TABLES, log_of, order_of};
use tradeblotter_test_support::assert_refused;

attacks! {
    without_an_identity_there_is_nothing_to_see_and_nothing_to_write,
    a_malformed_identity_is_an_error_and_shows_nothing,
    the_nil_uuid_is_nobodys_identity,
    an_unknown_identity_sees_nothing,
    after_a_set_local_the_identity_is_gone_and_asking_is_no_error,
}

/// '' is also what a SET LOCAL leaves behind when its transaction has ended.
pub fn without_an_identity_there_is_nothing_to_see_and_nothing_to_write(scene: &Scene) -> Held {
    for table in TABLES {
        let rows = format!("SELECT t::text AS text FROM {table} AS t");
        scene.trader("").sees(&[""; 0], &rows)?;
        scene.owner("").sees(&[""; 0], &rows)?;
        let mut never_set = scene.trader("");
        never_set.run("RESET app.user_id");
        never_set.sees(&[""; 0], &rows)?;
    }
    scene.trader("").refused(By::Policy("orders"), order_of(NIL))?;
    let cancel = log_of(ADAS_PENDING, ADA, "CANCELLED");
    scene.trader("").refused(By::Rule("fk_execution_logs_order_id"), cancel)
}

pub fn a_malformed_identity_is_an_error_and_shows_nothing(scene: &Scene) -> Held {
    for identity in
        [" ", "x", "null", "00000000", "'' OR true --", "a0000000-0000-7000-8000-00000000000"]
    {
        for table in TABLES {
            let malformed = By::Words("invalid input syntax for type uuid");
            scene.trader(identity).refused(malformed, format!("SELECT FROM {table}"))?;
        }
    }
    Ok(())
}

/// Programs use the nil UUID to mean "none"; a row that is stored under it must not be visible to
/// everybody.
pub fn the_nil_uuid_is_nobodys_identity(scene: &Scene) -> Held {
    for table in TABLES {
        let rows = format!("SELECT t::text AS text FROM {table} AS t");
        scene.trader(NIL).sees(&[""; 0], &rows)?;
        scene.owner(NIL).sees(&[""; 0], &rows)?;
    }
    scene.trader(NIL).refused(By::Policy("orders"), order_of(NIL))
}

pub fn an_unknown_identity_sees_nothing(scene: &Scene) -> Held {
    for table in TABLES {
        let rows = format!("SELECT t::text AS text FROM {table} AS t");
        scene.trader(ABSENT).sees(&[""; 0], rows)?;
    }
    Ok(())
}

#[test]
fn no_session_is_given_to_the_nil_uuid() {
    let scene = Scene::new();
    let refused = role::Trader::new(Uuid::nil()).unwrap_err();
    assert_refused(&refused, Error::is_invalid_input, None);
    let refused = scene.db.blotter().trader(Uuid::nil()).map(drop).unwrap_err();
    assert_refused(&refused, Error::is_invalid_input, None);
}

pub fn after_a_set_local_the_identity_is_gone_and_asking_is_no_error(scene: &Scene) -> Held {
    let conn = &mut tradeblotter::connect(&scene.db.login_url("blotter_trader")).unwrap();
    let orders = schema::orders::table.count();
    for end in ["COMMIT", "ROLLBACK"] {
        conn.batch_execute("BEGIN").unwrap();
        conn.batch_execute(&format!("SET LOCAL app.user_id = '{ADA}'")).unwrap();
        assert_eq!(orders.get_result(conn), Ok(5_i64));
        conn.batch_execute(end).unwrap();
        assert_eq!(orders.get_result(conn), Ok(0_i64), "after {end}");
    }
    let ada = role::Trader::new(ADA.parse().unwrap()).unwrap();
    let own: Result<i64, Error> =
        scene.transaction_on(conn, ada, |tx| Ok(orders.get_result(tx.connection())?));
    assert_eq!(own.unwrap(), 5);
    assert_eq!(orders.get_result(conn), Ok(0_i64));
    Ok(())
}
