//! The terminal while it is a screen, and how it becomes a terminal again, whatever happens.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::app::Event;
use crate::failure::Failure;

/// What the screen is drawn on.
pub type Screen<'o> = Terminal<CrosstermBackend<&'o mut dyn Write>>;

/// Makes the terminal a screen, runs `work` on it, and makes it a terminal again: also after an error and a panic.
pub fn with<T>(
    out: &mut dyn Write,
    work: impl FnOnce(&mut Screen<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut screen = Terminal::new(CrosstermBackend::new(out))?;
    between(&mut screen, enter, work, leave)
}

/// Runs `work` between `enter` and `leave`.
fn between<S, T>(
    screen: &mut S,
    enter: impl FnOnce(&mut S) -> io::Result<()>,
    work: impl FnOnce(&mut S) -> Result<T, Failure>,
    leave: impl FnOnce(&mut S) -> io::Result<()>,
) -> Result<T, Failure> {
    // A message on the screen would be lost with it, and that of another thread would spoil it.
    let said = Arc::new(Mutex::new(None));
    let hook = panic::take_hook();
    let saying = Arc::clone(&said);
    panic::set_hook(Box::new(move |panic| {
        *saying.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic.to_string());
    }));
    let entered = enter(screen);
    let done = entered.map(|()| panic::catch_unwind(AssertUnwindSafe(|| work(screen))));
    let left = leave(screen);
    panic::set_hook(hook);
    match done? {
        Ok(done) => {
            let done = done?;
            left?;
            Ok(done)
        }
        Err(panic) => {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner).take();
            let said = said.unwrap_or_else(|| text_of(&*panic));
            Err(Failure::Failed(Some(format!("internal error: {said}"))))
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.unwrap_or("the screen has ended").to_owned()
}

fn enter(screen: &mut Screen<'_>) -> io::Result<()> {
    enable_raw_mode()?;
    // Not `Terminal::clear`, which asks the terminal where its cursor is, and fails if it does not answer.
    execute!(screen.backend_mut(), EnterAlternateScreen, Clear(ClearType::All))
}

fn leave(screen: &mut Screen<'_>) -> io::Result<()> {
    // Each, whether or not the one before has succeeded.
    let shown = execute!(screen.backend_mut(), LeaveAlternateScreen, Show);
    disable_raw_mode().and(shown)
}

/// Sends the keys that are pressed and the new sizes of the terminal, from a thread of their own.
pub fn send_input(to: Sender<Event>) {
    thread::spawn(move || {
        loop {
            let event = match event::read() {
                Ok(event::Event::Key(key)) => Event::Key(key),
                Ok(event::Event::Resize(width, height)) => Event::Resize { width, height },
                Ok(_) => continue,
                Err(_) => Event::InputEnded,
            };
            let has_ended = matches!(event, Event::InputEnded);
            if to.send(event).is_err() || has_ended {
                return;
            }
        }
    });
}

/// Sends the signals that end a program, which would leave the terminal as it is.
pub fn send_signals(to: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if to.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    /// What happens to a terminal when this is done on it, and how it ends.
    fn steps(
        enter: impl FnOnce() -> io::Result<()>,
        work: impl FnOnce() -> Result<(), Failure>,
    ) -> (Vec<&'static str>, Result<(), Failure>) {
        let mut steps = Vec::new();
        let done = between(
            &mut steps,
            |steps| {
                steps.push("enter");
                enter()
            },
            |steps| {
                steps.push("work");
                work()
            },
            |steps| {
                steps.push("leave");
                Ok(())
            },
        );
        (steps, done)
    }

    #[test]
    fn the_terminal_is_left_after_an_error_and_a_panic_which_are_told_then() {
        let (done, result) = steps(|| Ok(()), || Ok(()));
        assert_eq!(done, ["enter", "work", "leave"]);
        assert!(result.is_ok());
        let (done, result) = steps(|| Ok(()), || Err(Failure::Usage("wrong".to_owned())));
        assert_eq!(done, ["enter", "work", "leave"]);
        assert!(matches!(result, Err(Failure::Usage(why)) if why == "wrong"));
        let (done, result) = steps(|| Ok(()), || panic!("the bottom line"));
        assert_eq!(done, ["enter", "work", "leave"]);
        let Err(Failure::Failed(Some(why))) = result else { panic!("no failure") };
        assert!(why.starts_with("internal error: "), "{why}");
        let (done, result) = steps(|| Err(io::Error::other("no screen")), || Ok(()));
        assert_eq!(done, ["enter", "leave"]);
        assert!(matches!(result, Err(Failure::Failed(Some(why))) if why == "no screen"));
    }
}
