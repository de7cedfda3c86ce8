//! Decodes small bodies: the only place where JSON and MessagePack from the network become values.
//!
//! A body is a map. serde's derived code also accepts an array of a struct's fields. That is
//! refused here, for all bodies, because others must be able to read what is stored of a body.

use std::fmt::Display;

use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Depth of nested values in MessagePack: ignored values are walked too, on the stack.
const DEPTH: usize = 32;

/// A body that can't be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// What is wrong.
    pub(super) reason: String,
    /// Whether it is not even JSON or MessagePack.
    pub(super) syntax: bool,
}

impl Malformed {
    fn new(reason: impl Display) -> Malformed {
        Malformed { reason: reason.to_string(), syntax: false }
    }

    fn syntax(reason: impl Display) -> Malformed {
        Malformed { reason: reason.to_string(), syntax: true }
    }

    /// The problem of a Muse client.
    pub(super) fn problem(self) -> Problem {
        Problem::malformed(format!("malformed body: {}", self.reason))
    }

    /// The problem of a client of the admin API: 400 for invalid JSON.
    pub(super) fn admin_problem(self) -> Problem {
        let status =
            if self.syntax { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
        Problem::usage(status, format!("malformed body: {}", self.reason))
    }
}

/// A JSON object.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    let text = object(body)?;
    serde_json::from_str(text).map_err(|error| match error.is_data() {
        true => Malformed::new(error),
        false => Malformed::syntax(error),
    })
}

/// The text of a JSON object, without surrounding space. Its contents are not parsed.
pub(super) fn object(body: &[u8]) -> Result<&str, Malformed> {
    let space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    let text = std::str::from_utf8(body).map_err(Malformed::syntax)?.trim_matches(space);
    match text.bytes().next() {
        None => Err(Malformed::syntax("it is empty; expected a JSON object")),
        Some(b'{') => Ok(text),
        Some(b'[') => Err(Malformed::new("it is an array; expected a JSON object")),
        Some(_) => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Err(Malformed::new("expected a JSON object")),
            Err(error) => Err(Malformed::syntax(error)),
        },
    }
}

/// A MessagePack map.
pub(super) fn msgpack<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    match body.first() {
        None => return Err(Malformed::syntax("it is empty; expected a MessagePack map")),
        Some(0x80..=0x8f | 0xde | 0xdf) => {}
        Some(byte) => {
            return Err(Malformed::new(format_args!(
                "expected a MessagePack map; it begins with byte 0x{byte:02X}"
            )));
        }
    }
    let mut decoder = rmp_serde::Deserializer::new(body);
    decoder.set_max_depth(DEPTH);
    let value = T::deserialize(&mut decoder).map_err(Malformed::new)?;
    match decoder.get_ref() {
        [] => Ok(value),
        rest => Err(Malformed::new(format_args!("there are {} bytes after its value", rest.len()))),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Asked {
        name: String,
        more: Option<u8>,
    }

    #[test]
    fn a_body_is_one_map() {
        let asked = || Asked { name: "a".into(), more: None };
        assert_eq!(json::<Asked>(b" {\"name\": \"a\"}\r\n"), Ok(asked()));
        assert_eq!(msgpack::<Asked>(b"\x81\xa4name\xa1a"), Ok(asked()));
        for (bad, word) in [
            (&b""[..], "empty"),
            (b" \n", "empty"),
            (b"[\"a\", 1]", "array"),
            (b"\"a\"", "expected a JSON object"),
            (b"{\"name\": \"a\"} {}", "trailing"),
            (b"{\"name\": 1}", "string"),
            (b"{", "EOF"),
            (b"nonsense", "expected"),
            (b"\xff", "utf-8"),
        ] {
            let refused = json::<Asked>(bad).unwrap_err();
            assert!(refused.reason.contains(word), "{bad:?}: {refused:?}");
        }
        for (bad, word) in [
            (&b""[..], "empty"),
            (b"\x92\xa1a\x01", "map"),
            (b"\xdc\x00\x02\xa1a\x01", "map"),
            (b"\xc0", "map"),
            (b"\x81\xa4name\xa1a\x80", "1 bytes after"),
            (b"\x81\xa4name", ""),
        ] {
            let refused = msgpack::<Asked>(bad).unwrap_err();
            assert!(refused.reason.contains(word), "{bad:?}: {refused:?}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_from_what_is_not_wanted() {
        for (bad, status) in [("", 400), ("{\"name\"}", 400), ("[]", 422), ("{}", 422), ("7", 422)]
        {
            let problem = json::<Asked>(bad.as_bytes()).unwrap_err().admin_problem();
            assert_eq!(problem.status.as_u16(), status, "{bad}: {problem:?}");
        }
    }
}
