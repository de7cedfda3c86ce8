//! Signed URLs that give access to one pack for a limited time.

use jiff::Timestamp;
use packhouse_model::names::{MpackKey, RepoId, RepoName};
use ring::hmac;
use serde::Deserialize;
use url::Url;

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
    pub(super) key: &'a MpackKey,
    /// Whether it was assembled for a fetch; otherwise it is a pack of the repo.
    pub(super) assembled: bool,
    /// The authority of the signature; the URL is invalid when it ends.
    pub(super) token: &'a str,
    /// When it expires, in seconds since 1970.
    pub(super) expires: i64,
}

/// Instead of a token: the caller had none. The URL is valid while the repo is public.
pub(super) const NO_TOKEN: &str = "none";

/// Instead of a token: all requests are allowed. The URL is valid while the server is in this mode.
pub(super) const TRUSTED: &str = "trusted";

/// The query of a signed URL.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SignedQuery {
    #[serde(default)]
    pub(super) assembled: bool,
    pub(super) token: String,
    pub(super) expires: i64,
    pub(super) signature: String,
}

impl Signer {
    pub(super) fn new(secret: &[u8; 32]) -> Signer {
        Signer(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The URL of a pack, under that of the server.
    pub(super) fn url(&self, base: &Url, grant: SignedGrant<'_>) -> String {
        let tag = hmac::sign(&self.0, &grant.message());
        let base = base.as_str().trim_end_matches('/');
        let SignedGrant { repo, repo_id: _, key, assembled, token, expires } = grant;
        let signature = hex::encode(tag.as_ref());
        format!(
            "{base}/{repo}/packs/{key}?assembled={assembled}&token={token}&expires={expires}&signature={signature}"
        )
    }

    /// Whether it was signed here, and is still valid. Compares in constant time.
    pub(super) fn allows(&self, grant: SignedGrant<'_>, signature: &str, now: Timestamp) -> bool {
        let Ok(given) = hex::decode(signature) else { return false };
        hmac::verify(&self.0, &grant.message(), &given).is_ok() && now.as_second() < grant.expires
    }
}

impl SignedGrant<'_> {
    fn message(&self) -> Vec<u8> {
        let SignedGrant { repo, repo_id, key, assembled, token, expires } = self;
        format!("pack 2\n{repo}\n{}\n{key}\n{assembled}\n{token}\n{expires}", repo_id.0)
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_good_for_what_it_says_and_for_so_long() {
        let signer = Signer::new(&[7; 32]);
        let (repo, key) = ("a/b".parse().unwrap(), MpackKey::new([1; 32]));
        let (repo_id, another) = (RepoId("1".into()), RepoId("2".into()));
        let grant = SignedGrant {
            repo: &repo,
            repo_id: &repo_id,
            key: &key,
            assembled: false,
            token: NO_TOKEN,
            expires: 1000,
        };
        let url = Url::parse(&signer.url(&"http://h:1/".parse().unwrap(), grant)).unwrap();
        assert_eq!(url.path(), format!("/a/b/packs/{key}"));
        let signature =
            url.query_pairs().find(|(name, _)| name == "signature").unwrap().1.into_owned();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(signer.allows(grant, &signature, at(999)));
        assert!(!signer.allows(grant, &signature, at(1000)), "it has expired");
        let other = "a/c".parse().unwrap();
        for wrong in [
            SignedGrant { repo: &other, ..grant },
            SignedGrant { key: &MpackKey::new([2; 32]), ..grant },
            SignedGrant { repo_id: &another, ..grant },
            SignedGrant { assembled: true, ..grant },
            SignedGrant { token: "0123456789abcdef", ..grant },
            SignedGrant { expires: 2000, ..grant },
        ] {
            assert!(!signer.allows(wrong, &signature, at(1)), "{wrong:?}");
        }
        assert!(!signer.allows(grant, "", at(1)) && !signer.allows(grant, "zz", at(1)));
        assert!(!Signer::new(&[8; 32]).allows(grant, &signature, at(1)));
    }
}
