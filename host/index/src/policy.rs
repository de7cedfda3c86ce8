//! Which runs are merged, and when.
//!
//! A run of *r* rows has the class ⌊log₁₂(r / 120)⌋, at least 0: twelve runs of a class become one of
//! the next. Only neighbours in age are merged, so that the newest row of a key stays the newest.

/// How many runs of a class are merged into one.
const RUNS_PER_CLASS: u32 = 12;

/// Rows of the smallest run of class 0 that is full: about a leaf.
const SMALLEST: u64 = 120;

/// How many of some runs, by their numbers of rows, are to be merged: the newest, which come first.
/// 1 if they stay as they are.
pub fn runs_to_merge(rows: &[u64]) -> usize {
    let (mut merged, mut sum) = (1, rows.first().copied().unwrap_or(0));
    loop {
        let Some(more) = twelve(sum, &rows[merged.min(rows.len())..]) else { return merged };
        sum += rows[merged..][..more].iter().sum::<u64>();
        merged += more;
    }
}

/// How many runs are to be merged with the newest, if twelve of a class have come together.
fn twelve(newest: u64, older: &[u64]) -> Option<usize> {
    let (mut class, mut same) = (class_of(newest), 1);
    for (number, rows) in (1..).zip(older) {
        match class_of(*rows).cmp(&class) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => same += 1,
            std::cmp::Ordering::Greater => (class, same) = (class_of(*rows), 1),
        }
        if same == RUNS_PER_CLASS {
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

    fn simulate(pushes: impl Iterator<Item = u64>) -> Cost {
        let (mut runs, mut pushes_so_far, mut pushed) = (Vec::new(), 0, 0);
        let (mut written, mut leaves, mut most) = (0, 0, 0);
        for rows in pushes {
            runs.insert(0, rows);
            let merged: u64 = runs.drain(..runs_to_merge(&runs)).sum();
            runs.insert(0, merged);
            pushes_so_far += 1;
            pushed += rows;
            written += merged;
            leaves += merged.div_ceil(SMALLEST);
            most = most.max(runs.len());
        }
        let per = |part: u64, of: u64| part as f64 / of as f64;
        Cost { rows: per(written, pushed), leaves: per(leaves, pushes_so_far), runs: most }
    }

    #[test]
    fn twelve_runs_of_a_class_become_one_and_smaller_ones_between_them_with_them() {
        assert_eq!(runs_to_merge(&[7]), 1);
        assert_eq!(runs_to_merge(&[5; 11]), 1);
        assert_eq!(runs_to_merge(&[5; 12]), 12);
        let mut runs = vec![2000; 11];
        assert_eq!(runs_to_merge(&runs), 1);
        runs.splice(0..0, [9, 9, 2000, 9]);
        assert_eq!(runs_to_merge(&runs), 15);
        runs.insert(6, 300_000);
        assert_eq!(runs_to_merge(&runs), 1, "the larger one is between them");
    }

    #[test]
    fn what_a_merge_makes_may_be_the_twelfth_of_its_class() {
        let runs = [vec![200; 12], vec![2000; 11], vec![1_000_000]].concat();
        assert_eq!(runs_to_merge(&runs), 23);
    }

    #[test]
    fn runs_stay_few_and_rows_are_rewritten_seldom() {
        let cost = simulate(std::iter::repeat_n(4096, 64));
        assert!(cost.rows < 2.0 && cost.runs <= 17, "{} {}", cost.rows, cost.runs);
        let cost = simulate(std::iter::repeat_n(50_000, 200));
        assert!(cost.rows < 2.7 && cost.runs <= 22, "{} {}", cost.rows, cost.runs);
        let cost = simulate((0..20_000).map(|n| 1 + n * 7919 % 3000));
        assert!(cost.rows < 4.0, "{}", cost.rows);
        // Up to 3·10⁷ rows of four classes above the pushes'; smaller runs stay between larger ones.
        assert!(cost.runs <= 80, "{}", cost.runs);
    }

    #[test]
    fn a_push_of_one_row_writes_few_leaves() {
        let cost = simulate(std::iter::repeat_n(1, 100_000));
        assert!(cost.leaves < 3.0 && cost.runs <= 30, "{} {}", cost.leaves, cost.runs);
    }
}
