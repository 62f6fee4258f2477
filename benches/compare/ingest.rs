//! Cost of ingesting execution reports: by the library, and by a hand-written, set-based loader. The loader stores the
//! same rows in the same tables with the triggers off, and checks nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDateTime, Utc};
use postgres::{Client, Transaction};
use tradeblotter::Session;
use tradeblotter::ingest::{FixReader, FormatName, Options as IngestOptions, Reader, Writer};
use tradeblotter::role::Engine;
use uuid::Uuid;

use crate::Options;
use crate::batch::{SAME_FILLS, SAME_ORDERS};
use crate::clients::Outcome;
use crate::databases::{Databases, pool, trader};
use crate::report::{Report, quantile};

/// Reports of an order: a new order, its acknowledgement and two fills.
const OF_ORDER: usize = 4;

/// Reports that are written in one transaction, by both.
const BATCH: usize = 2000;

/// Executions of unknown orders, and a hundredth of them.
const UNKNOWN: [usize; 2] = [80, 8000];

/// Least rate of the library beside the hand-written loader.
const MIN_RATIO: f64 = 0.6;

/// Least reports a second of a second run, in which all are known.
const MIN_KNOWN: f64 = 50_000.0;

/// Greatest ratio of the time of an unknown execution among many to that among few.
const MAX_UNKNOWN_RATIO: f64 = 1.5;

const SAME_ACKNOWLEDGEMENTS: &str = "
    WITH new AS (
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS new (order_id, venue_order_id, at)
    ), moved AS (
        UPDATE orders SET venue_order_id = new.venue_order_id, updated_at = now()
        FROM new WHERE id = order_id
        RETURNING id, trader_id, status, new.venue_order_id, at
    )
    INSERT INTO execution_logs (
        sequence, order_id, trader_id, action, status, venue_order_id, reported_at, report_id
    )
    SELECT nextval('execution_logs_sequence'), id, trader_id, 'EXECUTED', status, venue_order_id, at,
        gen_random_uuid()
    FROM moved";

/// Measures how many reports a second are ingested.
pub fn compare(databases: &Databases, options: &Options, report: &mut Report) -> Outcome<()> {
    let orders = options.ingested / OF_ORDER;
    let (mut ratios, mut known) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let engine = pool(&databases.engine, 1)?.engine();
        let input = reports(round, 'L', orders);
        let library = timed(|| ingest(&engine, &input))?;
        let again = timed(|| ingest(&engine, &input))?;
        let input = reports(round, 'H', orders);
        let client = &mut databases.same_rows_client()?;
        let by_hand = timed(|| load(client, &input))?;
        let rate = |time: Duration| (orders * OF_ORDER) as f64 / time.as_secs_f64();
        for (by, time) in [
            ("library", library),
            ("library, known reports", again),
            ("hand-written, same rows", by_hand),
        ] {
            report.ingest.add([by.to_owned(), format!("{:.0}", rate(time))]);
        }
        ratios.push(rate(library) / rate(by_hand));
        known.push(rate(again));
    }
    report.at_least("ingest / hand-written loader", quantile(&ratios, 0.5), MIN_RATIO);
    report.at_least("known reports/s", quantile(&known, 0.5), MIN_KNOWN);
    let engine = pool(&databases.engine, 1)?.engine();
    let mut each = Vec::new();
    for count in UNKNOWN {
        let input = unknown_executions(count);
        let time = timed(|| ingest(&engine, &input))?.as_secs_f64() / count as f64;
        report.ingest.add([format!("{count} unknown executions"), format!("{:.0}", 1.0 / time)]);
        each.push(time);
    }
    report.at_most("an unknown execution, 8000 / 80", each[1] / each[0], MAX_UNKNOWN_RATIO);
    Ok(())
}

fn timed(work: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

fn ingest(engine: &Session<Engine>, input: &[u8]) -> Outcome<()> {
    let mut reader = Reader::new(input, FixReader::default());
    let options =
        IngestOptions { trader: Some(trader(0)), format: FormatName::Fix, ..Default::default() };
    let mut writer = Writer::new(options);
    while let Some(batch) = reader.batch(BATCH)? {
        writer.write(engine, &batch.events)?;
    }
    writer.finish(engine)?;
    Ok(())
}

/// A message with its length and checksum.
fn message(body: &str) -> String {
    let body = body.replace('|', "\u{1}");
    let whole = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len());
    let sum: u32 = whole.bytes().map(u32::from).sum();
    format!("{whole}10={:03}\u{1}\n", sum % 256)
}

/// The reports of these many orders, interleaved as those of a busy session are.
fn reports(round: usize, prefix: char, orders: usize) -> Vec<u8> {
    let mut input = String::new();
    let ids: Vec<usize> = (0..orders).collect();
    for group in ids.chunks(50) {
        for step in 0..OF_ORDER {
            for id in group {
                let at = format!(
                    "20260302-14:{:02}:{:02}.{:03}",
                    id / 6000 % 60,
                    id / 100 % 60,
                    id % 1000
                );
                let ids = format!(
                    "11={prefix}{round}-{id}|37=V{prefix}{round}-{id}|60={at}|52={at}|55=AAPL|54=1|38=100|40=2|44=150.25"
                );
                input += &message(&match step {
                    0 => format!("35=D|{ids}|"),
                    1 => format!("35=8|17=A{id}|150=0|39=0|14=0|6=0|{ids}|"),
                    2 => format!(
                        "35=8|17=E{id}|150=F|39=1|32=40|31=150.20|14=40|6=150.20|30=XNAS|{ids}|"
                    ),
                    _ => format!(
                        "35=8|17=F{id}|150=F|39=2|32=60|31=150.25|14=100|6=150.23|30=XNAS|{ids}|"
                    ),
                });
            }
        }
    }
    input.into_bytes()
}

fn unknown_executions(count: usize) -> Vec<u8> {
    let fill = |id: usize| {
        message(&format!(
            "35=8|11=U{count}-{id}|17=U{id}|150=F|39=1|32=40|31=150.20|14=40|60=20260302-14:00:00|52=20260302-14:00:00|"
        ))
    };
    (0..count).map(fill).collect::<String>().into_bytes()
}

/// The fields of a message that the loader needs.
#[derive(Default)]
struct Fields<'a>(HashMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn of(line: &'a str) -> Self {
        Self(line.split('\u{1}').filter_map(|field| field.split_once('=')).collect())
    }

    fn get(&self, tag: &str) -> Outcome<&'a str> {
        self.0.get(tag).copied().ok_or_else(|| format!("tag {tag} is missing").into())
    }

    fn time(&self) -> Outcome<DateTime<Utc>> {
        let time = NaiveDateTime::parse_from_str(self.get("60")?, "%Y%m%d-%H:%M:%S%.f")?;
        Ok(time.and_utc())
    }
}

/// Loads reports as a program would that trusts them.
fn load(client: &mut Client, input: &[u8]) -> Outcome<()> {
    let text = std::str::from_utf8(input)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut orders: HashMap<&str, Uuid> = HashMap::new();
    for batch in lines.chunks(BATCH) {
        let mut tx = client.transaction()?;
        load_batch(&mut tx, batch, &mut orders)?;
        tx.commit()?;
    }
    Ok(())
}

fn load_batch<'a>(
    tx: &mut Transaction<'_>,
    batch: &[&'a str],
    orders: &mut HashMap<&'a str, Uuid>,
) -> Outcome<()> {
    let messages: Vec<Fields<'a>> = batch.iter().map(|line| Fields::of(line)).collect();
    let (mut new, mut acknowledged, mut filled) = (Vec::new(), Vec::new(), Vec::new());
    for message in &messages {
        match (message.get("35")?, message.get("150").unwrap_or_default()) {
            ("D", _) => {
                orders.insert(message.get("11")?, Uuid::now_v7());
                new.push(message);
            }
            (_, "0") => acknowledged.push(message),
            _ => filled.push(message),
        }
    }
    let id = |message: &Fields<'a>| -> Outcome<Uuid> {
        orders.get(message.get("11")?).copied().ok_or_else(|| "the order is unknown".into())
    };
    let ids =
        |of: &[&Fields<'a>]| of.iter().map(|message| id(message)).collect::<Outcome<Vec<_>>>();
    let texts = |of: &[&Fields<'a>], tag: &str| {
        of.iter().map(|message| message.get(tag)).collect::<Outcome<Vec<&str>>>()
    };
    let numbers = |of: &[&Fields<'a>], tag: &str| -> Outcome<Vec<i32>> {
        of.iter().map(|message| Ok(message.get(tag)?.parse()?)).collect()
    };
    let times = |of: &[&Fields<'a>]| of.iter().map(|it| it.time()).collect::<Outcome<Vec<_>>>();
    if !new.is_empty() {
        let traders = vec![trader(0); new.len()];
        tx.execute(
            SAME_ORDERS,
            &[
                &ids(&new)?,
                &traders,
                &texts(&new, "55")?,
                &numbers(&new, "38")?,
                &texts(&new, "44")?,
                &texts(&new, "11")?,
            ],
        )?;
    }
    if !acknowledged.is_empty() {
        tx.execute(
            SAME_ACKNOWLEDGEMENTS,
            &[&ids(&acknowledged)?, &texts(&acknowledged, "37")?, &times(&acknowledged)?],
        )?;
    }
    if !filled.is_empty() {
        let fill_ids: Vec<Uuid> = filled.iter().map(|_| Uuid::now_v7()).collect();
        let commissions = vec!["0"; filled.len()];
        tx.execute(
            SAME_FILLS,
            &[
                &fill_ids,
                &ids(&filled)?,
                &times(&filled)?,
                &numbers(&filled, "32")?,
                &texts(&filled, "31")?,
                &texts(&filled, "30")?,
                &commissions,
                &texts(&filled, "17")?,
            ],
        )?;
    }
    Ok(())
}
