//! Tokens for the servers that are imported from, in a file.

use std::path::Path;
use std::{fmt, io};

use packhouse_model::error::{Error, Result};
use packhouse_model::text::{pairs, plain_url};
use url::Url;

/// Tokens for Muse servers. A line of the file is a URL and a token: the token is sent to what is
/// below that URL. Of several, the longest URL counts. Empty lines and lines that begin with `#`
/// are ignored.
#[derive(Clone, Default)]
pub struct SourceTokens(Vec<(Url, String)>);

/// Without the tokens.
impl fmt::Debug for SourceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(url, _)| url.as_str())).finish()
    }
}

impl SourceTokens {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it can't be read, with the line that is not a URL and a token. It may pass:
    /// somebody may be writing the file.
    pub fn read(file: &Path) -> Result<SourceTokens> {
        let text =
            std::fs::read_to_string(file).map_err(Error::io("reading the tokens in", file))?;
        let tokens = pairs(&text).map(|(number, pair)| {
            pair.and_then(|(url, token)| Some((plain_url(url)?, token.to_owned()))).ok_or_else(|| {
                // The line may hold a token: it is not repeated.
                let error = format!(
                    "line {number}: expected a URL (http(s)://HOST/…, without user, `?` and `#`) and \
                     a token"
                );
                let error = io::Error::new(io::ErrorKind::InvalidData, error);
                Error::io("reading the tokens in", file)(error)
            })
        });
        Ok(SourceTokens(tokens.collect::<Result<_>>()?))
    }

    /// The token for a URL.
    pub fn token_for(&self, url: &Url) -> Option<&str> {
        let fits = self.0.iter().filter(|(base, _)| is_below(url, base));
        fits.max_by_key(|(base, _)| base.path().len()).map(|(_, token)| token.as_str())
    }
}

/// Whether a URL is another one, or below it: on the same server, and its path continues the other.
fn is_below(url: &Url, base: &Url) -> bool {
    let rest = url.path().strip_prefix(base.path().trim_end_matches('/'));
    url.origin() == base.origin()
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<SourceTokens> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::fs::write(&file, text).unwrap();
        SourceTokens::read(&file)
    }

    #[test]
    fn a_token_is_for_what_is_below_its_url() {
        let tokens = tokens(
            "# hubs\n\nhttps://hub.example all\n  https://hub.example/ines/  hers\nhttp://127.0.0.1:8080/a/b one\n",
        )
        .unwrap();
        let of = |url: &str| tokens.token_for(&Url::parse(url).unwrap());
        for (url, token) in [
            ("https://hub.example/zoe/album", Some("all")),
            ("https://hub.example:443/zoe/album", Some("all")),
            ("https://hub.example/ines/album", Some("hers")),
            ("https://hub.example/inessa/album", Some("all")),
            ("http://hub.example/ines/album", None),
            ("https://hub.example.evil/ines/album", None),
            ("https://hub.example:444/ines/album", None),
            ("http://127.0.0.1:8080/a/b", Some("one")),
            ("http://127.0.0.1:8080/a/bc", None),
        ] {
            assert_eq!(of(url), token, "{url}");
        }
        assert!(!format!("{tokens:?}").contains("hers"));
    }

    #[test]
    fn a_malformed_line_is_named_and_not_repeated() {
        for line in ["secret", "ftp://a/b secret", "https://u:secret@a/b x", "https://a/b secret x"]
        {
            let error =
                tokens(&format!("https://hub.example t\n{line}\n")).unwrap_err().to_string();
            assert!(error.contains("line 2") && !error.contains("secret"), "{error}");
        }
    }
}
