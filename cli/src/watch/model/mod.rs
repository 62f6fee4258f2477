//! The state of the screen, and how keys and the answers of the data worker change it.
//!
//! [`Model::apply`] takes what somebody asks for, [`Model::update`] what the worker has read, and
//! [`Model::wanted`] says what is to be read. Nothing here touches the terminal or the database.

pub mod dialog;
pub mod input;
pub mod list;

use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;
use ratatui::layout::Size;
use tradeblotter::Order;
use tradeblotter::status::Status;
use uuid::Uuid;

use self::dialog::{Act, Dialog, ResolveForm};
use self::input::Edit;
use self::list::{List, Move};
use super::data::{Connection, Update};
use super::layout::{self, Layout};
use super::page::{Direction, Window};
use super::rows::{Entry, History, ListedOrder, OpenBreak};
use super::view;
use super::wanted::{HistoryQuery, OrderFilter, OrdersQuery, Sort, Wanted};

/// The role that the session acts as, which decides what the screen offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Acting {
    /// Sees one trader's rows and cancels its orders
    Trader,
    /// Sees all rows and resolves breaks
    Engine,
    /// Sees all rows and changes nothing
    Compliance,
}

impl Acting {
    pub fn label(self) -> &'static str {
        match self {
            Self::Trader => "trader",
            Self::Engine => "engine",
            Self::Compliance => "compliance",
        }
    }

    pub fn may_cancel(self) -> bool {
        self == Self::Trader
    }

    pub fn may_resolve(self) -> bool {
        self == Self::Engine
    }
}

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    Orders,
    Breaks,
    /// The history of the selected order, or what the selected break is.
    Details,
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Quit,
    Help,
    NextPane,
    PreviousPane,
    Select(Move),
    /// Shows the details on the whole screen, or accepts a form.
    Enter,
    /// Goes back.
    Escape,
    Filter,
    Sort,
    Cancel,
    Book,
    Dismiss,
    Yes,
    Edit(Edit),
    NextField,
    PreviousField,
}

/// What follows from an action beyond the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Quit,
    Act(Act),
}

/// The state of the screen.
#[derive(Debug)]
pub struct Model {
    pub size: Size,
    /// The name of the login.
    pub login: String,
    pub acting: Acting,
    pub focus: Pane,
    /// The list whose selected row the details are about.
    pub subject: Pane,
    /// Whether the details have the whole screen.
    pub is_zoomed: bool,
    pub filter: OrderFilter,
    pub sort: Sort,
    pub orders: List<ListedOrder>,
    pub breaks: List<OpenBreak>,
    /// The selected order with its history; none while it is read.
    pub history: Option<History>,
    pub entries: List<Entry>,
    /// The first line of the details of a break that is shown.
    pub scroll: usize,
    pub dialog: Option<Dialog>,
    /// The figures of the store; none while they are read.
    pub status: Option<Status>,
    pub connection: Connection,
    /// Why changes that are committed are not shown yet.
    pub held_back: Option<String>,
    /// What became of the last act, or why there is none.
    pub notice: Option<String>,
    /// Whether an act is under way.
    pub is_busy: bool,
    /// The time that ages are counted to, by the clock of the database.
    pub now: DateTime<Utc>,
    /// The clock of the database minus the clock here.
    ahead: TimeDelta,
}

impl Model {
    pub fn new(size: Size, login: String, acting: Acting, filter: OrderFilter) -> Self {
        Self {
            size,
            login,
            acting,
            focus: Pane::Orders,
            subject: Pane::Orders,
            is_zoomed: false,
            filter,
            sort: Sort::default(),
            orders: List::new(Direction::Descending),
            breaks: List::new(Direction::Descending),
            history: None,
            entries: List::new(Direction::Descending),
            scroll: 0,
            dialog: None,
            status: None,
            connection: Connection::Live,
            held_back: None,
            notice: None,
            is_busy: false,
            now: Utc::now(),
            ahead: TimeDelta::zero(),
        }
    }

    /// Returns where the panes are.
    pub fn layout(&self) -> Layout {
        layout::of(self.size, self.is_zoomed, self.history.as_ref().map_or(0, |it| it.totals.len()))
    }

    /// Returns what has to be read for this screen.
    pub fn wanted(&self) -> Wanted {
        let layout = self.layout();
        let window = |position, rows: u16| Window { position, rows: rows.max(1).into() };
        Wanted {
            orders: OrdersQuery {
                filter: self.filter.clone(),
                sort: self.sort,
                window: window(self.orders.position, layout.order_rows()),
            },
            breaks: window(self.breaks.position, layout.break_rows()),
            history: self.order().map(|order| HistoryQuery {
                order,
                window: window(self.entries.position, layout.entry_rows()),
            }),
        }
    }

    /// Returns the order whose history is shown.
    fn order(&self) -> Option<Uuid> {
        match self.subject {
            Pane::Breaks => None,
            _ => self.orders.selected().map(|row| row.order.id),
        }
    }

    /// Returns the selected order, as it is in the history if that is read.
    pub fn selected_order(&self) -> Option<&Order> {
        let listed = self.orders.selected().map(|row| &row.order)?;
        let history = self.history.as_ref().map(|history| &history.order);
        Some(history.filter(|order| order.id == listed.id).unwrap_or(listed))
    }

    /// Returns whether the selected order is offered to be cancelled.
    pub fn offers_cancel(&self) -> bool {
        self.acting.may_cancel()
            && self.subject == Pane::Orders
            && self.selected_order().is_some_and(|order| order.status.is_open())
    }

    /// Returns whether the selected break is offered to be dismissed.
    pub fn offers_dismiss(&self) -> bool {
        self.acting.may_resolve()
            && self.subject == Pane::Breaks
            && self.breaks.selected().is_some()
    }

    /// Returns whether the selected break is offered to be booked.
    pub fn offers_book(&self) -> bool {
        let is_execution = |row: &OpenBreak| row.reported.reason.is_execution();
        self.offers_dismiss() && self.breaks.selected().is_some_and(is_execution)
    }

    /// Sets the clock, which ages are counted to.
    pub fn tick(&mut self, here: DateTime<Utc>) {
        self.now = here + self.ahead;
    }

    /// Sets the size of the screen.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
    }

    /// Does what somebody asks for.
    pub fn apply(&mut self, action: Action) -> Option<Effect> {
        if action == Action::Quit {
            return Some(Effect::Quit);
        }
        if self.dialog.is_some() {
            return self.apply_to_dialog(action).map(Effect::Act);
        }
        self.notice = None;
        match action {
            Action::Help => self.dialog = Some(Dialog::Help),
            Action::NextPane => self.focus_next(1),
            Action::PreviousPane => self.focus_next(2),
            Action::Select(by) => self.select(by),
            Action::Enter => {
                self.is_zoomed = !self.is_zoomed;
                self.set_focus(if self.is_zoomed { Pane::Details } else { self.subject });
            }
            Action::Escape if self.is_zoomed => {
                self.is_zoomed = false;
                self.set_focus(self.subject);
            }
            Action::Filter => {
                let form = dialog::filter_form(&self.filter, self.acting != Acting::Trader);
                self.dialog = Some(Dialog::Filter(form));
            }
            Action::Sort => {
                self.sort = self.sort.next();
                self.relist();
            }
            Action::Cancel if self.offers_cancel() => {
                self.dialog = self.selected_order().cloned().map(Box::new).map(Dialog::Cancel);
            }
            Action::Book if self.offers_book() => {
                let selected = self.orders.selected().map(|row| row.order.id);
                let of = self.breaks.selected().cloned();
                self.dialog = of.map(|of| Dialog::Resolve(ResolveForm::book(of, selected)));
            }
            Action::Dismiss if self.offers_dismiss() => {
                let of = self.breaks.selected().cloned();
                self.dialog = of.map(|of| Dialog::Resolve(ResolveForm::dismiss(of)));
            }
            _ => {}
        }
        self.follow_order();
        None
    }

    fn apply_to_dialog(&mut self, action: Action) -> Option<Act> {
        if action == Action::Escape {
            self.dialog = None;
            return None;
        }
        match self.dialog.as_mut()? {
            Dialog::Help | Dialog::Message { .. } => {
                if action == Action::Enter {
                    self.dialog = None;
                }
                None
            }
            Dialog::Cancel(order) => {
                let act = Act::Cancel { order: order.id };
                (action == Action::Yes).then(|| self.begin(act))
            }
            Dialog::Filter(form) => {
                match action {
                    Action::Enter => {
                        self.filter = dialog::filter_of(form, &self.filter);
                        self.dialog = None;
                        self.set_focus(Pane::Orders);
                        self.is_zoomed = false;
                        self.relist();
                    }
                    Action::Edit(edit) => form.edit(edit),
                    Action::NextField => form.next_field(),
                    Action::PreviousField => form.previous_field(),
                    _ => {}
                }
                None
            }
            Dialog::Resolve(resolve) => {
                match action {
                    Action::Enter if !resolve.form.is_at_last_field() => resolve.form.next_field(),
                    Action::Enter => match resolve.act() {
                        Ok(act) => return Some(self.begin(act)),
                        Err(problem) => resolve.form.problem = Some(problem),
                    },
                    Action::Edit(edit) => resolve.form.edit(edit),
                    Action::NextField => resolve.form.next_field(),
                    Action::PreviousField => resolve.form.previous_field(),
                    _ => {}
                }
                None
            }
        }
    }

    fn begin(&mut self, act: Act) -> Act {
        self.dialog = None;
        self.is_busy = true;
        act
    }

    fn set_focus(&mut self, pane: Pane) {
        self.focus = pane;
        if pane != Pane::Details && self.subject != pane {
            self.subject = pane;
            self.scroll = 0;
        }
    }

    fn focus_next(&mut self, steps: usize) {
        if self.is_zoomed {
            return;
        }
        let panes = [Pane::Orders, Pane::Breaks, Pane::Details];
        let place = panes.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        self.set_focus(panes[(place + steps) % panes.len()]);
    }

    /// Moves the selection of the focused pane.
    fn select(&mut self, by: Move) {
        match (self.focus, self.subject) {
            (Pane::Orders, _) => self.orders.move_selection(by),
            (Pane::Breaks, _) => {
                self.breaks.move_selection(by);
                self.scroll = 0;
            }
            (Pane::Details, Pane::Breaks) => {
                let page = usize::from(self.layout().details.height.saturating_sub(2)).max(1);
                let last = view::last_scroll(self);
                let scroll = self.scroll.min(last);
                let scroll = match by {
                    Move::Up => scroll.saturating_sub(1),
                    Move::Down => scroll + 1,
                    Move::PageUp => scroll.saturating_sub(page),
                    Move::PageDown => scroll + page,
                    Move::First => 0,
                    Move::Last => last,
                };
                self.scroll = scroll.min(last);
            }
            (Pane::Details, _) => self.entries.move_selection(by),
        }
    }

    /// Lists the orders from the beginning, by another filter or in another sequence.
    fn relist(&mut self) {
        self.orders.restart();
        self.orders.direction = self.sort.direction();
        // Rows that change would leave the page, which they should be seen on.
        self.orders.is_anchored = self.sort != Sort::LastChange;
    }

    /// Drops the history of an order that is not the selected one.
    fn follow_order(&mut self) {
        let order = self.order();
        if self.subject == Pane::Orders
            && self.history.as_ref().is_some_and(|history| Some(history.order.id) != order)
        {
            self.history = None;
            self.entries.restart();
        }
    }

    /// Takes in what the data worker has read.
    pub fn update(&mut self, update: Update) {
        let wanted = self.wanted();
        match update {
            Update::Orders { of, page } if of == wanted.orders => {
                self.orders.show(page);
                self.follow_order();
            }
            Update::Breaks { of, page } if of == wanted.breaks => {
                let before = self.breaks.selected().map(|row| row.number);
                self.breaks.show(page);
                if self.breaks.selected().map(|row| row.number) != before {
                    self.scroll = 0;
                }
            }
            Update::History { of, history } if Some(of) == wanted.history => {
                if let Some(history) = &history {
                    self.entries.show(history.entries.clone());
                }
                self.history = history.map(|history| *history);
            }
            Update::Status(status) => {
                self.ahead = status.connection.at - Utc::now();
                self.status = Some(*status);
            }
            Update::Connection(connection) => self.connection = connection,
            Update::HeldBack(why) => self.held_back = why,
            Update::Done(done) => {
                self.is_busy = false;
                match done {
                    Ok(said) => self.notice = Some(said),
                    Err(text) => self.show_message("Refused", text),
                }
            }
            Update::Failed(text) => self.show_message("Error", text),
            // Of a page that is not wanted any more.
            Update::Orders { .. } | Update::Breaks { .. } | Update::History { .. } => {}
        }
    }

    // A message must not take away what somebody is typing.
    fn show_message(&mut self, title: &'static str, text: String) {
        match self.dialog {
            None | Some(Dialog::Message { .. }) => {
                self.dialog = Some(Dialog::Message { title, text });
            }
            Some(_) => self.notice = Some(text),
        }
    }
}
