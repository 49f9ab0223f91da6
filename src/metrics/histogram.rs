//! How many values were how large.

use hdrhistogram::Histogram as HdrHistogram;

/// Upper bounds of buckets.
#[derive(Debug)]
pub(super) struct Bounds {
    /// What one exported unit is in recorded ones.
    unit: f64,
    /// Each in recorded units, ascending, and as the label `le` shows it.
    buckets: &'static [(u64, &'static str)],
}

/// Durations of calls to providers.
pub(super) static UPSTREAM: Bounds = Bounds { unit: 1e9, buckets: &SECONDS };

/// Durations of requests to the gateway, and of the parts of a stream.
pub(super) static DURATION: Bounds = Bounds { unit: 1e9, buckets: SECONDS.split_at(11).0 };

static SECONDS: [(u64, &str); 16] = [
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
    (15_000_000_000, "15"),
    (30_000_000_000, "30"),
    (45_000_000_000, "45"),
    (60_000_000_000, "60"),
    (90_000_000_000, "90"),
];

/// Lengths of bodies.
pub(super) static SIZE: Bounds = Bounds {
    unit: 1.0,
    buckets: &[
        (100, "100"),
        (1_000, "1000"),
        (10_000, "10000"),
        (100_000, "100000"),
        (1_000_000, "1e+06"),
        (10_000_000, "1e+07"),
        (100_000_000, "1e+08"),
        (1_000_000_000, "1e+09"),
    ],
};

/// Time spent in the gateway, microseconds; below 100 finer than Bifrost's, which begin there.
pub(super) static OVERHEAD: [u64; 23] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
    500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// The largest overhead that is told from larger ones, microseconds.
const OVERHEAD_MICROS_MAX: u64 = 60_000_000;

/// Values by the buckets of its bounds.
#[derive(Clone, Debug)]
pub(super) struct Histogram<const COUNT: usize> {
    /// Values in each bucket alone.
    counts: [u64; COUNT],
    /// Values beyond the last bound.
    beyond: u64,
    sum: u64,
}

impl<const COUNT: usize> Default for Histogram<COUNT> {
    fn default() -> Self {
        Self { counts: [0; COUNT], beyond: 0, sum: 0 }
    }
}

impl<const COUNT: usize> Histogram<COUNT> {
    pub(super) fn observe(&mut self, bounds: &Bounds, value: u64) {
        self.sum = self.sum.wrapping_add(value);
        for (count, (bound, _)) in self.counts.iter_mut().zip(bounds.buckets) {
            if value <= *bound {
                *count += 1;
                return;
            }
        }
        self.beyond += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.beyond += other.beyond;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Values in all.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    /// Sum of all values, in exported units.
    pub(super) fn sum(&self, bounds: &Bounds) -> f64 {
        self.sum as f64 / bounds.unit
    }

    /// Each bound's text with the number of values up to it.
    pub(super) fn cumulated(&self, bounds: &Bounds) -> impl Iterator<Item = (&'static str, u64)> {
        let mut total = 0;
        bounds.buckets.iter().zip(self.counts).map(move |((_, text), count)| {
            total += count;
            (*text, total)
        })
    }
}

/// Time spent in the gateway: a wide range at small cost, one significant digit (3 kB).
#[derive(Clone, Debug, Default)]
pub(super) struct Overhead {
    recorded: Option<HdrHistogram<u64>>,
    micros: u64,
}

impl Overhead {
    /// Records a time, rounded up to whole microseconds.
    pub(super) fn record(&mut self, nanos: u64) {
        let micros = nanos.div_ceil(1000).max(1);
        if self.recorded.is_none() {
            self.recorded = HdrHistogram::new_with_bounds(1, OVERHEAD_MICROS_MAX, 1).ok();
        }
        if let Some(recorded) = &mut self.recorded {
            recorded.saturating_record(micros);
            self.micros += micros;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        match (&mut self.recorded, &other.recorded) {
            // Both have the same bounds, so that adding cannot fail.
            (Some(mine), Some(theirs)) => drop(mine.add(theirs)),
            (mine @ None, theirs) => mine.clone_from(theirs),
            (Some(_), None) => {}
        }
        self.micros += other.micros;
    }

    pub(super) fn count(&self) -> u64 {
        self.recorded.as_ref().map_or(0, HdrHistogram::len)
    }

    /// Sum of all times, microseconds.
    pub(super) fn micros(&self) -> u64 {
        self.micros
    }

    /// Each bound with the number of times up to it, as exact as one significant digit allows.
    pub(super) fn cumulated(&self) -> impl Iterator<Item = (u64, u64)> {
        OVERHEAD.iter().map(|bound| {
            (*bound, self.recorded.as_ref().map_or(0, |recorded| recorded.count_between(0, *bound)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_from_its_bound_on() {
        let mut histogram = Histogram::<8>::default();
        for value in [100, 101, 5_000_000_000] {
            histogram.observe(&SIZE, value);
        }
        let counts: Vec<_> = histogram.cumulated(&SIZE).map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!((histogram.count(), histogram.sum(&SIZE)), (3, 5_000_000_201.0));
    }

    #[test]
    fn histograms_of_two_shards_add_up() {
        let (mut one, mut other) = (Overhead::default(), Overhead::default());
        one.record(900);
        other.record(9_001);
        other.record(u64::MAX / 2);
        one.add(&other);
        let mut sum = Overhead::default();
        sum.add(&one);
        sum.add(&Overhead::default());
        let counts: Vec<_> = sum.cumulated().take(4).collect();
        assert_eq!(counts, [(1, 1), (2, 1), (5, 1), (10, 2)]);
        assert_eq!((sum.count(), sum.cumulated().last()), (3, Some((30_000_000, 2))));
    }
}
