//! What is said of many measurements: percentiles, medians, the spread.

use std::time::Duration;

/// Times of operations, in microseconds. An hour still fits.
#[derive(Debug, Clone, Default)]
pub(super) struct Times(Vec<u32>);

impl Times {
    /// Adds one.
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds one in microseconds; what lies before is taken for no time at all.
    pub(super) fn add_us(&mut self, us: i64) {
        self.0.push(u32::try_from(us.max(0)).unwrap_or(u32::MAX));
    }

    /// Adds all of another.
    pub(super) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The longest, in milliseconds; none without a measurement.
    pub(super) fn most_ms(&self) -> Option<f64> {
        self.0.iter().max().map(|us| f64::from(*us) / 1_000.0)
    }

    /// The p50 and the p99, in milliseconds; none without a measurement.
    pub(super) fn p50_p99_ms(mut self) -> Option<(f64, f64)> {
        self.0.sort_unstable();
        Some((percentile(&self.0, 50)?, percentile(&self.0, 99)?))
    }
}

/// The nearest-rank percentile of sorted microseconds, in milliseconds: the smallest that so many percent do not exceed.
fn percentile(sorted_us: &[u32], percent: usize) -> Option<f64> {
    let rank = (sorted_us.len() * percent).div_ceil(100);
    sorted_us.get(rank.max(1) - 1).map(|us| f64::from(*us) / 1_000.0)
}

/// The middle one; of an even number the mean of the two in the middle. None of none.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[middle - 1], upper) } else { upper })
}

/// A rate or a time as it is reported: three digits after the point are more than any run repeats.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(us: impl IntoIterator<Item = u64>) -> Times {
        let mut times = Times::default();
        us.into_iter().for_each(|us| times.add(Duration::from_micros(us)));
        times
    }

    #[test]
    fn percentiles_are_measured_values_at_the_nearest_rank() {
        assert_eq!(times([]).p50_p99_ms(), None);
        assert_eq!(times([7_000]).p50_p99_ms(), Some((7.0, 7.0)));
        assert_eq!(times([2_000, 1_000]).p50_p99_ms(), Some((1.0, 2.0)));
        assert_eq!(times((1..=100).rev().map(|n| n * 1_000)).p50_p99_ms(), Some((50.0, 99.0)));
        assert_eq!(times((1..=200).map(|n| n * 10)).p50_p99_ms(), Some((1.0, 1.98)));
        // One slow operation in a hundred is no p99, two are.
        assert_eq!(times([vec![1_000; 99], vec![900_000; 1]].concat()).p50_p99_ms(), Some((1.0, 1.0)));
        assert_eq!(times([vec![1_000; 98], vec![900_000; 2]].concat()).p50_p99_ms(), Some((1.0, 900.0)));
    }

    #[test]
    fn merged_times_count_as_one_measurement() {
        let mut all = times((1..=50).map(|n| n * 1_000));
        all.merge(times((51..=100).map(|n| n * 1_000)));
        assert_eq!(all.p50_p99_ms(), Some((50.0, 99.0)));
    }

    #[test]
    fn the_median_bears_one_bad_round() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1_000.0, 1.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn figures_are_rounded_to_three_digits() {
        assert_eq!((rounded(0.123_456), rounded(51_234.567_89)), (0.123, 51_234.568));
    }
}
