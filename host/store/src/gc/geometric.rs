//! Which packs a geometric consolidation takes: the smallest ones.
//!
//! Sizes are *geometric* for a factor if each pack is at least that many times as large as all
//! smaller ones together. Then there are few packs: each one makes the sum 1 + factor times as
//! large.
//!
//! A pack is *too small* if it is smaller than that. The packs up to the largest that is too small
//! are taken. That makes the sizes geometric: what the larger ones are compared with, the sum of all
//! smaller ones, stays. Fewer packs may do where they become one that is larger than a pack that is
//! left: of three packs of one size, two. git takes all three as well.
//!
//! In every set that is taken, the largest pack has less than factor / (1 + factor) of the bytes,
//! also in the smaller sets that a budget allows. From that follows how much is written over the
//! life of a repo: see `docs/decisions/0029-geometric-consolidation.md`.

/// The numbers of packs that a consolidation may take, ascending. The last makes the sizes
/// geometric; the others are for runs with a budget. `sizes` ascend.
pub(super) fn set_sizes(sizes: &[u64], factor: u32) -> Vec<usize> {
    let mut smaller = 0;
    let mut found = Vec::new();
    for (n, size) in sizes.iter().enumerate() {
        if u128::from(*size) < smaller * u128::from(factor) {
            found.push(n + 1);
        }
        smaller += u128::from(*size);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether each pack is at least `factor` times as large as all smaller ones together.
    fn is_geometric(sizes: &[u64], factor: u32) -> bool {
        let sum = |n: usize| sizes[..n].iter().sum::<u64>();
        (1..sizes.len()).all(|n| sizes[n] >= u64::from(factor) * sum(n))
    }

    /// The sizes afterwards.
    fn consolidated(sizes: &[u64], taken: usize) -> Vec<u64> {
        let (taken, kept) = sizes.split_at(taken);
        let mut sizes = kept.to_vec();
        sizes.extend((!taken.is_empty()).then(|| taken.iter().sum::<u64>()));
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn the_packs_up_to_the_largest_that_is_too_small_are_taken() {
        for (sizes, factor, expected) in [
            (&[][..], 2, None),
            (&[7], 2, None),
            (&[1, 1], 2, Some(2)),
            (&[1, 2], 2, None),
            (&[1, 2], 3, Some(2)),
            (&[1, 1, 4], 2, Some(2)),
            (&[1, 2, 5], 2, Some(3)),
            (&[1, 2, 6, 1000], 2, None),
            (&[5, 5, 100, 100, 1000], 2, Some(4)),
            (&[1, u64::MAX, u64::MAX], 2, Some(3)),
        ] {
            assert_eq!(set_sizes(sizes, factor).last().copied(), expected, "{sizes:?} by {factor}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_makes_the_sizes_geometric_and_ends_with_a_pack_that_is_too_small(
            mut sizes in proptest::collection::vec(prop_oneof![1..20u64, 1..100_000u64], 0..40),
            factor in 2..6u32,
        ) {
            sizes.sort_unstable();
            let taken = set_sizes(&sizes, factor).last().copied().unwrap_or(0);
            prop_assert!(is_geometric(&consolidated(&sizes, taken), factor));
            if let Some((last, smaller)) = sizes[..taken].split_last() {
                prop_assert!(*last < u64::from(factor) * smaller.iter().sum::<u64>());
            }
        }

        #[test]
        fn the_largest_pack_of_a_set_is_smaller_than_the_others_times_the_factor(
            mut sizes in proptest::collection::vec(1..100_000u64, 0..40),
            factor in 2..6u32,
        ) {
            sizes.sort_unstable();
            for taken in set_sizes(&sizes, factor) {
                prop_assert!(taken >= 2);
                let others: u64 = sizes[..taken - 1].iter().sum();
                prop_assert!(sizes[taken - 1] < u64::from(factor) * others);
            }
        }

        #[test]
        fn over_many_pushes_little_is_written(
            pushes in proptest::collection::vec(prop_oneof![1..10u64, 1..1000u64, Just(100)], 1..400),
        ) {
            let (mut sizes, mut written) = (Vec::new(), 0);
            for pushed in &pushes {
                sizes.push(*pushed);
                sizes.sort_unstable();
                let taken = set_sizes(&sizes, 2).last().copied().unwrap_or(0);
                written += sizes[..taken].iter().sum::<u64>();
                sizes = consolidated(&sizes, taken);
            }
            let pushed = pushes.iter().sum::<u64>() as f64;
            let most = 1.09 * (pushes.len() as f64).log2() * pushed;
            prop_assert!(written as f64 <= most, "{written} of {pushed}: more than {most}");
        }
    }
}
