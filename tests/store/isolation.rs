//! Row security: a trader sees and writes its own rows, nobody rewrites the log, and an identity
//! ends with its transaction. The login owns the tables, which row security is FORCEd on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::sql_types::{Nullable, Text};
use tradeblotter::schema::{execution_logs, fills, orders};
use tradeblotter::{
    Action, Blotter, Error, ExecutionLog, Fill, Filter, NewExecutionLog, NewOrder, Order,
    OrderStatus, Page, Session, Tx, transaction_on,
};
use uuid::Uuid;

use crate::support::{
    Database, append, assert_refused, fill_of, history, price, record, submit, trader,
};

const ALL: Page = Page::first(100);

/// Ada with one order, partly filled, and Grace with none.
struct Desk {
    // Before the database, which can't be dropped while the pool is on it.
    blotter: Blotter,
    db: Database,
    grace: Uuid,
    order: Order,
    fill: Fill,
}

fn desk() -> Desk {
    let db = Database::migrated();
    let blotter = db.blotter();
    let (ada, grace) = (trader(&blotter, "Ada").id, trader(&blotter, "Grace").id);
    let order = submit(&blotter, &NewOrder::market(ada, "AAPL", 100)).unwrap();
    let fill = record(&blotter, ada, &fill_of(&order, 40, "10.00")).unwrap();
    let order = history(&blotter, &order).order;
    Desk { blotter, db, grace, order, fill }
}

impl Desk {
    fn ada(&self) -> Session {
        self.blotter.trader(self.order.trader_id).unwrap()
    }

    /// Those who have no business with Ada's rows: another trader, an unknown one, nobody.
    fn strangers(&self) -> [Session; 3] {
        let trader = |id| self.blotter.trader(id).unwrap();
        [trader(self.grace), trader(Uuid::now_v7()), self.blotter.anonymous()]
    }
}

#[test]
fn every_repository_shows_a_stranger_nothing() {
    let desk = desk();
    let (ada, order) = (desk.order.trader_id, desk.order.id);
    for stranger in desk.strangers() {
        let seen = |tx: &mut Tx<'_>| {
            let mut orders = tx.orders();
            assert!(orders.get(order).unwrap_err().is_not_found());
            assert!(orders.history(order).unwrap_err().is_not_found());
            for filter in [Filter::default(), Filter::of_trader(ada)] {
                assert_eq!(orders.recent(&filter, ALL)?.rows, []);
            }
            assert_eq!(orders.open(ada, ALL)?.rows, []);

            let mut fills = tx.fills();
            assert!(fills.get(desk.fill.id).unwrap_err().is_not_found());
            assert_eq!(fills.of_order(order)?, []);
            for filter in [
                Filter::default(),
                Filter::of_trader(ada),
                Filter { order_id: Some(order), ..Filter::default() },
            ] {
                assert_eq!(fills.recent(&filter, ALL)?.rows, []);
            }

            let mut log = tx.execution_logs();
            assert_eq!(log.of_order(order)?, []);
            for filter in [
                Filter::default(),
                Filter::of_trader(ada),
                Filter { order_id: Some(order), ..Filter::default() },
            ] {
                assert_eq!(log.recent(&filter, ALL)?.rows, []);
                assert_eq!(log.trail(&filter, ALL)?.rows, []);
            }
            Ok::<_, Error>(())
        };
        stranger.transaction(seen).unwrap();
    }
}

#[test]
fn a_strangers_fills_and_actions_meet_an_order_that_is_not_there() {
    let desk = desk();
    let before = desk.db.contents();
    for stranger in desk.strangers() {
        let fill = fill_of(&desk.order, 1, "10.00");
        let fill = stranger.transaction(|tx| tx.fills().record(&fill)).unwrap_err();
        assert_refused(&fill, Error::is_not_found, None);
        for action in [Action::Cancelled, Action::Recovered] {
            let entry = NewExecutionLog::new(desk.order.id, action);
            let entry = stranger.transaction(|tx| tx.execution_logs().append(&entry)).unwrap_err();
            assert_refused(&entry, Error::is_not_found, None);
        }
    }
    assert_eq!(desk.db.contents(), before);
}

#[test]
fn queries_of_the_applications_own_show_a_stranger_nothing_and_change_nothing() {
    let desk = desk();
    let before = desk.db.contents();
    for stranger in desk.strangers() {
        stranger
            .transaction(|tx| {
                let conn = tx.connection();
                assert_eq!(Order::query().load(conn)?, []);
                assert_eq!(Fill::query().load(conn)?, []);
                assert_eq!(ExecutionLog::query().load(conn)?, []);
                assert_eq!(orders::table.count().get_result(conn), Ok(0));

                let everywhere = orders::quantity.eq(1_000_000);
                assert_eq!(diesel::update(orders::table).set(everywhere).execute(conn), Ok(0));
                let everywhere = fills::price_at_fill.eq(price("0.01"));
                assert_eq!(diesel::update(fills::table).set(everywhere).execute(conn), Ok(0));
                assert_eq!(diesel::delete(fills::table).execute(conn), Ok(0));
                assert_eq!(diesel::delete(orders::table).execute(conn), Ok(0));
                Ok::<_, Error>(())
            })
            .unwrap();
    }
    assert_eq!(desk.db.contents(), before);
}

#[test]
fn a_trader_sees_all_of_its_own_and_nothing_else() {
    let desk = desk();
    let graces = submit(&desk.blotter, &NewOrder::market(desk.grace, "MSFT", 1)).unwrap();
    let seen = |session: Session| {
        let rows = |tx: &mut Tx<'_>| {
            let conn = tx.connection();
            Ok::<_, Error>((
                orders::table.select(orders::id).load::<Uuid>(conn)?,
                fills::table.select(fills::id).load::<Uuid>(conn)?,
                execution_logs::table.count().get_result::<i64>(conn)?,
            ))
        };
        session.transaction(rows).unwrap()
    };
    assert_eq!(seen(desk.ada()), (vec![desk.order.id], vec![desk.fill.id], 2));
    assert_eq!(seen(desk.blotter.trader(desk.grace).unwrap()), (vec![graces.id], vec![], 1));
}

#[test]
fn a_row_of_the_applications_own_can_not_be_put_with_another_traders() {
    let desk = desk();
    let (ada, order) = (desk.order.trader_id, desk.order.id);
    let grace = desk.blotter.trader(desk.grace).unwrap();
    let graces = submit(&desk.blotter, &NewOrder::market(desk.grace, "MSFT", 1)).unwrap();
    let before = desk.db.contents();
    let log = |order: Uuid, trader: Uuid| {
        diesel::insert_into(execution_logs::table).values((
            execution_logs::order_id.eq(order),
            execution_logs::trader_id.eq(trader),
            execution_logs::action.eq(Action::Approved),
        ))
    };
    let fill = fill_of(&desk.order, 1, "10.00");
    let gift = orders::trader_id.eq(ada);

    // In its own name on Ada's order, in Ada's name on Ada's order, in Ada's name on its own.
    type Attempt<'a> = &'a dyn Fn(&mut PgConnection) -> QueryResult<usize>;
    let attempts: [Attempt<'_>; 5] = [
        &|conn| log(order, desk.grace).execute(conn),
        &|conn| log(order, ada).execute(conn),
        &|conn| log(graces.id, ada).execute(conn),
        &|conn| diesel::insert_into(fills::table).values(fill).execute(conn),
        &|conn| diesel::update(orders::table.find(graces.id)).set(gift).execute(conn),
    ];
    for attempt in attempts {
        let error = grace.transaction(|tx| Ok::<_, Error>(attempt(tx.connection())?)).unwrap_err();
        assert_refused(&error, Error::is_permission_denied, None);
    }
    assert_eq!(desk.db.contents(), before);
}

#[test]
fn execution_logs_immutable_lets_no_update_through() {
    let desk = desk();
    let before = desk.db.contents();
    for session in [desk.ada(), desk.blotter.anonymous()] {
        session
            .transaction(|tx| {
                let conn = tx.connection();
                let all = diesel::update(execution_logs::table);
                let reason = execution_logs::reason.eq("nothing happened");
                assert_eq!(all.set(reason).execute(conn), Ok(0));
                let own = diesel::update(execution_logs::table);
                let own = own.filter(execution_logs::order_id.eq(desk.order.id));
                let status = execution_logs::status.eq(OrderStatus::Filled);
                assert_eq!(own.set(status).execute(conn), Ok(0));
                Ok::<_, Error>(())
            })
            .unwrap();
    }
    assert_eq!(desk.db.contents(), before);
}

#[test]
fn execution_logs_immutable_delete_lets_no_delete_through() {
    let desk = desk();
    let before = desk.db.contents();
    for session in [desk.ada(), desk.blotter.anonymous()] {
        let delete = |tx: &mut Tx<'_>| {
            Ok::<_, Error>(diesel::delete(execution_logs::table).execute(tx.connection())?)
        };
        assert_eq!(session.transaction(delete).unwrap(), 0);
    }
    // Without any session the owner fares no better.
    let owner = &mut desk.db.connect();
    assert_eq!(diesel::delete(execution_logs::table).execute(owner), Ok(0));
    assert_eq!(desk.db.contents(), before);
}

#[test]
fn a_malformed_identity_is_an_error_and_shows_nothing() {
    let desk = desk();
    for identity in ["x", "' OR true --", "00000000", "null"] {
        let read = |table: &str| {
            let conn = &mut desk.db.connect();
            let set = format!("SET app.user_id = '{}'", identity.replace('\'', "''"));
            conn.batch_execute(&set).unwrap();
            diesel::sql_query(format!("SELECT FROM {table}")).execute(conn)
        };
        for table in ["orders", "fills", "execution_logs"] {
            let error = read(table).unwrap_err().to_string();
            assert!(error.contains("invalid input syntax for type uuid"), "{error}");
        }
    }
}

#[test]
fn the_nil_uuid_is_nobodys_identity() {
    let desk = desk();
    let session = desk.blotter.trader(Uuid::nil()).map(drop).unwrap_err();
    let nothing = |_: &mut Tx<'_>| Ok::<_, Error>(());
    let on = transaction_on(&mut desk.db.connect(), Uuid::nil(), nothing).unwrap_err();
    for error in [session, on] {
        assert_refused(&error, Error::is_invalid_input, None);
    }
}

#[test]
fn an_identity_ends_with_its_transaction_however_that_ends() {
    let desk = desk();
    let manager = ConnectionManager::<PgConnection>::new(desk.db.url());
    let pool = Pool::builder().max_size(1).build(manager).unwrap();
    let blotter = Blotter::with_pool(pool.clone());
    let ada = blotter.trader(desk.order.trader_id).unwrap();
    let assert_gone = |after: &str| {
        let conn = &mut *pool.get().unwrap();
        assert_eq!(orders::table.count().get_result(conn), Ok(0), "{after}");
        let left = sql::<Nullable<Text>>("nullif(current_setting('app.user_id', true), '')");
        assert_eq!(diesel::select(left).get_result(conn), Ok(None::<String>), "{after}");
    };
    let look = |tx: &mut Tx<'_>| -> Result<(), Error> {
        assert_eq!(tx.orders().get(desk.order.id)?, desk.order);
        Ok(())
    };

    ada.transaction(look).unwrap();
    assert_gone("a commit");
    let refused = ada.transaction(|tx| look(tx).and_then(|()| tx.orders().get(Uuid::nil())));
    assert!(refused.unwrap_err().is_not_found());
    assert_gone("a rollback");
    let failed = ada.transaction(|tx| {
        look(tx)?;
        Ok::<_, Error>(diesel::sql_query("SELECT 1 / 0").execute(tx.connection())?)
    });
    assert!(failed.is_err());
    assert_gone("a failed statement");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        ada.transaction(|tx| -> Result<(), Error> {
            look(tx)?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_gone("a panic");
}

#[test]
fn a_session_is_not_held_back_by_what_was_set_on_its_connection() {
    let desk = desk();
    let conn = &mut desk.db.connect();
    conn.batch_execute(&format!("SET app.user_id = '{}'", desk.order.trader_id)).unwrap();
    let seen =
        |tx: &mut Tx<'_>| Ok::<i64, Error>(orders::table.count().get_result(tx.connection())?);
    assert_eq!(transaction_on(conn, desk.grace, seen).unwrap(), 0);

    let manager = ConnectionManager::<PgConnection>::new(desk.db.url());
    let leaky = Pool::builder().max_size(1).build(manager).unwrap();
    let set = format!("SET app.user_id = '{}'", desk.order.trader_id);
    leaky.get().unwrap().batch_execute(&set).unwrap();
    assert_eq!(Blotter::with_pool(leaky).anonymous().transaction(seen).unwrap(), 0);
}

#[test]
fn a_transaction_on_the_applications_own_connection_is_held_the_same_way() {
    let desk = desk();
    let conn = &mut desk.db.connect();
    let order = desk.order.id;
    let own = transaction_on(conn, desk.order.trader_id, |tx| tx.orders().get(order)).unwrap();
    assert_eq!(own, desk.order);
    let strange = transaction_on(conn, desk.grace, |tx| tx.orders().get(order)).unwrap_err();
    assert_refused(&strange, Error::is_not_found, None);

    let cancel = NewExecutionLog::new(order, Action::Cancelled);
    transaction_on(conn, desk.order.trader_id, |tx| tx.execution_logs().append(&cancel)).unwrap();
    assert_eq!(history(&desk.blotter, &desk.order).order.status, OrderStatus::Cancelled);
}

#[test]
fn a_connection_that_is_in_a_transaction_already_is_refused_and_left_in_it() {
    let desk = desk();
    let conn = &mut desk.db.connect();
    let ada = desk.order.trader_id;
    conn.transaction(|conn| {
        let refused = transaction_on(conn, ada, |tx| tx.orders().get(desk.order.id));
        assert!(refused.is_err());
        assert_eq!(orders::table.count().get_result(conn), Ok(0));
        Ok::<_, diesel::result::Error>(())
    })
    .unwrap();
    transaction_on(conn, ada, |tx| tx.orders().get(desk.order.id)).unwrap();
}

#[test]
fn a_login_that_row_security_does_not_hold_is_told_apart() {
    let desk = desk();
    let passes = |blotter: &Blotter| blotter.passes_row_security().unwrap();
    assert!(!passes(&desk.blotter));
    assert!(passes(&desk.db.admin_blotter()));
}

#[test]
fn an_ended_order_of_one_trader_is_nothing_to_another() {
    let desk = desk();
    let cancel = NewExecutionLog::new(desk.order.id, Action::Cancelled);
    append(&desk.blotter, desk.order.trader_id, &cancel).unwrap();
    // Not "illegal transition", which would tell that the order is there.
    let error = append(&desk.blotter, desk.grace, &cancel).unwrap_err();
    assert_refused(&error, Error::is_not_found, None);
}

#[test]
fn a_login_with_the_grants_the_readme_names_can_trade_and_can_neither_truncate_nor_delete() {
    let db = Database::migrated();
    let role = format!("app_{}", Uuid::now_v7().simple());
    let grants = format!(
        "CREATE ROLE {role} LOGIN;
         GRANT SELECT, INSERT ON traders, orders, fills, execution_logs TO {role};
         GRANT UPDATE ON orders TO {role}"
    );
    db.admin().batch_execute(&grants).unwrap();
    let url = db.url().replace("//blotter@", &format!("//{role}@"));
    let blotter = Blotter::connect(&url).unwrap();
    let ada = trader(&blotter, "Ada");
    let order = submit(&blotter, &NewOrder::market(ada.id, "AAPL", 100)).unwrap();
    record(&blotter, ada.id, &fill_of(&order, 40, "10.00")).unwrap();
    append(&blotter, ada.id, &NewExecutionLog::new(order.id, Action::Cancelled)).unwrap();

    let before = db.contents();
    for forbidden in [
        "TRUNCATE execution_logs",
        "TRUNCATE orders CASCADE",
        "DELETE FROM orders",
        "DELETE FROM fills",
        "DELETE FROM execution_logs",
        "UPDATE execution_logs SET reason = 'x'",
        "ALTER TABLE orders DISABLE ROW LEVEL SECURITY",
    ] {
        let refused = blotter.trader(ada.id).unwrap().transaction(|tx| {
            tx.connection().batch_execute(forbidden)?;
            Ok::<_, Error>(())
        });
        refused.expect_err(forbidden);
    }
    assert_eq!(db.contents(), before);
}
