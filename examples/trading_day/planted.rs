//! What is planted in the day: a break of each kind, and what looks like one.

use super::life::{Fill, LIMIT, Life, Order};
use super::message::{Message, Moment, Way};
use super::{MINUTE, SECOND};

/// What is planted, each once, one in each tenth of the day: the breaks that come of it, and what it is.
pub const PLANTED: [(&str, &str); 10] = [
    (
        "OVER_FILL",
        "a fill of 100 after the last share is filled; the venue's CumQty (14) does not count it",
    ),
    ("UNKNOWN_ORDER", "a fill of an order that was never sent, with too few terms to make one of"),
    ("ORDER_ENDED", "a fill after the cancel; the venue's CumQty (14) never counts it"),
    (
        "PRECISION, TOTALS",
        "the order's only fill, at a price finer than a cent; the venue counts it, so the totals of the \
         order differ too",
    ),
    ("MISMATCH", "the ExecID (17) of the fill before it, three cents dearer, not marked as resent"),
    ("UNKNOWN_FILL", "a bust of an ExecID (19) that the order does not have"),
    (
        "TOTALS",
        "a cancel, the order's last report: its CumQty (14) has 50 shares that no fill told of",
    ),
    (
        "none",
        "a fill after the cancel, but the CumQty (14) of the cancel counts it: it is booked late",
    ),
    ("none", "a cancel under the ExecID (17) of a fill of its order"),
    ("none", "a fill under that same ExecID (17), of another order"),
];

/// The ExecID that is given out three times.
const SHARED_ID: &str = "T-7000";

/// What is planted in this order, if anything: in the middle of each tenth.
pub fn at(number: u64, orders: u64) -> Option<usize> {
    let which = (0..PLANTED.len() as u64).find(|which| number == (2 * which + 1) * orders / 20);
    which.map(|which| which as usize)
}

impl Life<'_> {
    /// Plants one thing in an order to buy 400 at a limit, of which all else is as it should be.
    pub fn planted(&mut self, which: usize) {
        self.may_come_again = false;
        (self.order.side, self.order.kind, self.order.quantity) = ('1', LIMIT, 400);
        self.begin();
        let odd = match which {
            0 => {
                self.fill(400);
                let extra = self.execution(100);
                self.report_of(&extra)
            }
            1 => {
                self.fill(400);
                self.stray()
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
                let untold = Fill { quantity: 50, ..self.order.fills[0].clone() };
                self.count(&untold);
                self.cancelled_unasked()
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
                let shared = self.shared(100);
                self.count(&shared);
                self.send(self.report_of(&shared));
                self.cancelled_as(Some(SHARED_ID))
            }
            _ => {
                let shared = self.shared(400);
                self.count(&shared);
                self.report_of(&shared)
            }
        };
        self.queue.push(Message { planted: Some(which), ..odd });
        if which == 4 {
            self.fill(300);
        }
    }

    fn shared(&mut self, quantity: u64) -> Fill {
        Fill { id: SHARED_ID.to_owned(), venue: "XNAS", ..self.execution(quantity) }
    }

    /// A fill of an order that nobody knows.
    fn stray(&self) -> Message {
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
