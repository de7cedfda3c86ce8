//! A pooler in transaction mode, as PgBouncer is one: all clients share one session of the server,
//! a transaction at a time.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

const SSL_REQUEST: i32 = 80_877_103;

/// The session that is shared, and what it said when it began.
#[derive(Debug)]
struct Session {
    stream: TcpStream,
    begun: Vec<u8>,
}

/// Pools the server at a port for as long as the runtime runs; gives the port at which it does.
///
/// # Panics
/// When there is no port left.
pub async fn pool(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let session: Arc<Mutex<Option<Session>>> = Arc::default();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let session = session.clone();
            // A client that goes away ends its part.
            tokio::spawn(async move { serve(client, server, session).await });
        }
    });
    port
}

async fn serve(
    mut client: TcpStream,
    server: u16,
    shared: Arc<Mutex<Option<Session>>>,
) -> std::io::Result<()> {
    let startup = loop {
        let startup = counted(&mut client, Vec::new()).await?;
        if startup[4..8] != SSL_REQUEST.to_be_bytes() {
            break startup;
        }
        client.write_all(b"N").await?;
    };
    {
        let mut session = shared.lock().await;
        if session.is_none() {
            let mut stream = TcpStream::connect(("127.0.0.1", server)).await?;
            stream.write_all(&startup).await?;
            let begun = until_ready(&mut stream).await?.0;
            *session = Some(Session { stream, begun });
        }
        client.write_all(&session.as_ref().expect("it has begun").begun).await?;
    }
    loop {
        let mut message = message(&mut client).await?;
        let mut session = shared.lock().await;
        let session = session.as_mut().expect("it has begun");
        // The session is this client's until its transaction ends.
        loop {
            if message[0] == b'X' {
                return Ok(());
            }
            session.stream.write_all(&message).await?;
            if matches!(message[0], b'S' | b'Q') {
                let (answer, in_transaction) = until_ready(&mut session.stream).await?;
                client.write_all(&answer).await?;
                if !in_transaction {
                    break;
                }
            }
            message = self::message(&mut client).await?;
        }
    }
}

/// All until the server is ready, and whether it is in a transaction then.
async fn until_ready(server: &mut TcpStream) -> std::io::Result<(Vec<u8>, bool)> {
    let mut all = Vec::new();
    loop {
        let message = message(server).await?;
        all.extend_from_slice(&message);
        if message[0] == b'Z' {
            return Ok((all, message[5] != b'I'));
        }
    }
}

async fn message(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let kind = from.read_u8().await?;
    counted(from, vec![kind]).await
}

/// A length-prefixed message, with the length, after `begin`.
async fn counted(from: &mut TcpStream, mut begin: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let length = from.read_i32().await?;
    begin.extend_from_slice(&length.to_be_bytes());
    let at = begin.len();
    begin.resize(at + (length as usize).saturating_sub(4), 0);
    from.read_exact(&mut begin[at..]).await?;
    Ok(begin)
}
