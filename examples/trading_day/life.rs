//! Orders, and what happens to them.

use super::message::{Average, DUPLICATE, Message, Moment, Price, Queue, RESEND, Way};
use super::{MINUTE, SECOND};

const TRADERS: [&str; 4] = ["ada", "grace", "linus", "barbara"];
const VENUES: [&str; 4] = ["XNAS", "XNYS", "ARCX", "BATS"];
const SYMBOLS: [&str; 6] = ["AAPL", "ACME", "IBM", "MSFT", "NVDA", "ZORG"];

const MARKET: char = '1';
pub const LIMIT: char = '2';
const STOP: char = '3';

/// An order as FIX has it: together with all that have replaced it.
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
    /// What the client calls it, or the request that is being answered.
    client_id: String,
    /// What the client called it before that request.
    original: Option<String>,
    filled: u64,
    /// In ten-thousandths of a currency unit.
    notional: u64,
    pub fills: Vec<Fill>,
    /// The status (39) that it has ended with.
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

/// The life of one order, told message by message.
pub struct Life<'a> {
    pub order: Order,
    pub clock: u64,
    /// Whether what the venue sends may come again.
    pub may_come_again: bool,
    market: &'a mut Market,
    pub queue: &'a mut Queue,
}

impl<'a> Life<'a> {
    pub fn new(number: u64, clock: u64, market: &'a mut Market, queue: &'a mut Queue) -> Self {
        Self { order: market.order(number), clock, may_come_again: true, market, queue }
    }

    /// What may happen to any order, one thing or another.
    pub fn ordinary(&mut self) {
        let life: &[fn(&mut Self)] = match self.market.random.below(100) {
            0..40 => &[Self::begin, Self::fill_rest],
            40..50 => &[Self::begin, Self::fill_some, Self::cancel],
            50..55 => &[Self::begin, Self::cancel],
            55..58 => &[Self::begin, Self::fill_some, Self::cancel_unasked],
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
        life.iter().for_each(|step| step(self));
    }

    pub fn begin(&mut self) {
        self.send(self.terms(self.message("D")));
        self.wait(SECOND / 4);
        self.tell('0');
    }

    /// Good till cancelled: it is open as the day ends.
    fn keep(&mut self) {
        self.order.time_in_force = '1';
    }

    fn reject(&mut self) {
        self.send(self.terms(self.message("D")));
        self.wait(SECOND / 4);
        self.order.ended = Some('8');
        let whys = [(1, "unknown symbol"), (2, "exchange closed"), (3, "order exceeds limit")];
        let (code, why) = self.market.random.one_of(whys);
        let id = self.execution_id();
        self.send(self.report('8', &id).with(103, code).with(58, why));
    }

    pub fn fill(&mut self, quantity: u64) {
        let fill = self.execution(quantity);
        self.count(&fill);
        self.send(self.report_of(&fill));
    }

    /// Fills a part of what is left, in tens.
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

    /// The report of a cancel that the client asked for, under an ExecID of its own if none is given.
    pub fn cancelled_as(&mut self, id: Option<&str>) -> Message {
        self.ask("F");
        self.tell('6');
        self.wait(SECOND / 4);
        self.order.ended = Some('4');
        let id = id.map_or_else(|| self.execution_id(), str::to_owned);
        let report = self.report('4', &id);
        self.forget_request();
        report
    }

    fn cancel_unasked(&mut self) {
        let report = self.cancelled_unasked();
        self.send(report);
    }

    /// The report of a cancel that nobody asked for.
    pub fn cancelled_unasked(&mut self) -> Message {
        self.wait(MINUTE);
        self.order.ended = Some('4');
        let id = self.execution_id();
        self.report('4', &id).with(58, "cancelled by the venue")
    }

    fn replace(&mut self) {
        self.order.quantity = self.order.filled + 100 * (1 + self.market.random.below(8));
        self.order.price.0 += 500;
        self.ask("G");
        self.tell('5');
        self.order.original = None;
    }

    fn refuse_cancel(&mut self) {
        self.refuse("F", 1, 0, "too late to cancel");
    }

    fn refuse_replace(&mut self) {
        self.refuse("G", 2, 2, "the price is out of bounds");
    }

    /// Answers a request (434) for a change with no, and why (102).
    fn refuse(&mut self, request: &'static str, response_to: u32, code: u32, why: &str) {
        self.ask(request);
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
        self.tell('C');
    }

    fn bust(&mut self) {
        let first = self.uncount_first();
        let id = self.execution_id();
        self.send(self.amendment('H', &id, &first, &first));
    }

    /// A fill was dearer than it was said to be, or of half as many shares as well.
    fn correct(&mut self) {
        let first = self.uncount_first();
        let id = self.execution_id();
        let quantity = first.quantity / (1 + self.market.random.below(2));
        let corrected = Fill { id, quantity, price: Price(first.price.0 + 100), ..first };
        self.count(&corrected);
        self.send(self.amendment('G', &corrected.id, &first, &corrected));
    }

    /// The answer has the ExecID 0, as FIX has it.
    fn ask_status(&mut self) {
        self.wait(MINUTE);
        self.send(self.message("H").with(37, self.venue_id()));
        self.wait(SECOND / 4);
        self.send(self.report('I', "0"));
    }

    /// Asks for a change under a client's id of its own, which the answers then have too.
    fn ask(&mut self, request: &'static str) {
        self.wait(MINUTE);
        let Order { account, number, .. } = self.order;
        self.order.requests += 1;
        let id = format!("{account}-{number:06}.{}", self.order.requests);
        self.order.original = Some(std::mem::replace(&mut self.order.client_id, id));
        self.send(self.terms(self.message(request)));
        self.wait(SECOND / 4);
    }

    /// After the answer the order is called what it was before.
    fn forget_request(&mut self) {
        if let Some(original) = self.order.original.take() {
            self.order.client_id = original;
        }
    }

    pub fn wait(&mut self, at_most: u64) {
        self.clock += 1 + self.market.random.below(at_most);
    }

    /// Sends a message; one of forty that the venue sends comes again within a minute.
    pub fn send(&mut self, message: Message) {
        let random = &mut self.market.random;
        let is_to_come_again =
            self.may_come_again && message.way == Way::Received && random.below(40) == 0;
        let resend = is_to_come_again
            .then(|| (random.one_of([DUPLICATE, RESEND]), self.clock + 1 + random.below(MINUTE)));
        self.queue.push(Message { resend, ..message });
    }

    fn tell(&mut self, exec_type: char) {
        let id = self.execution_id();
        self.send(self.report(exec_type, &id));
    }

    /// A message of the client about the order.
    fn message(&self, kind: &'static str) -> Message {
        Message::new(kind, Way::Sent, self.clock)
            .with(1, self.order.account)
            .with(11, &self.order.client_id)
            .with_some(41, self.order.original.as_ref())
            .with(55, self.order.symbol)
            .with(54, self.order.side)
    }

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

    /// A report of the venue on how the order stands.
    pub fn report(&self, exec_type: char, id: &str) -> Message {
        let Order { filled: shares, notional, .. } = self.order;
        // Pending cancel comes before any other status.
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

    /// The report of a bust or a correction.
    pub fn amendment(&self, exec_type: char, id: &str, from: &Fill, to: &Fill) -> Message {
        self.trade(self.report(exec_type, id).with(19, &from.id), to)
    }

    fn trade(&self, report: Message, fill: &Fill) -> Message {
        let report = report.with(30, fill.venue).with(32, fill.quantity).with(31, fill.price);
        match self.order.number % 16 {
            // Half a cent per share: a rate, and so no amount.
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

    /// A fill that is yet to be counted and told of.
    pub fn execution(&mut self, quantity: u64) -> Fill {
        self.wait(MINUTE);
        let Order { side, kind, price, .. } = self.order;
        let cents = 100 * self.market.random.below(4);
        // Never worse than the limit, and never better than the market.
        let is_lower = (side == '1') == (kind == LIMIT);
        let price = Price(if is_lower { price.0 - cents } else { price.0 + cents });
        let venue = self.market.random.one_of(VENUES);
        Fill { id: self.execution_id(), quantity, price, venue }
    }

    pub fn count(&mut self, fill: &Fill) {
        self.order.filled += fill.quantity;
        self.order.notional += fill.quantity * fill.price.0;
        self.order.fills.push(fill.clone());
    }

    fn uncount_first(&mut self) -> Fill {
        self.wait(3 * MINUTE);
        let first = self.order.fills.remove(0);
        self.order.filled -= first.quantity;
        self.order.notional -= first.quantity * first.price.0;
        first
    }
}

/// What is traded, and at which prices.
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
        // It walks by up to ten cents, and never below five units.
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

/// SplitMix64: a few lines, and the same numbers everywhere.
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
