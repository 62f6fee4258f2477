//! The ids of executions that the venue has given none: made of their content.

use std::collections::HashMap;
use std::mem;

use uuid::Uuid;

use super::options::Options;
use crate::ingest::event::Event;

/// Namespace of the version 5 UUIDs of executions without an execution id.
const EXECUTIONS: Uuid = Uuid::from_u128(0x8f1c_5f0e_6d2b_4b7a_9c53_2f6a_1d7e_4c04);

/// Contents after which those before are forgotten; equal contents have the same time and so stand near each other.
const REMEMBERED: usize = 50_000;

/// Counts the executions of an input that have no id and equal content: a second one with the same order, time,
/// quantity, price and venue is another execution, and reading the input again finds both.
#[derive(Clone, Default)]
pub(super) struct Contents {
    counts: HashMap<Uuid, u32>,
    /// Those before: of each content, some are here or all are forgotten.
    before: HashMap<Uuid, u32>,
}

impl Contents {
    /// Returns the id of an execution without an execution id, made of its content and of its number among equal
    /// ones; none for other reports.
    pub fn id_of(
        &mut self,
        event: &Event<'_>,
        trader: Option<Uuid>,
        options: &Options,
    ) -> Option<Uuid> {
        if !event.kind.is_execution() || event.execution_id.is_some() || event.id.is_some() {
            return None;
        }
        let order = event.client_order_id.as_deref().or(event.venue_order_id.as_deref());
        let number = |number: Option<crate::ingest::Number<'_>>| {
            number.map(|number| number.value().normalized().to_plain_string())
        };
        let mut content = format!(
            "{:?} {trader:?} {order:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            event.kind,
            event.order_id,
            event.time(),
            number(event.last_quantity),
            number(event.last_price),
            options.venue_of(event),
            event.refers_to,
        );
        // What a damaged report says may be too little to tell it from others.
        let says_all = order.is_some()
            && event.time().is_some()
            && event.last_quantity.is_some()
            && event.last_price.is_some();
        if event.defect.is_some() && !says_all {
            content.push_str(&event.raw);
        }
        let content = Uuid::new_v5(&EXECUTIONS, content.as_bytes());
        if self.counts.len() >= REMEMBERED {
            self.before = mem::take(&mut self.counts);
        }
        let before = self.before.get(&content).copied().unwrap_or_default();
        let count = self.counts.entry(content).or_insert(before);
        *count += 1;
        Some(Uuid::new_v5(&EXECUTIONS, format!("{content} {count}").as_bytes()))
    }
}
