//! The graph of commits: each has a lane, and lanes lead to parents.
//!
//! ```text
//!  ●─╮  a merge: a lane for its second parent begins
//!  │ ●  a commit of that lane
//!  ● │
//!  ●─╯  the parent of both: a lane ends
//! ```

/// The lanes below the commits that were drawn: each waits for a commit, or is free.
#[derive(Clone, Debug, Default)]
pub(in crate::console) struct Lanes(Vec<Option<String>>);

impl Lanes {
    /// Draws the next commit, which comes before its parents: two characters for each lane, without
    /// a blank at the end.
    pub(in crate::console) fn draw(&mut self, commit: &str, parents: &[String]) -> String {
        let waits = |lane: &Option<String>, id: &str| lane.as_deref() == Some(id);
        let at = match self.0.iter().position(|lane| waits(lane, commit)) {
            Some(at) => at,
            None => self.begin(0, commit),
        };
        let ending: Vec<usize> =
            (at + 1..self.0.len()).filter(|lane| waits(&self.0[*lane], commit)).collect();
        let mut joins: Vec<(usize, Join)> = ending.iter().map(|lane| (*lane, Join::Ends)).collect();
        self.0[at] = parents.first().cloned();
        for parent in parents.iter().skip(1) {
            match self.0.iter().position(|lane| waits(lane, parent)) {
                Some(lane) if lane == at || joins.iter().any(|(join, _)| *join == lane) => {}
                Some(lane) => joins.push((lane, Join::Passes)),
                None => joins.push((self.begin(at + 1, parent), Join::Begins)),
            }
        }
        let row = self.row(at, &joins);
        for lane in ending {
            self.0[lane] = None;
        }
        while self.0.last().is_some_and(Option::is_none) {
            self.0.pop();
        }
        row
    }

    /// Takes the first free lane from `from` on.
    fn begin(&mut self, from: usize, id: &str) -> usize {
        let free = (from..self.0.len()).find(|lane| self.0[*lane].is_none());
        let lane = free.unwrap_or_else(|| {
            self.0.push(None);
            self.0.len() - 1
        });
        self.0[lane] = Some(id.to_owned());
        lane
    }

    fn row(&self, at: usize, joins: &[(usize, Join)]) -> String {
        let first = joins.iter().map(|(lane, _)| *lane).min().unwrap_or(at).min(at);
        let last = joins.iter().map(|(lane, _)| *lane).max().unwrap_or(at).max(at);
        let mut row = String::new();
        for (lane, waits) in self.0.iter().enumerate() {
            let is_between = first < lane && lane < last;
            let join = joins.iter().find(|(join, _)| *join == lane).map(|(_, join)| *join);
            row.push(match (join, waits) {
                _ if lane == at => '●',
                (Some(Join::Begins), _) => {
                    if is_between {
                        '┬'
                    } else {
                        '╮'
                    }
                }
                (Some(Join::Ends), _) => {
                    if is_between {
                        '┴'
                    } else {
                        '╯'
                    }
                }
                (Some(Join::Passes), _) if is_between => '┼',
                (Some(Join::Passes), _) => {
                    if lane < at {
                        '├'
                    } else {
                        '┤'
                    }
                }
                (None, Some(_)) => {
                    if is_between {
                        '┼'
                    } else {
                        '│'
                    }
                }
                (None, None) => {
                    if is_between {
                        '─'
                    } else {
                        ' '
                    }
                }
            });
            row.push(if first <= lane && lane < last { '─' } else { ' ' });
        }
        row.truncate(row.trim_end().len());
        row
    }
}

/// How a lane meets the row of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    /// It leads to a parent of the commit.
    Begins,
    /// It leads to the commit.
    Ends,
    /// It leads to a parent of the commit, and has begun above.
    Passes,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws a history: each commit with its parents, as in `d bc`.
    fn drawn(history: &[&str]) -> Vec<String> {
        let mut lanes = Lanes::default();
        let row = |line: &&str| {
            let (commit, parents) = line.split_once(' ').unwrap_or((line, ""));
            let parents: Vec<String> = parents.chars().map(String::from).collect();
            lanes.draw(commit, &parents)
        };
        history.iter().map(row).collect()
    }

    #[test]
    fn a_line_has_one_lane() {
        assert_eq!(drawn(&["c b", "b a", "a"]), ["●", "●", "●"]);
    }

    #[test]
    fn a_merge_begins_a_lane_and_the_common_parent_ends_it() {
        assert_eq!(drawn(&["d cb", "c a", "b a", "a"]), ["●─╮", "● │", "│ ●", "●─╯"]);
    }

    #[test]
    fn lanes_are_crossed_and_used_again() {
        let octopus = drawn(&["e abc", "c a", "b a", "a"]);
        assert_eq!(octopus, ["●─┬─╮", "│ │ ●", "│ ● │", "●─┴─╯"]);
        // The merge of the right lane leads to the left one, which goes on.
        let passing = drawn(&["f cd", "d bc", "c a", "b a", "a"]);
        assert_eq!(passing, ["●─╮", "├─●", "● │", "│ ●", "●─╯"]);
        let crossing = drawn(&["h ab", "b cd", "c ad", "d a", "a"]);
        assert_eq!(crossing, ["●─╮", "│ ●─╮", "│ ●─┤", "│ │ ●", "●─┴─╯"]);
        let reused = drawn(&["g fe", "e", "f cd", "d c", "c"]);
        assert_eq!(reused, ["●─╮", "│ ●", "●─╮", "│ ●", "●─╯"]);
    }

    #[test]
    fn several_roots_and_parents_that_are_missing_or_repeated_are_drawn() {
        assert_eq!(drawn(&["a", "b"]), ["●", "●"]);
        assert_eq!(drawn(&["b xa", "a"]), ["●─╮", "│ ●"]);
        assert_eq!(drawn(&["b aa", "a"]), ["●", "●"]);
    }
}
