//! How many entries come per second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time over which entries are counted.
const SPAN: Duration = Duration::from_secs(10);

/// The entries that have come of late.
#[derive(Debug, Default)]
pub struct Rate {
    counts: VecDeque<(Instant, usize)>,
}

impl Rate {
    pub fn count(&mut self, entries: usize, at: Instant) {
        if entries > 0 {
            self.counts.push_back((at, entries));
        }
    }

    /// Returns the entries per second up to now.
    pub fn per_second(&mut self, now: Instant) -> f64 {
        self.counts.retain(|(at, _)| now.duration_since(*at) < SPAN);
        let entries: usize = self.counts.iter().map(|(_, entries)| entries).sum();
        let entries = u32::try_from(entries).unwrap_or(u32::MAX);
        f64::from(entries) / SPAN.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_count_for_ten_seconds() {
        let (mut rate, begin) = (Rate::default(), Instant::now());
        let after = |seconds| begin + Duration::from_secs(seconds);
        rate.count(50, after(1));
        rate.count(0, after(2));
        rate.count(100, after(5));
        for (seconds, expected) in [(5, 15.0), (10, 15.0), (11, 10.0), (14, 10.0), (15, 0.0)] {
            assert_eq!(rate.per_second(after(seconds)), expected, "{seconds}");
        }
        assert!(rate.counts.is_empty());
    }
}
