//! Whole conversations with a server that says yes to everything.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::files;
use super::scripted::{Asked, answer, serve};
use crate::wire::Out;
use crate::{Error, Fetching, Id, Local, Pack, Remote};

/// A repository with a few commits, a tag, and one object that is large.
fn local() -> Local {
    let mut local = Local::new("gabriel");
    let large = BTreeMap::from([("large".to_owned(), Bytes::from(vec![7; 65 * 1024]))]);
    local.commit("main", files([("a", "one")]), "begin").unwrap();
    let head = local
        .commit("main", large.into_iter().chain(files([("a", "two")])).collect(), "go on")
        .unwrap();
    local.tag("v1", &head).unwrap();
    local
}

/// All that a server would have after a push of `local`.
fn whole(local: &Local) -> Pack {
    let (mut pack, uploads) = local.bundle("main", local.head("main").unwrap(), []).unwrap();
    pack.objects = uploads.into_iter().map(|upload| upload.object).collect();
    pack.tags = local.tags().values().cloned().collect();
    pack
}

fn yes(out: &mut Out) -> Vec<u8> {
    answer("200 OK", "", &out.take())
}

fn refs(heads: &BTreeMap<String, Id>) -> Vec<u8> {
    let mut out = Out::default();
    out.map(4)
        .text("repo_id")
        .text("r")
        .text("domain")
        .text("code")
        .text("default_branch")
        .text("main");
    yes(out.text("branch_heads").names(heads))
}

/// Lacks everything and takes it.
fn empty(local: &Local) -> impl Fn(&Asked) -> Vec<u8> + use<> {
    let (ids, heads): (Vec<Id>, _) =
        (local.objects().keys().cloned().collect(), local.branches().clone());
    move |asked| {
        let mut out = Out::default();
        match asked.what.as_str() {
            "GET /refs" => refs(&BTreeMap::new()),
            "POST /filter-objects" => yes(out.map(1).text("missing").ids(&ids)),
            "POST /presign" => yes(out.map(2).text("presigned").map(0).text("inline").ids(&ids)),
            "POST /push/objects" => {
                yes(out.map(2).text("stored").value(&3.into()).text("skipped").value(&0.into()))
            }
            "POST /push" => {
                out.map(4)
                    .text("ok")
                    .bool(true)
                    .text("message")
                    .text("")
                    .text("branch_heads")
                    .names(&heads);
                yes(out.text("remote_head").id_or_nil(heads.get("main")))
            }
            "POST /tags" => yes(out.map(1).text("stored").value(&1.into())),
            other => panic!("{other}"),
        }
    }
}

/// Holds what `local` holds, and gives `pack` whatever is asked.
fn full(local: &Local, pack: Bytes) -> impl Fn(&Asked) -> Vec<u8> + use<> {
    let (heads, key) = (local.branches().clone(), Id::of(&pack));
    move |asked| {
        let mut out = Out::default();
        match asked.what.split_once('?').map_or(asked.what.as_str(), |(path, _)| path) {
            "GET /refs" => refs(&heads),
            "POST /negotiate" => {
                out.map(3).text("ack").array(0).text("common_base").id_or_nil(None);
                yes(out.text("ready").bool(true))
            }
            "POST /fetch" | "GET /packs" => answer("200 OK", "", &pack),
            "POST /fetch/mpack" => {
                out.map(2).text("mpack_url").text(&format!("/packs?key=sha256%3A{key}"));
                yes(out.text("object_count").value(&3.into()))
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_push_keeps_the_order_of_the_page() {
    let local = local();
    let (url, log) = serve(empty(&local)).await;
    let report = local.push(&Remote::new(&url, None).unwrap(), "main", false).await.unwrap();
    assert_eq!(
        (report.commits, report.missing, report.presigned, report.chunks, report.stored.stored),
        (2, 3, 0, 1, 3)
    );
    let log = log.lock().unwrap();
    let order: Vec<&str> = log.iter().map(|asked| asked.what.as_str()).collect();
    let page = [
        "GET /refs",
        "POST /filter-objects",
        "POST /presign",
        "POST /push/objects",
        "POST /push",
        "POST /tags",
    ];
    assert_eq!(order, page);
    let large =
        local.objects().iter().find(|(_, content)| content.len() > 65_536).unwrap().0.clone();
    let asked =
        Out::default().map(2).text("object_ids").ids(&[large]).text("direction").text("put").take();
    assert_eq!(log[2].body, asked);
}

#[tokio::test]
async fn a_clone_is_what_was_there_both_ways() {
    let local = local();
    for how in [Fetching::Direct, Fetching::Mpack] {
        let (url, _) = serve(full(&local, whole(&local).encode())).await;
        let remote = Remote::new(&url, None).unwrap();
        let cloned = Local::clone_from(&remote, how).await.unwrap();
        cloned.same_history(&local).unwrap();
        assert_eq!(cloned.default_branch(), Some("main"));

        let mut pulled = Local::new("somebody else");
        let report = pulled.pull(&remote, how).await.unwrap();
        assert_eq!((report.updated, report.rounds), (vec!["main".to_owned()], 1));
        pulled.same_history(&local).unwrap();
    }
}

#[tokio::test]
async fn a_pull_never_moves_a_branch_back_or_aside() {
    let theirs = local();
    let (url, _) = serve(full(&theirs, whole(&theirs).encode())).await;
    let remote = Remote::new(&url, None).unwrap();
    let mut ours = Local::clone_from(&remote, Fetching::Direct).await.unwrap();
    let ahead = ours.commit("main", files([("a", "three")]), "ahead").unwrap();
    let pulled = ours.pull(&remote, Fetching::Direct).await.unwrap();
    assert_eq!(
        (ours.head("main").unwrap(), pulled.updated.len(), pulled.diverged.len()),
        (&ahead, 0, 0)
    );

    let mut other = Local::new("somebody else");
    let root = other.commit("main", files([("b", "other")]), "other").unwrap();
    let pulled = other.pull(&remote, Fetching::Mpack).await.unwrap();
    assert_eq!((other.head("main").unwrap(), pulled.diverged), (&root, vec!["main".to_owned()]));
    assert_eq!(other.head("origin/main").unwrap(), theirs.head("main").unwrap());
    other.merge("main", "origin/main", files([("b", "both")]), "merge").unwrap();
    assert!(other.is_ancestor(theirs.head("main").unwrap(), other.head("main").unwrap()));
}

#[tokio::test]
async fn a_head_that_does_not_come_is_named() {
    let local = local();
    let (url, _) = serve(full(&local, Pack::default().encode())).await;
    let error =
        Local::clone_from(&Remote::new(&url, None).unwrap(), Fetching::Direct).await.unwrap_err();
    assert!(
        matches!(&error, Error::Missing { id, .. } if id == local.head("main").unwrap()),
        "{error}"
    );
}

#[tokio::test]
async fn a_pack_under_a_wrong_key_is_refused() {
    let local = local();
    let pack = whole(&local).encode();
    let honest = full(&local, pack.clone());
    let (url, _) = serve(move |asked| match asked.what.starts_with("GET /packs") {
        true => answer("200 OK", "", &pack[..pack.len() - 1]),
        false => honest(asked),
    })
    .await;
    let error =
        Local::clone_from(&Remote::new(&url, None).unwrap(), Fetching::Mpack).await.unwrap_err();
    assert!(matches!(error, Error::WrongKey { .. }), "{error}");
}

#[tokio::test]
async fn a_large_object_goes_to_its_own_url() {
    let local = local();
    let large = local.objects().iter().find(|(_, content)| content.len() > 65_536).unwrap();
    let (id, yes_to_all) = (large.0.clone(), empty(&local));
    let (url, log) = serve(move |asked| match asked.what.as_str() {
        "POST /o/s/presign" => {
            let mut out = Out::default();
            out.map(2).text("presigned").map(1).text(id.as_str()).text("/put?sig=1");
            yes(out.text("inline").array(0))
        }
        "PUT /put?sig=1" => answer("204 No Content", "", b""),
        other => yes_to_all(&Asked { what: other.replace("/o/s", ""), ..asked.clone() }),
    })
    .await;
    let remote = Remote::new(&format!("{url}/o/s"), Some("secret".to_owned())).unwrap();
    let report = local.push(&remote, "main", false).await.unwrap();
    assert_eq!((report.missing, report.presigned, report.chunks), (3, 1, 1));
    let put = log.lock().unwrap()[3].clone();
    assert_eq!((put.what.as_str(), &put.body), ("PUT /put?sig=1", large.1));
    assert!(!put.head.contains("secret"));
}

#[tokio::test]
async fn conversations_can_be_spawned() {
    let local = local();
    let (url, _) = serve(empty(&local)).await;
    let remote = Remote::new(&url, None).unwrap();
    tokio::spawn(async move { local.push(&remote, "main", false).await }).await.unwrap().unwrap();

    let local = self::local();
    let (url, _) = serve(full(&local, whole(&local).encode())).await;
    let remote = Remote::new(&url, None).unwrap();
    let cloned = tokio::spawn(async move {
        let mut cloned = Local::clone_from(&remote, Fetching::Mpack).await?;
        cloned.pull(&remote, Fetching::Direct).await.map(|_| cloned)
    });
    cloned.await.unwrap().unwrap().same_history(&local).unwrap();
}
