//! `blotter status`: prints the figures of operation, and checks them against thresholds.

use std::fmt::{Display, Write as _};
use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, ValueEnum};
use tradeblotter::audit::SealState;
use tradeblotter::status::Status as Figures;
use tradeblotter::{BreakReason, Session, role::Reader};
use uuid::Uuid;

use crate::database::Database;
use crate::failure::Failure;
use crate::output::counted;
use crate::terminal::{Output, visible};

#[derive(Args)]
pub struct Status {
    /// Trader to act as (id), if the login may read only one trader's rows
    #[arg(long, value_name = "UUID")]
    trader: Option<Uuid>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Fail if more breaks than this are open [default: any number]
    #[arg(long, value_name = "N")]
    max_open_breaks: Option<u64>,
    /// Fail if a record is older than this and not sealed yet, for example 5min [default: any age]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_unsealed_age: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line for each figure, for people
    Table,
    /// A JSON object
    Json,
    /// Prometheus text, for the textfile collector of node exporter
    Prometheus,
}

impl Status {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let session: Session<Reader> = database.watcher(self.trader)?;
        let figures = session.status()?;
        match self.format {
            Format::Table => out.write_lines(&table(&figures))?,
            Format::Json => {
                serde_json::to_writer_pretty(out.data(), &figures).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
            Format::Prometheus => out.write_record(prometheus(&figures).as_bytes())?,
        }
        out.flush()?;
        match self.exceeded(&figures) {
            exceeded if exceeded.is_empty() => Ok(()),
            exceeded => Err(Failure::Failed(Some(exceeded.join("; ")))),
        }
    }

    /// Returns what exceeds its threshold, or cannot be compared with it.
    fn exceeded(&self, figures: &Figures) -> Vec<String> {
        let mut exceeded = Vec::new();
        let open = figures.count_open_breaks();
        if let Some(most) = self.max_open_breaks.filter(|most| open > *most) {
            let breaks = counted(open, "break is", "breaks are");
            exceeded.push(format!("{breaks} open, more than --max-open-breaks {most}"));
        }
        if let Some(most) = self.max_unsealed_age {
            let age = figures.unsealed_age().and_then(|age| age.to_std().ok());
            let allowed = humantime::format_duration(most);
            if figures.seals.is_none() {
                exceeded.push(format!(
                    "{} may not read seals, so --max-unsealed-age {allowed} cannot be checked; connect as a member \
                     of blotter_compliance or blotter_auditor",
                    figures.connection.role
                ));
            } else if let Some(age) = age.filter(|age| *age > most) {
                exceeded.push(format!(
                    "a record has not been sealed for {}, longer than --max-unsealed-age {allowed}",
                    whole_seconds(age)
                ));
            }
        }
        exceeded
    }
}

/// Returns a time in words, to the second.
fn whole_seconds(time: Duration) -> impl Display {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

/// Returns a time in words, to the second; of a negative one 0.
fn in_words(time: TimeDelta) -> impl Display {
    whole_seconds(time.to_std().unwrap_or_default())
}

/// Returns a number of seconds in words.
fn seconds_in_words(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time.as_secs() >= 10 => whole_seconds(time).to_string(),
        _ => format!("{seconds:.3}s"),
    }
}

/// Returns one line for each figure.
fn table(figures: &Figures) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut line = |figure: &str, value: String| lines.push((figure.to_owned(), value));
    let connection = &figures.connection;
    let ago = |moment: DateTime<Utc>| {
        let time = moment.format("%Y-%m-%d %H:%M:%S UTC");
        format!("{time}, {} ago", in_words(figures.since(moment)))
    };
    let none = || "none".to_owned();
    let server = match (&connection.address, connection.port) {
        (Some(address), Some(port)) => format!("at {address} port {port}"),
        _ => "at a Unix socket".to_owned(),
    };
    line("server", format!("PostgreSQL {} {server}", connection.version));
    let kind = match (connection.is_standby, connection.replay_lag_seconds) {
        (false, _) => "primary".to_owned(),
        (true, Some(lag)) => format!("standby, {} behind", seconds_in_words(lag)),
        (true, None) => "standby, has replayed no commit yet".to_owned(),
    };
    line("database", format!("{}, {kind}", visible(&connection.database)));
    line("login", format!("{} as {}", visible(&connection.login), connection.role));
    line(
        "newest entry",
        figures.newest_entry.map_or_else(none, |newest| {
            format!("number {}, {}", newest.sequence, ago(newest.timestamp))
        }),
    );
    line("entries per second", format!("{:.1}", figures.entries_per_second));
    line("ingest lag", figures.ingest_lag_seconds.map_or_else(none, seconds_in_words));
    line("open orders", figures.open_orders.to_string());
    line(
        "open breaks",
        figures.open_breaks.iter().map(|it| it.oldest).min().map_or_else(
            || "0".to_owned(),
            |oldest| format!("{}, the oldest of {}", figures.count_open_breaks(), ago(oldest)),
        ),
    );
    for of_reason in &figures.open_breaks {
        line(&format!("  {}", of_reason.reason), of_reason.count.to_string());
    }
    match &figures.seals {
        None => {
            let hidden = format!("not visible to {}", connection.role);
            line("last seal", hidden.clone());
            line("unsealed records", hidden);
        }
        Some(seals) => {
            line(
                "last seal",
                seals.last.map_or_else(none, |last| {
                    format!("number {} of {} records, {}", last.id, last.size, ago(last.sealed_at))
                }),
            );
            let more = if seals.unsealed == SealState::MAX { " or more" } else { "" };
            line(
                "unsealed records",
                match seals.oldest_unsealed {
                    None => "0".to_owned(),
                    Some(oldest) => {
                        format!("{}{more}, the oldest of {}", seals.unsealed, ago(oldest))
                    }
                },
            );
        }
    }
    let width = lines.iter().map(|(figure, _)| figure.len()).max().unwrap_or_default();
    lines.iter().fold(String::new(), |mut text, (figure, value)| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{figure:width$}  {value}");
        text
    })
}

/// The metrics in the text format of Prometheus. A figure that is unknown has no sample.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    /// Adds a gauge with its samples: labels, as they are written between braces, and a value.
    fn gauge<V: Display>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP tradeblotter_{name} {help}");
        let _ = writeln!(self.0, "# TYPE tradeblotter_{name} gauge");
        for (labels, value) in samples {
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            let _ = writeln!(self.0, "tradeblotter_{name}{labels} {value}");
        }
    }

    /// Adds a gauge with one sample without labels, if there is a value.
    fn value<V: Display>(&mut self, name: &str, help: &str, value: Option<V>) {
        self.gauge(name, help, value.map(|value| (String::new(), value)));
    }
}

/// Returns a label with its value escaped.
fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    format!("{name}=\"{value}\"")
}

/// Returns a moment in seconds since 1970.
fn unix_time(moment: DateTime<Utc>) -> f64 {
    (moment - DateTime::UNIX_EPOCH).as_seconds_f64()
}

/// Returns the figures in the text format of Prometheus.
fn prometheus(figures: &Figures) -> String {
    let mut text = Exposition::default();
    let connection = &figures.connection;
    let labels = [
        label("version", &connection.version),
        label("database", &connection.database),
        label("role", &connection.role),
    ];
    text.gauge(
        "connection_info",
        "What the figures were read from; always 1.",
        [(labels.join(","), 1)],
    );
    text.value(
        "status_timestamp_seconds",
        "When the figures were read, by the server's clock.",
        Some(unix_time(connection.at)),
    );
    text.value(
        "standby",
        "1 if the server is a hot standby, 0 if it is a primary.",
        Some(u8::from(connection.is_standby)),
    );
    text.value(
        "replay_lag_seconds",
        "How far the standby is behind; 0 if it has replayed all that it has received.",
        connection.replay_lag_seconds,
    );
    let newest = figures.newest_entry;
    text.value(
        "newest_entry_number",
        "Number of the newest entry of the execution log.",
        newest.map(|it| it.sequence),
    );
    text.value(
        "newest_entry_timestamp_seconds",
        "When the newest entry was logged.",
        newest.map(|it| unix_time(it.timestamp)),
    );
    text.value(
        "entries_per_second",
        "Entries logged in each second of the last minute.",
        Some(figures.entries_per_second),
    );
    text.value(
        "ingest_lag_seconds",
        "Median time between a report's own time and its storage, of the newest reports.",
        figures.ingest_lag_seconds,
    );
    text.value("open_orders", "Orders that are PENDING or PARTIAL.", Some(figures.open_orders));
    let count = |reason: BreakReason| {
        figures.open_breaks.iter().find(|it| it.reason == reason).map_or(0, |it| it.count)
    };
    let by_reason =
        BreakReason::ALL.iter().map(|reason| (label("reason", reason.label()), count(*reason)));
    text.gauge("open_breaks", "Breaks that nobody has resolved, by reason.", by_reason);
    text.value(
        "oldest_open_break_age_seconds",
        "Age of the oldest break that nobody has resolved.",
        figures.oldest_break_age().map(|age| age.as_seconds_f64()),
    );
    if let Some(seals) = &figures.seals {
        text.value("last_seal_number", "Number of the last seal.", seals.last.map(|it| it.id));
        text.value(
            "last_seal_timestamp_seconds",
            "When the last seal was made.",
            seals.last.map(|it| unix_time(it.sealed_at)),
        );
        text.value(
            "sealed_records",
            "Records that the last seal covers with all before it.",
            seals.last.map(|it| it.size),
        );
        text.value(
            "unsealed_records",
            "Records that no seal covers, counted up to 10000.",
            Some(seals.unsealed),
        );
        text.value(
            "oldest_unsealed_age_seconds",
            "Age of the oldest record that no seal covers.",
            figures.unsealed_age().map(|age| age.as_seconds_f64()),
        );
    }
    text.0
}
