//! The messages of the day, and their text in FIX and NDJSON.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use super::{CLOSE, MINUTE, OPEN, SECOND};

const DATE: &str = "20261124";
const SOH: char = '\x01';

/// The keys of an NDJSON event, with their FIX tags.
const KEYS: [(&str, u32); 24] = [
    ("trader", 1),
    ("client_order_id", 11),
    ("original_client_order_id", 41),
    ("venue_order_id", 37),
    ("symbol", 55),
    ("side", 54),
    ("order_type", 40),
    ("quantity", 38),
    ("price", 44),
    ("price", 99),
    ("expires_at", 126),
    ("execution_id", 17),
    ("refers_to", 19),
    ("venue", 30),
    ("last_quantity", 32),
    ("last_price", 31),
    ("commission", 12),
    ("at", 60),
    ("status", 39),
    ("cumulative_quantity", 14),
    ("average_price", 6),
    ("reason", 58),
    ("error_code", 102),
    ("error_code", 103),
];

/// The direction of a message, as the client sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Sent,
    Received,
}

#[derive(Clone)]
pub struct Message {
    pub kind: &'static str,
    pub way: Way,
    pub at: u64,
    /// Tags and values, without header and trailer.
    pub body: Vec<(u32, String)>,
    pub sequence: u64,
    /// If the message will be resent: the flag, and the time.
    pub resend: Option<(u32, u64)>,
    /// If this is a resent message: the flag, and the time of the original.
    pub resent: Option<(u32, u64)>,
    /// Index of the anomaly that this message is, if any.
    pub anomaly: Option<usize>,
}

/// PossDupFlag: a message resent with the same sequence number.
pub const DUPLICATE: u32 = 43;
/// PossResend: a message resent with a new sequence number.
pub const RESEND: u32 = 97;

impl Message {
    pub fn new(kind: &'static str, way: Way, at: u64) -> Self {
        let (body, sequence) = (Vec::new(), 0);
        Self { kind, way, at, body, sequence, resend: None, resent: None, anomaly: None }
    }

    pub fn with(mut self, tag: u32, value: impl Display) -> Self {
        self.body.push((tag, value.to_string()));
        self
    }

    pub fn with_some(self, tag: u32, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(tag, value),
            None => self,
        }
    }

    pub fn get(&self, tag: u32) -> Option<&str> {
        let mut fields = self.body.iter();
        fields.find_map(|(key, value)| (*key == tag).then_some(value.as_str()))
    }

    pub fn is_duplicate(&self) -> bool {
        matches!(self.resent, Some((DUPLICATE, _)))
    }

    /// Returns the resent message, if this one will be resent.
    pub fn into_resend(self) -> Option<Self> {
        let (flag, at) = self.resend?;
        Some(Self { resent: Some((flag, self.at)), at, resend: None, anomaly: None, ..self })
    }

    /// Returns the line of the FIX log: time, direction, and the message with body length and checksum.
    pub fn fix(&self) -> String {
        let (at, way) = (Moment(self.at), if self.way == Way::Sent { '>' } else { '<' });
        let (from, to) =
            if self.way == Way::Sent { ("DESK", "BROKER") } else { ("BROKER", "DESK") };
        let resent = match self.resent {
            Some((DUPLICATE, first)) => format!("43=Y{SOH}122={}{SOH}", Moment(first)),
            Some((flag, _)) => format!("{flag}=Y{SOH}"),
            None => String::new(),
        };
        let Self { kind, sequence, .. } = self;
        let mut content = format!(
            "35={kind}{SOH}34={sequence}{SOH}49={from}{SOH}56={to}{SOH}52={at}{SOH}{resent}"
        );
        for (tag, value) in &self.body {
            content += &format!("{tag}={value}{SOH}");
        }
        let message = format!("8=FIX.4.4{SOH}9={}{SOH}{content}", content.len());
        let checksum = message.bytes().fold(0, u8::wrapping_add);
        format!("{at} {way} {message}10={checksum:03}{SOH}\n")
    }

    /// Returns the kind and the line of the NDJSON event, if the message is one.
    pub fn ndjson(&self) -> Option<(&'static str, String)> {
        let kind = match (self.kind, self.get(150)) {
            ("D", _) => "new_order",
            ("9", _) => "cancel_rejected",
            ("8", Some("0")) => "acknowledged",
            ("8", Some("F")) => "fill",
            ("8", Some("H")) => "bust",
            ("8", Some("G")) => "correct",
            ("8", Some("4")) => "cancelled",
            ("8", Some("5")) => "replaced",
            ("8", Some("8")) => "rejected",
            ("8", Some("C")) => "expired",
            ("8", _) => "status",
            _ => return None,
        };
        let mut line = format!("{{\"kind\":\"{kind}\"");
        for (key, tag) in KEYS {
            if let Some(value) = self.get(tag).and_then(|value| self.event_value(tag, value)) {
                // No value contains a character that JSON escapes.
                line += &format!(",\"{key}\":\"{value}\"");
            }
        }
        line += "}\n";
        Some((kind, line))
    }

    /// Converts a FIX value to the value in an event.
    fn event_value(&self, tag: u32, value: &str) -> Option<String> {
        Some(match (tag, value) {
            // An event has commissions as amounts only, so a rate is left out.
            (12, _) if self.get(13) != Some("3") => return None,
            (40, "1") => "MARKET".to_owned(),
            (40, "2") => "LIMIT".to_owned(),
            (40, "3") => "STOP".to_owned(),
            (54, "1") => "BUY".to_owned(),
            (54, "2") => "SELL".to_owned(),
            (39, "0") => "PENDING".to_owned(),
            (39, "1") => "PARTIAL".to_owned(),
            (39, "2") => "FILLED".to_owned(),
            (39, "4" | "C") => "CANCELLED".to_owned(),
            (39, "8") => "REJECTED".to_owned(),
            (39, _) => return None,
            (60 | 126, _) => {
                let (date, time) = value.split_once('-')?;
                format!("{}-{}-{}T{time}Z", &date[..4], &date[4..6], &date[6..])
            }
            (102 | 103, _) => format!("{tag}={value}"),
            _ => value.to_owned(),
        })
    }
}

/// Messages that are still to be written, by time.
#[derive(Default)]
pub struct Queue {
    messages: BTreeMap<(u64, u64), Message>,
    pushed: u64,
}

impl Queue {
    pub fn push(&mut self, message: Message) {
        self.pushed += 1;
        self.messages.insert((message.at, self.pushed), message);
    }

    /// Adds logon, a heartbeat every half hour, and logout, in both directions.
    pub fn push_session(&mut self) {
        for at in (OPEN..=CLOSE).step_by(30 * MINUTE as usize) {
            for way in [Way::Sent, Way::Received] {
                self.push(match at {
                    OPEN => Message::new("A", way, at).with(98, 0).with(108, 1800),
                    CLOSE => Message::new("5", way, at),
                    _ => Message::new("0", way, at),
                });
            }
        }
    }

    /// Removes and returns the next message, if it is earlier than `at`.
    pub fn pop_before(&mut self, at: u64) -> Option<Message> {
        let next = self.messages.first_entry()?;
        (next.key().0 < at).then(|| next.remove())
    }
}

/// A price in ten-thousandths of a currency unit; prints with two decimal places if they suffice.
#[derive(Clone, Copy)]
pub struct Price(pub u64);

impl Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, rest) = (self.0 / 10_000, self.0 % 10_000);
        match rest % 100 {
            0 => write!(f, "{units}.{:02}", rest / 100),
            _ => write!(f, "{units}.{rest:04}"),
        }
    }
}

/// An average price; prints rounded half up to six decimal places, at least four of them.
pub struct Average {
    /// Sum of quantity × price, in ten-thousandths of a currency unit.
    pub notional: u64,
    pub shares: u64,
}

impl Display for Average {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shares == 0 {
            return f.write_str("0");
        }
        let millionths = (200 * self.notional + self.shares) / (2 * self.shares);
        let (units, rest) = (millionths / 1_000_000, millionths % 1_000_000);
        match rest {
            _ if rest % 100 == 0 => write!(f, "{units}.{:04}", rest / 100),
            _ if rest % 10 == 0 => write!(f, "{units}.{:05}", rest / 10),
            _ => write!(f, "{units}.{rest:06}"),
        }
    }
}

/// A time in milliseconds since midnight; prints as a FIX UTCTimestamp.
#[derive(Clone, Copy)]
pub struct Moment(pub u64);

impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, millis) = (self.0 / MINUTE, self.0 % MINUTE);
        let (hour, minute) = (minutes / 60, minutes % 60);
        write!(f, "{DATE}-{hour:02}:{minute:02}:{:02}.{:03}", millis / SECOND, millis % SECOND)
    }
}
