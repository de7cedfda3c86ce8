//! A page of repos with what their reports say, in one statement.

use packhouse_catalog::ListedRepo;
use packhouse_core::{EntityId, Head};
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, RepoName};

use super::engine::{Columns, Engine, Reader, Sql, SqlResult, args};
use super::gc_log::read_record;
use super::rows::{damaged, repo};

/// The rows of a page of repos by name, after one, at most `limit`.
pub(super) async fn page<E: Engine>(
    engine: &E,
    after: Option<&RepoName>,
    limit: u32,
) -> SqlResult<Vec<E::Row>> {
    let (owner, slug) = after.map_or(("", ""), |after| (after.owner(), after.slug()));
    Reader::of(engine).await?.all(E::LISTED, args![owner, slug, limit]).await
}

/// Reads such a row.
pub(super) fn read(place: &str, row: &impl Columns) -> Result<ListedRepo> {
    let corrupt = || damaged(place, "a row of a list of repos");
    let (keys, oldest_check) = row.text("listed_packs").split_once(':').ok_or_else(corrupt)?;
    let keys = keys.split(',').filter(|key| !key.is_empty());
    let mut pack_keys = keys.map(key).collect::<Option<Vec<_>>>().ok_or_else(corrupt)?;
    pack_keys.sort_unstable();
    let heads = row.maybe_text("listed_heads").into_iter().flat_map(|heads| heads.split('\n'));
    let mut heads = heads.map(head).collect::<Option<Vec<_>>>().ok_or_else(corrupt)?;
    heads.sort_unstable_by(|a, b| a.branch.cmp(&b.branch));
    let time = |text: &str| text.parse().map_err(|_| corrupt());
    Ok(ListedRepo {
        row: repo(place, row)?,
        pack_keys,
        heads,
        oldest_check: Some(oldest_check).filter(|at| !at.is_empty()).map(time).transpose()?,
        last_gc: row.maybe_text("outcome").map(|_| read_record(place, row)).transpose()?,
        damaged: row.count("damaged"),
    })
}

/// A pack's key, in hex.
fn key(hex: &str) -> Option<MpackKey> {
    let mut digest = [0; 32];
    hex::decode_to_slice(hex, &mut digest).ok()?;
    Some(MpackKey::new(digest))
}

/// The commit of a branch in hex, and the branch.
fn head(line: &str) -> Option<Head> {
    let (hex, branch) = line.split_once(' ')?;
    let mut id = [0; EntityId::BYTES];
    hex::decode_to_slice(hex, &mut id).ok()?;
    Some(Head { branch: branch.to_owned(), commit: EntityId::from_bytes(&id)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_heads_of_a_list_are_read_or_refused() {
        assert_eq!(key(&"0A".repeat(32)), Some(MpackKey::new([10; 32])));
        for bad in ["", "0a", &"zz".repeat(32), &"0a".repeat(33)] {
            assert_eq!(key(bad), None, "{bad}");
        }
        let commit = EntityId::parse("5".repeat(64).as_bytes()).unwrap();
        let hex = hex::encode_upper(commit.to_bytes());
        let found = head(&format!("{hex} a b")).unwrap();
        assert_eq!((found.branch.as_str(), found.commit), ("a b", commit), "names may have spaces");
        for bad in ["", "main", &format!("{hex}main"), &format!("{} main", &hex[2..])] {
            assert!(head(bad).is_none(), "{bad}");
        }
    }
}
