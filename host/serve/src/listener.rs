//! A listening socket that serves an app, with limits on its connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use packhouse_model::error::{Error, Result};

use super::connections::{ConnectionAcceptor, Connections, count};
use super::limits::{HANDSHAKE, HEAD, PING, RESETS, STREAMS};
use super::options::TlsFiles;

/// How long a client may take to send the headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);

/// Listens on an address.
///
/// # Errors
/// If it is in use, or not an address of this machine.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(|source| Error::Io {
        doing: "listening on",
        path: address.to_string().into(),
        source,
    })
}

/// A socket, and its connections.
pub(super) struct Listener {
    server: axum_server::Server<SocketAddr>,
    handle: Handle<SocketAddr>,
    connections: Arc<Connections>,
}

impl Listener {
    /// With limits on what one connection may use.
    pub(super) fn new(socket: TcpListener, connections: Arc<Connections>) -> io::Result<Listener> {
        let handle = Handle::new();
        let mut server = axum_server::from_tcp(socket)?
            .handle(handle.clone())
            .first_request_timeout(HEADERS_TIMEOUT);
        let http = server.http_builder();
        http.http1().header_read_timeout(HEADERS_TIMEOUT).max_headers(100).max_buf_size(256 << 10);
        http.http2()
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(RESETS)
            .max_header_list_size(HEAD)
            .keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1);
        Ok(Listener { server, handle, connections })
    }

    /// What shuts it down.
    pub(super) fn handle(&self) -> Handle<SocketAddr> {
        self.handle.clone()
    }

    /// Serves an app until it is shut down. Without a certificate: plain HTTP.
    pub(super) async fn serve(self, app: Router, tls: Option<RustlsConfig>) -> io::Result<()> {
        let Listener { server, connections, .. } = self;
        let app = app
            .layer(from_fn_with_state(connections.clone(), count))
            .into_make_service_with_connect_info::<SocketAddr>();
        let acceptor = ConnectionAcceptor(connections.clone());
        let serving = async {
            match tls {
                Some(tls) => {
                    let tls = RustlsAcceptor::new(tls).handshake_timeout(HANDSHAKE);
                    server.acceptor(tls.acceptor(acceptor)).serve(app).await
                }
                None => server.acceptor(acceptor).serve(app).await,
            }
        };
        tokio::select! {
            served = serving => served,
            never = connections.watch() => match never {},
        }
    }
}

/// Reads a certificate and its key.
///
/// # Errors
/// If they can't be read, or don't match.
pub(super) async fn load_tls(files: &TlsFiles) -> Result<RustlsConfig> {
    // Another part of this process may have installed the same provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (certificate, key) = (&files.certificate, &files.key);
    RustlsConfig::from_pem_file(certificate, key).await.map_err(|source| {
        let path = format!("{} with {}", certificate.display(), key.display());
        Error::Io { doing: "using the certificate", path: path.into(), source }
    })
}
