//! MessagePack for clients that accept it, JSON for others.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::{ApiResult, Problem};

/// The media type of MessagePack, as Muse clients write it.
pub(super) const MSGPACK: &str = "application/x-msgpack";

/// The format that a client requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accept {
    msgpack: bool,
    /// Whether it accepts anything else than JSON.
    any: bool,
}

impl Accept {
    /// MessagePack when it is listed.
    pub(super) fn of(headers: &HeaderMap) -> Accept {
        let listed: Vec<String> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
            .collect();
        let msgpack = listed.iter().any(|kind| is_msgpack(kind));
        let any = msgpack
            || listed.is_empty()
            || listed.iter().any(|kind| matches!(kind.as_str(), "*/*" | "application/*"));
        Accept { msgpack, any }
    }

    /// Whether a response is MessagePack; otherwise it is JSON.
    pub(super) fn is_msgpack(self) -> bool {
        self.msgpack
    }

    /// A response. Errors are always JSON: see [`Problem`].
    pub(super) fn respond<T: Serialize>(self, value: &T) -> ApiResult<Response> {
        let unwritten = |error: &dyn std::fmt::Display| {
            tracing::error!("a response could not be serialised: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the response could not be serialised")
        };
        let (kind, bytes) = match self.msgpack {
            true => (MSGPACK, rmp_serde::to_vec_named(value).map_err(|error| unwritten(&error))?),
            false => {
                ("application/json", serde_json::to_vec(value).map_err(|error| unwritten(&error))?)
            }
        };
        Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], bytes).into_response())
    }

    /// Refuses clients that want a pack as JSON: packs have no such form.
    pub(super) fn require_msgpack(self) -> ApiResult<()> {
        if self.any {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            format!("packs are MessagePack; send Accept: {MSGPACK}"),
        ))
    }
}

fn is_msgpack(kind: &str) -> bool {
    matches!(kind, "application/x-msgpack" | "application/msgpack" | "application/vnd.msgpack")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messagepack_when_it_is_listed() {
        let negotiated = |accept: Option<&str>| {
            let mut headers = HeaderMap::new();
            accept.map(|accept| {
                headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap())
            });
            let accept = Accept::of(&headers);
            (accept.msgpack, accept.require_msgpack().is_ok())
        };
        assert_eq!(negotiated(Some("application/x-msgpack, application/json")), (true, true));
        assert_eq!(
            negotiated(Some("application/json;q=1, Application/MsgPack;q=0.5")),
            (true, true)
        );
        assert_eq!(negotiated(Some("application/json")), (false, false));
        assert_eq!(negotiated(Some("*/*")), (false, true));
        assert_eq!(negotiated(None), (false, true));
    }
}
