//! What happens to the screen: keys, sizes, answers of the data worker, signals.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use chrono::Utc;
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Size;

use super::data::{Request, Update};
use super::model::{Effect, Model};
use super::wanted::Wanted;
use super::{keys, view};

/// The time after which the ages on the screen are counted again if nothing happens.
const TICK: Duration = Duration::from_secs(5);

/// Exit code of a program that a signal ended, less the number of the signal.
const SIGNALLED: i32 = 128;

/// Something that happens to the screen.
#[derive(Debug)]
pub enum Event {
    Key(KeyEvent),
    Resize {
        width: u16,
        height: u16,
    },
    Update(Update),
    Signal(i32),
    /// The terminal is gone.
    InputEnded,
}

/// Why the screen ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Quit,
    /// With the exit code for the signal.
    Signal(u8),
    /// The data worker has ended, which it never does by itself.
    NoWorker,
}

/// The screen and its data worker.
pub struct App {
    pub model: Model,
    requests: Sender<Request>,
    /// What the worker was asked for last.
    asked: Option<Wanted>,
    has_colours: bool,
}

impl App {
    pub fn new(model: Model, requests: Sender<Request>, has_colours: bool) -> Self {
        Self { model, requests, asked: None, has_colours }
    }

    /// Draws the screen and takes events until it ends.
    pub fn run<B: Backend>(
        &mut self,
        screen: &mut Terminal<B>,
        events: &Receiver<Event>,
    ) -> Result<End, B::Error> {
        loop {
            if let Some(end) = self.ask() {
                return Ok(end);
            }
            self.draw(screen)?;
            match events.recv_timeout(TICK) {
                Ok(event) => {
                    // All that have come since, for one frame.
                    let first = self.take(event);
                    let end =
                        first.or_else(|| events.try_iter().find_map(|event| self.take(event)));
                    if let Some(end) = end {
                        return Ok(end);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(End::NoWorker),
            }
            self.model.tick(Utc::now());
        }
    }

    pub fn draw<B: Backend>(&mut self, screen: &mut Terminal<B>) -> Result<(), B::Error> {
        screen.draw(|frame| view::draw(frame, &self.model, self.has_colours)).map(|_| ())
    }

    /// Takes one event.
    pub fn take(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Update(update) => self.model.update(update),
            Event::Resize { width, height } => self.model.resize(Size { width, height }),
            Event::Key(key) => {
                let effect = keys::action(key, &self.model).and_then(|it| self.model.apply(it));
                match effect {
                    Some(Effect::Quit) => return Some(End::Quit),
                    Some(Effect::Act(act)) => return self.send(Request::Act(act)),
                    None => {}
                }
            }
            Event::Signal(signal) => {
                return Some(End::Signal(u8::try_from(SIGNALLED + signal).unwrap_or(u8::MAX)));
            }
            Event::InputEnded => return Some(End::Quit),
        }
        None
    }

    /// Asks the worker for what the screen shows now, unless it was asked for that already.
    pub fn ask(&mut self) -> Option<End> {
        let wanted = self.model.wanted();
        if self.asked.as_ref() == Some(&wanted) {
            return None;
        }
        self.asked = Some(wanted.clone());
        self.send(Request::Show(wanted))
    }

    fn send(&self, request: Request) -> Option<End> {
        self.requests.send(request).err().map(|_| End::NoWorker)
    }
}
