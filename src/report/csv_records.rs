//! CSV that a spreadsheet opens as text and numbers, and never as formulas.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use csv::{QuoteStyle, Terminator, WriterBuilder};

use super::row::ReportRow;

/// Stands before a text that a spreadsheet would take for a formula, and before one that begins with it.
const ESCAPE: char = '\'';

/// Writes a record as RFC 4180 has it, ended by LF, with each field as [`escape_csv_text`] returns it.
///
/// A field with a semicolon or a tab is quoted too: spreadsheets take these for separators.
///
/// # Errors
///
/// Errors of `out`.
pub fn write_csv_record(
    fields: impl IntoIterator<Item: AsRef<str>>,
    out: &mut impl Write,
) -> io::Result<()> {
    for (place, field) in fields.into_iter().enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        let field = escape_csv_text(field.as_ref());
        match field.contains([',', ';', '"', '\t', '\r', '\n']) {
            true => write!(out, "\"{}\"", field.replace('"', "\"\""))?,
            false => out.write_all(field.as_bytes())?,
        }
    }
    out.write_all(b"\n")
}

/// Returns a field as CSV of this crate has it: with an apostrophe before it if it begins with an apostrophe, or
/// with what makes a spreadsheet read a formula: `=`, `+`, `-`, `@`, their full-width forms, a tab, or a line
/// break, also behind white space. A negative decimal such as `-0.50` stays a number.
///
/// ```
/// use tradeblotter::report::{escape_csv_text, unescape_csv_text};
///
/// assert_eq!(escape_csv_text("=1+1"), "'=1+1");
/// assert_eq!(escape_csv_text("-0.50"), "-0.50");
/// assert_eq!(unescape_csv_text("'=1+1"), "=1+1");
/// ```
pub fn escape_csv_text(text: &str) -> Cow<'_, str> {
    let begins_formula =
        |c| matches!(c, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}');
    let first = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let is_risky = text.starts_with([ESCAPE, '\t', '\r', '\n'])
        || first.starts_with(begins_formula) && !is_negative_decimal(text);
    match is_risky {
        true => format!("{ESCAPE}{text}").into(),
        false => text.into(),
    }
}

/// Returns the text of a field that [`escape_csv_text`] has returned: without the apostrophe that it begins with,
/// if it does.
pub fn unescape_csv_text(field: &str) -> &str {
    field.strip_prefix(ESCAPE).unwrap_or(field)
}

fn is_negative_decimal(text: &str) -> bool {
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    text.strip_prefix('-').is_some_and(|number| {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        is_number(whole) && is_number(fraction)
    })
}

/// Writes the rows of a report as CSV.
pub(super) struct CsvWriter<W: Write> {
    out: BufWriter<W>,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header line.
    pub fn new(out: W) -> io::Result<Self> {
        let mut out = BufWriter::new(out);
        write_csv_record(ReportRow::FIELDS, &mut out)?;
        Ok(Self { out })
    }

    pub fn add(&mut self, row: ReportRow) -> io::Result<()> {
        // The fields of a row as text, each ended by a NUL, which no text of PostgreSQL has.
        let mut fields = WriterBuilder::new()
            .has_headers(false)
            .quote_style(QuoteStyle::Never)
            .delimiter(b'\0')
            .terminator(Terminator::Any(b'\0'))
            .buffer_capacity(1 << 11)
            .from_writer(Vec::with_capacity(1 << 10));
        fields.serialize(row)?;
        let fields = fields.into_inner().map_err(csv::IntoInnerError::into_error)?;
        let fields = std::str::from_utf8(&fields).map_err(io::Error::other)?;
        write_csv_record(fields.split_terminator('\0'), &mut self.out)
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::{escape_csv_text, unescape_csv_text, write_csv_record};

    #[test]
    fn what_a_spreadsheet_takes_for_a_formula_is_escaped_and_numbers_are_not() {
        for risky in [
            "=1+1",
            "+1",
            "-1+1",
            "-",
            "--1",
            "-1.",
            "-.5",
            "-1e5",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "\tA",
            "\rA",
            "\nA",
            "＝1",
            "＋1",
            "－1",
            "＠A",
            " =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "'=1",
            "'",
            "'A",
        ] {
            assert_eq!(escape_csv_text(risky), format!("'{risky}"));
        }
        for plain in [
            "",
            "A",
            "1",
            "-1",
            "-0.50",
            "10.50",
            "A=1",
            "A-1",
            "1-1",
            " A",
            "{\"18\":\"-\"}",
            "\"A",
        ] {
            assert_eq!(escape_csv_text(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn the_escape_can_be_undone_for_every_text_and_begins_no_formula(text in "['=+@\t\r\n ＝A1.-]{0,5}") {
            let escaped = escape_csv_text(&text);
            prop_assert_eq!(unescape_csv_text(&escaped), text.as_str());
            let first = escaped.trim_start().chars().next();
            let is_number = escaped.parse::<f64>().is_ok();
            prop_assert!(is_number || !first.is_some_and(|c| "=+-@＝＋－＠".contains(c)), "{:?}", escaped);
        }

        #[test]
        fn a_record_reads_back_with_its_fields(
            fields in proptest::collection::vec("[-=',;\"\t\r\nA é]{0,5}", 2..6)
        ) {
            let mut out = Vec::new();
            write_csv_record(&fields, &mut out).unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(out.as_slice());
            let read: Vec<_> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(read.len(), 1);
            let read: Vec<_> = read[0].iter().map(unescape_csv_text).collect();
            prop_assert_eq!(read, fields);
        }
    }
}
