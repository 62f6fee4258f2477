//! Pages of rows by number: a screenful of a listing, and the rows of it that change.
//!
//! Every row has a number of the log, unique in its listing. A page is found by the numbers at its ends, so rows
//! that come meanwhile make no other row appear twice or not at all.

use std::cmp::Ordering;

use uuid::Uuid;

/// A row of a listing.
pub trait Row {
    /// The id by which the row is known, however its number changes.
    fn id(&self) -> Uuid;

    /// The number of the log by which the row is listed.
    fn number(&self) -> i64;
}

/// The sequence in which a listing has its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The highest number first.
    Descending,
    /// The lowest number first.
    Ascending,
}

impl Direction {
    pub fn reversed(self) -> Self {
        match self {
            Self::Descending => Self::Ascending,
            Self::Ascending => Self::Descending,
        }
    }

    /// Compares two numbers by their places in the listing.
    pub fn compare(self, a: i64, b: i64) -> Ordering {
        match self {
            Self::Descending => b.cmp(&a),
            Self::Ascending => a.cmp(&b),
        }
    }
}

/// Where a page begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Begins with the first row, whichever that is.
    First,
    /// Begins with the row of this number, or where it would be.
    From(i64),
    /// Begins after the row of this number.
    After(i64),
    /// Ends before the row of this number.
    Before(i64),
    /// Ends with the last row.
    Last,
}

/// The part of a listing that is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub position: Position,
    /// The most rows that there is room for, at least 1.
    pub rows: usize,
}

/// The numbers between which to look for rows, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub least: Option<i64>,
    pub most: Option<i64>,
}

/// What to read: up to `limit` rows between the bounds, in this direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    pub bounds: Bounds,
    pub direction: Direction,
    pub limit: usize,
}

/// The rows of a page, and whether there are others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<R> {
    pub rows: Vec<R>,
    pub has_before: bool,
    pub has_after: bool,
}

/// What became of a page when rows changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Merged<R> {
    Page(Page<R>),
    /// Rows have left the page, and others that are not known follow it: read it again.
    Incomplete,
}

impl Bounds {
    /// Returns the bounds of the rows that are not before this number in a listing.
    fn starting(direction: Direction, number: i64) -> Self {
        match direction {
            Direction::Descending => Self { least: None, most: Some(number) },
            Direction::Ascending => Self { least: Some(number), most: None },
        }
    }

    /// Returns the bounds of the rows that are not after this number in a listing.
    fn ending(direction: Direction, number: i64) -> Self {
        Self::starting(direction.reversed(), number)
    }

    /// Returns the bounds of the rows that are before this number in a listing.
    pub fn before(direction: Direction, number: i64) -> Self {
        Self::ending(direction, preceding(direction, number))
    }

    fn and(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: least(self.most, other.most) }
    }

    fn hold(self, number: i64) -> bool {
        self.least.is_none_or(|least| number >= least)
            && self.most.is_none_or(|most| number <= most)
    }
}

fn least(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

/// Returns the number that follows this one in a listing.
fn following(direction: Direction, number: i64) -> i64 {
    match direction {
        Direction::Descending => number.saturating_sub(1),
        Direction::Ascending => number.saturating_add(1),
    }
}

fn preceding(direction: Direction, number: i64) -> i64 {
    following(direction.reversed(), number)
}

/// Reads a page. `fetch` returns the rows of a slice, in its direction.
pub fn read<R, E>(
    window: Window,
    direction: Direction,
    mut fetch: impl FnMut(Slice) -> Result<Vec<R>, E>,
) -> Result<Page<R>, E> {
    let limit = window.rows + 1;
    let mut forward = |bounds, has_before| {
        let mut rows = fetch(Slice { bounds, direction, limit })?;
        let has_after = rows.len() > window.rows;
        rows.truncate(window.rows);
        Ok(Page { rows, has_before, has_after })
    };
    let (bounds, has_after) = match window.position {
        Position::First => return forward(Bounds::default(), false),
        Position::After(number) => {
            let bounds = Bounds::starting(direction, following(direction, number));
            return forward(bounds, true);
        }
        Position::From(number) => {
            let page = forward(Bounds::starting(direction, number), false)?;
            let bounds = Bounds::before(direction, number);
            let probe = Slice { bounds, direction: direction.reversed(), limit: 1 };
            return Ok(Page { has_before: !fetch(probe)?.is_empty(), ..page });
        }
        Position::Before(number) => (Bounds::before(direction, number), true),
        Position::Last => (Bounds::default(), false),
    };
    let mut rows = fetch(Slice { bounds, direction: direction.reversed(), limit })?;
    if rows.len() < window.rows && has_after {
        // Fewer than a screenful before that row: it is on the first page.
        let mut rows = fetch(Slice { bounds: Bounds::default(), direction, limit })?;
        let has_after = rows.len() > window.rows;
        rows.truncate(window.rows);
        return Ok(Page { rows, has_before: false, has_after });
    }
    let has_before = rows.len() > window.rows;
    rows.truncate(window.rows);
    rows.reverse();
    Ok(Page { rows, has_before, has_after })
}

/// Returns the bounds of the rows that belong on a page, so far as those on it tell.
pub fn bounds<R: Row>(page: &Page<R>, window: Window, direction: Direction) -> Bounds {
    let first = page.rows.first().map(Row::number);
    let last = page.rows.last().map(Row::number).filter(|_| page.has_after);
    let begin = match window.position {
        Position::First => None,
        Position::From(number) => Some(number),
        Position::After(number) => Some(following(direction, number)),
        Position::Before(_) | Position::Last => first.filter(|_| page.has_before),
    };
    let begin = begin.map_or(Bounds::default(), |number| Bounds::starting(direction, number));
    let end = last.map_or(Bounds::default(), |number| Bounds::ending(direction, number));
    begin.and(end)
}

/// Puts rows that have changed in their places on a page. `changed` are the ids of all rows that may have
/// changed, and `present` those of them that the listing has now, as far as they are within the
/// [bounds](bounds()) of the page.
pub fn merge<R: Row>(
    page: Page<R>,
    window: Window,
    direction: Direction,
    changed: &dyn Fn(Uuid) -> bool,
    present: Vec<R>,
) -> Merged<R> {
    let bounds = bounds(&page, window, direction);
    let Page { mut rows, has_before, mut has_after } = page;
    rows.retain(|row| !changed(row.id()));
    rows.extend(present.into_iter().filter(|row| bounds.hold(row.number())));
    rows.sort_by(|a, b| direction.compare(a.number(), b.number()));
    let is_at_an_end = matches!(window.position, Position::Before(_) | Position::Last);
    if rows.len() < window.rows && (has_after || has_before && is_at_an_end) {
        return Merged::Incomplete;
    }
    if rows.len() > window.rows {
        rows.truncate(window.rows);
        has_after = true;
    }
    Merged::Page(Page { rows, has_before, has_after })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;
    use tradeblotter_test_support::check;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Numbered {
        id: u8,
        number: i64,
    }

    impl Row for Numbered {
        fn id(&self) -> Uuid {
            Uuid::from_u128(self.id.into())
        }

        fn number(&self) -> i64 {
            self.number
        }
    }

    fn fetch(all: &[Numbered], slice: Slice) -> Vec<Numbered> {
        let mut rows: Vec<_> =
            all.iter().filter(|row| slice.bounds.hold(row.number)).cloned().collect();
        rows.sort_by(|a, b| slice.direction.compare(a.number, b.number));
        rows.truncate(slice.limit);
        rows
    }

    fn read_of(all: &[Numbered], window: Window, direction: Direction) -> Page<Numbered> {
        read(window, direction, |slice| Ok::<_, Infallible>(fetch(all, slice))).unwrap()
    }

    fn numbered(numbers: &[i64]) -> Vec<Numbered> {
        numbers.iter().zip(1..).map(|(number, id)| Numbered { id, number: *number }).collect()
    }

    fn directions() -> impl Strategy<Value = Direction> {
        prop_oneof![Just(Direction::Descending), Just(Direction::Ascending)]
    }

    #[test]
    fn paging_to_the_end_and_back_shows_every_row_once() {
        let numbers = prop::collection::btree_set(0_i64..200, 0..40);
        check(256, (numbers, 1_usize..9, directions()), |(numbers, rows, direction)| {
            let all = numbered(&numbers.into_iter().collect::<Vec<_>>());
            let everything =
                fetch(&all, Slice { bounds: Bounds::default(), direction, limit: 100 });
            let at = |position| read_of(&all, Window { position, rows }, direction);

            let mut page = at(Position::First);
            prop_assert!(!page.has_before);
            let mut seen = page.rows.clone();
            while page.has_after {
                page = at(Position::After(page.rows.last().unwrap().number));
                seen.extend(page.rows.clone());
            }
            prop_assert_eq!(&seen, &everything);

            let mut page = at(Position::Last);
            prop_assert!(!page.has_after);
            let mut seen = page.rows.clone();
            while page.has_before {
                let first = page.rows.first().unwrap().number;
                page = at(Position::Before(first));
                // The first page is a whole one, and so may have rows of the page after it.
                let is_new = |row: &&Numbered| direction.compare(row.number, first).is_lt();
                let new: Vec<_> = page.rows.iter().filter(is_new).cloned().collect();
                seen.splice(0..0, new);
            }
            prop_assert_eq!(&seen, &everything);
            Ok(())
        });
    }

    /// Rows that move to other numbers, leave and come: a place, and the number there if there is one.
    fn changes() -> impl Strategy<Value = Vec<(u8, Option<i64>)>> {
        prop::collection::vec((0_u8..40, prop::option::of(60_i64..120)), 1..12)
    }

    fn positions() -> impl Strategy<Value = Position> {
        prop_oneof![
            Just(Position::First),
            Just(Position::Last),
            (0_i64..60).prop_map(Position::From),
            (0_i64..60).prop_map(Position::After),
            (0_i64..60).prop_map(Position::Before),
        ]
    }

    #[test]
    fn a_page_that_changes_are_merged_into_is_the_page_that_is_read_again() {
        let numbers = prop::collection::btree_set(0_i64..60, 1..30);
        let inputs = (numbers, changes(), positions(), 1_usize..9, directions());
        check(512, inputs, |(numbers, changes, position, rows, direction)| {
            let mut all = numbered(&numbers.into_iter().collect::<Vec<_>>());
            let window = Window { position, rows };
            let before = read_of(&all, window, direction);
            let mut changed = Vec::new();
            for (place, number) in changes {
                let id = place + 1;
                if number.is_some_and(|number| all.iter().any(|row| row.number == number)) {
                    continue;
                }
                all.retain(|row| row.id != id);
                all.extend(number.map(|number| Numbered { id, number }));
                changed.push(Uuid::from_u128(id.into()));
            }
            let is_changed = |id| changed.contains(&id);
            let present = all.iter().filter(|row| is_changed(row.id())).cloned().collect();
            let merged = merge(before.clone(), window, direction, &is_changed, present);
            let again = read_of(&all, window, direction);
            match merged {
                Merged::Incomplete => {}
                // A page that ends at a row keeps its beginning, wherever that was.
                Merged::Page(page) if matches!(position, Position::Before(_) | Position::Last) => {
                    let is_sorted = page
                        .rows
                        .is_sorted_by(|a, b| direction.compare(a.number, b.number).is_lt());
                    let is_stored = page.rows.iter().all(|row| all.contains(row));
                    prop_assert!(is_sorted && is_stored, "{:?}", page);
                }
                Merged::Page(page) => prop_assert_eq!(page.rows, again.rows),
            }
            Ok(())
        });
    }

    #[test]
    fn a_page_before_a_row_that_is_on_the_first_page_is_the_first_page() {
        let all = numbered(&[1, 2, 3, 4, 5]);
        let window = Window { position: Position::Before(4), rows: 3 };
        let page = read_of(&all, window, Direction::Descending);
        assert_eq!(
            page,
            read_of(&all, Window { position: Position::First, rows: 3 }, Direction::Descending)
        );
        assert_eq!(page.rows[0].number, 5);
    }

    #[test]
    fn a_page_that_begins_at_a_row_keeps_its_rows_when_others_come_before_it() {
        let mut all = numbered(&[1, 2, 3, 4, 5]);
        let window = Window { position: Position::From(5), rows: 3 };
        let before = read_of(&all, window, Direction::Descending);
        assert!(!before.has_before);
        all.push(Numbered { id: 9, number: 6 });
        let after = read_of(&all, window, Direction::Descending);
        assert_eq!((&after.rows, after.has_before), (&before.rows, true));
    }
}
