//! `blotter watch` in a terminal: it begins, draws, ends, and leaves the terminal as it was.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};
use tradeblotter::{NewOrder, Side};
use tradeblotter_test_support::{Database, submit, trader};

/// Long enough for anything that comes at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Begins and ends another screen than that of the shell.
const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

fn blotter(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
    command.arg("watch").args(arguments).env("DATABASE_URL", url).env("TERM", "xterm");
    command
}

/// The command on a terminal of its own.
struct Watched {
    child: Child,
    terminal: File,
    /// The other side, to look at its settings.
    side: OwnedFd,
    before: Termios,
    written: Receiver<Vec<u8>>,
    shown: String,
}

impl Watched {
    fn begin(mut command: Command) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let before = tcgetattr(&pty.slave).unwrap();
        let side = || Stdio::from(pty.slave.try_clone().unwrap());
        command.stdin(side()).stdout(side()).stderr(side());
        let child = command.spawn().unwrap();
        let terminal = File::from(pty.master);
        let mut reader = terminal.try_clone().unwrap();
        let (send, written) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if send.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, terminal, side: pty.slave, before, written, shown: String::new() }
    }

    fn press(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the terminal was sent this text. Only words are sent in one piece: what is blank already stays so.
    #[track_caller]
    fn until(&mut self, text: &str) {
        let begun = Instant::now();
        while !self.shown.contains(text) {
            assert!(begun.elapsed() < PATIENCE, "never {text:?}: {:?}", self.shown);
            if let Ok(written) = self.written.recv_timeout(Duration::from_millis(50)) {
                self.shown += &String::from_utf8_lossy(&written);
            }
        }
    }

    /// Waits for the end; returns the exit code and what was written after the screen was left.
    #[track_caller]
    fn end(mut self) -> (i32, String) {
        let begun = Instant::now();
        let code = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code().unwrap_or(-1),
                None if begun.elapsed() > PATIENCE => {
                    self.child.kill().unwrap();
                    panic!("it does not end: {:?}", self.shown)
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        self.until(SHOW_CURSOR);
        while let Ok(written) = self.written.recv_timeout(Duration::from_millis(200)) {
            self.shown += &String::from_utf8_lossy(&written);
        }
        assert_eq!(self.shown.matches(ENTER).count(), 1);
        let (_, after) = self.shown.split_once(LEAVE).expect("the screen was not left");
        assert!(after.starts_with(SHOW_CURSOR), "{after:?}");
        let settings = tcgetattr(&self.side).unwrap();
        assert_eq!(settings.local_flags, self.before.local_flags);
        assert_eq!(settings.input_flags, self.before.input_flags);
        (code, after.replace(SHOW_CURSOR, ""))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Of a test that has failed. One that has ended is not there any more.
        let _ = self.child.kill();
    }
}

fn store() -> Database {
    let db = Database::migrated();
    let store = db.blotter();
    let ada = trader(&store, "Ada");
    submit(&store, &NewOrder::market(ada.id, Side::Buy, "AAPL", 100)).unwrap();
    db
}

#[test]
fn without_a_terminal_it_says_what_works_without_one() {
    let db = store();
    let mut command = blotter(&db.app_url(), &[]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("watch needs a terminal") && said.contains("blotter orders"), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn it_shows_the_store_and_leaves_the_terminal_as_it_was_when_somebody_quits() {
    let db = store();
    for keys in ["q", "\u{3}", "/\u{3}"] {
        let mut watched = Watched::begin(blotter(&db.app_url(), &[]));
        watched.until("AAPL");
        watched.press(keys);
        assert_eq!(watched.end(), (0, String::new()), "{keys:?}");
    }
}

#[test]
fn it_leaves_the_terminal_as_it_was_when_a_signal_ends_it() {
    let db = store();
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let mut watched = Watched::begin(blotter(&db.app_url(), &[]));
        watched.until("AAPL");
        let id = watched.child.id().to_string();
        Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert_eq!(watched.end().0, code, "{signal}");
    }
}

#[test]
fn it_acts_as_the_role_that_is_asked_for_and_as_none_that_the_login_lacks() {
    let db = store();
    let mut watched = Watched::begin(blotter(&db.app_url(), &["--role", "engine"]));
    watched.until("engine");
    watched.press("q");
    assert_eq!(watched.end().0, 0);
    let mut watched = Watched::begin(blotter(&db.login_url("blotter_compliance"), &[]));
    watched.until("compliance");
    watched.press("q");
    assert_eq!(watched.end().0, 0);
    let engine = db.login_url("blotter_engine");
    let mut refused = Watched::begin(blotter(&engine, &["--role", "trader"]));
    refused.until("is not a member of blotter_trader");
    assert_eq!(refused.child.wait().unwrap().code(), Some(1));
    let mut lacking = Watched::begin(blotter(&db.login_url("blotter_trader"), &[]));
    lacking.until("pass --trader with its id");
    assert_eq!(lacking.child.wait().unwrap().code(), Some(2));
}

#[test]
fn it_draws_without_colours_where_the_environment_says_so() {
    let db = store();
    let has_colours = |with: bool| {
        let mut command = blotter(&db.app_url(), &[]);
        match with {
            true => command.env_remove("NO_COLOR"),
            false => command.env("NO_COLOR", "1"),
        };
        let mut watched = Watched::begin(command);
        watched.until("PENDING");
        watched.press("q");
        let shown = watched.shown.clone();
        watched.end();
        // Cyan, for a pending order.
        shown.contains("\u{1b}[38;5;6")
    };
    assert!(has_colours(true));
    assert!(!has_colours(false));
}
