//! The facts of a catalog: what objects there are, and their properties.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::{Change, SchemaDifference, USAGE};
use crate::database::desk::{Desk, own_roles};
use crate::database::login::LEDGER;
use crate::types::price::{LEAST_SCALE, MAX_SCALE};
use crate::types::widths::{LEAST_SYMBOL, MAX_SYMBOL};

/// The further facts of a desk that Citus holds.
const WRITERS: &str = include_str!("../citus/writers.expected");

/// The columns of money, which may have been widened, all to the same scale.
const MONEY: [&str; 8] = [
    "column fills.commission",
    "column fills.price_at_fill",
    "column fills.rebate",
    "column orders.average_fill_price",
    "column orders.limit_price",
    "column orders.price",
    "column orders.stop_loss",
    "column orders.take_profit",
];

/// The scales to which the columns of money can be widened.
const WIDENED_SCALES: RangeInclusive<u8> = LEAST_SCALE + 1..=MAX_SCALE;

/// The column of symbols, which may have been widened.
const SYMBOL: &str = "column orders.symbol";

/// The lengths to which the column of symbols can be widened.
const WIDENED_SYMBOLS: RangeInclusive<u16> = LEAST_SYMBOL + 1..=MAX_SYMBOL;

/// The properties of each object.
#[derive(Default)]
pub(super) struct Facts(BTreeMap<String, BTreeMap<String, String>>);

impl Facts {
    pub(super) fn parse(text: &str) -> Self {
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

    /// Expects the roles of a desk, which have what the shared ones have and are the only ones that use its schema.
    pub(super) fn add_desk(&mut self, desk: Option<&Desk>) {
        let mut users = vec![LEDGER.to_owned()];
        for (role, shared) in own_roles(desk) {
            let object = format!("role {role}");
            self.insert(object.clone(), "attributes".to_owned(), "none".to_owned());
            self.insert(object, "member of".to_owned(), shared.to_owned());
            users.push(role);
        }
        if desk.is_some() {
            users.sort();
            let (object, property) = USAGE;
            self.insert(object.to_owned(), property.to_owned(), users.join(", "));
        }
    }

    pub(super) fn insert(&mut self, object: String, property: String, value: String) {
        self.0.entry(object).or_default().insert(property, value);
    }

    /// Expects what a desk has that Citus holds: triggers in the place of policies. Citus loses the word RESTRICTIVE, on
    /// which no rule rests.
    pub(super) fn distribute(&mut self) {
        self.0.extend(Self::parse(WRITERS).0);
        self.forget_restrictive();
    }

    /// Forgets of each policy whether it is restrictive.
    pub(super) fn forget_restrictive(&mut self) {
        for (_, policy) in self.0.iter_mut().filter(|(object, _)| object.starts_with("policy ")) {
            policy.remove("kind");
        }
    }

    /// Keeps what a shard has of its table: not the comments.
    pub(super) fn keep_shards(&mut self) {
        const KINDS: [&str; 8] =
            ["column", "constraint", "grant", "index", "policy", "rule", "table", "trigger"];
        self.0.retain(|object, properties| {
            properties.remove("comment");
            let (kind, name) = object.split_once(' ').unwrap_or_default();
            KINDS.contains(&kind) && table(name) != "execution_logs_sequence"
        });
    }

    /// Expects the widths that the columns have in the database, where they are legal; of the columns of money, if
    /// all have the same scale.
    pub(super) fn widen(&mut self, found: &Self) {
        self.widen_columns(
            found,
            &MONEY,
            WIDENED_SCALES.map(|scale| format!("numeric(18,{scale})")),
        );
        let lengths = WIDENED_SYMBOLS.map(|length| format!("character varying({length})"));
        self.widen_columns(found, &[SYMBOL], lengths);
    }

    fn widen_columns(
        &mut self,
        found: &Self,
        columns: &[&str],
        mut legal: impl Iterator<Item = String>,
    ) {
        let types: BTreeSet<_> = columns.iter().map(|column| found.type_of(column)).collect();
        let Some(Some(wide)) = types.first().filter(|_| types.len() == 1) else { return };
        if !legal.any(|legal| legal == *wide) {
            return;
        }
        for column in columns {
            if let Some(properties) = self.0.get_mut(*column) {
                properties.insert("type".to_owned(), wide.clone());
            }
        }
    }

    fn type_of(&self, column: &str) -> Option<String> {
        self.0.get(column)?.get("type").cloned()
    }

    pub(super) fn comment_on_traders(&self) -> Option<&String> {
        self.0.get("table traders").and_then(|table| table.get("comment"))
    }

    /// Keeps of a host's own traders table only what orders rely on: that it exists, and the type of its id.
    pub(super) fn forget_traders(&mut self) {
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

    pub(super) fn compare(&self, found: &Self) -> Vec<SchemaDifference> {
        let mut differences = Vec::new();
        for (object, properties) in &self.0 {
            let Some(actual) = found.0.get(object) else {
                differences
                    .push(SchemaDifference { object: object.clone(), change: Change::Missing });
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
                    differences.push(SchemaDifference { object: object.clone(), change });
                }
            }
        }
        for object in found.0.keys().filter(|object| !self.0.contains_key(*object)) {
            differences
                .push(SchemaDifference { object: object.clone(), change: Change::Unexpected });
        }
        without_parts_of_missing_tables(differences)
    }
}

/// Returns the table of a name such as `orders` or `orders.price`.
fn table(name: &str) -> &str {
    name.split_once('.').map_or(name, |(table, _)| table)
}

/// Removes the differences of the parts of missing tables: a missing table is one difference.
fn without_parts_of_missing_tables(differences: Vec<SchemaDifference>) -> Vec<SchemaDifference> {
    let missing: Vec<String> = differences
        .iter()
        .filter(|difference| difference.change == Change::Missing)
        .filter_map(|difference| difference.object.strip_prefix("table ").map(str::to_owned))
        .collect();
    let kept = |difference: &SchemaDifference| {
        let (kind, name) = difference.object.split_once(' ').unwrap_or_default();
        kind == "table" || !missing.iter().any(|missing| missing == table(name))
    };
    differences.into_iter().filter(kept).collect()
}
