//! Connections: how many, how long they may be idle, and how slowly clients may read.
//!
//! ```text
//! accept ─▶ room? ─▶ TrackedStream: the socket, and what can end it ─▶ TLS ─▶ HTTP ─▶ TrackedService: requests under way, answers on their way
//!             │ none: the connection that has been idle for longest ends
//!             └ all are at work: a place of the reserve, where health is answered and all else with 503
//! ```
//!
//! One task checks all of them each second. It shuts down idle ones, and ends those that don't
//! react and those whose clients read too slowly: a response holds memory, an open file and a slot
//! for as long as it is read.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_server::ConnectionShutdown;
use axum_server::accept::Accept;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower_service::Service;

use super::health::is_health;
use super::limits::{RESERVED, STALL, ServeLimits};
use super::problem::Problem;
use super::proxy::Proxies;

/// How often all connections are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long one that is asked to end may take.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// All connections of a server.
#[derive(Debug)]
pub(super) struct Connections {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    /// How many there may be, without the reserve.
    most: usize,
    most_of_one: usize,
    idle: Duration,
    slowest: u64,
    /// These may have any number of connections: they serve many clients.
    proxies: Proxies,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    number: u64,
    from: IpAddr,
    /// Whether it has one of the places that are kept for health.
    reserved: bool,
    end: CancellationToken,
    state: Mutex<Activity>,
}

#[derive(Debug)]
struct Activity {
    /// Requests whose responses were not sent completely.
    under_way: usize,
    /// Since when there is none.
    idle_since: Instant,
    /// How it is asked to end, from its first request on.
    shutdown: Option<ConnectionShutdown>,
    asked_to_end: bool,
    /// Answers that wait for their reader: until when each may.
    waiting: HashMap<u64, Instant>,
}

impl Connections {
    pub(super) fn new(limits: &ServeLimits, proxies: Proxies) -> Arc<Connections> {
        let most = limits.connections.max(1);
        Arc::new(Connections {
            open: Mutex::default(),
            next: AtomicU64::new(0),
            most,
            most_of_one: limits.connections_of_one.unwrap_or(most.div_ceil(2)).clamp(1, most),
            idle: limits.idle,
            slowest: limits.slowest.max(1),
            proxies,
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in.
    fn admit(&self, peer: SocketAddr) -> Arc<Connection> {
        let from = super::auth::network(peer.ip());
        let mut open = self.open();
        let regular = |connection: &&Arc<Connection>| !connection.reserved;
        let mut reserved = false;
        let of_one =
            |connection: &&Arc<Connection>| connection.from == from && !connection.reserved;
        if !self.proxies.trusts(peer.ip())
            && open.values().filter(of_one).count() >= self.most_of_one
        {
            reserved = !shed(&mut open, of_one);
        }
        if !reserved && open.values().filter(regular).count() >= self.most {
            reserved = !shed(&mut open, regular);
        }
        // Who comes last has the best prospects of being answered at once.
        if reserved && open.values().filter(|connection| connection.reserved).count() >= RESERVED {
            let first = open
                .values()
                .filter(|connection| connection.reserved)
                .min_by_key(|connection| connection.number);
            let first = first.map(|connection| connection.number);
            first
                .and_then(|number| open.remove(&number))
                .inspect(|connection| connection.end.cancel());
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = Activity {
            under_way: 0,
            idle_since: Instant::now(),
            shutdown: None,
            asked_to_end: false,
            waiting: HashMap::new(),
        };
        let connection = Arc::new(Connection {
            number,
            from,
            reserved,
            end: CancellationToken::new(),
            state: Mutex::new(state),
        });
        open.insert(number, connection.clone());
        connection
    }

    /// Checks all connections, again and again.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            self.look(Instant::now());
        }
    }

    fn look(&self, now: Instant) {
        let all: Vec<_> = self.open().values().cloned().collect();
        for connection in all {
            if connection.should_end(now, self.idle) {
                connection.end.cancel();
            }
        }
    }
}

/// Ends the connection that has been idle for longest, of some; whether there was one.
fn shed(open: &mut HashMap<u64, Arc<Connection>>, of: impl Fn(&&Arc<Connection>) -> bool) -> bool {
    let idle = open
        .values()
        .filter(of)
        .filter_map(|connection| Some((connection.idle_since()?, connection.number)));
    match idle.min() {
        None => false,
        Some((_, number)) => {
            open.remove(&number).inspect(|connection| connection.end.cancel());
            true
        }
    }
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, Activity> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.under_way == 0).then_some(state.idle_since)
    }

    /// Whether it should end at once; asks it to end where it has been idle for long enough.
    fn should_end(&self, now: Instant, idle: Duration) -> bool {
        let mut state = self.state();
        if state.waiting.values().any(|until| *until <= now) {
            tracing::debug!(from = %self.from, "the client reads too slowly");
            return true;
        }
        if state.under_way > 0 {
            return false;
        }
        let silent = now.saturating_duration_since(state.idle_since);
        if silent < idle {
            return false;
        }
        if !std::mem::replace(&mut state.asked_to_end, true) {
            match &state.shutdown {
                Some(shutdown) => shutdown.graceful_shutdown(),
                // No request was sent yet.
                None => return true,
            }
        }
        silent >= idle + ENDS_WITHIN
    }

    fn begin(self: &Arc<Self>, shutdown: Option<&ConnectionShutdown>) -> RequestGuard {
        let mut state = self.state();
        state.under_way += 1;
        if let Some(shutdown) = shutdown.filter(|_| state.shutdown.is_none()) {
            state.shutdown = Some(shutdown.clone());
        }
        RequestGuard(self.clone())
    }
}

/// A request, until its response was sent, or the client is gone.
struct RequestGuard(Arc<Connection>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        if state.under_way == 0 {
            state.idle_since = Instant::now();
        }
    }
}

/// Takes connections in, before TLS.
#[derive(Clone, Debug)]
pub(super) struct ConnectionAcceptor(pub(super) Arc<Connections>);

impl<S> Accept<TcpStream, S> for ConnectionAcceptor {
    type Stream = TrackedStream;
    type Service = TrackedService<S>;
    type Future = std::future::Ready<io::Result<(TrackedStream, TrackedService<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // Small answers go out at once.
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

/// A socket that can be ended from outside.
#[derive(Debug)]
pub(super) struct TrackedStream {
    stream: TcpStream,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
    open: Weak<Connections>,
    number: u64,
}

impl Drop for TrackedStream {
    fn drop(&mut self) {
        if let Some(connections) = self.open.upgrade() {
            connections.open().remove(&self.number);
        }
    }
}

impl TrackedStream {
    /// Fails when the connection is to end. Pending tasks are woken by that.
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

/// What answers on one connection: each request knows which.
#[derive(Clone, Debug)]
pub(super) struct TrackedService<S> {
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

/// Notes what goes on on a connection, for as long as its client takes to read the answer.
pub(super) async fn count(
    State(connections): State<Arc<Connections>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(connection) = request.extensions().get::<Arc<Connection>>().cloned() else {
        return next.run(request).await;
    };
    let under_way = connection.begin(request.extensions().get::<ConnectionShutdown>());
    if connection.reserved && !is_health(request.uri().path()) {
        let mut response = too_many().into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    let reserved = connection.reserved;
    let answer = next.run(request).await;
    let mut response = answer.map(|body| {
        let number = connections.next.fetch_add(1, Ordering::Relaxed);
        let credit = STALL;
        Body::new(TrackedBody {
            body,
            under_way,
            number,
            credit,
            slowest: connections.slowest,
            handed_over: None,
        })
    });
    if reserved {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn too_many() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many open connections, in total or from your address; try again",
    )
}

/// A response on its way. Time that its source takes is the server's; time between two chunks is
/// the client's: it has [`STALL`] of it, and earns more by reading.
struct TrackedBody {
    body: Body,
    under_way: RequestGuard,
    number: u64,
    credit: Duration,
    slowest: u64,
    handed_over: Option<Instant>,
}

impl TrackedBody {
    fn asked_for_more(&mut self) {
        if let Some(since) = self.handed_over.take() {
            self.credit = self.credit.saturating_sub(since.elapsed());
            self.under_way.0.state().waiting.remove(&self.number);
        }
    }

    fn hands_over(&mut self, bytes: usize) {
        let earned = Duration::from_secs_f64(bytes as f64 / self.slowest as f64);
        self.credit = STALL.min(self.credit) + earned;
        let now = Instant::now();
        self.handed_over = Some(now);
        self.under_way.0.state().waiting.insert(self.number, now + self.credit);
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.asked_for_more();
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.hands_over(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        self.under_way.0.state().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;
    use futures::{FutureExt, stream};

    use super::*;

    fn connections(most: usize, of_one: usize) -> Arc<Connections> {
        let limits = ServeLimits {
            connections: most,
            connections_of_one: Some(of_one),
            slowest: 1000,
            ..ServeLimits::default()
        };
        Connections::new(&limits, Proxies::default())
    }

    fn from(address: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, address], 7))
    }

    fn ended(connections: &[&Arc<Connection>]) -> Vec<bool> {
        connections.iter().map(|connection| connection.end.is_cancelled()).collect()
    }

    /// An answer of two pieces that goes out on a connection.
    fn sending(
        connections: &Connections,
        connection: &Arc<Connection>,
        source: Body,
    ) -> TrackedBody {
        let number = connections.next.fetch_add(1, Ordering::Relaxed);
        let under_way = connection.begin(None);
        TrackedBody {
            body: source,
            under_way,
            number,
            credit: STALL,
            slowest: connections.slowest,
            handed_over: None,
        }
    }

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<_> =
            sizes.iter().map(|size| Ok::<_, io::Error>(Bytes::from(vec![7; *size]))).collect();
        Body::from_stream(stream::iter(pieces))
    }

    async fn next(sending: &mut TrackedBody) -> bool {
        poll_fn(|cx| Pin::new(&mut *sending).poll_frame(cx)).await.is_some()
    }

    #[tokio::test]
    async fn the_one_that_has_been_idle_for_longest_makes_room() {
        let connections = connections(3, 3);
        let (first, second, third) =
            (connections.admit(from(1)), connections.admit(from(2)), connections.admit(from(3)));
        let at_work = first.begin(None);
        let fourth = connections.admit(from(4));
        assert_eq!(ended(&[&first, &second, &third, &fourth]), [false, true, false, false]);
        drop(at_work);
        let fifth = connections.admit(from(5));
        assert_eq!(
            ended(&[&first, &third, &fourth, &fifth]),
            [false, true, false, false],
            "the first was at work until now"
        );
    }

    #[tokio::test]
    async fn when_all_are_at_work_the_last_to_come_have_the_reserve() {
        let connections = connections(2, 2);
        let all: Vec<_> = (0..2).map(|n| connections.admit(from(n))).collect();
        let _at_work: Vec<_> = all.iter().map(|connection| connection.begin(None)).collect();
        let reserved: Vec<_> = (2..12).map(|n| connections.admit(from(n))).collect();
        assert!(reserved.iter().all(|connection| connection.reserved));
        let gone = reserved.iter().filter(|connection| connection.end.is_cancelled()).count();
        assert_eq!(
            (gone, ended(&[&all[0], &all[1], &reserved[0], &reserved[9]])),
            (2, vec![false, false, true, false])
        );
    }

    #[tokio::test]
    async fn one_address_makes_room_for_itself_only() {
        let connections = connections(10, 2);
        let (other, first, second) =
            (connections.admit(from(1)), connections.admit(from(2)), connections.admit(from(2)));
        let third = connections.admit(from(2));
        assert_eq!(ended(&[&other, &first, &second, &third]), [false, true, false, false]);
        let _at_work = [second.begin(None), third.begin(None)];
        assert!(connections.admit(from(2)).reserved && !connections.admit(from(3)).reserved);
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_cut_off_and_a_slow_source_is_waited_for() {
        let connections = connections(10, 10);
        let (slow, waiting) = (connections.admit(from(1)), connections.admit(from(2)));
        let mut sent = sending(&connections, &slow, pieces(&[10_000, 10_000]));
        let mut told = sending(
            &connections,
            &waiting,
            Body::from_stream(stream::pending::<io::Result<Bytes>>()),
        );
        assert!(next(&mut sent).await);
        assert!(poll_fn(|cx| Pin::new(&mut told).poll_frame(cx)).now_or_never().is_none());
        let begun = Instant::now();
        // Ten thousand bytes at a thousand a second, and the 30 s of slack.
        connections.look(begun + Duration::from_secs(39));
        assert_eq!(ended(&[&slow, &waiting]), [false, false]);
        connections.look(begun + Duration::from_secs(41));
        assert_eq!(ended(&[&slow, &waiting]), [true, false]);
        connections.look(begun + Duration::from_secs(4000));
        assert_eq!(ended(&[&waiting]), [false]);
    }

    #[tokio::test]
    async fn who_reads_on_is_not_cut_off_and_is_idle_when_all_is_read() {
        let connections = connections(10, 10);
        let connection = connections.admit(from(1));
        let mut sent = sending(&connections, &connection, pieces(&[10_000, 10_000]));
        assert!(next(&mut sent).await && next(&mut sent).await && !next(&mut sent).await);
        connections.look(Instant::now() + Duration::from_secs(4000));
        assert_eq!(ended(&[&connection]), [false], "its answer has not been dropped");
        drop(sent);
        connections.look(Instant::now() + Duration::from_secs(59));
        assert_eq!(ended(&[&connection]), [false]);
        connections.look(Instant::now() + Duration::from_secs(61));
        assert_eq!(ended(&[&connection]), [true]);
    }
}
