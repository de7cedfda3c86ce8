//! What a server does while many push: requests a second, and how long they take. Run with `cargo
//! bench --workspace --bench serving --profile dev`; `SECONDS_EACH` says how long each case goes on
//! (20).
//!
//! Every client has a branch of its own in one of sixteen repos, and does what a Muse client does
//! for a commit with eight objects of 4 KiB: refs, filter-objects, push/objects, push; every fourth
//! time a clone of its branch besides. Client and server share the machine.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use packhouse_muse_client::{Files, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use tokio::time::Instant;

const REPOS: usize = 16;

/// How long requests took, by kind.
type Times = Arc<Mutex<BTreeMap<&'static str, Vec<Duration>>>>;

async fn timed<T>(
    times: &Times,
    what: &'static str,
    work: impl Future<Output = packhouse_muse_client::Result<T>>,
) -> T {
    let begun = Instant::now();
    let done = work.await.unwrap();
    times.lock().unwrap().entry(what).or_default().push(begun.elapsed());
    done
}

async fn client(url: String, name: String, times: Times, until: Instant) {
    let remote = Remote::new(&url, None).unwrap();
    let mut local = Local::new(&name);
    let mut tree = Files::new();
    for n in 0_u32.. {
        if Instant::now() > until {
            return;
        }
        for file in 0..8 {
            let seed = format!("{name} {n} {file} ");
            tree.insert(format!("{name}/{file}"), Bytes::from(seed.repeat(4096 / seed.len() + 1)));
        }
        local.commit(&name, tree.clone(), &format!("{n}")).unwrap();
        let head = local.head(&name).unwrap().clone();
        let refs = timed(&times, "refs", remote.refs()).await;
        let had: Vec<_> = refs.branch_heads.get(&name).into_iter().cloned().collect();
        let (bundle, uploads) = local.bundle(&name, &head, &had).unwrap();
        let ids: Vec<_> = uploads.iter().map(|upload| upload.object.id.clone()).collect();
        timed(&times, "filter-objects", remote.filter_objects(&ids)).await;
        timed(&times, "push/objects", remote.push_objects(&uploads)).await;
        timed(&times, "push", remote.push(&bundle, &name, false)).await;
        if n % 4 == 3 {
            timed(
                &times,
                "fetch (clone of a branch)",
                remote.fetch_bytes(std::slice::from_ref(&head), &[]),
            )
            .await;
        }
    }
}

fn seconds_each() -> u64 {
    std::env::var("SECONDS_EACH").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

async fn case(title: &str, clients: usize, max_packs: Option<u32>) {
    let store = Packhouse::new();
    for repo in 0..REPOS {
        store.run(["repo", "create", &format!("a/r{repo}")]).ok();
    }
    match max_packs {
        Some(packs) => store.run(["policy", "set", "--max-packs", &packs.to_string()]).ok(),
        None => store.run(["policy", "set", "--off"]).ok(),
    };
    let served = Served::trusting(&store, &["--rate", "0", "--policies", "1s"]);
    let (times, seconds) = (Times::default(), seconds_each());
    let until = Instant::now() + Duration::from_secs(seconds);
    let clients = (0..clients).map(|n| {
        tokio::spawn(client(
            served.remote(&format!("a/r{}", n % REPOS)),
            format!("client{n}"),
            times.clone(),
            until,
        ))
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let jobs =
        store.run(["jobs", "list", "--status", "done", "--limit", "100000"]).documents().len();
    println!("\n{title}: {jobs} consolidations meanwhile");
    println!("{:<28} {:>8} {:>9} {:>9} {:>9}", "request", "a second", "p50 ms", "p95 ms", "p99 ms");
    for (what, times) in times.lock().unwrap().iter_mut() {
        times.sort();
        let at =
            |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
        let rate = times.len() as f64 / seconds as f64;
        println!("{what:<28} {rate:>8.1} {:>9.1} {:>9.1} {:>9.1}", at(0.5), at(0.95), at(0.99));
    }
    assert!(store.run(["verify"]).ok().documents().iter().all(|report| report["ok"] == true));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    case("1 client, nothing consolidated", 1, None).await;
    case("64 clients on 16 repos, nothing consolidated", 64, None).await;
    case("64 clients on 16 repos, consolidated at more than 20 packs", 64, Some(20)).await;
}
