//! The privileges and warnings that are reported of a login.

use diesel::connection::SimpleConnection;
use tradeblotter::{Blotter, Login};
use uuid::Uuid;

use tradeblotter_test_support::Database;

/// A new login with these attributes, dropped with this value.
struct Own {
    name: String,
    database: Database,
}

impl Own {
    fn with(attributes: &str) -> Self {
        let name = format!("own_{}", Uuid::now_v7().simple());
        let database = Database::migrated();
        let create = format!("CREATE ROLE {name} LOGIN {attributes}");
        database.admin().batch_execute(&create).unwrap();
        Self { name, database }
    }

    fn set(&self, setting: &str) {
        let alter = format!("ALTER ROLE {} SET {setting}", self.name);
        self.database.admin().batch_execute(&alter).unwrap();
    }

    fn login(&self) -> Login {
        let url = self.database.owner_url().replace("//blotter@", &format!("//{}@", self.name));
        Blotter::connect(&url).unwrap().login().unwrap()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.database.admin().batch_execute(&format!("DROP ROLE {}", self.name)).unwrap();
    }
}

#[test]
fn a_login_with_one_role_has_that_role_and_nothing_wrong_with_it() {
    for role in ["blotter_trader", "blotter_engine", "blotter_compliance", "blotter_auditor"] {
        let own = Own::with(&format!("IN ROLE {role}"));
        own.set("lock_timeout = '2s'");
        own.set("idle_in_transaction_session_timeout = '30s'");
        let login = own.login();
        assert_eq!(login.name, own.name);
        assert_eq!(login.roles, [role]);
        assert!(!login.superuser && !login.bypasses_row_security && !login.owns_tables);
        assert_eq!(login.warnings(), [""; 0]);
    }
}

#[test]
fn a_login_that_may_act_as_a_trader_is_told_the_timeouts_that_it_lacks() {
    let own = Own::with("IN ROLE blotter_trader");
    let name = &own.name;
    let said = format!(
        "{name} may act as blotter_trader and has no idle_in_transaction_session_timeout and no \
         lock_timeout, so a client that dies keeps its locks on orders; ALTER ROLE {name} SET \
         idle_in_transaction_session_timeout = '30s'; ALTER ROLE {name} SET lock_timeout = '30s'"
    );
    assert_eq!(own.login().warnings(), [said]);
    own.set("idle_in_transaction_session_timeout = '30s'");
    assert_eq!(own.login().missing_timeouts, ["lock_timeout"]);
    own.set("lock_timeout = '30s'");
    assert_eq!(own.login().warnings(), [""; 0]);
    assert_eq!(Own::with("IN ROLE blotter_engine").login().warnings(), [""; 0]);
}

#[test]
fn a_setting_with_which_the_sessions_of_a_login_begin_is_told_with_the_command_that_undoes_it() {
    for setting in [
        "role = blotter_engine",
        "app.user_id = 1",
        "row_security = off",
        "session_replication_role = replica",
        "search_path = first, public",
        "default_transaction_isolation = serializable",
        "default_transaction_read_only = on",
    ] {
        let own = Own::with("IN ROLE blotter_engine");
        own.database.owner().batch_execute("CREATE SCHEMA first").unwrap();
        own.set(setting);
        let name = &own.name;
        let (parameter, _) = setting.split_once(" = ").unwrap();
        assert_eq!(
            own.login().warnings(),
            [format!(
                "sessions of {name} begin with a setting that a backend does not expect (ALTER ROLE {name} SET \
                 {setting}); ALTER ROLE {name} RESET {parameter}"
            )]
        );
    }
}

#[test]
fn settings_of_the_database_count_and_harmless_ones_do_not() {
    let own = Own::with("IN ROLE blotter_engine");
    let on_database = |change: &str| {
        let name = &own.name;
        let change = format!(
            "DO $$ BEGIN EXECUTE format('ALTER {change}', current_database(), '{name}'); END $$"
        );
        own.database.admin().batch_execute(&change).unwrap();
    };
    own.set("search_path = nowhere, public, pg_catalog");
    own.set("row_security = on");
    own.set("statement_timeout = '1min'");
    assert_eq!(own.login().settings, [""; 0]);
    on_database("DATABASE %1$I SET default_transaction_isolation = serializable");
    on_database("ROLE %2$I IN DATABASE %1$I SET app.user_id = 1");
    let database = own.login().settings.concat();
    assert!(database.contains("ALTER DATABASE test_"), "{database}");
    assert!(database.contains(" IN DATABASE test_"), "{database}");
}

#[test]
fn a_role_held_by_way_of_another_role_counts() {
    let desk = Own::with("IN ROLE blotter_trader");
    let own = Own::with(&format!("IN ROLE {}", desk.name));
    assert_eq!(own.login().roles, ["blotter_trader"]);
}

#[test]
fn what_makes_a_login_dangerous_is_warned_of_in_a_sentence_each() {
    let superuser = Own::with("SUPERUSER");
    let passes = Own::with("BYPASSRLS");
    let reaches = |role: &Own| format!("IN ROLE blotter_trader, {}", role.name);
    for (attributes, says) in [
        (
            "IN ROLE blotter_trader, blotter_engine".to_owned(),
            "blotter_trader and as blotter_engine",
        ),
        ("BYPASSRLS IN ROLE blotter_trader".to_owned(), "BYPASSRLS"),
        ("SUPERUSER".to_owned(), "is a superuser"),
        ("CREATEROLE IN ROLE blotter_engine".to_owned(), "has CREATEROLE"),
        ("IN ROLE blotter_trader, pg_read_all_data".to_owned(), "has pg_read_all_data"),
        ("IN ROLE blotter_trader, blotter".to_owned(), "owns the tables"),
        (reaches(&superuser), "is a superuser"),
        (reaches(&passes), "BYPASSRLS"),
    ] {
        let own = Own::with(&attributes);
        let warnings = own.login().warnings();
        assert!(
            warnings.iter().any(|warning| warning.contains(says)),
            "{attributes}: {warnings:?}"
        );
    }
}

#[test]
fn a_name_that_a_statement_has_to_quote_is_quoted() {
    let database = Database::migrated();
    let odd = format!("Odd {}", Uuid::now_v7().simple());
    let role = format!("CREATE ROLE \"{odd}\" LOGIN IN ROLE blotter_trader, blotter_engine");
    database.admin().batch_execute(&role).unwrap();
    let url =
        database.owner_url().replace("//blotter@", &format!("//{}@", odd.replace(' ', "%20")));
    let login = Blotter::connect(&url).unwrap().login().unwrap();
    assert_eq!(login.name, format!("\"{odd}\""));
    database.admin().batch_execute(&format!("DROP ROLE \"{odd}\"")).unwrap();
}

#[test]
fn before_the_migrations_a_login_has_no_tables_and_is_told_all_the_same() {
    let database = Database::empty();
    let login = Login::of(&mut database.owner()).unwrap();
    assert_eq!(login.name, "blotter");
    assert!(!login.owns_tables);
    assert!(Login::of(&mut Database::migrated().owner()).unwrap().owns_tables);
}
