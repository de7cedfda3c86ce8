//! Suggests the repo with the most similar name for a mistyped one.

use packhouse_model::error::Result;
use packhouse_model::names::RepoName;

use super::Store;

/// Page size of lists of repos.
const PAGE: u32 = 1000;

impl Store {
    /// The repo with the most similar name; none if no name is similar. Only for callers who may
    /// see every repo.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn nearest_repo(&self, name: &RepoName) -> Result<Option<RepoName>> {
        let mut nearest: Option<(usize, RepoName)> = None;
        let mut after = None;
        loop {
            let page = self.catalog.repos(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(nearest.map(|(_, name)| name)) };
            after = Some(last.name.clone());
            for repo in page {
                if let Some(distance) = likeness(name, &repo.name)
                    && nearest.as_ref().is_none_or(|(least, _)| distance < *least)
                {
                    nearest = Some((distance, repo.name));
                }
            }
        }
    }
}

/// The distance of two names, in letters; none when they are not similar: more than a third of the
/// letters differ, and the slug differs.
fn likeness(name: &RepoName, other: &RepoName) -> Option<usize> {
    let (text, others) = (name.to_string().to_lowercase(), other.to_string().to_lowercase());
    let distance = distance(&text, &others);
    let alike = distance * 3 <= text.chars().count().max(others.chars().count());
    (alike || name.slug().eq_ignore_ascii_case(other.slug())).then_some(distance)
}

/// The edit distance of two texts: how many letters must be inserted, removed, replaced or swapped
/// with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Rows of the table of distances between prefixes: the last but one, the last, and the current
    // one.
    let (mut older, mut old): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=other.len()).collect());
    for i in 1..=one.len() {
        let mut row = vec![i; other.len() + 1];
        for j in 1..=other.len() {
            let same = one[i - 1] == other[j - 1];
            row[j] = (old[j] + 1).min(row[j - 1] + 1).min(old[j - 1] + usize::from(!same));
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                row[j] = row[j].min(older[j - 2] + 1);
            }
        }
        older = std::mem::replace(&mut old, row);
    }
    old[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("notes", "notes", 0),
            ("notse", "notes", 1),
            ("note", "notes", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(
                (distance(one, other), distance(other, one)),
                (expected, expected),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn only_names_that_are_alike_are_near() {
        let near = |one: &str, other: &str| {
            likeness(&one.parse().unwrap(), &other.parse().unwrap()).is_some()
        };
        assert!(near("gabriel/ntoes", "gabriel/notes"));
        assert!(near("Gabriel/Notes", "gabriel/notes"));
        assert!(near("alice/notes", "gabriel/notes"), "somebody else's repo of that slug");
        assert!(!near("a/b", "c/d"));
        assert!(!near("gabriel/notes", "tidal-lab/scores"));
    }
}
