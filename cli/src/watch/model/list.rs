//! A list on the screen: the page that is shown, and the row that is selected.

use crate::watch::page::{Direction, Page, Position, Row};

/// A list of which a page at a time is shown.
///
/// The list follows its beginning until another row than the first is selected. Then the page stays where it is, so
/// that rows which come do not push away what somebody reads.
#[derive(Debug)]
pub struct List<R> {
    pub direction: Direction,
    pub position: Position,
    /// The rows; none while they are being read.
    pub page: Option<Page<R>>,
    /// The row that was selected, wherever it is now; `None` for the first one, whichever that is.
    selected: Option<R>,
    /// The place at which the selected row was last.
    place: usize,
    arrival: Arrival,
    /// Whether the page stays where it is while rows are selected. Where rows change their places it would lose those
    /// that change.
    pub is_anchored: bool,
}

/// What to select on the page that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    Same,
    First,
    Last,
    /// The row before the one of this number.
    Before(i64),
}

/// How far to move the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

impl<R: Row + Clone> List<R> {
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            position: Position::First,
            page: None,
            selected: None,
            place: 0,
            arrival: Arrival::Same,
            is_anchored: true,
        }
    }

    /// Returns the rows of the page.
    pub fn rows(&self) -> &[R] {
        self.page.as_ref().map_or(&[], |page| &page.rows)
    }

    /// Returns the selected row: as it is on the page, or as it was when it left the page.
    pub fn selected(&self) -> Option<&R> {
        match &self.selected {
            None => self.rows().first(),
            Some(row) => self.selected_place().map_or(Some(row), |place| self.rows().get(place)),
        }
    }

    /// Returns the place of the selected row on the page; none if it has left the page.
    pub fn selected_place(&self) -> Option<usize> {
        match &self.selected {
            None => (!self.rows().is_empty()).then_some(0),
            Some(row) => self.rows().iter().position(|it| it.id() == row.id()),
        }
    }

    /// Shows a page that was read for the present position.
    pub fn show(&mut self, page: Page<R>) {
        let arrival = std::mem::replace(&mut self.arrival, Arrival::Same);
        let last = page.rows.len().saturating_sub(1);
        let place = match arrival {
            Arrival::Same => None,
            Arrival::First => Some(0),
            Arrival::Last => Some(last),
            Arrival::Before(number) => {
                let is_before = |row: &R| self.direction.compare(row.number(), number).is_lt();
                Some(page.rows.iter().rposition(is_before).unwrap_or(0))
            }
        };
        if matches!(self.position, Position::Before(_)) && !page.has_before {
            // The first page: keep it where it is, whatever comes before it.
            let first = page.rows.first().map(Row::number);
            self.position = first.map_or(Position::First, Position::From);
        }
        self.page = Some(page);
        match place {
            Some(place) => self.select(place),
            None => {
                // So that the row is shown as it is now if it leaves the page later.
                if let Some(place) = self.selected_place().filter(|_| self.selected.is_some()) {
                    self.select(place);
                }
            }
        }
    }

    /// Begins again at the first row, for another listing.
    pub fn restart(&mut self) {
        (self.position, self.page, self.selected) = (Position::First, None, None);
        (self.place, self.arrival) = (0, Arrival::Same);
    }

    fn select(&mut self, place: usize) {
        self.selected = self.rows().get(place).cloned();
        self.place = place;
    }

    /// Moves the selection, to another page if need be.
    pub fn move_selection(&mut self, by: Move) {
        let Some(page) = &self.page else { return };
        let (has_before, has_after) = (page.has_before, page.has_after);
        let ends = (page.rows.first().map(Row::number), page.rows.last().map(Row::number));
        let (Some(first), Some(last)) = ends else {
            return self.restart_at(Position::First, Arrival::Same);
        };
        let bottom = page.rows.len() - 1;
        // A row that has left the page has the place that it had.
        let place = self.selected_place().unwrap_or_else(|| self.place.min(bottom));
        let is_gone = self.selected_place().is_none();
        match by {
            Move::First => self.restart_at(Position::First, Arrival::Same),
            Move::Last if !has_after => self.choose(bottom),
            Move::Last => self.restart_at(Position::Last, Arrival::Last),
            Move::Up | Move::Down if is_gone => self.choose(place),
            Move::Up if place > 0 => self.choose(place - 1),
            Move::Up if has_before => {
                self.restart_at(Position::Before(first), Arrival::Before(first));
            }
            Move::PageUp if has_before => {
                self.restart_at(Position::Before(first), Arrival::Before(first));
            }
            Move::Up | Move::PageUp => self.restart_at(Position::First, Arrival::Same),
            Move::Down if place < bottom => self.choose(place + 1),
            Move::Down | Move::PageDown if has_after => {
                self.restart_at(Position::After(last), Arrival::First);
            }
            Move::Down | Move::PageDown => self.choose(bottom),
        }
    }

    /// Selects a row of the page, and keeps the page where it is.
    pub fn choose(&mut self, place: usize) {
        if place >= self.rows().len() {
            return;
        }
        self.select(place);
        if place > 0 && self.is_anchored && self.position == Position::First {
            let first = self.rows().first().map(Row::number);
            self.position = first.map_or(Position::First, Position::From);
        }
    }

    fn restart_at(&mut self, position: Position, arrival: Arrival) {
        if position == Position::First {
            (self.selected, self.place) = (None, 0);
        }
        (self.position, self.arrival) = (position, arrival);
    }
}
