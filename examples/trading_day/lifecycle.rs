//! The lifecycles of orders, generated message by message.

use super::message::{Average, DUPLICATE, Message, Moment, Price, Queue, RESEND, Way};
use super::{MINUTE, SECOND};

const TRADERS: [&str; 4] = ["ada", "grace", "linus", "barbara"];
const VENUES: [&str; 4] = ["XNAS", "XNYS", "ARCX", "BATS"];
const SYMBOLS: [&str; 6] = ["AAPL", "ACME", "IBM", "MSFT", "NVDA", "ZORG"];

const MARKET: char = '1';
pub const LIMIT: char = '2';
const STOP: char = '3';

/// An order chain, which FIX treats as one order.
#[derive(Clone)]
pub struct Order {
    pub number: u64,
    pub account: &'static str,
    symbol: &'static str,
    pub side: char,
    pub kind: char,
    price: Price,
    pub quantity: u64,
    time_in_force: char,
    expires: Option<Moment>,
    /// ClOrdID (11) of the order, or of the pending request.
    client_id: String,
    /// OrigClOrdID (41): the ClOrdID before the pending request.
    original: Option<String>,
    filled: u64,
    /// In ten-thousandths of a currency unit.
    notional: u64,
    pub fills: Vec<Fill>,
    /// The final status (39), once the order has ended.
    ended: Option<char>,
    requests: u32,
    executions: u32,
}

#[derive(Clone)]
pub struct Fill {
    pub id: String,
    pub quantity: u64,
    pub price: Price,
    pub venue: &'static str,
}

/// Generator of the messages about one order.
pub struct Lifecycle<'a> {
    pub order: Order,
    pub clock: u64,
    /// Whether messages of the venue may be resent.
    pub may_be_resent: bool,
    market: &'a mut Market,
    pub queue: &'a mut Queue,
}

impl<'a> Lifecycle<'a> {
    pub fn new(number: u64, clock: u64, market: &'a mut Market, queue: &'a mut Queue) -> Self {
        Self { order: market.order(number), clock, may_be_resent: true, market, queue }
    }

    /// Generates one of the ordinary lifecycles, at random.
    pub fn ordinary(&mut self) {
        let steps: &[fn(&mut Self)] = match self.market.random.below(100) {
            0..40 => &[Self::begin, Self::fill_rest],
            40..50 => &[Self::begin, Self::fill_some, Self::cancel],
            50..55 => &[Self::begin, Self::cancel],
            55..58 => &[Self::begin, Self::fill_some, Self::cancel_unsolicited],
            58..64 => &[Self::reject],
            64..69 => &[Self::begin, Self::fill_some, Self::replace, Self::fill_rest],
            69..73 => {
                &[Self::begin, Self::replace, Self::fill_some, Self::replace, Self::fill_rest]
            }
            73..76 => &[Self::begin, Self::fill_some, Self::replace, Self::cancel],
            76..81 => &[Self::expire],
            81..84 => &[Self::begin, Self::fill_rest, Self::refuse_cancel],
            84..86 => &[Self::begin, Self::fill_some, Self::refuse_replace, Self::fill_rest],
            86..90 => &[Self::begin, Self::fill_some, Self::fill_rest, Self::bust, Self::fill_rest],
            90..92 => &[Self::begin, Self::fill_some, Self::cancel, Self::bust],
            92..95 => &[Self::begin, Self::fill_rest, Self::correct, Self::fill_rest],
            95..97 => &[Self::begin, Self::fill_some, Self::ask_status, Self::fill_rest],
            97 => &[Self::keep, Self::begin],
            _ => &[Self::keep, Self::begin, Self::fill_some],
        };
        steps.iter().for_each(|step| step(self));
    }

    pub fn begin(&mut self) {
        self.send(self.terms(self.message("D")));
        self.wait(SECOND / 4);
        self.report_status('0');
    }

    /// Makes the order good till cancelled: it is open at the end of the day.
    fn keep(&mut self) {
        self.order.time_in_force = '1';
    }

    fn reject(&mut self) {
        self.send(self.terms(self.message("D")));
        self.wait(SECOND / 4);
        self.order.ended = Some('8');
        let reasons = [(1, "unknown symbol"), (2, "exchange closed"), (3, "order exceeds limit")];
        let (code, reason) = self.market.random.one_of(reasons);
        let id = self.execution_id();
        self.send(self.report('8', &id).with(103, code).with(58, reason));
    }

    pub fn fill(&mut self, quantity: u64) {
        let fill = self.execution(quantity);
        self.count(&fill);
        self.send(self.report_of(&fill));
    }

    /// Fills a part of the remaining shares, a multiple of ten.
    fn fill_some(&mut self) {
        let tens = self.left() / 10;
        let some = 10 * (1 + self.market.random.below(tens.saturating_sub(1).max(1)));
        self.fill(some);
    }

    fn fill_rest(&mut self) {
        for _ in 0..self.market.random.below(3) {
            if self.left() > 10 {
                self.fill_some();
            }
        }
        if self.left() > 0 {
            self.fill(self.left());
        }
    }

    pub fn cancel(&mut self) {
        let report = self.cancelled_as(None);
        self.send(report);
    }

    /// Requests a cancel; returns the venue's report of it, with this ExecID or a new one.
    pub fn cancelled_as(&mut self, id: Option<&str>) -> Message {
        self.request("F");
        self.report_status('6');
        self.wait(SECOND / 4);
        self.order.ended = Some('4');
        let id = id.map_or_else(|| self.execution_id(), str::to_owned);
        let report = self.report('4', &id);
        self.forget_request();
        report
    }

    fn cancel_unsolicited(&mut self) {
        let report = self.cancelled_unsolicited();
        self.send(report);
    }

    /// Returns the report of a cancel that the client did not request.
    pub fn cancelled_unsolicited(&mut self) -> Message {
        self.wait(MINUTE);
        self.order.ended = Some('4');
        let id = self.execution_id();
        self.report('4', &id).with(58, "cancelled by the venue")
    }

    fn replace(&mut self) {
        self.order.quantity = self.order.filled + 100 * (1 + self.market.random.below(8));
        self.order.price.0 += 500;
        self.request("G");
        self.report_status('5');
        self.order.original = None;
    }

    fn refuse_cancel(&mut self) {
        self.refuse("F", 1, 0, "too late to cancel");
    }

    fn refuse_replace(&mut self) {
        self.refuse("G", 2, 2, "the price is out of bounds");
    }

    /// Sends a request and the venue's refusal of it (35=9), with the kind of request (434) and a reason code (102).
    fn refuse(&mut self, request: &'static str, response_to: u32, code: u32, why: &str) {
        self.request(request);
        let answer = Message::new("9", Way::Received, self.clock)
            .with(1, self.order.account)
            .with(37, self.venue_id())
            .with(11, &self.order.client_id)
            .with_some(41, self.order.original.as_ref())
            .with(39, self.status())
            .with(434, response_to)
            .with(102, code)
            .with(58, why)
            .with(60, Moment(self.clock));
        self.send(answer);
        self.forget_request();
    }

    fn expire(&mut self) {
        let at = Moment((self.clock / SECOND + 300) * SECOND);
        self.order.time_in_force = '6';
        self.order.expires = Some(at);
        self.begin();
        if self.market.random.below(2) == 0 {
            self.fill_some();
        }
        self.clock = at.0;
        self.order.ended = Some('C');
        self.report_status('C');
    }

    fn bust(&mut self) {
        let first = self.uncount_first();
        let id = self.execution_id();
        self.send(self.amendment('H', &id, &first, &first));
    }

    /// Corrects the first fill: a higher price, and perhaps half the shares.
    fn correct(&mut self) {
        let first = self.uncount_first();
        let id = self.execution_id();
        let quantity = first.quantity / (1 + self.market.random.below(2));
        let corrected = Fill { id, quantity, price: Price(first.price.0 + 100), ..first };
        self.count(&corrected);
        self.send(self.amendment('G', &corrected.id, &first, &corrected));
    }

    /// Requests the status. The answer has the ExecID 0, as FIX specifies.
    fn ask_status(&mut self) {
        self.wait(MINUTE);
        self.send(self.message("H").with(37, self.venue_id()));
        self.wait(SECOND / 4);
        self.send(self.report('I', "0"));
    }

    /// Requests a change, with a new ClOrdID that the answers have too.
    fn request(&mut self, request: &'static str) {
        self.wait(MINUTE);
        let Order { account, number, .. } = self.order;
        self.order.requests += 1;
        let id = format!("{account}-{number:06}.{}", self.order.requests);
        self.order.original = Some(std::mem::replace(&mut self.order.client_id, id));
        self.send(self.terms(self.message(request)));
        self.wait(SECOND / 4);
    }

    /// Restores the ClOrdID of before the request.
    fn forget_request(&mut self) {
        if let Some(original) = self.order.original.take() {
            self.order.client_id = original;
        }
    }

    pub fn wait(&mut self, at_most: u64) {
        self.clock += 1 + self.market.random.below(at_most);
    }

    /// Sends a message. One in forty messages of the venue is resent within a minute.
    pub fn send(&mut self, message: Message) {
        let random = &mut self.market.random;
        let is_resent = self.may_be_resent && message.way == Way::Received && random.below(40) == 0;
        let resend = is_resent
            .then(|| (random.one_of([DUPLICATE, RESEND]), self.clock + 1 + random.below(MINUTE)));
        self.queue.push(Message { resend, ..message });
    }

    /// Sends a report without a fill.
    fn report_status(&mut self, exec_type: char) {
        let id = self.execution_id();
        self.send(self.report(exec_type, &id));
    }

    /// Returns a message of the client about the order.
    fn message(&self, kind: &'static str) -> Message {
        Message::new(kind, Way::Sent, self.clock)
            .with(1, self.order.account)
            .with(11, &self.order.client_id)
            .with_some(41, self.order.original.as_ref())
            .with(55, self.order.symbol)
            .with(54, self.order.side)
    }

    /// Adds the terms of the order to a message.
    fn terms(&self, message: Message) -> Message {
        let Order { kind, price, .. } = self.order;
        message
            .with(38, self.order.quantity)
            .with(40, kind)
            .with_some(44, (kind == LIMIT).then_some(price))
            .with_some(99, (kind == STOP).then_some(price))
            .with(59, self.order.time_in_force)
            .with_some(126, self.order.expires)
            .with(60, Moment(self.clock))
    }

    /// Returns an execution report of the venue with the order's status and totals.
    pub fn report(&self, exec_type: char, id: &str) -> Message {
        let Order { filled: shares, notional, .. } = self.order;
        // Pending cancel takes precedence over any other status.
        let status = if exec_type == '6' { '6' } else { self.status() };
        self.terms(Message { way: Way::Received, ..self.message("8") })
            .with(37, self.venue_id())
            .with(17, id)
            .with(150, exec_type)
            .with(39, status)
            .with(14, shares)
            .with(151, self.left())
            .with(6, Average { notional, shares })
    }

    pub fn report_of(&self, fill: &Fill) -> Message {
        self.trade(self.report('F', &fill.id), fill)
    }

    /// Returns the report of a bust or a correction.
    pub fn amendment(&self, exec_type: char, id: &str, from: &Fill, to: &Fill) -> Message {
        self.trade(self.report(exec_type, id).with(19, &from.id), to)
    }

    fn trade(&self, report: Message, fill: &Fill) -> Message {
        let report = report.with(30, fill.venue).with(32, fill.quantity).with(31, fill.price);
        match self.order.number % 16 {
            // Half a cent per share, as a rate.
            7 => report.with(12, "0.005").with(13, 1),
            _ => report.with(12, Price(fill.quantity.div_ceil(2) * 100)).with(13, 3),
        }
    }

    fn status(&self) -> char {
        match self.order.ended {
            Some(ended) => ended,
            None if self.order.filled == 0 => '0',
            None if self.left() > 0 => '1',
            None => '2',
        }
    }

    fn left(&self) -> u64 {
        match self.order.ended {
            Some(_) => 0,
            None => self.order.quantity - self.order.filled,
        }
    }

    fn venue_id(&self) -> String {
        format!("V{:06}", self.order.number)
    }

    pub fn execution_id(&mut self) -> String {
        self.order.executions += 1;
        format!("T{:06}-{}", self.order.number, self.order.executions)
    }

    /// Makes a fill, without adding it to the totals and without a report.
    pub fn execution(&mut self, quantity: u64) -> Fill {
        self.wait(MINUTE);
        let Order { side, kind, price, .. } = self.order;
        let cents = 100 * self.market.random.below(4);
        // A limit order fills at its limit or better; the others at the market price or worse.
        let is_lower = (side == '1') == (kind == LIMIT);
        let price = Price(if is_lower { price.0 - cents } else { price.0 + cents });
        let venue = self.market.random.one_of(VENUES);
        Fill { id: self.execution_id(), quantity, price, venue }
    }

    /// Adds a fill to the totals.
    pub fn count(&mut self, fill: &Fill) {
        self.order.filled += fill.quantity;
        self.order.notional += fill.quantity * fill.price.0;
        self.order.fills.push(fill.clone());
    }

    /// Removes the first fill from the totals.
    fn uncount_first(&mut self) -> Fill {
        self.wait(3 * MINUTE);
        let first = self.order.fills.remove(0);
        self.order.filled -= first.quantity;
        self.order.notional -= first.quantity * first.price.0;
        first
    }
}

/// The symbols, their current prices, and the source of randomness.
pub struct Market {
    random: Random,
    /// In cents.
    prices: [u64; SYMBOLS.len()],
}

impl Market {
    pub fn new() -> Self {
        let prices = [22_987, 6_420, 22_405, 41_747, 14_120, 3_115];
        Self { random: Random(20_261_124), prices }
    }

    fn order(&mut self, number: u64) -> Order {
        let random = &mut self.random;
        let at = random.below(SYMBOLS.len() as u64) as usize;
        // A random walk by up to ten cents, never below five units.
        self.prices[at] = (self.prices[at] + random.below(21) - 10).max(500);
        let account = random.one_of(TRADERS);
        Order {
            number,
            account,
            symbol: SYMBOLS[at],
            side: random.one_of(['1', '2']),
            kind: random.one_of([MARKET, LIMIT, LIMIT, LIMIT, LIMIT, STOP]),
            price: Price(100 * self.prices[at]),
            quantity: 100 * (1 + random.below(10)),
            time_in_force: '0',
            expires: None,
            client_id: format!("{account}-{number:06}"),
            original: None,
            filled: 0,
            notional: 0,
            fills: Vec::new(),
            ended: None,
            requests: 0,
            executions: 0,
        }
    }
}

/// SplitMix64: a short generator with the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of<T: Copy, const N: usize>(&mut self, some: [T; N]) -> T {
        some[self.below(N as u64) as usize]
    }
}
