//! Takes the same steps on the database and on the model, and compares the stored rows with the model.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::dsl::max;
use diesel::prelude::*;
use proptest::test_runner::TestCaseError;
use tradeblotter::ingest::FormatName;
use tradeblotter::schema::{break_resolutions, breaks, execution_logs, fills, orders};
use tradeblotter::{
    self as store, Blotter, BreakReason, Commission, Error, ExecutionKind, NewBust, NewCorrection,
    NewFill, NewOrder, Outcome, Price, connect,
};
use uuid::Uuid;

use crate::export::assert_survives;
use crate::model::{
    Answer, Break, By, Command, Entry, Execution, Fill, Model, Order, Refusal, Resolution,
};
use crate::steps::{Round, Scene, TEXTS, TRADERS};
use tradeblotter_test_support::{Database, noon, texts};

/// A database in which sequences of steps are taken one after the other.
pub struct Play<'t> {
    db: Database,
    blotter: Blotter,
    sequences: RefCell<Sequences>,
    /// Counts the steps.
    taken: &'t AtomicU64,
}

struct Sequences {
    reader: PgConnection,
    begun: i32,
}

/// The position up to which the append-only tables have been read.
#[derive(Clone, Copy)]
struct Read {
    sequence: i64,
    break_kept: DateTime<Utc>,
}

/// A sequence of steps on orders of its own traders.
struct Sequence<'s> {
    blotter: &'s Blotter,
    reader: &'s mut PgConnection,
    traders: [Uuid; TRADERS],
    start: DateTime<Utc>,
    model: Model,
    stored: Model,
    read: Read,
}

/// A command and its answer that the model has not explained yet.
#[derive(Clone, Debug)]
struct Part {
    command: Command,
    answer: Result<Answer, Refusal>,
    /// For a report: the refusal, if its break is not stored yet.
    refused: Option<BreakReason>,
}

impl<'t> Play<'t> {
    pub fn new(taken: &'t AtomicU64) -> Self {
        let db = Database::migrated();
        let mut reader = connect(&db.app_url()).unwrap();
        // Plans are cached while the tables are still small, and would choose sequential scans.
        let reads = "SET ROLE blotter_compliance; SET enable_seqscan = off";
        reader.batch_execute(reads).unwrap();
        let sequences = RefCell::new(Sequences { reader, begun: 0 });
        Self { blotter: db.blotter(), db, sequences, taken }
    }

    pub fn follow(&self, rounds: &[Round]) -> Result<(), TestCaseError> {
        let traders = self.blotter.engine().transaction(|tx| {
            let traders = [tx.traders().register("Ada")?, tx.traders().register("Grace")?];
            Ok::<_, Error>(traders.map(|trader| trader.id))
        });
        let Sequences { reader, begun } = &mut *self.sequences.borrow_mut();
        *begun += 1;
        let read = Read::all(reader);
        let mut sequence = Sequence {
            blotter: &self.blotter,
            reader,
            traders: traders.unwrap(),
            // A minute earlier than the previous sequence, so that its open orders are not due.
            start: noon() - TimeDelta::minutes((*begun).into()),
            model: Model::default(),
            stored: Model::default(),
            read,
        };
        for round in rounds {
            self.taken.fetch_add(round.0.len() as u64, Ordering::Relaxed);
            sequence.take(round)?;
        }
        // Finally reads all rows again, including those that no step touched.
        (sequence.stored, sequence.read) = (Model::default(), read);
        sequence.read_all();
        sequence.compare()
    }

    /// Returns the number of deadlocks, and asserts that the rebuild of the library agrees with the
    /// database.
    pub fn end(self) -> i64 {
        let Self { db, blotter, sequences, .. } = self;
        let mut after = None;
        loop {
            let engine = blotter.engine();
            let derived = engine.snapshot(|tx| tx.orders().rebuild(after)).unwrap();
            assert_eq!(derived.differing, []);
            after = derived.next;
            if after.is_none() {
                break;
            }
        }
        assert_survives(&db, FormatName::Ndjson);
        // A connection reports what it has counted when it ends.
        drop((blotter, sequences));
        let admin = &mut db.admin();
        let others = "SELECT pid::text AS text FROM pg_stat_activity
                      WHERE datname = current_database() AND backend_type = 'client backend'
                          AND pid <> pg_backend_pid()";
        while !texts(admin, others).is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        let deadlocks = "SELECT deadlocks::text AS text FROM pg_stat_database
                         WHERE datname = current_database()";
        texts(admin, deadlocks)[0].parse().unwrap()
    }
}

impl Read {
    fn all(reader: &mut PgConnection) -> Self {
        let sequence = execution_logs::table.select(max(execution_logs::sequence));
        let kept = breaks::table.select(max(breaks::created_at));
        Self {
            sequence: sequence.first::<Option<_>>(reader).unwrap().unwrap_or_default(),
            break_kept: kept.first::<Option<_>>(reader).unwrap().unwrap_or_default(),
        }
    }
}

impl Sequence<'_> {
    fn take(&mut self, Round(steps): &Round) -> Result<(), TestCaseError> {
        let scene = Scene { model: &self.model, traders: self.traders, start: self.start };
        let mut commands: Vec<_> = steps.iter().map(|step| step.command(&scene)).collect();
        if let [command] = commands.as_slice() {
            return self.take_alone(command);
        }
        self.pass_over(&mut commands);
        let parts = at_once(self.blotter, &commands)?;
        for command in &commands {
            self.read_what_may_follow(command);
        }
        let explained = explain(&self.model, &parts, &self.stored);
        self.model = explained.ok_or_else(|| {
            let Self { model, stored, .. } = self;
            TestCaseError::fail(format!(
                "no order of the steps explains what came of them\n{parts:#?}\nbefore: {model:#?}\n\
                 stored: {stored:#?}"
            ))
        })?;
        Ok(())
    }

    fn take_alone(&mut self, command: &Command) -> Result<(), TestCaseError> {
        let answer = answer(self.blotter, command)?;
        let expected = self.model.take(command, names(&answer));
        if !agree(&expected, &answer) {
            return Err(TestCaseError::fail(format!(
                "{command:#?}\nthe store: {answer:?}\nthe model: {expected:?}\nstored before: {:#?}",
                self.stored
            )));
        }
        self.read_what_may_follow(command);
        self.compare().map_err(|why| TestCaseError::fail(format!("{command:#?}\n{why}")))
    }

    /// A step that expires orders may skip orders that other clients have locked.
    fn pass_over(&self, commands: &mut [Command]) {
        let concerned: Vec<_> = commands.iter().map(|c| self.model.concerns(c)).collect();
        for (place, command) in commands.iter_mut().enumerate() {
            if let Command::Expire { busy, .. } = command {
                let others = concerned.iter().enumerate().filter(|(other, _)| *other != place);
                *busy = others.flat_map(|(_, orders)| orders).copied().collect();
            }
        }
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        match differ(&self.model, &self.stored) {
            Some(difference) => Err(TestCaseError::fail(difference)),
            None => Ok(()),
        }
    }

    /// Reads the orders, the new log entries, and all other rows that a command may have stored.
    fn read_what_may_follow(&mut self, command: &Command) {
        let concerned = self.read_orders();
        if !concerned.is_empty() {
            let of_these = fills::order_id.eq_any(&concerned);
            let rows = store::Fill::query().filter(of_these).load(self.reader).unwrap();
            self.keep_fills(rows);
        }
        if matches!(command, Command::Report(_)) {
            self.read_breaks();
        }
        if let Command::Resolve(new) = command {
            self.read_resolutions(&[new.break_id]);
        }
    }

    fn read_all(&mut self) {
        self.read_orders();
        let of_these = fills::trader_id.eq_any(self.traders);
        let rows = store::Fill::query().filter(of_these).load(self.reader).unwrap();
        self.keep_fills(rows);
        self.read_breaks();
        self.read_resolutions(&self.stored.breaks.keys().copied().collect::<Vec<_>>());
    }

    /// Returns the orders with new log entries.
    fn read_orders(&mut self) -> Vec<Uuid> {
        let of_these = orders::trader_id.eq_any(self.traders);
        for row in store::Order::query().filter(of_these).load(self.reader).unwrap() {
            let known = self.stored.orders.remove(&row.id);
            let log = known.map(|known| known.log).unwrap_or_default();
            self.stored.orders.insert(row.id, order(&row, log));
        }
        let new = execution_logs::sequence.gt(self.read.sequence);
        let entries = store::ExecutionLog::query().filter(new).order(execution_logs::sequence);
        let entries: Vec<store::ExecutionLog> = entries.load(self.reader).unwrap();
        for row in &entries {
            self.read.sequence = row.sequence;
            self.stored.orders.get_mut(&row.order_id).unwrap().log.push(entry(row));
        }
        entries.into_iter().map(|row| row.order_id).collect()
    }

    fn keep_fills(&mut self, rows: Vec<store::Fill>) {
        self.stored.fills.extend(rows.iter().map(|row| (row.id, fill(row))));
    }

    fn read_breaks(&mut self) {
        let new = breaks::created_at.gt(self.read.break_kept);
        let rows = store::Break::query().filter(new).order(breaks::created_at);
        let rows: Vec<store::Break> = rows.load(self.reader).unwrap();
        for row in rows {
            self.read.break_kept = row.created_at;
            let (reported, reason) = (execution(&row), row.reason);
            self.stored.breaks.insert(row.id, Break { reported, reason, resolution: None });
        }
    }

    fn read_resolutions(&mut self, of: &[Uuid]) {
        let of_these = break_resolutions::break_id.eq_any(of);
        let rows = store::BreakResolution::query().filter(of_these).load(self.reader).unwrap();
        for row in rows {
            let store::BreakResolution { is_booked, order_id, fill_id, reason, .. } = row;
            let resolution = Resolution { is_booked, order: order_id, fill: fill_id, reason };
            self.stored.breaks.get_mut(&row.break_id).unwrap().resolution = Some(resolution);
        }
    }
}

/// Runs each command by a client of its own.
fn at_once(blotter: &Blotter, commands: &[Command]) -> Result<Vec<Part>, TestCaseError> {
    let barrier = Barrier::new(commands.len());
    let client = |command| {
        barrier.wait();
        answer(blotter, command)
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let client = &client;
        let clients = commands.iter().map(|command| scope.spawn(move || client(command)));
        let clients: Vec<_> = clients.collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let parts = commands.iter().zip(answers).map(|(command, answer)| {
        Ok(Part { command: command.clone(), answer: answer?, refused: None })
    });
    parts.collect()
}

/// Finds an order of the steps that gives these answers and rows, and returns the model after it.
fn explain(model: &Model, parts: &[Part], stored: &Model) -> Option<Model> {
    if parts.is_empty() {
        return differ(model, stored).is_none().then(|| model.clone());
    }
    (0..parts.len()).find_map(|next| {
        let (mut model, mut parts) = (model.clone(), parts.to_vec());
        let rest = parts.remove(next).happen(&mut model)?;
        parts.extend(rest);
        explain(&model, &parts, stored)
    })
}

impl Part {
    /// Returns the part that is still unexplained after this step; none if the model would answer
    /// differently.
    fn happen(self, model: &mut Model) -> Option<Option<Self>> {
        let happened = match (&self.command, &self.answer, self.refused) {
            (Command::Report(reported), Ok(Answer::Broken(kept)), None)
                if model.dismissed(reported) == Some(*kept) =>
            {
                true
            }
            // Other clients may act between the refusal of an execution and the insertion of its break.
            (Command::Report(reported), Ok(Answer::Broken(name)), None) => {
                let refused = Some(model.execute(reported, *name).err()?);
                return Some(Some(Self { refused, ..self }));
            }
            (Command::Report(reported), Ok(Answer::Broken(name)), Some(reason)) => {
                model.keep(reported, reason, *name) == Ok(*name)
            }
            // A concurrent client has recorded the execution or amended its fill: the resolution is
            // refused, and may be tried again.
            (Command::Resolve(_), Err(Refusal::Rule(rule)), _)
                if ["uq_fills_execution_id", "uq_fills_amends"].contains(&rule.as_str()) =>
            {
                true
            }
            // It conflicts with an amendment of the same fill, and at the second attempt with one under
            // the same execution id.
            (Command::Amend(_), Err(Refusal::Rule(rule)), _) if rule == "uq_fills_execution_id" => {
                true
            }
            (command, answer, _) => agree(&model.take(command, names(answer)), answer),
        };
        happened.then_some(None)
    }
}

fn agree(expected: &Result<Answer, Vec<Refusal>>, answer: &Result<Answer, Refusal>) -> bool {
    match (expected, answer) {
        (Ok(expected), Ok(answer)) => expected == answer,
        (Err(reasons), Err(refusal)) => reasons.contains(refusal),
        _ => false,
    }
}

fn names(answer: &Result<Answer, Refusal>) -> &[Uuid] {
    match answer {
        Ok(Answer::Rows(rows)) => rows,
        Ok(Answer::Broken(kept)) => std::slice::from_ref(kept),
        Err(_) => &[],
    }
}

/// The first row in which the two differ.
fn differ(model: &Model, stored: &Model) -> Option<String> {
    fn rows<'m, R: PartialEq + Debug + 'm>(
        model: impl IntoIterator<Item = (&'m Uuid, &'m R)>,
        stored: impl IntoIterator<Item = (&'m Uuid, &'m R)>,
    ) -> Option<String> {
        let (mut model, mut stored) = (model.into_iter(), stored.into_iter());
        loop {
            let (expected, found) = (model.next(), stored.next());
            if expected != found {
                return Some(format!("the store: {found:#?}\nthe model: {expected:#?}"));
            }
            expected?;
        }
    }
    rows(&model.orders, &stored.orders)
        .or_else(|| rows(&model.fills, &stored.fills))
        .or_else(|| rows(&model.breaks, &stored.breaks))
}

/// Runs the command on the store.
fn answer(blotter: &Blotter, command: &Command) -> Result<Result<Answer, Refusal>, TestCaseError> {
    ask(blotter, command).map(Ok).or_else(|error| {
        let unexpected = || TestCaseError::fail(format!("{command:#?}\n{error}\n{error:?}"));
        refusal(&error).map(Err).ok_or_else(unexpected)
    })
}

fn ask(blotter: &Blotter, command: &Command) -> Result<Answer, Error> {
    let engine = blotter.engine();
    Ok(Answer::Rows(match command {
        Command::Submit(By::Engine, new) => engine.transaction(|tx| submit(tx.orders(), new))?,
        Command::Submit(By::Trader(id), new) => {
            blotter.trader(*id)?.transaction(|tx| submit(tx.orders(), new))?
        }
        Command::Log(By::Engine, new) => {
            match new.typed() {
                Some(new) => engine.transaction(|tx| tx.execution_logs().append(&new))?,
                None => engine.transaction(|tx| new.insert(tx))?,
            };
            Vec::new()
        }
        Command::Log(By::Trader(id), new) => {
            let trader = blotter.trader(*id)?;
            trader.transaction(|tx| tx.execution_logs().cancel(new.order_id, new.reason))?;
            Vec::new()
        }
        Command::Record(new) => {
            let new: Vec<_> = new.iter().map(new_fill).collect();
            engine.transaction(|tx| match new.as_slice() {
                [new] => Ok::<_, Error>(vec![tx.fills().record(new)?.id]),
                new => Ok(tx.fills().record_batch(new)?.iter().map(|fill| fill.id).collect()),
            })?
        }
        Command::Amend(new) => vec![engine.transaction(|tx| amend(tx.fills(), new))?.id],
        Command::Report(reported) => {
            let reported = new_execution(reported);
            match engine.transaction(|tx| tx.breaks().record_or_break(&reported))? {
                Outcome::Recorded(fill) | Outcome::Known(fill) => vec![fill.id],
                Outcome::Broken(kept) => return Ok(Answer::Broken(kept.id)),
            }
        }
        Command::Resolve(new) => {
            let resolved = match new.typed() {
                Some(new) => engine.transaction(|tx| tx.breaks().resolve(&new))?,
                None => engine.transaction(|tx| new.insert(tx))?,
            };
            resolved.fill_id.into_iter().collect()
        }
        Command::Expire { now, limit, .. } => {
            let mut ended = engine.transaction(|tx| tx.orders().expire_due(*now, *limit))?;
            ended.sort();
            ended
        }
    }))
}

fn submit<R: store::role::Trades>(
    mut orders: store::Orders<'_, R>,
    new: &[NewOrder<'_>],
) -> Result<Vec<Uuid>, Error> {
    match new {
        [new] => Ok(vec![orders.submit(new)?.id]),
        new => Ok(orders.submit_batch(new)?.iter().map(|order| order.id).collect()),
    }
}

fn amend(
    mut fills: store::Fills<'_, store::role::Engine>,
    new: &Fill,
) -> Result<store::Fill, Error> {
    let amends = new.amends.unwrap_or_default();
    if new.is_bust {
        return fills.bust(&NewBust { amends, timestamp: new.at, execution_id: new.id });
    }
    let NewFill { timestamp, quantity_filled, price_at_fill, commission, execution_id, .. } =
        new_fill(new);
    fills.correct(&NewCorrection {
        amends,
        timestamp,
        quantity_filled,
        price_at_fill,
        commission,
        rebate: Commission::default(),
        execution_id,
    })
}

fn new_fill(new: &Fill) -> NewFill<'static> {
    NewFill {
        order_id: new.order,
        timestamp: new.at,
        quantity_filled: new.shares,
        price_at_fill: Price::try_from(BigDecimal::new(new.cents.into(), 2)).unwrap(),
        venue: new.venue,
        commission: Commission::try_from(BigDecimal::new(new.fee.into(), 2)).unwrap(),
        rebate: Commission::default(),
        source: None,
        execution_id: new.id,
    }
}

fn new_execution(new: &Execution) -> store::Execution<'static> {
    store::Execution {
        kind: match new.refers_to {
            None => ExecutionKind::Fill,
            Some(of) if new.is_bust => ExecutionKind::Bust { of },
            Some(of) => ExecutionKind::Correction { of },
        },
        order_id: new.order,
        timestamp: new.at,
        quantity: BigDecimal::new(new.tenths.into(), 1),
        price: BigDecimal::new(new.mills.into(), 3),
        venue: new.venue,
        commission: BigDecimal::new(new.fee.into(), 3),
        rebate: 0.into(),
        source: None,
        trader_id: None,
        client_order_id: None,
        execution_id: new.id,
        raw: None,
    }
}

/// None for an error that is not a refusal.
fn refusal(error: &Error) -> Option<Refusal> {
    Some(match error {
        error if error.is_not_found() => Refusal::NotFound,
        // As the database words it to a raw client.
        error
            if matches!(
                error.constraint(),
                Some("fk_break_resolutions_break_id" | "fk_execution_logs_order_id")
            ) =>
        {
            Refusal::NotFound
        }
        error if error.is_permission_denied() => Refusal::Denied,
        error if error.is_mismatch() => Refusal::Mismatch,
        error if error.is_illegal_transition() => Refusal::Illegal,
        error if error.is_over_fill() => Refusal::OverFill,
        error => Refusal::Rule(error.constraint()?.to_owned()),
    })
}

fn order(row: &store::Order, log: Vec<Entry>) -> Order {
    let average = row.average_fill_price.map(|price| scaled(&price.into(), 2));
    Order {
        terms: NewOrder {
            order_type: row.order_type,
            price: row.price,
            stop_loss: row.stop_loss,
            take_profit: row.take_profit,
            expires_at: row.expires_at,
            client_order_id: row.client_order_id.as_deref().map(text),
            replaces: row.replaces,
            ..NewOrder::market(row.trader_id, row.side.unwrap(), text(&row.symbol), row.quantity)
        },
        status: row.status,
        filled: row.filled_quantity,
        notional: scaled(&row.filled_notional, 2),
        average,
        venue_order_id: row.venue_order_id.as_deref().map(text),
        log,
    }
}

fn entry(row: &store::ExecutionLog) -> Entry {
    let reason = row.reason.as_deref();
    // The detail of a break is text for people and is not compared.
    let reason = reason.map(|reason| if reason.starts_with("break: ") { "break" } else { reason });
    Entry {
        action: row.action,
        status: row.status.unwrap(),
        acted_as: text(&row.acted_as),
        reason: reason.map(str::to_owned),
        retry: row.retry_attempt,
        error_code: row.error_code.as_deref().map(text),
        venue_order_id: row.venue_order_id.as_deref().map(text),
        fill: row.fill_id,
        of_break: row.break_id,
    }
}

fn fill(row: &store::Fill) -> Fill {
    Fill {
        order: row.order_id,
        at: row.timestamp,
        shares: row.quantity_filled,
        cents: scaled(&row.price_at_fill.into(), 2),
        fee: scaled(&row.commission.into(), 2),
        venue: text(&row.venue),
        source: text(&row.source),
        id: row.execution_id.as_deref().map(text),
        amends: row.amends,
        is_bust: row.is_bust,
        of_break: row.break_id,
    }
}

fn execution(row: &store::Break) -> Execution {
    Execution {
        order: row.order_id,
        at: row.timestamp,
        tenths: scaled(&row.quantity, 1),
        mills: scaled(&row.price, 3),
        fee: scaled(&row.commission, 3),
        venue: text(&row.venue),
        id: row.execution_id.as_deref().map(text),
        refers_to: row.refers_to.as_deref().map(text),
        is_bust: row.is_bust,
    }
}

/// The number in units of this decimal place.
fn scaled<T: TryFrom<i128, Error: Debug>>(value: &BigDecimal, places: i64) -> T {
    let scaled = value * BigDecimal::new(1.into(), -places);
    assert!(scaled.is_integer(), "{value}");
    scaled.to_i128().unwrap().try_into().unwrap()
}

/// The constant of the steps that equals this text.
fn text(stored: &str) -> &'static str {
    let mut known = TEXTS.iter().copied().flatten().copied();
    known.find(|known| *known == stored).unwrap_or_else(|| Box::leak(stored.into()))
}
