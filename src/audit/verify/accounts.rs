//! The checks that need no seal: the schema, the accounts of orders and fills, and the derived columns.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use uuid::Uuid;

use super::finding::Finding;
use super::{Verification, VerifyEvent};
use crate::audit::seal::Seals;
use crate::catalog;
use crate::database::role::Audits;
use crate::error::Error;
use crate::orders::Orders;
use crate::schema::{execution_logs, fills, orders};
use crate::types::enums::Action;

/// Findings of one kind of account at most: a number that shows the extent and that a person reads.
const MAX_UNATTESTED: i64 = 10_000;

impl<T: FnMut(VerifyEvent)> Verification<'_, T> {
    /// Runs the schema check in the same session, and refuses to go on where rows may be hidden from it.
    pub(super) fn verify_schema<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
    ) -> Result<(), Error> {
        let differences = catalog::differences(seals.conn)?;
        if let Some(hiding) = differences.iter().find(|difference| difference.may_hide_rows()) {
            return Err(Error::unproven(format!(
                "rows may be hidden from this session, so nothing is verified: {hiding}"
            )));
        }
        differences.into_iter().for_each(|difference| self.report(Finding::Schema(difference)));
        Ok(())
    }

    /// Reports each order that no entry submits and each fill that no entry records.
    pub(super) fn verify_accounts<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
    ) -> Result<(), Error> {
        let submitted = execution_logs::table
            .filter(execution_logs::order_id.eq(orders::id))
            .filter(execution_logs::action.eq(Action::Submitted));
        let orders = orders::table.filter(not(exists(submitted))).select(orders::id);
        for id in orders.limit(MAX_UNATTESTED).load(seals.conn)? {
            self.report(Finding::UnattestedOrder(id));
        }
        let recorded =
            execution_logs::table.filter(execution_logs::fill_id.eq(fills::id.nullable()));
        let fills = fills::table.filter(not(exists(recorded))).select(fills::id);
        for id in fills.limit(MAX_UNATTESTED).load(seals.conn)? {
            self.report(Finding::UnattestedFill(id));
        }
        Ok(())
    }

    /// Derives every order again and reports those that differ.
    pub(super) fn verify_derived<R: Audits>(
        &mut self,
        seals: &mut Seals<'_, R>,
    ) -> Result<(), Error> {
        let mut orders = Orders { conn: seals.conn, role: seals.role };
        let mut after = None;
        loop {
            let ids = orders.ids_after(after)?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = Some(*last);
            self.verified.orders += ids.len() as u64;
            self.rebuild(&mut orders, &ids)?;
        }
    }

    /// Derives these orders again. Halves them until each order with a value that cannot be read is isolated.
    fn rebuild<R: Audits>(
        &mut self,
        orders: &mut Orders<'_, R>,
        ids: &[Uuid],
    ) -> Result<(), Error> {
        match (orders.rebuild_each(ids), ids) {
            (Err(why), [order_id]) if why.is_unreadable() => {
                self.report(Finding::NotRebuilt { order_id: *order_id, why: why.to_string() });
            }
            (Err(why), _) if why.is_unreadable() => {
                let (left, right) = ids.split_at(ids.len() / 2);
                self.rebuild(orders, left)?;
                self.rebuild(orders, right)?;
            }
            (differing, _) => {
                for order in differing? {
                    self.report(Finding::Derived(order));
                }
            }
        }
        Ok(())
    }
}
