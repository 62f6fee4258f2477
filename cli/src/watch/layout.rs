//! Where the panes are on a screen of a given size.

use ratatui::layout::{Rect, Size};

/// The smallest screen on which there is room for everything.
pub const LEAST: Size = Size { width: 72, height: 20 };

/// From this width on, the details are beside the lists.
const WIDE: u16 = 160;

/// From this width on, the status takes one line.
const ONE_STATUS_LINE: u16 = 140;

/// Lines of a list that are not rows: its title and the names of its columns.
const LIST_HEAD: u16 = 2;

/// Lines of an order's details before its entries, without those of the totals: title, terms, and the names of the
/// columns.
const HISTORY_HEAD: u16 = 4;

/// The most venues whose totals are shown, of a lot of lines and of few.
const MANY_TOTALS: u16 = 6;
const FEW_TOTALS: u16 = 1;

/// The lines of details from which on there is room for many totals.
const ROOMY: u16 = 14;

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub status: Rect,
    pub orders: Rect,
    pub breaks: Rect,
    pub details: Rect,
    pub footer: Rect,
    /// Lines for the totals of venues, in the details.
    pub totals: u16,
}

/// Returns the layout for a screen. `venues` is how many totals there are to show.
pub fn of(size: Size, is_zoomed: bool, venues: usize) -> Layout {
    let Size { width, height } = size;
    let status_lines = if width >= ONE_STATUS_LINE { 1 } else { 2 };
    let status = Rect::new(0, 0, width, status_lines.min(height));
    let footer = Rect::new(0, height.saturating_sub(1), width, 1.min(height));
    let body = Rect::new(0, status.height, width, height.saturating_sub(status.height + 1));
    let is_wide = width >= WIDE;
    let left = if is_wide { width * 29 / 50 } else { width };
    let breaks_height = if is_wide { body.height / 3 } else { body.height * 6 / 21 };
    let orders_height = match is_wide {
        true => body.height - breaks_height,
        false => body.height * 8 / 21,
    };
    let orders = Rect { width: left, height: orders_height, ..body };
    let breaks = Rect { width: left, y: body.y + orders_height, height: breaks_height, ..body };
    let details = match (is_zoomed, is_wide) {
        (true, _) => body,
        // A column between them stays empty.
        (false, true) => Rect { x: left + 1, width: width - left - 1, ..body },
        (false, false) => {
            let above = orders_height + breaks_height;
            Rect { y: body.y + above, height: body.height - above, ..body }
        }
    };
    let most = if details.height >= ROOMY { MANY_TOTALS } else { FEW_TOTALS };
    let totals = u16::try_from(venues).unwrap_or(u16::MAX).clamp(1, most);
    Layout { status, orders, breaks, details, footer, totals }
}

/// Returns whether there is room for everything.
pub fn fits(size: Size) -> bool {
    size.width >= LEAST.width && size.height >= LEAST.height
}

impl Layout {
    pub fn order_rows(&self) -> u16 {
        self.orders.height.saturating_sub(LIST_HEAD)
    }

    pub fn break_rows(&self) -> u16 {
        self.breaks.height.saturating_sub(LIST_HEAD)
    }

    /// Returns the line of the details on which the names of the columns of entries are.
    pub fn entries_head(&self) -> u16 {
        HISTORY_HEAD + self.totals - 1
    }

    pub fn entry_rows(&self) -> u16 {
        self.details.height.saturating_sub(self.entries_head() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panes_share_the_screen_and_each_has_rows_at_every_size_that_fits() {
        for width in LEAST.width..220 {
            for height in LEAST.height..70 {
                let size = Size { width, height };
                let layout = of(size, false, 9);
                let Layout { status, orders, breaks, details, footer, .. } = layout;
                let areas = [status, orders, breaks, details, footer];
                for (n, area) in areas.iter().enumerate() {
                    assert!(area.right() <= width && area.bottom() <= height, "{size}: {area}");
                    let others = areas.iter().skip(n + 1);
                    assert!(others.clone().all(|other| !area.intersects(*other)), "{size}");
                }
                assert!(layout.order_rows() >= 3, "{size}");
                assert!(layout.break_rows() >= 2, "{size}");
                assert!(layout.entry_rows() >= 1, "{size}");
                assert!(of(size, true, 9).entry_rows() >= 5, "{size}");
            }
        }
    }
}
