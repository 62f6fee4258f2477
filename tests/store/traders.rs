//! Traders: which can be registered, and how they are found.

use diesel::connection::SimpleConnection;
use tradeblotter::Error;
use uuid::Uuid;

use tradeblotter_test_support::{Database, assert_refused, trader};

#[test]
fn a_registered_trader_is_found_by_its_id() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let id = Uuid::from_u128(7);
    let (ada, grace, found) = blotter
        .engine()
        .transaction(|tx| {
            let ada = tx.traders().register("Ada")?;
            let grace = tx.traders().register_as(id, "Grace")?;
            let found = [tx.traders().get(ada.id)?, tx.traders().get(id)?];
            Ok::<_, Error>((ada, grace, found))
        })
        .unwrap();
    assert_eq!(ada.name, "Ada");
    assert_eq!((grace.id, grace.name.as_str()), (id, "Grace"));
    assert_eq!(found, [ada, grace]);
}

#[test]
fn traders_are_listed_by_name_and_those_of_one_name_by_id() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let listed = blotter
        .engine()
        .transaction(|tx| {
            for (id, name) in [(3, "Grace"), (2, "Ada"), (4, "Barbara"), (1, "Grace")] {
                tx.traders().register_as(Uuid::from_u128(id), name)?;
            }
            tx.traders().list()
        })
        .unwrap();
    let listed: Vec<_> = listed.iter().map(|t| (t.name.as_str(), t.id.as_u128())).collect();
    assert_eq!(listed, [("Ada", 2), ("Barbara", 4), ("Grace", 1), ("Grace", 3)]);
}

#[test]
fn a_rename_is_refused_and_the_hint_says_what_to_do_instead() {
    let db = Database::migrated();
    trader(&db.blotter(), "Ada");
    let refused = db.admin().batch_execute("UPDATE traders SET name = 'Grace'").unwrap_err();
    let diesel::result::Error::DatabaseError(_, info) = &refused else { panic!("{refused}") };
    assert!(info.hint().unwrap().contains("Register another trader"), "{:?}", info.hint());
    let refused = Error::from(refused);
    assert_refused(&refused, Error::is_immutable, Some("traders_append_only"));
}

#[test]
fn an_unknown_trader_is_not_found() {
    let db = Database::migrated();
    let id = Uuid::now_v7();
    let error = db.blotter().engine().transaction(|tx| tx.traders().get(id)).unwrap_err();
    assert_refused(&error, Error::is_not_found, None);
    assert!(error.to_string().contains(&id.to_string()), "{error}");
}

#[test]
fn a_name_has_1_to_100_characters() {
    let db = Database::migrated();
    let blotter = db.blotter();
    for name in ["", " \t\n", &"n".repeat(101), "A\0da"] {
        let register = blotter.engine().transaction(|tx| tx.traders().register(name));
        assert_refused(&register.unwrap_err(), Error::is_invalid_input, None);
    }
    assert_eq!(db.contents().traders, []);

    let longest = "ö".repeat(100);
    assert_eq!(trader(&blotter, &longest).name, longest);
}

#[test]
fn an_id_is_registered_once_and_never_the_nil_uuid() {
    let db = Database::migrated();
    let blotter = db.blotter();
    let ada = trader(&blotter, "Ada");
    let register = |id| blotter.engine().transaction(|tx| tx.traders().register_as(id, "Eve"));

    let taken = register(ada.id).unwrap_err();
    assert_refused(&taken, Error::is_duplicate, Some("traders_pkey"));
    assert!(taken.to_string().contains(&ada.id.to_string()), "{taken}");
    assert_refused(&register(Uuid::nil()).unwrap_err(), Error::is_invalid_input, None);
    assert_eq!(db.contents().traders, [ada]);
}
