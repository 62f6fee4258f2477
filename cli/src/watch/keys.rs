//! Which action a key stands for. The keys are those of `less` and `htop`.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::dialog::Dialog;
use super::model::input::Edit;
use super::model::list::Move;
use super::model::{Action, Model, Pane};

/// Returns the action of a key that is pressed now; none if it has none.
pub fn action(key: KeyEvent, model: &Model) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
    if has_control && key.code == KeyCode::Char('c') {
        return Some(Action::Quit);
    }
    match &model.dialog {
        None => in_panes(key.code, has_control, model.subject),
        Some(Dialog::Help | Dialog::Message { .. }) => match key.code {
            KeyCode::Char('?' | 'q' | ' ') | KeyCode::F(1) => Some(Action::Escape),
            code => leave_or_accept(code),
        },
        Some(Dialog::Cancel(_)) => match key.code {
            KeyCode::Char('y') => Some(Action::Yes),
            KeyCode::Char('n' | 'q') | KeyCode::Esc => Some(Action::Escape),
            _ => None,
        },
        Some(Dialog::Filter(_) | Dialog::Resolve(_)) => in_form(key.code, has_control),
    }
}

fn leave_or_accept(code: KeyCode) -> Option<Action> {
    match code {
        KeyCode::Esc => Some(Action::Escape),
        KeyCode::Enter => Some(Action::Enter),
        _ => None,
    }
}

fn in_panes(code: KeyCode, has_control: bool, subject: Pane) -> Option<Action> {
    if has_control {
        return match code {
            KeyCode::Char('f' | 'd') => Some(Action::Select(Move::PageDown)),
            KeyCode::Char('b' | 'u') => Some(Action::Select(Move::PageUp)),
            KeyCode::Char('n') => Some(Action::Select(Move::Down)),
            KeyCode::Char('p') => Some(Action::Select(Move::Up)),
            _ => None,
        };
    }
    match code {
        KeyCode::Up | KeyCode::Char('k') => Some(Action::Select(Move::Up)),
        KeyCode::Down | KeyCode::Char('j') => Some(Action::Select(Move::Down)),
        KeyCode::PageUp => Some(Action::Select(Move::PageUp)),
        KeyCode::PageDown | KeyCode::Char(' ') => Some(Action::Select(Move::PageDown)),
        KeyCode::Home | KeyCode::Char('g') => Some(Action::Select(Move::First)),
        KeyCode::End | KeyCode::Char('G') => Some(Action::Select(Move::Last)),
        KeyCode::Tab | KeyCode::Right => Some(Action::NextPane),
        KeyCode::BackTab | KeyCode::Left => Some(Action::PreviousPane),
        KeyCode::Char('/') | KeyCode::F(4) => Some(Action::Filter),
        KeyCode::Char('s') | KeyCode::F(6) => Some(Action::Sort),
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Some(Action::Help),
        KeyCode::Char('q') | KeyCode::F(10) => Some(Action::Quit),
        KeyCode::Char(key) => match (key, subject) {
            ('c', Pane::Orders) => Some(Action::Cancel),
            ('b', Pane::Breaks) => Some(Action::Book),
            ('d', Pane::Breaks) => Some(Action::Dismiss),
            _ => None,
        },
        code => leave_or_accept(code),
    }
}

fn in_form(code: KeyCode, has_control: bool) -> Option<Action> {
    if has_control {
        return match code {
            KeyCode::Char('u') => Some(Action::Edit(Edit::Clear)),
            KeyCode::Char('a') => Some(Action::Edit(Edit::Home)),
            KeyCode::Char('e') => Some(Action::Edit(Edit::End)),
            KeyCode::Char('h') => Some(Action::Edit(Edit::Backspace)),
            _ => None,
        };
    }
    match code {
        KeyCode::Tab | KeyCode::Down => Some(Action::NextField),
        KeyCode::BackTab | KeyCode::Up => Some(Action::PreviousField),
        KeyCode::Char(c) => Some(Action::Edit(Edit::Insert(c))),
        KeyCode::Backspace => Some(Action::Edit(Edit::Backspace)),
        KeyCode::Delete => Some(Action::Edit(Edit::Delete)),
        KeyCode::Left => Some(Action::Edit(Edit::Left)),
        KeyCode::Right => Some(Action::Edit(Edit::Right)),
        KeyCode::Home => Some(Action::Edit(Edit::Home)),
        KeyCode::End => Some(Action::Edit(Edit::End)),
        code => leave_or_accept(code),
    }
}
