//! Standard output and standard error. No character of the data that changes a terminal, or that shows a reader
//! other text than there is, gets through: not from the database, not from a file, not from an error message.
//!
//! All text of the command goes through [`Output`] and [`eprintln!`]. The lints of the package forbid the macros
//! that print past them.

// The one place that may name the two streams.
#![allow(clippy::disallowed_methods)]

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Prints a message to standard error as `std::eprintln` does, its data made visible. Further lines of a message
/// are indented, so that a line break in the data begins no message.
macro_rules! eprintln {
    ($($message:tt)*) => {
        $crate::terminal::print_error(format_args!($($message)*))
    };
}
pub(crate) use eprintln;

/// Returns text with an escape such as `\u{202e}` for each character that a terminal obeys or does not show:
/// control and formatting characters, separators of lines and paragraphs, characters for private use or not
/// assigned, and those of no width, such as variation selectors.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    append_visible(text, &mut shown);
    shown
}

fn append_visible(text: &str, to: &mut String) {
    for c in text.chars() {
        match is_visible(c) {
            true => to.push(c),
            false => to.extend(c.escape_default()),
        }
    }
}

fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let is_hidden = matches!(
        c.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    );
    // Characters of other categories that Unicode says to show as nothing (Default_Ignorable_Code_Point): the
    // grapheme joiner, fillers of Hangul, vowels of Khmer, and variation selectors.
    let is_ignorable = matches!(c,
        '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}');
    !is_hidden && !is_ignorable
}

/// Prints a message to standard error.
pub fn print_error(message: fmt::Arguments<'_>) {
    let message = message.to_string();
    let lines: Vec<_> = message.lines().map(visible).collect();
    // Nobody is left to tell that standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{}", lines.join("\n  "));
}

/// Returns whether standard error is a terminal, so that progress may be shown.
pub fn has_error_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Returns whether standard output takes styles: it is a terminal, or the environment says so.
pub fn has_styles() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Standard output.
///
/// What is written with `write!` and `writeln!` is text for people, one line at a time: it is made
/// [visible](visible()), to a terminal and to a file. Data for programs is written as it is, except to a terminal.
pub struct Output {
    to: Visible<Box<dyn Write>>,
    is_terminal: bool,
}

impl Output {
    /// Returns the standard output of this process.
    pub fn standard() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        Self::new(stdout.lock(), is_terminal)
    }

    fn new(to: impl Write + 'static, is_terminal: bool) -> Self {
        Self { to: Visible { to: Box::new(to), incomplete: Vec::new() }, is_terminal }
    }

    /// Returns the output for data in a format for programs that has no line breaks in its values, such as JSON.
    pub fn data(&mut self) -> &mut dyn Write {
        match self.is_terminal {
            true => &mut self.to,
            false => &mut self.to.to,
        }
    }

    /// Writes a record of a format for programs, with the line break that ends it. Its values may have others,
    /// which a terminal shows as escapes.
    pub fn write_record(&mut self, record: &[u8]) -> io::Result<()> {
        match (self.is_terminal, record.strip_suffix(b"\n")) {
            (true, Some(record)) => self.write_line(&String::from_utf8_lossy(record)),
            _ => self.to.to.write_all(record),
        }
    }

    /// Returns whether standard output is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Returns the terminal, to be drawn on as a screen. The text of its cells must be [visible](visible()) already.
    pub fn screen(&mut self) -> &mut dyn Write {
        &mut self.to.to
    }

    /// Writes text of several lines, none of them from the data.
    pub fn write_lines(&mut self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.write_line(line))
    }

    /// Writes text that has styles of this command. Its data must be [visible](visible()) already.
    pub fn write_styled(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.to.to.write_fmt(text)
    }

    fn write_line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.to.to, "{}", visible(line))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    // A line break within the text is from the data, and would forge a line.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        let text = text.to_string();
        match text.strip_suffix('\n') {
            Some(line) => self.write_line(line),
            None => self.to.to.write_all(visible(&text).as_bytes()),
        }
    }
}

/// A writer that makes text visible, except for its line breaks. Bytes that are no text become escapes such as
/// `\xff`.
struct Visible<W> {
    to: W,
    /// The beginning of a character that the next bytes complete.
    incomplete: Vec<u8>,
}

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = std::mem::take(&mut self.incomplete);
        text.extend_from_slice(bytes);
        let mut shown = String::with_capacity(text.len());
        let mut chunks = text.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for (place, line) in chunk.valid().split('\n').enumerate() {
                if place > 0 {
                    shown.push('\n');
                }
                append_visible(line, &mut shown);
            }
            let is_cut = chunks.peek().is_none()
                && std::str::from_utf8(chunk.invalid()).is_err_and(|why| why.error_len().is_none());
            match is_cut {
                true => self.incomplete = chunk.invalid().to_vec(),
                false => shown.push_str(&chunk.invalid().escape_ascii().to_string()),
            }
        }
        self.to.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Characters that a terminal obeys or does not show, of every category.
    const HIDDEN: [char; 34] = [
        '\u{0}',
        '\u{7}',
        '\u{8}',
        '\t',
        '\n',
        '\r',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{115f}',
        '\u{17b4}',
        '\u{180e}',
        '\u{200b}',
        '\u{200d}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{3164}',
        '\u{e000}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{ffa0}',
        '\u{fff9}',
        '\u{e0041}',
        '\u{e0100}',
        '\u{f0000}',
        '\u{10ffff}',
    ];

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written by this to an output.
    fn written(is_terminal: bool, write: impl Fn(&mut Output) -> io::Result<()>) -> String {
        let to = Written::default();
        write(&mut Output::new(to.clone(), is_terminal)).unwrap();
        String::from_utf8(to.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn every_character_that_a_terminal_obeys_or_does_not_show_is_an_escape() {
        for hidden in HIDDEN {
            let shown = visible(&format!("A{hidden}B"));
            assert_eq!(shown, format!("A{}B", hidden.escape_default()));
            assert!(shown.is_ascii() && !shown.contains(char::is_control), "{shown:?}");
        }
        let names = "Zoë O’Connor, Łukasz, Ὀδυσσεύς, 東京\u{3000}太郎, שלום, أحمد, नमस्ते, 🙂, A\\u{41}, e\u{301}";
        assert_eq!(visible(names), names);
    }

    #[test]
    fn text_for_people_has_no_hidden_character_and_no_line_of_the_data_wherever_it_goes() {
        for is_terminal in [false, true] {
            let said = written(is_terminal, |out| {
                let (number, name) = ("1\n2", "A\u{1b}[2J\nsealed: no findings");
                write!(out, "{number}")?;
                writeln!(out, "name {name}")
            });
            assert_eq!(said, "1\\n2name A\\u{1b}[2J\\nsealed: no findings\n");
        }
    }

    #[test]
    fn data_for_programs_is_as_it_is_unless_a_terminal_shows_it() {
        let record = "id,\"A\u{202e}\nB\"\n";
        let shown = "id,\"A\\u{202e}\\nB\"\n";
        for (is_terminal, expected) in [(false, record), (true, shown)] {
            assert_eq!(written(is_terminal, |out| out.write_record(record.as_bytes())), expected);
        }
        let json = "[\n  \"A\u{202e}ö\"\n]\n";
        let shown = "[\n  \"A\\u{202e}ö\"\n]\n";
        for (is_terminal, expected) in [(false, json), (true, shown)] {
            assert_eq!(written(is_terminal, |out| out.data().write_all(json.as_bytes())), expected);
            // Cut anywhere, also within a character.
            let bytewise = written(is_terminal, |out| {
                json.as_bytes().chunks(1).try_for_each(|byte| out.data().write_all(byte))
            });
            assert_eq!(bytewise, expected);
        }
        let bytes = written(true, |out| out.data().write_all(b"a\xff\xc3(b\n"));
        assert_eq!(bytes, "a\\xff\\xc3(b\n");
    }
}
