//! A small store, as rows, and screens that show it.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;
use tradeblotter::audit::{LastSeal, SealState};
use tradeblotter::status::{OpenBreaks, Status};
use tradeblotter::{
    Action as Logged, Break, BreakReason, Commission, ConnectionState, ExecutionLog, Fill, Order,
    OrderStatus, OrderType, Price, Side, TimeInForce,
};
use uuid::Uuid;

use crate::watch::data::Update;
use crate::watch::model::{Acting, Effect, Model};
use crate::watch::page::Page;
use crate::watch::rows::{Entry, History, ListedOrder, OpenBreak, VenueTotals};
use crate::watch::wanted::OrderFilter;
use crate::watch::{keys, view};

/// The moment that the screens show.
pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 24, 14, 30, 0).unwrap()
}

pub fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x01a2_2435_4d28_74ca_9486_0000_0000_0000 + number)
}

pub fn order(number: i32, symbol: &str, side: Side, status: OrderStatus) -> Order {
    let at = now() - TimeDelta::seconds(i64::from(1000 - number) * 7);
    let filled_quantity = match status {
        OrderStatus::Filled => 300,
        OrderStatus::Partial | OrderStatus::Cancelled => 200,
        OrderStatus::Pending | OrderStatus::Rejected => 0,
    };
    let whole = match symbol {
        "AAPL" => 229,
        "MSFT" => 417,
        "IBM" => 224,
        "NVDA" => 140,
        _ => 64,
    };
    let price = format!("{whole}.{:02}", number % 100).parse().unwrap();
    Order {
        id: id(number.unsigned_abs().into()),
        trader_id: id(900),
        symbol: symbol.to_owned(),
        quantity: 300,
        order_type: OrderType::Limit,
        price: Some(price),
        stop_loss: None,
        take_profit: None,
        status,
        filled_quantity,
        average_fill_price: (filled_quantity > 0).then_some(price),
        created_at: at,
        updated_at: at + TimeDelta::seconds(5),
        expires_at: None,
        filled_notional: 0.into(),
        side: Some(side),
        client_order_id: Some(format!("20261124-{number:04}")),
        venue_order_id: None,
        replaces: None,
        root_id: id(number.unsigned_abs().into()),
        break_count: 0,
        trading_day: None,
        account: Some("DESK-7".to_owned()),
        time_in_force: Some(TimeInForce::Day),
        limit_price: None,
        currency: None,
        received_at: None,
        instructions: None,
    }
}

pub fn listed(order: Order, trader: &str) -> ListedOrder {
    let number = (order.id.as_u128() & 0xffff_ffff) as i64;
    ListedOrder { number, order, trader: Some(trader.to_owned()) }
}

/// Orders of every status, the newest first.
pub fn orders() -> Vec<ListedOrder> {
    let symbols = ["AAPL", "MSFT", "IBM", "NVDA", "ACME"];
    let traders = ["Ada", "Grace", "Linus"];
    let sides = [Side::Buy, Side::Sell, Side::SellShort, Side::SellShortExempt];
    (0..60)
        .map(|n| {
            let place = usize::try_from(n).unwrap();
            let status = OrderStatus::ALL[(place + 1) % OrderStatus::ALL.len()];
            let side = sides[place % sides.len()];
            let order = order(1000 - n, symbols[place % symbols.len()], side, status);
            listed(order, traders[place % traders.len()])
        })
        .collect()
}

fn detail(reason: BreakReason) -> &'static str {
    match reason {
        BreakReason::OverFill => {
            "the fills of the order would exceed its quantity (rule ck_orders_filled_lte_quantity)"
        }
        BreakReason::Totals => "filled quantity: the venue reports 400, the store has 300",
        _ => "no order with the client order id is stored",
    }
}

pub fn open_break(number: i64, reason: BreakReason, of: Option<Order>) -> OpenBreak {
    let minutes = TimeDelta::minutes(200 - number * 13);
    OpenBreak {
        number,
        trader: of.as_ref().map(|_| "Ada".to_owned()),
        reported: Break {
            id: id(5000 + u128::from(number.unsigned_abs())),
            reason,
            detail: detail(reason).to_owned(),
            order_id: of.as_ref().map(|order| order.id),
            trader_id: of.as_ref().map(|order| order.trader_id),
            client_order_id: Some(format!("20261124-x{number}")),
            venue: "XNAS".to_owned(),
            source: "XNAS".to_owned(),
            execution_id: Some(format!("N-471{number}")),
            refers_to: None,
            is_bust: false,
            timestamp: now() - minutes,
            quantity: 100.into(),
            price: "64.25".parse().unwrap(),
            commission: 0.into(),
            rebate: 0.into(),
            raw: Some(format!(
                "8=FIX.4.4\u{1}35=8\u{1}17=N-471{number}\u{1}150=F\u{1}32=100\u{1}31=64.25\u{1}30=XNAS\u{1}"
            )),
            created_at: now() - minutes,
            acted_by: "engine_app".to_owned(),
            acted_as: "blotter_engine".to_owned(),
        },
        order: of,
    }
}

/// Three open breaks, the newest first: of an order, of no stored order, and one that holds no execution.
pub fn breaks() -> Vec<OpenBreak> {
    let filled = order(996, "ACME", Side::Buy, OrderStatus::Filled);
    vec![
        open_break(9, BreakReason::OverFill, Some(filled.clone())),
        open_break(8, BreakReason::UnknownOrder, None),
        open_break(7, BreakReason::Totals, Some(filled)),
    ]
}

fn entry(order: &Order, number: i64, action: Logged, status: OrderStatus) -> Entry {
    let log = ExecutionLog {
        id: id(7000 + u128::from(number.unsigned_abs())),
        order_id: order.id,
        trader_id: order.trader_id,
        action,
        status: Some(status),
        timestamp: order.created_at + TimeDelta::milliseconds(number * 250),
        reason: None,
        retry_attempt: None,
        error_code: None,
        created_at: order.created_at,
        sequence: number,
        fill_id: None,
        venue_order_id: None,
        acted_by: "engine_app".to_owned(),
        acted_as: "blotter_engine".to_owned(),
        break_id: None,
        reported_at: None,
        report_id: None,
    };
    Entry { log, fill: None, is_amended: false }
}

fn fill(entry: &Entry, quantity: i32, price: Price, venue: &str, is_bust: bool) -> Fill {
    Fill {
        id: id(8000),
        order_id: entry.log.order_id,
        trader_id: entry.log.trader_id,
        timestamp: entry.log.timestamp,
        quantity_filled: quantity,
        price_at_fill: price,
        venue: venue.to_owned(),
        commission: Commission::default(),
        created_at: entry.log.timestamp,
        execution_id: Some(format!("N-{}", entry.log.sequence)),
        amends: is_bust.then(|| id(8001)),
        is_bust,
        break_id: None,
        root_id: entry.log.order_id,
        source: venue.to_owned(),
        rebate: Commission::default(),
    }
}

/// The history of a partly filled order, one fill of which was busted.
pub fn history(order: &Order) -> History {
    let submitted = entry(order, 1, Logged::Submitted, OrderStatus::Pending);
    let mut routed = entry(order, 2, Logged::Executed, OrderStatus::Pending);
    routed.log.venue_order_id = Some("V-17".to_owned());
    let price = order.price.unwrap();
    let filled = |number, quantity, venue| {
        let entry = entry(order, number, Logged::Filled, OrderStatus::Partial);
        Entry { fill: Some(fill(&entry, quantity, price, venue, false)), ..entry }
    };
    let busted = Entry { is_amended: true, ..filled(3, 50, "XNAS") };
    let others = [filled(4, 150, "XNAS"), filled(5, 50, "ARCX")];
    let mut bust = entry(order, 6, Logged::Recovered, OrderStatus::Partial);
    bust.fill = Some(fill(&bust, 50, price, "XNAS", true));
    let [first, second] = others;
    let rows = vec![bust, second, first, busted, routed, submitted];
    let totals = |venue: &str, fills, quantity| VenueTotals {
        venue: venue.to_owned(),
        fills,
        quantity,
        average_price: price.into(),
        commission: "0.75".parse().unwrap(),
    };
    History {
        order: order.clone(),
        trader: Some("Ada".to_owned()),
        totals: vec![totals("XNAS", 1, 150), totals("ARCX", 1, 50)],
        entries: Page { rows, has_before: false, has_after: false },
    }
}

/// The figures that a role sees.
pub fn status(acting: Acting) -> Status {
    let oldest = now() - TimeDelta::minutes(109);
    let open = |reason| OpenBreaks { reason, count: 1, oldest };
    let last =
        LastSeal { id: 7, size: 9_100, sealed_at: now() - TimeDelta::seconds(42), settled: 9_200 };
    let seals = SealState { last: Some(last), unsealed: 14, oldest_unsealed: Some(now()) };
    Status {
        connection: ConnectionState {
            at: now(),
            version: "18.1".to_owned(),
            database: "trading".to_owned(),
            login: "app".to_owned(),
            role: "blotter_engine".to_owned(),
            address: None,
            port: None,
            is_standby: false,
            replay_lag_seconds: None,
        },
        newest_entry: None,
        entries_per_second: 12.4,
        ingest_lag_seconds: Some(0.35),
        open_orders: 24,
        open_breaks: [BreakReason::OverFill, BreakReason::UnknownOrder, BreakReason::Totals]
            .map(open)
            .to_vec(),
        // Only compliance sees them, of the roles of the screen.
        seals: (acting == Acting::Compliance).then_some(seals),
    }
}

/// A page of these rows: as many as there is room for.
pub fn page<R: Clone>(rows: &[R], room: usize) -> Page<R> {
    let rows = rows.to_vec();
    let has_after = rows.len() > room;
    Page { rows: rows.into_iter().take(room).collect(), has_before: false, has_after }
}

/// A screen that shows the store, with the second order selected.
pub fn model(width: u16, height: u16, acting: Acting) -> Model {
    let login = match acting {
        Acting::Trader => "desk_app",
        Acting::Engine => "engine_app",
        Acting::Compliance => "officer",
    };
    let size = Size { width, height };
    let mut model = Model::new(size, login.to_owned(), acting, OrderFilter::default());
    answer(&mut model, &orders(), &breaks());
    press(&mut model, KeyCode::Down);
    answer(&mut model, &orders(), &breaks());
    model.now = now();
    model
}

/// Answers what a screen wants, as the data worker does, from these rows.
pub fn answer(model: &mut Model, orders: &[ListedOrder], breaks: &[OpenBreak]) {
    // The totals of venues change how many entries there is room for.
    for _ in 0..2 {
        let wanted = model.wanted();
        let window = wanted.orders.window;
        let of = wanted.orders;
        model.update(Update::Orders { of, page: page(orders, window.rows) });
        let of = wanted.breaks;
        model.update(Update::Breaks { of, page: page(breaks, of.rows) });
        if let Some(of) = model.wanted().history {
            let listed = model.orders.selected().unwrap();
            let History { entries, .. } = history(&listed.order);
            let entries = page(&entries.rows, of.window.rows);
            let history = History { entries, ..history(&listed.order) };
            model.update(Update::History { of, history: Some(Box::new(history)) });
        }
    }
    model.update(Update::Status(Box::new(status(model.acting))));
    model.now = now();
}

/// Presses a key.
pub fn press(model: &mut Model, code: KeyCode) -> Option<Effect> {
    let key = KeyEvent::new(code, KeyModifiers::NONE);
    keys::action(key, model).and_then(|action| model.apply(action))
}

/// Types a text.
pub fn type_text(model: &mut Model, text: &str) {
    for c in text.chars() {
        press(model, KeyCode::Char(c));
    }
}

/// Draws a screen.
pub fn draw(model: &Model, has_colours: bool) -> Buffer {
    let Size { width, height } = model.size;
    let mut screen = Terminal::new(TestBackend::new(width, height)).unwrap();
    screen.draw(|frame| view::draw(frame, model, has_colours)).unwrap();
    screen.backend().buffer().clone()
}

/// The text of a screen, without the spaces at the end of lines.
pub fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let lines = buffer.content().chunks(width).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

/// The text of the screen of a model.
pub fn shown(model: &Model) -> String {
    text(&draw(model, true))
}
