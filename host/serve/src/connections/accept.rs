//! From the socket to HTTP: each request has its connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tower_service::Service;

use super::connection::Connection;
use super::registry::Connections;

/// Accepts connections, before TLS.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionAcceptor(pub(crate) Arc<Connections>);

impl<S> Accept<TcpStream, S> for ConnectionAcceptor {
    type Stream = TrackedStream;
    type Service = TrackedService<S>;
    type Future = std::future::Ready<io::Result<(TrackedStream, TrackedService<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // Small responses are sent at once.
        let _ = stream.set_nodelay(true);
        std::future::ready(stream.peer_addr().map(|peer| {
            let connection = self.0.admit(peer);
            let end = Box::pin(connection.end.clone().cancelled_owned());
            let watched = TrackedStream {
                stream,
                end,
                open: Arc::downgrade(&self.0),
                number: connection.number,
            };
            (watched, TrackedService { service, connection })
        }))
    }
}

/// A socket that can be closed from outside.
#[derive(Debug)]
pub(crate) struct TrackedStream {
    stream: TcpStream,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
    open: Weak<Connections>,
    number: u64,
}

impl Drop for TrackedStream {
    fn drop(&mut self) {
        if let Some(connections) = self.open.upgrade() {
            connections.remove(self.number);
        }
    }
}

impl TrackedStream {
    /// Fails when the connection is being closed. That wakes pending tasks.
    fn go_on(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for TrackedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.go_on(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.go_on(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.go_on(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.go_on(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.go_on(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The service of one connection: each request has its connection.
#[derive(Clone, Debug)]
pub(crate) struct TrackedService<S> {
    service: S,
    connection: Arc<Connection>,
}

impl<S, B> Service<axum::http::Request<B>> for TrackedService<S>
where
    S: Service<axum::http::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: axum::http::Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.connection.clone());
        self.service.call(request)
    }
}
