//! The session of the screen, in the role of the login.

use tradeblotter::role::{Compliance, Engine, Reader, Trader};
use tradeblotter::{BreakResolution, Error, Session};

use crate::watch::model::Acting;
use crate::watch::model::dialog::Act;

/// A session in one of the roles that look at the blotter.
pub enum RoleSession {
    Trader(Session<Trader>),
    Engine(Session<Engine>),
    Compliance(Session<Compliance>),
}

impl RoleSession {
    pub fn acting(&self) -> Acting {
        match self {
            Self::Trader(_) => Acting::Trader,
            Self::Engine(_) => Acting::Engine,
            Self::Compliance(_) => Acting::Compliance,
        }
    }

    /// Returns the session that reads what this one may see.
    pub fn reader(&self) -> Session<Reader> {
        match self {
            Self::Trader(session) => session.reader(),
            Self::Engine(session) => session.reader(),
            Self::Compliance(session) => session.reader(),
        }
    }

    /// Changes the store, and says what was done. `None` if the role has no such act.
    pub fn act(&self, act: &Act) -> Option<Result<String, Error>> {
        match (self, act, act.resolution()) {
            (Self::Trader(session), Act::Cancel { order }, _) => {
                let cancelled = session.transaction(|tx| tx.execution_logs().cancel(*order, None));
                Some(cancelled.map(|_| format!("cancelled order {order}")))
            }
            (Self::Engine(session), _, Some(resolution)) => {
                let resolved = session.transaction(|tx| tx.breaks().resolve(&resolution));
                Some(resolved.map(|resolved| describe(&resolved)))
            }
            _ => None,
        }
    }
}

fn describe(resolved: &BreakResolution) -> String {
    match (resolved.is_booked, resolved.fill_id, resolved.order_id) {
        (true, Some(fill), Some(order)) => format!("booked as fill {fill} of order {order}"),
        _ => format!("dismissed break {}", resolved.break_id),
    }
}
