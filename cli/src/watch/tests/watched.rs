//! A screen with its data worker, on a database.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use chrono::Utc;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;
use tradeblotter_test_support::Database;

use super::fixtures;
use crate::watch::app::{App, Event};
use crate::watch::data::{RoleSession, Worker};
use crate::watch::model::Model;
use crate::watch::wanted::OrderFilter;

/// Long enough for anything that comes at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A screen with its data worker.
pub struct Watched {
    pub app: App,
    events: Receiver<Event>,
    screen: Terminal<TestBackend>,
}

impl Watched {
    pub fn new(session: RoleSession, width: u16, height: u16) -> Self {
        let (acting, size) = (session.acting(), Size { width, height });
        let model = Model::new(size, "app".to_owned(), acting, OrderFilter::default());
        let (requests, taken) = mpsc::channel();
        let (send, events) = mpsc::channel();
        let worker = Worker::new(session, taken, move |update| {
            let _ = send.send(Event::Update(update));
        });
        thread::spawn(move || worker.run());
        let screen = Terminal::new(TestBackend::new(width, height)).unwrap();
        Self { app: App::new(model, requests, true), events, screen }
    }

    pub fn engine(db: &Database, width: u16, height: u16) -> Self {
        Self::new(RoleSession::Engine(db.blotter().engine()), width, height)
    }

    /// Takes events until the screen is as it should be.
    #[track_caller]
    pub fn until(&mut self, what: &str, is_so: impl Fn(&Model) -> bool) {
        let begun = Instant::now();
        while !is_so(&self.app.model) {
            assert!(begun.elapsed() < PATIENCE, "never: {what}\n{}", self.text());
            assert_eq!(self.app.ask(), None);
            if let Ok(event) = self.events.recv_timeout(Duration::from_millis(20)) {
                self.app.take(event);
            }
        }
        self.app.model.tick(Utc::now());
    }

    #[track_caller]
    pub fn until_shown(&mut self, text: &str) {
        self.until(text, |model| fixtures::shown(model).contains(text));
    }

    pub fn press(&mut self, code: KeyCode) {
        self.app.take(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    pub fn type_text(&mut self, text: &str) {
        text.chars().for_each(|c| self.press(KeyCode::Char(c)));
    }

    pub fn text(&mut self) -> String {
        self.app.draw(&mut self.screen).unwrap();
        fixtures::text(self.screen.backend().buffer())
    }
}
