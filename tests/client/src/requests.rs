//! Every request of the protocol, alone.
//!
//! None of these checks its limits: a test may want to know what a server answers beyond them.
//! [`crate::Local`] keeps them.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::answer::{
    Branches, Direction, FetchedMpack, Missing, Negotiated, Presigned, Pushed, ReleasePushed,
    ReleasesListed, Stored, TagsStored,
};
use crate::error::Result;
use crate::id::Id;
use crate::pack::Pack;
use crate::record::{Object, Tag};
use crate::remote::{ANSWER_LIMIT, Remote, accept, read};
use crate::wire::Out;

/// An object on its way to a server.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What is sent.
    pub object: Object,
    /// A path it is found at, where the client says so.
    pub path: Option<String>,
}

impl From<Object> for Upload {
    fn from(object: Object) -> Self {
        Upload { object, path: None }
    }
}

impl Remote {
    /// `GET /refs`.
    pub async fn refs(&self) -> Result<Branches> {
        self.get("/refs").await
    }

    /// `POST /filter-objects`, at most 50 000 ids.
    pub async fn filter_objects(&self, ids: &[Id]) -> Result<Missing> {
        self.post("/filter-objects", Out::default().map(1).text("object_ids").ids(ids).take()).await
    }

    /// `POST /presign`, at most 10 000 ids. URLs live `ttl_seconds`, 30 to 3600.
    pub async fn presign(
        &self,
        ids: &[Id],
        direction: Direction,
        ttl_seconds: Option<u32>,
    ) -> Result<Presigned> {
        let mut out = Out::default();
        out.map(2 + usize::from(ttl_seconds.is_some()))
            .text("object_ids")
            .ids(ids)
            .text("direction")
            .text(match direction {
                Direction::Put => "put",
                Direction::Get => "get",
            });
        with_ttl(&mut out, ttl_seconds);
        self.post("/presign", out.take()).await
    }

    /// Sends an object to a presigned URL, without the token.
    pub async fn put_presigned(&self, url: &str, content: Bytes) -> Result<()> {
        let sent = self
            .bare(Method::PUT, self.pointed_to(url)?)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(content);
        let request = format!("PUT {url}");
        read(&request, accept(&request, sent).await?, ANSWER_LIMIT).await.map(drop)
    }

    /// `POST /push/objects`, at most 1 000 objects.
    pub async fn push_objects(&self, uploads: &[Upload]) -> Result<Stored> {
        let mut out = Out::default();
        out.map(1).text("objects").array(uploads.len());
        for Upload { object, path } in uploads {
            out.map(2 + usize::from(path.is_some())).text("object_id").text(object.id.as_str());
            out.text("content").bytes(&object.content);
            if let Some(path) = path {
                out.text("path").text(path);
            }
        }
        self.post("/push/objects", out.take()).await
    }

    /// `POST /push`, at most 10 000 commits and as many snapshots. The new head is what
    /// `bundle.branch_heads` says of `branch`.
    pub async fn push(&self, bundle: &Pack, branch: &str, force: bool) -> Result<Pushed> {
        let mut out = Out::default();
        out.map(3)
            .text("bundle")
            .verbatim(&bundle.encode())
            .text("branch")
            .text(branch)
            .text("force")
            .bool(force);
        self.post("/push", out.take()).await
    }

    /// `POST /negotiate`: the protocol names at most 256 wants and as many haves.
    pub async fn negotiate(&self, want: &[Id], have: &[Id]) -> Result<Negotiated> {
        self.post("/negotiate", want_have(want, have, None)).await
    }

    /// `POST /fetch`: all that `want` reaches and `have` does not.
    pub async fn fetch(&self, want: &[Id], have: &[Id]) -> Result<Pack> {
        Pack::decode(&self.fetch_bytes(want, have).await?)
    }

    /// The same, as the bytes that came.
    pub async fn fetch_bytes(&self, want: &[Id], have: &[Id]) -> Result<Bytes> {
        self.post_bytes("/fetch", want_have(want, have, None)).await
    }

    /// `POST /fetch/mpack`: a URL for the same. [`Remote::download`] gets it.
    pub async fn fetch_mpack(
        &self,
        want: &[Id],
        have: &[Id],
        ttl_seconds: Option<u32>,
    ) -> Result<FetchedMpack> {
        self.post("/fetch/mpack", want_have(want, have, ttl_seconds)).await
    }

    /// `POST /releases`: a release as JSON. Gives its id.
    pub async fn push_release(&self, release: &Value) -> Result<String> {
        let answer: ReleasePushed = self.post_json("/releases", release.to_string()).await?;
        Ok(answer.release_id)
    }

    /// `GET /releases`, of a channel or of all.
    pub async fn releases(
        &self,
        channel: Option<&str>,
        include_drafts: bool,
    ) -> Result<Vec<Value>> {
        let channel = channel.map(|channel| format!("channel={channel}"));
        let drafts = include_drafts.then(|| "include_drafts=1".to_owned());
        let query: Vec<String> = channel.into_iter().chain(drafts).collect();
        let question = if query.is_empty() { "" } else { "?" };
        let answer: ReleasesListed =
            self.get(&format!("/releases{question}{}", query.join("&"))).await?;
        Ok(answer.releases)
    }

    /// `DELETE /releases/{tag}`.
    pub async fn delete_release(&self, tag: &str) -> Result<()> {
        self.delete(&format!("/releases/{tag}")).await.map(drop)
    }

    /// `POST /tags`.
    pub async fn tags(&self, tags: &[Tag]) -> Result<TagsStored> {
        let mut out = Out::default();
        out.map(1).text("tags").array(tags.len());
        tags.iter().for_each(|tag| _ = out.verbatim(&tag.record));
        self.post("/tags", out.take()).await
    }
}

fn want_have(want: &[Id], have: &[Id], ttl_seconds: Option<u32>) -> Bytes {
    let mut out = Out::default();
    out.map(2 + usize::from(ttl_seconds.is_some())).text("want").ids(want).text("have").ids(have);
    with_ttl(&mut out, ttl_seconds);
    out.take()
}

fn with_ttl(out: &mut Out, ttl_seconds: Option<u32>) {
    if let Some(seconds) = ttl_seconds {
        out.text("ttl_seconds").value(&seconds.into());
    }
}
