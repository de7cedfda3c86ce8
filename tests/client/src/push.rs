//! A push, in the order of the protocol: what is asked before what is sent, objects before the
//! commits that need them.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::answer::{Direction, Pushed, Stored};
use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::local::Local;
use crate::pack::Pack;
use crate::record::{Object, Snapshot};
use crate::remote::Remote;
use crate::requests::Upload;

/// Ids in one `/filter-objects`.
const ASKED_AT_ONCE: usize = 50_000;
/// Ids in one `/presign`.
const SIGNED_AT_ONCE: usize = 10_000;
/// Objects over that many bytes go to a URL of their own, if the server gives one.
const SMALL: usize = 64 * 1024;
/// Objects in one `/push/objects`.
const SENT_AT_ONCE: usize = 400;
/// Bytes of content in one `/push/objects`, unless a single object is larger.
const BYTES_AT_ONCE: usize = 32 * 1024 * 1024;
/// Requests with objects on their way at the same time.
const AT_THE_SAME_TIME: usize = 4;

/// What a push did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the server says of it.
    pub answer: Pushed,
    /// How many commits were sent.
    pub commits: usize,
    /// How many objects the server lacked.
    pub missing: usize,
    /// How many of them went to presigned URLs.
    pub presigned: usize,
    /// How many requests with objects it took.
    pub chunks: usize,
    /// What the server says of those, added up.
    pub stored: Stored,
    /// How many tags it says it stored.
    pub tags: u64,
}

impl Local {
    /// Pushes a branch with all that its head reaches and the remote's heads do not, then the tags
    /// of its commits.
    ///
    /// Whether that is a fast-forward, and whether it is too much at once, is for the server to
    /// say.
    pub async fn push(&self, remote: &Remote, branch: &str, force: bool) -> Result<Report> {
        let head = self.head(branch)?;
        let refs = remote.refs().await?;
        let (bundle, uploads) = self.bundle(branch, head, refs.branch_heads.values())?;
        let lacking = lacking(remote, uploads).await?;
        let missing = lacking.len();
        let inline = presigned(remote, lacking).await?;
        let presigned = missing - inline.len();
        let chunked = chunks(inline);
        let chunks = chunked.len();
        let stored = send(remote, chunked).await?;
        let answer = remote.push(&bundle, branch, force).await?;
        let tags = self.push_tags(remote, head).await?;
        Ok(Report {
            answer,
            commits: bundle.commits.len(),
            missing,
            presigned,
            chunks,
            stored,
            tags,
        })
    }

    /// The records of a push, and the objects that its snapshots name. A test may take it apart to
    /// push in its own way.
    pub fn bundle<'a>(
        &'a self,
        branch: &str,
        head: &'a Id,
        remote_heads: impl IntoIterator<Item = &'a Id>,
    ) -> Result<(Pack, Vec<Upload>)> {
        let known = self.reach(remote_heads);
        let new: BTreeSet<&Id> = self.reach([head]).difference(&known).copied().collect();
        let commits = self.newest_first(&new);
        let there: BTreeSet<&Id> = self
            .snapshots_of(known.iter().filter_map(|id| self.commits.get(*id)))
            .iter()
            .map(|snapshot| &snapshot.id)
            .collect();
        let mut snapshots = self.snapshots_of(commits.iter().copied());
        snapshots.retain(|snapshot| !there.contains(&snapshot.id));
        let uploads = self.uploads(&snapshots)?;
        let bundle = Pack {
            commits: commits.into_iter().cloned().collect(),
            snapshots: snapshots.into_iter().cloned().collect(),
            branch_heads: BTreeMap::from([(branch.to_owned(), head.clone())]),
            ..Pack::default()
        };
        Ok((bundle, uploads))
    }

    /// The objects that snapshots name, by id and each once, with a path of it.
    fn uploads(&self, snapshots: &[&Snapshot]) -> Result<Vec<Upload>> {
        let mut uploads = BTreeMap::new();
        for (snapshot, (path, id)) in snapshots
            .iter()
            .flat_map(|snapshot| snapshot.names().iter().map(move |name| (snapshot, name)))
        {
            let content = self.objects.get(id);
            let content = content.ok_or_else(|| {
                Error::missing(Kind::Object, id, format!("snapshot {}", snapshot.id))
            })?;
            let object = Object { id: id.clone(), content: content.clone() };
            uploads.entry(id).or_insert_with(|| Upload { object, path: Some(path.clone()) });
        }
        Ok(uploads.into_values().collect())
    }

    async fn push_tags(&self, remote: &Remote, head: &Id) -> Result<u64> {
        let reached = self.reach([head]);
        let tags: Vec<_> =
            self.tags.values().filter(|tag| reached.contains(&tag.commit)).cloned().collect();
        if tags.is_empty() {
            return Ok(0);
        }
        Ok(remote.tags(&tags).await?.stored)
    }
}

/// Those that the remote says it does not hold.
async fn lacking(remote: &Remote, uploads: Vec<Upload>) -> Result<Vec<Upload>> {
    let ids: Vec<Id> = uploads.iter().map(|upload| upload.object.id.clone()).collect();
    let mut missing = BTreeSet::new();
    for part in ids.chunks(ASKED_AT_ONCE) {
        missing.extend(remote.filter_objects(part).await?.missing);
    }
    Ok(uploads.into_iter().filter(|upload| missing.contains(&upload.object.id)).collect())
}

/// Uploads the large ones to presigned URLs, if the remote gives such, and returns the others.
async fn presigned(remote: &Remote, uploads: Vec<Upload>) -> Result<Vec<Upload>> {
    let large = uploads.iter().filter(|upload| upload.object.content.len() > SMALL);
    let large: Vec<Id> = large.map(|upload| upload.object.id.clone()).collect();
    let mut urls = BTreeMap::new();
    for part in large.chunks(SIGNED_AT_ONCE) {
        let answer = remote.presign(part, Direction::Put, None).await?;
        if let Some(id) = part
            .iter()
            .find(|id| !answer.presigned.contains_key(*id) && !answer.inline.contains(id))
        {
            let why = format!("object {id} is neither presigned nor inline");
            return Err(Error::Answer { request: "POST /presign".to_owned(), why });
        }
        urls.extend(answer.presigned);
    }
    let mut inline = Vec::new();
    for upload in uploads {
        match urls.get(&upload.object.id) {
            Some(url) => remote.put_presigned(url, upload.object.content).await?,
            None => inline.push(upload),
        }
    }
    Ok(inline)
}

/// Objects for one request each: not too many, not too long.
pub(crate) fn chunks(uploads: Vec<Upload>) -> Vec<Vec<Upload>> {
    let (mut chunks, mut bytes) = (Vec::<Vec<Upload>>::new(), 0);
    for upload in uploads {
        let length = upload.object.content.len();
        match chunks.last_mut() {
            Some(last) if last.len() < SENT_AT_ONCE && bytes + length <= BYTES_AT_ONCE => {
                last.push(upload);
                bytes += length;
            }
            _ => {
                chunks.push(vec![upload]);
                bytes = length;
            }
        }
    }
    chunks
}

async fn send(remote: &Remote, chunks: Vec<Vec<Upload>>) -> Result<Stored> {
    let sent = stream::iter(chunks)
        .map(|chunk| async move { remote.push_objects(&chunk).await })
        .buffer_unordered(AT_THE_SAME_TIME);
    let add = |sum: Stored, one: Stored| async move {
        Ok(Stored { stored: sum.stored + one.stored, skipped: sum.skipped + one.skipped })
    };
    sent.try_fold(Stored::default(), add).await
}
