//! Every error response is JSON, `{"detail": …}`, regardless of `Accept` and of its origin: a
//! route, an extractor of axum, a panic.
//!
//! Muse clients print the body of an error response unchanged.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;

use super::problem::Problem;

/// Limit for an error text that is not ours, in bytes.
const TEXT: usize = 4096;

/// Handles a request, and converts errors to JSON.
pub(super) async fn json_errors(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => in_json(response).await,
        Err(panic) => {
            tracing::error!("a request panicked: {}", words(panic.as_ref()));
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error; see the server's log")
                .into_response()
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

async fn in_json(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_error || json {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, TEXT)
        .await
        .ok()
        .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
        .unwrap_or_default();
    let reason = status.canonical_reason().unwrap_or("refused").to_lowercase();
    let detail = if text.trim().is_empty() { reason } else { text };
    let mut said = Problem::new(status, detail).into_response();
    for (name, value) in &parts.headers {
        // The headers of the old body are removed; others, such as `Allow`, are kept.
        if !matches!(
            *name,
            header::CONTENT_TYPE | header::CONTENT_LENGTH | header::TRANSFER_ENCODING
        ) {
            said.headers_mut().append(name, value.clone());
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::extract::{Json, Path};
    use axum::middleware::from_fn;
    use axum::routing::{get, post};

    use super::*;

    /// Serves some routes that fail in ways of their own, and gives the server's URL.
    async fn serve() -> String {
        async fn fails() -> &'static str {
            panic!("it broke")
        }
        let app = Router::new()
            .route("/panic", get(fails))
            .route("/number/{n}", get(async |Path(_): Path<u8>| "a number"))
            .route("/json", post(async |Json(_): Json<Vec<u8>>| "a list"))
            .route("/bare", get(async || StatusCode::BAD_GATEWAY))
            .layer(from_fn(json_errors));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    #[tokio::test]
    async fn panics_and_the_errors_of_axum_are_json() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (url, client) = (serve().await, reqwest::Client::new());
        let json = |body: &'static str| {
            client.post(format!("{url}/json")).header("content-type", "application/json").body(body)
        };
        let asked = [
            (client.get(format!("{url}/panic")), 500, "internal error"),
            (client.get(format!("{url}/number/300")), 400, "300"),
            (client.post(format!("{url}/json")), 415, "Content-Type"),
            (json("["), 400, "JSON"),
            (json("[\"a\"]"), 422, "a"),
            (client.get(format!("{url}/bare")), 502, "bad gateway"),
            (client.delete(format!("{url}/bare")), 405, "method not allowed"),
            (client.get(format!("{url}/none")), 404, "not found"),
        ];
        for (request, status, word) in asked {
            let answer = request
                .header("accept", "application/x-msgpack, application/json")
                .send()
                .await
                .unwrap();
            let (told, kind) = (answer.status(), answer.headers()["content-type"].clone());
            assert_eq!(told == 405, answer.headers().contains_key("allow"), "{told}");
            let body: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(
                (told.as_u16(), kind.as_bytes()),
                (status, &b"application/json"[..]),
                "{body}"
            );
            assert!(body["detail"].as_str().unwrap().contains(word), "{status}: {body}");
        }
    }
}
