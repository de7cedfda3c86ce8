//! Signed URLs that give access to one pack, or to one answer, for a limited time.

use jiff::Timestamp;
use packhouse_core::EntityId;
use packhouse_model::names::{MpackKey, RepoId, RepoName};
use packhouse_store::RequestedCommits;
use ring::hmac;
use serde::Deserialize;
use url::Url;

/// Longest request that a URL contains, in bytes of the URL.
const LONGEST_REQUEST: usize = 4 << 10;

/// Signs URLs, and verifies them. All servers of a store share its secret, also after a restart.
pub(super) struct Signer(hmac::Key);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

/// What a signed URL gives access to.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignedGrant<'a> {
    pub(super) repo: &'a RepoName,
    /// The id of the repo: another repo may get the same name.
    pub(super) repo_id: &'a RepoId,
    pub(super) to: GrantedContent<'a>,
    /// The authority of the signature; the URL is invalid when it ends.
    pub(super) token: &'a str,
    /// When it expires, in seconds since 1970.
    pub(super) expires: i64,
}

/// The bytes of a signed URL.
#[derive(Clone, Copy, Debug)]
pub(super) enum GrantedContent<'a> {
    /// A stored pack of the repo.
    Pack(&'a MpackKey),
    /// A fetch result that an earlier version has kept.
    KeptAnswer(&'a MpackKey),
    /// The answer to a request.
    Answer {
        /// The ETag of the answer when the URL was given out.
        etag: &'a str,
        /// The request, as the URL names it.
        request: &'a RequestOfUrl,
    },
}

/// Instead of a token: the caller had none. The URL is valid while the repo is public.
pub(super) const NO_TOKEN: &str = "none";

/// Instead of a token: all requests are allowed. The URL is valid while the server is in this mode.
pub(super) const TRUSTED: &str = "trusted";

/// The query of a signed URL.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SignedQuery {
    /// Whether it is a fetch result that an earlier version has kept.
    #[serde(default)]
    pub(super) assembled: bool,
    /// Wants of an answer, in hex; empty: every branch head.
    #[serde(default)]
    pub(super) want: String,
    /// Haves of an answer, in hex.
    #[serde(default)]
    pub(super) have: String,
    /// Instead of both the digest of a request that is kept, in hex.
    #[serde(default)]
    pub(super) request: String,
    pub(super) token: String,
    pub(super) expires: i64,
    pub(super) signature: String,
}

/// A request as the URL of an answer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestOfUrl {
    /// The URL contains it.
    Whole(RequestedCommits),
    /// The URL contains its digest.
    Kept([u8; 32]),
}

impl Signer {
    pub(super) fn new(secret: &[u8; 32]) -> Signer {
        Signer(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The URL of what is granted, under that of the server.
    pub(super) fn url(&self, base: &Url, grant: SignedGrant<'_>) -> String {
        let signature = hex::encode(hmac::sign(&self.0, &grant.message()).as_ref());
        let base = base.as_str().trim_end_matches('/');
        let SignedGrant { repo, to, token, expires, .. } = grant;
        let (path, query) = match to {
            GrantedContent::Pack(key) => (format!("packs/{key}"), "assembled=false&".to_owned()),
            GrantedContent::KeptAnswer(key) => {
                (format!("packs/{key}"), "assembled=true&".to_owned())
            }
            GrantedContent::Answer { etag, request } => (format!("fetch/{etag}"), request.query()),
        };
        format!("{base}/{repo}/{path}?{query}token={token}&expires={expires}&signature={signature}")
    }

    /// Whether it was signed here, and is still valid. Compares in constant time.
    pub(super) fn allows(&self, grant: SignedGrant<'_>, signature: &str, now: Timestamp) -> bool {
        let Ok(given) = hex::decode(signature) else { return false };
        hmac::verify(&self.0, &grant.message(), &given).is_ok() && now.as_second() < grant.expires
    }
}

impl SignedGrant<'_> {
    fn message(&self) -> Vec<u8> {
        let SignedGrant { repo, repo_id, to, token, expires } = self;
        let named = match to {
            GrantedContent::Pack(key) => format!("pack 2\n{repo}\n{}\n{key}\nfalse", repo_id.0),
            GrantedContent::KeptAnswer(key) => {
                format!("pack 2\n{repo}\n{}\n{key}\ntrue", repo_id.0)
            }
            GrantedContent::Answer { etag, request } => {
                let digest = hex::encode(request.digest());
                format!("answer 1\n{repo}\n{}\n{etag}\n{digest}", repo_id.0)
            }
        };
        format!("{named}\n{token}\n{expires}").into_bytes()
    }
}

impl RequestOfUrl {
    /// A request in full; none if it is too long for a URL.
    pub(super) fn whole(requested: &RequestedCommits) -> Option<RequestOfUrl> {
        let ids = requested.want.len().saturating_add(requested.have.len());
        let fits = ids.saturating_mul(2 * EntityId::BYTES) <= LONGEST_REQUEST;
        fits.then(|| RequestOfUrl::Whole(requested.clone()))
    }

    /// What a query names; none if no server gave out such a URL.
    pub(super) fn of(query: &SignedQuery) -> Option<RequestOfUrl> {
        let SignedQuery { want, have, request, .. } = query;
        if !request.is_empty() {
            let digest = hex::decode(request).ok()?.try_into().ok()?;
            let is_alone = want.is_empty() && have.is_empty();
            return is_alone.then_some(RequestOfUrl::Kept(digest));
        }
        let ids = |text: &str| -> Option<Vec<EntityId>> {
            let bytes = hex::decode(text).ok()?;
            let (ids, &[]) = bytes.as_chunks::<{ EntityId::BYTES }>() else { return None };
            ids.iter().map(|id| EntityId::from_bytes(id)).collect()
        };
        let requested = RequestedCommits { want: ids(want)?, have: ids(have)? };
        Some(RequestOfUrl::Whole(requested))
    }

    /// The part of the query that names it.
    fn query(&self) -> String {
        let in_hex = |ids: &[EntityId]| -> String {
            ids.iter().map(|id| hex::encode(id.to_bytes())).collect()
        };
        let named = match self {
            RequestOfUrl::Whole(RequestedCommits { want, have }) => {
                vec![("want", in_hex(want)), ("have", in_hex(have))]
            }
            RequestOfUrl::Kept(digest) => vec![("request", hex::encode(digest))],
        };
        let given = named.into_iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={value}&")).collect()
    }

    /// The digest of the request.
    pub(super) fn digest(&self) -> [u8; 32] {
        match self {
            RequestOfUrl::Whole(requested) => requested.digest(),
            RequestOfUrl::Kept(digest) => *digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: &str) -> EntityId {
        EntityId::parse(byte.repeat(32).as_bytes()).unwrap()
    }

    #[test]
    fn a_url_is_good_for_what_it_says_and_for_so_long() {
        let signer = Signer::new(&[7; 32]);
        let (repo, key) = ("a/b".parse().unwrap(), MpackKey::new([1; 32]));
        let (repo_id, another) = (RepoId("1".into()), RepoId("2".into()));
        let to = GrantedContent::Pack(&key);
        let grant =
            SignedGrant { repo: &repo, repo_id: &repo_id, to, token: NO_TOKEN, expires: 1000 };
        let base = "http://h:1/".parse().unwrap();
        let url = Url::parse(&signer.url(&base, grant)).unwrap();
        assert_eq!(url.path(), format!("/a/b/packs/{key}"));
        let signature = query_of(&url).signature;
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(signer.allows(grant, &signature, at(999)));
        assert!(!signer.allows(grant, &signature, at(1000)), "it has expired");
        let other = "a/c".parse().unwrap();
        let other_key = MpackKey::new([2; 32]);
        let kept = RequestOfUrl::Kept([1; 32]);
        for wrong in [
            SignedGrant { repo: &other, ..grant },
            SignedGrant { to: GrantedContent::Pack(&other_key), ..grant },
            SignedGrant { to: GrantedContent::KeptAnswer(&key), ..grant },
            SignedGrant {
                to: GrantedContent::Answer { etag: &key.hex(), request: &kept },
                ..grant
            },
            SignedGrant { repo_id: &another, ..grant },
            SignedGrant { token: "0123456789abcdef", ..grant },
            SignedGrant { expires: 2000, ..grant },
        ] {
            assert!(!signer.allows(wrong, &signature, at(1)), "{wrong:?}");
        }
        assert!(!signer.allows(grant, "", at(1)) && !signer.allows(grant, "zz", at(1)));
        assert!(!Signer::new(&[8; 32]).allows(grant, &signature, at(1)));
    }

    fn query_of(url: &Url) -> SignedQuery {
        let pairs: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
        let text = |name: &str| pairs.get(name).cloned().unwrap_or_default();
        SignedQuery {
            assembled: false,
            want: text("want"),
            have: text("have"),
            request: text("request"),
            token: text("token"),
            expires: text("expires").parse().unwrap(),
            signature: text("signature"),
        }
    }

    #[test]
    fn the_url_of_an_answer_names_its_request_and_is_good_for_no_other() {
        let signer = Signer::new(&[7; 32]);
        let (repo, repo_id) = ("a/b".parse().unwrap(), RepoId("1".into()));
        let requested = RequestedCommits { want: vec![id("01"), id("02")], have: vec![id("03")] };
        let named = RequestOfUrl::whole(&requested).unwrap();
        let to = GrantedContent::Answer { etag: "ab", request: &named };
        let grant =
            SignedGrant { repo: &repo, repo_id: &repo_id, to, token: NO_TOKEN, expires: 1000 };
        let base = "https://h/".parse().unwrap();
        let url = Url::parse(&signer.url(&base, grant)).unwrap();
        assert_eq!(url.path(), "/a/b/fetch/ab");
        // Clients take a key in a URL for that of the pack.
        assert!(!url.as_str().contains("sha256"), "{url}");
        let query = query_of(&url);
        assert_eq!(RequestOfUrl::of(&query).as_ref(), Some(&named));
        let at = Timestamp::from_second(1).unwrap();
        assert!(signer.allows(grant, &query.signature, at));
        let fewer = RequestedCommits { have: Vec::new(), ..requested.clone() };
        let fewer = RequestOfUrl::whole(&fewer).unwrap();
        for wrong in [
            GrantedContent::Answer { etag: "ac", request: &named },
            GrantedContent::Answer { etag: "ab", request: &fewer },
        ] {
            assert!(!signer.allows(SignedGrant { to: wrong, ..grant }, &query.signature, at));
        }
        // What is a want and what is a have is signed, too.
        let want = query.want.clone() + &query.have;
        let moved = SignedQuery { want, have: String::new(), ..query };
        assert_ne!(RequestOfUrl::of(&moved).unwrap().digest(), named.digest());
    }

    #[test]
    fn a_long_request_is_named_by_its_digest() {
        let have: Vec<EntityId> = (0..64).map(|n| id(&format!("{n:02x}"))).collect();
        let long = RequestedCommits { want: Vec::new(), have };
        assert_eq!(RequestOfUrl::whole(&long), None);
        let short = RequestedCommits { have: long.have[..62].to_vec(), ..long.clone() };
        let whole = RequestOfUrl::whole(&short).unwrap();
        assert!(whole.query().len() <= LONGEST_REQUEST + "have=&".len());
        let (repo, repo_id) = ("a/b".parse().unwrap(), RepoId("1".into()));
        let url_of = |request: &RequestOfUrl| {
            let to = GrantedContent::Answer { etag: "ab", request };
            let grant =
                SignedGrant { repo: &repo, repo_id: &repo_id, to, token: NO_TOKEN, expires: 1 };
            let base = "https://h/".parse().unwrap();
            let url = Signer::new(&[7; 32]).url(&base, grant);
            query_of(&Url::parse(&url).unwrap())
        };
        let kept = RequestOfUrl::Kept(long.digest());
        let (kept_query, whole_query) = (url_of(&kept), url_of(&whole));
        assert_eq!(RequestOfUrl::of(&kept_query), Some(kept));
        assert_eq!(RequestOfUrl::of(&whole_query), Some(whole));
        let none = SignedQuery { request: String::new(), ..kept_query.clone() };
        for odd in [
            SignedQuery { have: whole_query.have, ..kept_query },
            SignedQuery { request: "ab".into(), ..none.clone() },
            SignedQuery { want: "ab".into(), ..none.clone() },
            SignedQuery { have: "zz".repeat(33), ..none.clone() },
            SignedQuery { have: "ff".repeat(33), ..none.clone() },
        ] {
            assert_eq!(RequestOfUrl::of(&odd), None, "{odd:?}");
        }
    }
}
