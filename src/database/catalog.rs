//! Does the live database have the schema that this build was made for?
//!
//! The catalog is read as facts (an object, a property, its value) and held against the facts of a
//! freshly migrated database, kept in `catalog.expected`. A test keeps that file true.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use diesel::prelude::*;
use diesel::sql_types::{Array, Text};

use crate::database::login::ROLES;
use crate::error::Error;
use crate::types::price::{LEAST_SCALE, MAX_SCALE};

const FACTS: &str = include_str!("catalog.sql");
const EXPECTED: &str = include_str!("catalog.expected");

const TABLES: [&str; 8] = [
    "break_resolutions",
    "breaks",
    "execution_logs",
    "execution_logs_sequence",
    "fills",
    "orders",
    "seals",
    "traders",
];
const ENUMS: [&str; 5] =
    ["action_enum", "break_reason_enum", "order_status_enum", "order_type_enum", "side_enum"];
const FUNCTIONS: [&str; 26] = [
    "blotter_count_amendment",
    "blotter_count_fills",
    "blotter_end_replaced",
    "blotter_expire_due",
    "blotter_lend_ledger",
    "blotter_log_break",
    "blotter_permit_revert",
    "blotter_precision",
    "blotter_refuse_change",
    "blotter_refuse_resolved",
    "blotter_refuse_transition",
    "blotter_replace",
    "blotter_scale",
    "blotter_settle_ledger",
    "blotter_trader_id",
    "break_resolutions_book",
    "break_resolutions_stamp",
    "breaks_log",
    "breaks_stamp",
    "execution_logs_derive",
    "execution_logs_require_order",
    "execution_logs_stamp",
    "fills_derive",
    "fills_stamp",
    "orders_admit",
    "orders_log_submitted",
];

/// The columns of money, which may be wider than the migrations make them: all as wide.
const MONEY: [&str; 6] = [
    "column fills.commission",
    "column fills.price_at_fill",
    "column orders.average_fill_price",
    "column orders.price",
    "column orders.stop_loss",
    "column orders.take_profit",
];

/// Decimal places that they may have then.
const WIDE: RangeInclusive<u8> = LEAST_SCALE + 1..=MAX_SCALE;

/// One way in which the database is not what this build expects; prints as one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Difference {
    /// What differs, e.g. `column orders.price`.
    pub object: String,
    /// How it differs.
    pub change: Change,
}

/// How an object differs from what is expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Change {
    /// It is expected and not there.
    Missing,
    /// It is there and not expected.
    Unexpected,
    /// It is there with another property.
    Property {
        /// Which one, e.g. `type`.
        name: String,
        /// What this build expects.
        expected: String,
        /// What the database has.
        found: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.object)?;
        match &self.change {
            Change::Missing => f.write_str("missing"),
            Change::Unexpected => f.write_str("not expected"),
            Change::Property { name, expected, found } => {
                write!(f, "{name} is {found}, expected {expected}")
            }
        }
    }
}

/// Everything in which the database differs from what this build expects: tables, columns, types,
/// nullability, defaults, comments, enums and the order of their labels, constraints, indexes, row
/// security, policies, triggers, rules, functions and who owns and may call them, the roles and what
/// they are, and what anybody but the owner is granted on the tables. Empty when all is well. Changes
/// nothing.
///
/// Only what belongs to this schema is looked at. Of a `traders` table that the application
/// brought along itself, only the type of its `id` is; it is taken for one when its comment is not
/// the one of this schema.
///
/// # Errors
///
/// Those of the connection.
///
/// ```
/// # #[cfg(feature = "embedded")] fn main() -> Result<(), tradeblotter::Error> {
/// # use diesel::connection::SimpleConnection;
/// # use tradeblotter::{embedded, migrations};
/// use tradeblotter::catalog;
///
/// # let server = embedded::Server::start()?;
/// # let conn = &mut server.connect()?;
/// # migrations::run(conn)?;
/// assert_eq!(catalog::differences(conn)?, []);
///
/// conn.batch_execute("ALTER TABLE fills ALTER commission TYPE numeric(12,4)")?;
/// assert_eq!(
///     catalog::differences(conn)?[0].to_string(),
///     "column fills.commission: type is numeric(12,4), expected numeric(10,2)"
/// );
/// # Ok(()) }
/// # #[cfg(not(feature = "embedded"))] fn main() {}
/// ```
pub fn differences(conn: &mut PgConnection) -> Result<Vec<Difference>, Error> {
    let mut found = Facts::default();
    for fact in read(conn)? {
        found.insert(fact.object, fact.property, fact.value);
    }
    let mut expected = Facts::parse(EXPECTED);
    expected.widen(&found);
    if found.comment_on_traders() != expected.comment_on_traders() {
        found.forget_traders();
        expected.forget_traders();
    }
    Ok(expected.compare(&found))
}

/// The facts of the live database, in the form of `catalog.expected`: one to a line, tabs between.
///
/// # Errors
///
/// Those of the connection.
pub fn facts(conn: &mut PgConnection) -> Result<String, Error> {
    let lines = read(conn)?.into_iter();
    Ok(lines.map(|fact| format!("{}\t{}\t{}\n", fact.object, fact.property, fact.value)).collect())
}

#[derive(QueryableByName)]
struct Fact {
    #[diesel(sql_type = Text)]
    object: String,
    #[diesel(sql_type = Text)]
    property: String,
    #[diesel(sql_type = Text)]
    value: String,
}

fn read(conn: &mut PgConnection) -> Result<Vec<Fact>, Error> {
    Ok(diesel::sql_query(FACTS)
        .bind::<Array<Text>, _>(TABLES.as_slice())
        .bind::<Array<Text>, _>(ENUMS.as_slice())
        .bind::<Array<Text>, _>(FUNCTIONS.as_slice())
        .bind::<Array<Text>, _>(ROLES.map(|(role, _)| role).as_slice())
        .load(conn)?)
}

/// Properties by object.
#[derive(Default)]
struct Facts(BTreeMap<String, BTreeMap<String, String>>);

impl Facts {
    fn parse(text: &str) -> Self {
        let mut facts = Self::default();
        for line in text.lines() {
            let mut parts = line.splitn(3, '\t').map(str::to_owned);
            if let (Some(object), Some(property), Some(value)) =
                (parts.next(), parts.next(), parts.next())
            {
                facts.insert(object, property, value);
            }
        }
        facts
    }

    fn insert(&mut self, object: String, property: String, value: String) {
        self.0.entry(object).or_default().insert(property, value);
    }

    /// Expects the columns of money as wide as they have been made, if all of them are.
    fn widen(&mut self, found: &Self) {
        let types: BTreeSet<_> = MONEY.map(|column| found.type_of(column)).into_iter().collect();
        let Some(Some(wide)) = types.first().filter(|_| types.len() == 1) else { return };
        if !WIDE.map(|scale| format!("numeric(18,{scale})")).any(|legal| legal == *wide) {
            return;
        }
        for column in MONEY {
            if let Some(properties) = self.0.get_mut(column) {
                properties.insert("type".to_owned(), wide.clone());
            }
        }
    }

    fn type_of(&self, column: &str) -> Option<String> {
        self.0.get(column)?.get("type").cloned()
    }

    fn comment_on_traders(&self) -> Option<&String> {
        self.0.get("table traders").and_then(|table| table.get("comment"))
    }

    /// Leaves of a host's own traders table what orders rely on: that it is there, and its id.
    fn forget_traders(&mut self) {
        self.0.retain(|object, _| {
            let (_, name) = object.split_once(' ').unwrap_or_default();
            object == "table traders" || object == "column traders.id" || table(name) != "traders"
        });
        if let Some(traders) = self.0.get_mut("table traders") {
            traders.clear();
        }
        if let Some(id) = self.0.get_mut("column traders.id") {
            id.retain(|property, _| property == "type");
        }
    }

    fn compare(&self, found: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (object, properties) in &self.0 {
            let Some(actual) = found.0.get(object) else {
                differences.push(Difference { object: object.clone(), change: Change::Missing });
                continue;
            };
            for (name, expected) in properties {
                let found = actual.get(name).map_or("none", String::as_str);
                if found != expected {
                    let change = Change::Property {
                        name: name.clone(),
                        expected: expected.clone(),
                        found: found.to_owned(),
                    };
                    differences.push(Difference { object: object.clone(), change });
                }
            }
        }
        for object in found.0.keys().filter(|object| !self.0.contains_key(*object)) {
            differences.push(Difference { object: object.clone(), change: Change::Unexpected });
        }
        without_parts_of_missing_tables(differences)
    }
}

/// The table in `orders` or `orders.price`.
fn table(name: &str) -> &str {
    name.split_once('.').map_or(name, |(table, _)| table)
}

/// A missing table is one difference; that its columns are missing too goes without saying.
fn without_parts_of_missing_tables(differences: Vec<Difference>) -> Vec<Difference> {
    let missing: Vec<String> = differences
        .iter()
        .filter(|difference| difference.change == Change::Missing)
        .filter_map(|difference| difference.object.strip_prefix("table ").map(str::to_owned))
        .collect();
    let kept = |difference: &Difference| {
        let (kind, name) = difference.object.split_once(' ').unwrap_or_default();
        kind == "table" || !missing.iter().any(|missing| missing == table(name))
    };
    differences.into_iter().filter(kept).collect()
}
