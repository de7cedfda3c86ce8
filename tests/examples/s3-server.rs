//! An S3 server for tests: s3s-fs over HTTP on the loopback, with signatures checked, in a process
//! of its own.
//!
//! ```text
//! s3-server ROOT ACCESS_KEY SECRET PORT [stop OP N | refuse OP N | spoil new 0 | unknown HEADER 0]…
//! ```
//!
//! Prints its port (0: any), and ends with its stdin, that is with its parent. `stop`: the process
//! dies, as if killed, at the Nth call of that operation. `refuse`: the first N calls of that
//! operation are answered with SlowDown. `spoil`: new packs are stored with another last byte,
//! silently. `unknown`: requests with that header are refused, as by a server that does not know
//! it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;

/// What goes wrong on purpose.
#[derive(Default)]
struct Trouble {
    stop: BTreeMap<String, u64>,
    refuse: BTreeMap<String, u64>,
    /// The folder of the objects, and since when packs that come are spoiled.
    spoil: Option<(PathBuf, SystemTime)>,
    unknown: BTreeMap<String, u64>,
    asked: Mutex<BTreeMap<String, u64>>,
}

#[async_trait::async_trait]
impl S3Access for Trouble {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "nobody may ask without a signature"));
        }
        if let Some(header) =
            self.unknown.keys().find(|header| context.headers().contains_key(header.as_str()))
        {
            return Err(s3_error!(InvalidArgument, "{header} is not known here"));
        }
        let name = context.s3_op().name();
        let times = {
            let mut asked = self.asked.lock().expect("nobody panics with it");
            let times = asked.entry(name.to_owned()).or_default();
            *times += 1;
            *times
        };
        if self.stop.get(name) == Some(&times) {
            std::process::abort();
        }
        if self.refuse.get(name).is_some_and(|first| times <= *first) {
            return Err(s3_error!(SlowDown, "refused on purpose"));
        }
        if let (Some((root, since)), Some((bucket, key))) =
            (&self.spoil, context.s3_path().as_object())
            && name == "HeadObject"
            && key.ends_with(".mpack")
        {
            spoil(&root.join(bucket).join(key), *since);
        }
        Ok(())
    }
}

/// Changes the last byte of a file that has come since; it stays as long as it was.
fn spoil(file: &Path, since: SystemTime) {
    let is_new =
        std::fs::metadata(file).and_then(|found| found.modified()).is_ok_and(|at| at > since);
    let Ok(mut bytes) = std::fs::read(file) else { return };
    if let Some(last) = bytes.last_mut().filter(|_| is_new) {
        *last ^= 1;
        std::fs::write(file, bytes).expect("the server's own file can be written");
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [root, access, secret, port, trouble @ ..] = &words[..] else {
        panic!("ROOT ACCESS_KEY SECRET PORT are expected")
    };
    let mut access_check = Trouble::default();
    for trouble in trouble.chunks(3) {
        let [what, op, n] = trouble else {
            panic!("stop OP N, refuse OP N, spoil new 0 or unknown HEADER 0 is expected")
        };
        if what == "spoil" {
            // By the clock of the disk.
            let mark = Path::new(root).join(".since");
            std::fs::write(&mark, b"").expect("the root can be written");
            let since = std::fs::metadata(&mark)
                .and_then(|found| found.modified())
                .expect("a disk has a clock");
            access_check.spoil = Some((root.into(), since));
            continue;
        }
        let which = match what.as_str() {
            "stop" => &mut access_check.stop,
            "refuse" => &mut access_check.refuse,
            _ => &mut access_check.unknown,
        };
        which.insert(op.clone(), n.parse().expect("a number is expected"));
    }
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let files = s3s_fs::FileSystem::new(root).expect("the root is a folder");
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(access, secret.as_str()));
    service.set_access(access_check);
    let service = service.build();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async move {
        let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
            .await
            .expect("the loopback can be listened on");
        println!("{}", listener.local_addr().expect("a listener has an address").port());
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let service = service.clone();
            tokio::spawn(async move {
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
}
