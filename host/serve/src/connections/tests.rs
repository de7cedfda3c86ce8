use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures::future::poll_fn;
use futures::{FutureExt, stream};
use tokio::time::Instant;

use super::super::limits::ServeLimits;
use super::super::metrics::ConnectionCounts;
use super::super::proxy::Proxies;
use super::connection::Connection;
use super::registry::Connections;
use super::response::TrackedBody;

fn connections(most: usize, of_one: usize) -> Arc<Connections> {
    let limits = ServeLimits {
        connections: most,
        connections_per_address: Some(of_one),
        slowest: 1000,
        ..ServeLimits::default()
    };
    Connections::new(&limits, Proxies::default(), ConnectionCounts::default())
}

fn from(address: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, address], 7))
}

fn ended(connections: &[&Arc<Connection>]) -> Vec<bool> {
    connections.iter().map(|connection| connection.end.is_cancelled()).collect()
}

#[test]
fn open_and_accepted_connections_are_counted() {
    let counts = ConnectionCounts::default();
    let limits = ServeLimits { connections: 2, ..ServeLimits::default() };
    let all = Connections::new(&limits, Proxies::default(), counts.clone());
    let counted = || (counts.open.get(), counts.accepted.get());
    let first = all.admit(from(1));
    all.admit(from(2));
    assert_eq!(counted(), (2, 2));
    // The one that has been idle for longest makes room.
    all.admit(from(3));
    assert!(first.end.is_cancelled());
    assert_eq!(counted(), (2, 3));
    all.remove(first.number);
    assert_eq!(counted(), (2, 3), "it was closed already");
    let last = all.admit(from(4));
    all.remove(last.number);
    assert_eq!(counted(), (1, 4));
}

/// A response on its way on a connection.
fn sending(connections: &Connections, connection: &Arc<Connection>, source: Body) -> TrackedBody {
    TrackedBody::new(source, connection.begin(None), connections)
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
    let mut told =
        sending(&connections, &waiting, Body::from_stream(stream::pending::<io::Result<Bytes>>()));
    assert!(next(&mut sent).await);
    assert!(poll_fn(|cx| Pin::new(&mut told).poll_frame(cx)).now_or_never().is_none());
    let begun = Instant::now();
    // Ten thousand bytes at a thousand a second, and the 30 s of slack.
    connections.check(begun + Duration::from_secs(39));
    assert_eq!(ended(&[&slow, &waiting]), [false, false]);
    connections.check(begun + Duration::from_secs(41));
    assert_eq!(ended(&[&slow, &waiting]), [true, false]);
    connections.check(begun + Duration::from_secs(4000));
    assert_eq!(ended(&[&waiting]), [false]);
}

#[tokio::test]
async fn who_reads_on_is_not_cut_off_and_is_idle_when_all_is_read() {
    let connections = connections(10, 10);
    let connection = connections.admit(from(1));
    let mut sent = sending(&connections, &connection, pieces(&[10_000, 10_000]));
    assert!(next(&mut sent).await && next(&mut sent).await && !next(&mut sent).await);
    connections.check(Instant::now() + Duration::from_secs(4000));
    assert_eq!(ended(&[&connection]), [false], "its answer has not been dropped");
    drop(sent);
    connections.check(Instant::now() + Duration::from_secs(59));
    assert_eq!(ended(&[&connection]), [false]);
    connections.check(Instant::now() + Duration::from_secs(61));
    assert_eq!(ended(&[&connection]), [true]);
}
