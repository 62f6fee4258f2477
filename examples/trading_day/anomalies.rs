//! The anomalies that are planted in the day: a break of each kind, and reports that look like one.

use super::lifecycle::{Fill, LIMIT, Lifecycle, Order};
use super::message::{Message, Moment, Way};
use super::{MINUTE, SECOND};

/// The anomalies, one in each tenth of the day: the breaks that each causes, and its description.
pub const ANOMALIES: [(&str, &str); 10] = [
    (
        "OVER_FILL",
        "a fill of 100 shares after the order was filled; the venue's CumQty (14) does not include it",
    ),
    (
        "UNKNOWN_ORDER",
        "a fill of an order that was never sent, with too few terms to create the order",
    ),
    ("ORDER_ENDED", "a fill after the cancel; the venue's CumQty (14) never includes it"),
    (
        "PRECISION",
        "the order's only fill, at a price finer than a cent; the venue's CumQty (14) includes it",
    ),
    ("MISMATCH", "the ExecID (17) of the fill before it, three cents dearer, not marked as resent"),
    ("UNKNOWN_FILL", "a bust of an ExecID (19) that the order does not have"),
    (
        "TOTALS",
        "a cancel, the order's last report: its CumQty (14) includes 50 shares that no fill reported",
    ),
    (
        "none",
        "a fill after the cancel, but the CumQty (14) of the cancel includes it: it is booked late",
    ),
    ("none", "a cancel with the ExecID (17) of a fill of its order"),
    ("none", "a fill of another order with that same ExecID (17)"),
];

/// The ExecID that three reports share.
const SHARED_ID: &str = "T-7000";

/// Returns the anomaly that is planted in this order, if any: one in the middle of each tenth.
pub fn at(number: u64, orders: u64) -> Option<usize> {
    let index = (0..ANOMALIES.len() as u64).find(|index| number == (2 * index + 1) * orders / 20);
    index.map(|index| index as usize)
}

impl Lifecycle<'_> {
    /// Generates an order to buy 400 at a limit, with one anomaly.
    pub fn with_anomaly(&mut self, index: usize) {
        self.may_be_resent = false;
        (self.order.side, self.order.kind, self.order.quantity) = ('1', LIMIT, 400);
        self.begin();
        let anomaly = match index {
            0 => {
                self.fill(400);
                let extra = self.execution(100);
                self.report_of(&extra)
            }
            1 => {
                self.fill(400);
                self.fill_of_unknown_order()
            }
            2 => {
                self.fill(100);
                self.cancel();
                let late = self.execution(100);
                self.report_of(&late)
            }
            3 => {
                let mut fine = self.execution(400);
                fine.price.0 -= 19;
                self.count(&fine);
                self.report_of(&fine)
            }
            4 => {
                self.fill(100);
                let mut other = self.order.fills[0].clone();
                other.price.0 += 300;
                self.wait(SECOND);
                self.report_of(&other)
            }
            5 => {
                self.fill(400);
                let never = Fill { id: "T-6999".to_owned(), ..self.order.fills[0].clone() };
                let id = self.execution_id();
                self.wait(MINUTE);
                self.amendment('H', &id, &never, &never)
            }
            6 => {
                self.fill(100);
                let unreported = Fill { quantity: 50, ..self.order.fills[0].clone() };
                self.count(&unreported);
                self.cancelled_unsolicited()
            }
            7 => {
                self.fill(100);
                let late = self.execution(100);
                self.count(&late);
                self.cancel();
                self.wait(SECOND);
                self.report_of(&late)
            }
            8 => {
                let shared = self.with_shared_id(100);
                self.count(&shared);
                self.send(self.report_of(&shared));
                self.cancelled_as(Some(SHARED_ID))
            }
            _ => {
                let shared = self.with_shared_id(400);
                self.count(&shared);
                self.report_of(&shared)
            }
        };
        self.queue.push(Message { anomaly: Some(index), ..anomaly });
        if index == 4 {
            self.fill(300);
        }
    }

    /// Makes a fill with the shared ExecID.
    fn with_shared_id(&mut self, quantity: u64) -> Fill {
        Fill { id: SHARED_ID.to_owned(), venue: "XNAS", ..self.execution(quantity) }
    }

    /// Returns a fill of an order that was never sent.
    fn fill_of_unknown_order(&self) -> Message {
        let Order { number, account, .. } = self.order;
        Message::new("8", Way::Received, self.clock + SECOND)
            .with(1, account)
            .with(37, format_args!("X{number:06}"))
            .with(11, format_args!("{account}-x{number:06}"))
            .with(17, format_args!("X{number:06}-1"))
            .with(150, 'F')
            .with(39, 2)
            .with(30, "XNAS")
            .with(32, 100)
            .with(31, "99.50")
            .with(60, Moment(self.clock))
    }
}
