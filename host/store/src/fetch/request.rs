//! The request of a client: as the component gets it, and as the URL of an answer names it.

use packhouse_catalog::{Snapshot, entity_key};
use packhouse_core::{EntityId, Form, Head, Kind, Request};
use packhouse_model::client::FetchRequest;
use packhouse_model::digest::sha256;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;

/// The first byte of a request's bytes.
const VERSION: u8 = 1;

/// What a client wants and has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestedCommits {
    /// Commits that must be known; empty: every branch head.
    pub want: Vec<EntityId>,
    /// Commits that are ignored where they are unknown. Their order matters.
    pub have: Vec<EntityId>,
}

impl RequestedCommits {
    /// The commits of a request. A have that is no ID is ignored.
    ///
    /// # Errors
    /// [`Error::Usage`] for too many; [`Error::UnknownWant`] for wants that are no IDs: the repo
    /// can't have such a commit.
    pub fn of(repo: &RepoName, request: &FetchRequest) -> Result<RequestedCommits> {
        request.check()?;
        let want = request.want.iter().map(|text| commit_id(text).ok_or_else(|| text.clone()));
        let (good, bad): (Vec<_>, Vec<_>) = want.partition(Result::is_ok);
        if !bad.is_empty() {
            return Err(Error::UnknownWant {
                repo: repo.clone(),
                ids: bad.into_iter().filter_map(Result::err).collect(),
            });
        }
        Ok(RequestedCommits {
            want: good.into_iter().flatten().collect(),
            have: request.have.iter().filter_map(|text| commit_id(text)).collect(),
        })
    }

    /// Its bytes: a version, the number of wants in 4 bytes, little-endian, and 33 bytes for each
    /// commit.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&(self.want.len() as u32).to_le_bytes());
        for id in self.want.iter().chain(&self.have) {
            bytes.extend_from_slice(&id.to_bytes());
        }
        bytes
    }

    /// The inverse of [`RequestedCommits::to_bytes`]; `None` for bytes that it never makes.
    pub fn from_bytes(bytes: &[u8]) -> Option<RequestedCommits> {
        let (&VERSION, rest) = bytes.split_first()? else { return None };
        let (wants, ids) = rest.split_first_chunk::<4>()?;
        let wants = u32::from_le_bytes(*wants) as usize;
        let (ids, &[]) = ids.as_chunks::<{ EntityId::BYTES }>() else { return None };
        let commit = |bytes: &[u8; EntityId::BYTES]| {
            EntityId::from_bytes(bytes).filter(|id| id.form() != Form::Text)
        };
        let mut want = ids.iter().map(commit).collect::<Option<Vec<_>>>()?;
        if wants > want.len() {
            return None;
        }
        let have = want.split_off(wants);
        let fits = |ids: &[EntityId]| ids.len() <= FetchRequest::MAX_IDS;
        (fits(&want) && fits(&have)).then_some(RequestedCommits { want, have })
    }

    /// SHA-256 of its bytes.
    pub fn digest(&self) -> [u8; 32] {
        sha256(&self.to_bytes())
    }

    /// What to ask the component for, in a repo with these heads.
    pub(in super::super) async fn ask(
        &self,
        snapshot: &mut dyn Snapshot,
        heads: &[Head],
    ) -> Result<Request> {
        let mut ask = Request { want: self.want.clone(), ..Request::default() };
        if self.want.is_empty() {
            // Of branches that clients can't keep the names are left out, and nothing that they
            // reach.
            ask.want_if_known = heads.iter().map(|head| head.commit).collect();
        }
        // A have that the repo does not know says nothing of what the client has. Without it, more
        // can be proven of the answer.
        let keys: Vec<_> = self.have.iter().map(|id| entity_key(Kind::Commit, *id)).collect();
        let known = snapshot.lookup(&keys).await?;
        let known = self.have.iter().zip(known).filter(|(_, known)| known.is_some());
        ask.have = known.map(|(id, _)| *id).collect();
        Ok(ask)
    }
}

fn commit_id(text: &str) -> Option<EntityId> {
    EntityId::parse(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: &str) -> EntityId {
        EntityId::parse(byte.repeat(32).as_bytes()).unwrap()
    }

    #[test]
    fn the_bytes_of_a_request_are_that_request_and_no_other() {
        let repo: RepoName = "a/b".parse().unwrap();
        let texts = |request: &[&str]| request.iter().map(|&text| text.to_owned()).collect();
        let prefixed = format!("sha256:{}", "ab".repeat(32));
        let request = FetchRequest {
            want: texts(&[&"01".repeat(32), &prefixed]),
            have: texts(&[&"02".repeat(32), "no id", &"01".repeat(32)]),
            ..FetchRequest::default()
        };
        let requested = RequestedCommits::of(&repo, &request).unwrap();
        assert_eq!((requested.want.len(), &requested.have), (2, &vec![id("02"), id("01")]));
        let bytes = requested.to_bytes();
        assert_eq!(RequestedCommits::from_bytes(&bytes), Some(requested.clone()));
        let others = [
            RequestedCommits { want: vec![id("01")], ..requested.clone() },
            RequestedCommits { have: vec![id("01"), id("02")], ..requested.clone() },
            RequestedCommits { have: requested.want.clone(), want: requested.have.clone() },
            RequestedCommits::default(),
        ];
        for other in others {
            assert_ne!(other.digest(), requested.digest(), "{other:?}");
            assert_eq!(RequestedCommits::from_bytes(&other.to_bytes()), Some(other));
        }
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut changed = bytes.clone();
            change(&mut changed);
            RequestedCommits::from_bytes(&changed)
        };
        assert_eq!(changed(&|bytes| bytes.clear()), None);
        assert_eq!(changed(&|bytes| bytes.truncate(4)), None);
        assert_eq!(changed(&|bytes| bytes.truncate(bytes.len() - 1)), None, "an id is cut off");
        assert_eq!(changed(&|bytes| bytes[0] = 2), None, "another version");
        assert_eq!(changed(&|bytes| bytes[1] = 5), None, "more wants than ids");
        assert_eq!(changed(&|bytes| bytes[5] = 2), None, "a text is no commit");
    }

    #[test]
    fn wants_that_are_no_ids_are_named() {
        let repo: RepoName = "a/b".parse().unwrap();
        let want = vec!["01".repeat(32), "main".to_owned()];
        let request = FetchRequest { want, ..FetchRequest::default() };
        match RequestedCommits::of(&repo, &request).unwrap_err() {
            Error::UnknownWant { ids, .. } => assert_eq!(ids, ["main"]),
            other => panic!("{other}"),
        }
        let have = vec![String::new(); FetchRequest::MAX_IDS + 1];
        let request = FetchRequest { have, ..FetchRequest::default() };
        assert!(matches!(RequestedCommits::of(&repo, &request), Err(Error::Usage(_))));
    }
}
