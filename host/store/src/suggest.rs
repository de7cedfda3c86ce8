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
    let distance = strsim::osa_distance(&text, &others);
    let alike = distance * 3 <= text.chars().count().max(others.chars().count());
    (alike || name.slug().eq_ignore_ascii_case(other.slug())).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

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
