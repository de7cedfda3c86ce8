//! Which runs are merged, when, and by a push or in the background.
//!
//! A run of *r* rows has the class ⌊log₁₂(r / 120)⌋, at least 0: twelve runs of a class become one of
//! the next. Only neighbours in age are merged, so that the newest row of a key stays the newest.
//!
//! A push merges small runs in its transaction. Large ones are merged in the background, or by a push
//! when twice as many have accumulated.

use std::cmp::Ordering;
use std::ops::Range;

/// How many runs of a class are merged into one.
const RUNS_PER_CLASS: u32 = 12;

/// How many runs of a class wait until a push merges them, whatever their size.
const RUNS_OVERDUE: u32 = 24;

/// Rows of the smallest run of class 0 that is full: about a leaf.
const SMALLEST: u64 = 120;

/// Rows that a push merges, unless it brings half of them itself: about twenty milliseconds.
const MERGED_BY_PUSH: u64 = 65_536;

/// How many runs a push merges with its own. `rows` are the sizes of all runs, its own first, then
/// the newest. 1 if it merges none.
pub fn merged_by_push(rows: &[u64]) -> usize {
    let Some(own) = rows.first() else { return 0 };
    let most = MERGED_BY_PUSH.max(2 * own);
    let (mut merged, mut sum) = (1, *own);
    loop {
        let older = &rows[merged..];
        let with = |more: usize| sum + older[..more].iter().sum::<u64>();
        let few = alike(sum, older, RUNS_PER_CLASS).filter(|more| with(*more) <= most);
        let Some(more) = few.or_else(|| alike(sum, older, RUNS_OVERDUE)) else { return merged };
        (merged, sum) = (merged + more, with(more));
    }
}

/// Which runs should be merged. `rows` are the sizes of all, the newest first. Newer ones that are
/// smaller stay.
pub fn runs_due(rows: &[u64]) -> Option<Range<usize>> {
    let (mut start, mut class, mut same) = (0, 0, 0);
    for (number, run) in rows.iter().enumerate() {
        match class_of(*run).cmp(&class) {
            Ordering::Less => {}
            Ordering::Equal => same += 1,
            Ordering::Greater => (start, class, same) = (number, class_of(*run), 1),
        }
        if same == RUNS_PER_CLASS {
            let mut end = number + 1;
            let mut sum = rows[start..end].iter().sum::<u64>();
            while let Some(more) = alike(sum, &rows[end..], RUNS_PER_CLASS) {
                sum += rows[end..][..more].iter().sum::<u64>();
                end += more;
            }
            return Some(start..end);
        }
    }
    None
}

/// Whether all runs should become one, where the time that a merge of all takes is little: the
/// others have a twelfth of the rows of the largest, or more.
pub fn all_runs_due(rows: &[u64]) -> bool {
    let (all, largest) = (rows.iter().sum::<u64>(), rows.iter().max().copied().unwrap_or(0));
    rows.len() > 1 && (all - largest) * u64::from(RUNS_PER_CLASS) >= largest
}

/// How many of some older runs are to be merged with a newer one: so many that there are `count` of
/// one class. Smaller ones between them are merged with them.
fn alike(newest: u64, older: &[u64], count: u32) -> Option<usize> {
    let (mut class, mut same) = (class_of(newest), 1);
    for (number, rows) in (1..).zip(older) {
        match class_of(*rows).cmp(&class) {
            Ordering::Less => {}
            Ordering::Equal => same += 1,
            Ordering::Greater => (class, same) = (class_of(*rows), 1),
        }
        if same == count {
            return Some(number);
        }
    }
    None
}

fn class_of(rows: u64) -> u32 {
    (rows / SMALLEST).checked_ilog(RUNS_PER_CLASS.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What pushes of so many rows each cost.
    struct Cost {
        /// Rows written per row pushed.
        rows: f64,
        /// Leaves written per push.
        leaves: f64,
        /// Most runs at once.
        runs: usize,
    }

    /// With a merge of what is due after every `merges` pushes; 0: without.
    fn simulate(pushes: impl Iterator<Item = u64>, merges: u64) -> Cost {
        let (mut runs, mut pushes_so_far, mut pushed) = (Vec::new(), 0, 0);
        let (mut written, mut leaves, mut most) = (0, 0, 0);
        for rows in pushes {
            runs.insert(0, rows);
            let merged: u64 = runs.drain(..merged_by_push(&runs)).sum();
            runs.insert(0, merged);
            pushes_so_far += 1;
            pushed += rows;
            written += merged;
            leaves += merged.div_ceil(SMALLEST);
            while merges > 0
                && pushes_so_far % merges == 0
                && let Some(due) = runs_due(&runs)
            {
                let at = due.start;
                let merged = runs.drain(due).sum();
                runs.insert(at, merged);
                written += merged;
            }
            most = most.max(runs.len());
        }
        let per = |part: u64, of: u64| part as f64 / of as f64;
        Cost { rows: per(written, pushed), leaves: per(leaves, pushes_so_far), runs: most }
    }

    #[test]
    fn a_push_merges_twelve_small_runs_and_smaller_ones_between_them() {
        assert_eq!(merged_by_push(&[7]), 1);
        assert_eq!(merged_by_push(&[5; 11]), 1);
        assert_eq!(merged_by_push(&[5; 12]), 12);
        let mut runs = vec![2000; 11];
        assert_eq!(merged_by_push(&runs), 1);
        runs.splice(0..0, [9, 9, 2000, 9]);
        assert_eq!(merged_by_push(&runs), 15);
        runs.insert(6, 300_000);
        assert_eq!(merged_by_push(&runs), 1, "the larger one is between them");
    }

    #[test]
    fn what_a_merge_makes_may_be_the_twelfth_of_its_class() {
        let runs = [vec![150; 12], vec![1_800; 11], vec![1_000_000]].concat();
        assert_eq!(merged_by_push(&runs), 23);
        let runs = [vec![5], vec![50_000; 12], vec![600_000; 11], vec![1_000_000_000]].concat();
        assert_eq!(runs_due(&runs), Some(1..24));
    }

    #[test]
    fn large_runs_are_left_to_others_until_there_are_twice_as_many() {
        let large = |count| vec![50_000; count];
        assert_eq!((merged_by_push(&large(12)), merged_by_push(&large(23))), (1, 1));
        assert_eq!(runs_due(&large(12)), Some(0..12));
        assert_eq!(runs_due(&[vec![9, 300], large(12)].concat()), Some(2..14), "smaller ones stay");
        assert_eq!(merged_by_push(&large(24)), 24);
        assert_eq!(merged_by_push(&[vec![9], large(24)].concat()), 25);
        assert_eq!(runs_due(&[vec![9; 11], large(11)].concat()), None);
        assert_eq!(runs_due(&[]), None);
    }

    #[test]
    fn all_runs_become_one_where_most_rows_are_not_in_the_largest_already() {
        assert!(!all_runs_due(&[]) && !all_runs_due(&[5]) && !all_runs_due(&[80, 1000]));
        assert!(all_runs_due(&[90, 1000]) && all_runs_due(&[1, 1]));
    }

    #[test]
    fn runs_stay_few_and_rows_are_rewritten_seldom() {
        // Nobody else merges; after every push; after some.
        for (merges, most) in [(0, [28, 34, 110]), (1, [17, 22, 80]), (7, [17, 46, 80])] {
            let costs = [
                simulate(std::iter::repeat_n(4096, 64), merges),
                simulate(std::iter::repeat_n(50_000, 200), merges),
                // Up to 3·10⁷ rows of four classes above the pushes'; smaller runs stay between
                // larger ones.
                simulate((0..20_000).map(|n| 1 + n * 7919 % 3000), merges),
            ];
            let rows = costs.each_ref().map(|cost| cost.rows);
            let runs = costs.each_ref().map(|cost| cost.runs);
            assert!(rows[0] < 2.0 && rows[1] < 2.7 && rows[2] < 4.0, "{merges}: {rows:?}");
            assert!(runs.iter().zip(&most).all(|(runs, most)| runs <= most), "{merges}: {runs:?}");
        }
    }

    #[test]
    fn a_push_of_one_row_writes_few_leaves() {
        let cost = simulate(std::iter::repeat_n(1, 100_000), 0);
        assert!(cost.leaves < 3.0 && cost.runs <= 30, "{} {}", cost.leaves, cost.runs);
    }
}
