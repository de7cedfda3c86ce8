//! What a push must keep to, and what becomes of those that don't.

use bytes::Bytes;
use packhouse_muse_client::{Fetching, Local, Object, Pack, Remote, Upload};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

use super::history::{files, long, noise};

struct Place {
    store: Packhouse,
    served: Served,
}

impl Place {
    fn new() -> Place {
        let store = Packhouse::with_repo();
        let served = Served::trusting(&store, &["--workers", "0"]);
        Place { store, served }
    }

    fn remote(&self) -> Remote {
        Remote::new(&self.served.remote("a/b"), None).unwrap()
    }
}

fn with(local: &Local, name: &str, text: &str) -> Local {
    let mut other = local.clone().used_by(name);
    let content = Bytes::from(text.to_owned());
    other.commit("main", files(&[(name, &content)]), text).unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_moves_forward_only_unless_it_is_forced() {
    let place = Place::new();
    let remote = place.remote();
    let base = long("ann", 2, 2);
    base.push(&remote, "main", false).await.unwrap();
    let (ours, theirs) = (with(&base, "ann", "ours"), with(&base, "bob", "theirs"));
    ours.push(&remote, "main", false).await.unwrap();
    let refused = theirs.push(&remote, "main", false).await.unwrap_err();
    assert_eq!(refused.status(), Some(409), "{refused}");
    assert!(refused.detail().unwrap().contains("main"), "{refused}");
    // Back to where it was is no way forward either.
    let back = base.push(&remote, "main", false).await.unwrap_err();
    assert_eq!(back.status(), Some(409), "{back}");
    assert_eq!(remote.refs().await.unwrap().branch_heads["main"], *ours.head("main").unwrap());
    let forced = theirs.push(&remote, "main", true).await.unwrap();
    assert_eq!(forced.answer.branch_heads["main"], *theirs.head("main").unwrap());
    // A branch may have the head of another, and nothing else moves.
    let mut branched = theirs.clone();
    branched.branch("new", "main").unwrap();
    branched.push(&remote, "new", false).await.unwrap();
    let heads = remote.refs().await.unwrap().branch_heads;
    assert_eq!(
        (heads.len(), &heads["new"], &heads["main"]),
        (2, theirs.head("main").unwrap(), theirs.head("main").unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn by_force_a_branch_goes_back_and_without_it_forward_again() {
    let place = Place::new();
    let remote = place.remote();
    let base = long("ann", 2, 2);
    let on = with(&base, "ann", "on");
    base.push(&remote, "main", false).await.unwrap();
    on.push(&remote, "main", false).await.unwrap();
    let stands = async || remote.refs().await.unwrap().branch_heads["main"].clone();
    // Twice each way: the second time, all that is pushed exists already.
    for _ in 0..2 {
        let back = base.push(&remote, "main", true).await.unwrap();
        assert_eq!(back.answer.remote_head.as_ref(), Some(base.head("main").unwrap()));
        assert_eq!(stands().await, *base.head("main").unwrap());
        on.push(&remote, "main", false).await.unwrap();
        assert_eq!(stands().await, *on.head("main").unwrap());
    }
    assert_eq!(base.push(&remote, "main", false).await.unwrap_err().status(), Some(409));
    place.store.gc();
    Local::clone_from(&remote, Fetching::Direct).await.unwrap().same_history(&on).unwrap();
}

/// Records beside the head are known from then on, and not checked again.
#[tokio::test(flavor = "multi_thread")]
async fn holes_do_not_come_in_beside_a_head() {
    let place = Place::new();
    let remote = place.remote();
    let local = long("ann", 3, 1);
    let head = local.head("main").unwrap();
    let (whole, uploads) = local.bundle("main", head, std::iter::empty()).unwrap();
    remote.push_objects(&uploads).await.unwrap();
    // The newest commit's tree is missing, and the branch is to be one before it.
    let mut holed = whole.clone();
    let newest = holed.commits[0].clone();
    holed.snapshots.retain(|snapshot| snapshot.id != newest.snapshot);
    holed.branch_heads = [("main".to_owned(), newest.parents[0].clone())].into();
    let refused = remote.push(&holed, "main", false).await.unwrap_err();
    assert!(
        refused.status() == Some(422)
            && refused.detail().unwrap().contains(newest.snapshot.as_str()),
        "{refused}"
    );
    let empty =
        Pack { branch_heads: [("main".to_owned(), head.clone())].into(), ..Pack::default() };
    assert_eq!(remote.push(&empty, "main", false).await.unwrap_err().status(), Some(422));
    assert!(remote.refs().await.unwrap().branch_heads.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_push_at_once_one_wins_and_nothing_is_lost() {
    let place = Place::new();
    let base = long("ann", 1, 2);
    base.push(&place.remote(), "main", false).await.unwrap();
    for round in 0..6 {
        let mut now = Local::clone_from(&place.remote(), Fetching::Direct).await.unwrap();
        let rivals: Vec<Local> =
            (0..4).map(|n| with(&now, &format!("rival{n}"), &format!("{round} {n}"))).collect();
        let pushes =
            rivals.iter().map(|local| async { local.push(&place.remote(), "main", false).await });
        let ended = futures::future::join_all(pushes).await;
        let won: Vec<usize> = (0..4).filter(|n| ended[*n].is_ok()).collect();
        assert_eq!(won.len(), 1, "{ended:?}");
        let lost = ended
            .iter()
            .filter_map(|ended| ended.as_ref().err())
            .map(packhouse_muse_client::Error::status);
        assert!(lost.into_iter().all(|status| status == Some(409)), "{ended:?}");
        now.pull(&place.remote(), Fetching::Direct).await.unwrap();
        assert_eq!(now.head("main").unwrap(), rivals[won[0]].head("main").unwrap());
        now.same_history(&rivals[won[0]]).unwrap();
    }
    assert_eq!(place.store.run(["verify", "a/b"]).ok().json()["ok"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_head_reaches_must_be_there_and_is_named_when_it_is_not() {
    let place = Place::new();
    let remote = place.remote();
    let local = long("ann", 3, 2);
    let head = local.head("main").unwrap();
    let (whole, uploads) = local.bundle("main", head, std::iter::empty()).unwrap();
    let before = place.store.picture();

    // No objects yet.
    let refused = remote.push(&whole, "main", false).await.unwrap_err();
    assert_eq!(refused.status(), Some(422), "{refused}");
    assert!(refused.detail().unwrap().contains("object "), "{refused}");
    assert_eq!(place.store.picture(), before, "nothing of it stays");

    let uploads: Vec<Upload> = uploads;
    let (last, others) = uploads.split_last().unwrap();
    remote.push_objects(others).await.unwrap();
    let refused = remote.push(&whole, "main", false).await.unwrap_err();
    assert!(refused.detail().unwrap().contains(last.object.id.as_str()), "{refused}");
    remote.push_objects(std::slice::from_ref(last)).await.unwrap();

    // Without its oldest commit, and without a snapshot.
    let mut shallow = whole.clone();
    let oldest = shallow.commits.pop().unwrap();
    let refused = remote.push(&shallow, "main", false).await.unwrap_err();
    assert!(
        refused.status() == Some(422) && refused.detail().unwrap().contains(oldest.id.as_str()),
        "{refused}"
    );
    let mut blind = whole.clone();
    let snapshot = blind.snapshots.pop().unwrap();
    let refused = remote.push(&blind, "main", false).await.unwrap_err();
    assert!(
        refused.status() == Some(422) && refused.detail().unwrap().contains(snapshot.id.as_str()),
        "{refused}"
    );

    assert!(remote.refs().await.unwrap().branch_heads.is_empty());
    assert!(remote.push(&whole, "main", false).await.unwrap().ok);
    Local::clone_from(&remote, Fetching::Direct).await.unwrap().same_history(&local).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repo_that_accepts_holes_counts_them_until_a_push_brings_what_is_missing() {
    let place = Place::new();
    let remote = place.remote();
    let local = long("ann", 3, 2);
    let head = local.head("main").unwrap();
    let (whole, uploads) = local.bundle("main", head, std::iter::empty()).unwrap();
    remote.push_objects(&uploads).await.unwrap();
    let mut shallow = whole.clone();
    shallow.commits.pop().unwrap();
    let refused = remote.push(&shallow, "main", false).await.unwrap_err();
    assert!(refused.detail().unwrap().contains("repo set a/b --accept-shallow"), "{refused}");

    let accepts =
        || place.store.run(["repo", "show", "a/b"]).ok().json()["accepts_shallow"].clone();
    let missing = || place.store.run(["fetch", "a/b"]).ok().json()["missing"].clone();
    place.store.run(["repo", "set", "a/b", "--accept-shallow"]).ok();
    assert_eq!(accepts(), true);
    let mut headless = whole.clone();
    headless.commits.retain(|commit| commit.id != *head);
    let refused = remote.push(&headless, "main", false).await.unwrap_err();
    assert!(
        refused.detail().unwrap().contains(head.as_str()),
        "a branch stands somewhere: {refused}"
    );
    assert!(remote.push(&shallow, "main", false).await.unwrap().ok);
    assert_eq!(missing(), 1, "the oldest commit");
    assert_eq!(place.store.run(["log", "a/b"]).ok().documents().len(), 2);
    assert_eq!(place.store.run(["verify", "a/b"]).ok().json()["ok"], true);

    // Holes are refused again from now on; what the repo lacks can be brought.
    place.store.run(["repo", "set", "a/b", "--refuse-shallow"]).ok();
    assert_eq!(accepts(), false);
    assert!(remote.push(&whole, "main", false).await.unwrap().ok);
    assert_eq!(missing(), 0);
    Local::clone_from(&remote, Fetching::Direct).await.unwrap().same_history(&local).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pushed_objects_are_counted_and_one_that_is_not_its_id_is_refused() {
    let place = Place::new();
    let remote = place.remote();
    let objects: Vec<Upload> = (0..5).map(|n| Object::make(noise(n, 100)).into()).collect();
    let stored = remote.push_objects(&objects[..3]).await.unwrap();
    assert_eq!((stored.stored, stored.skipped), (3, 0));
    let mut with_paths = objects.clone();
    with_paths.iter_mut().for_each(|upload| upload.path = Some("a/path".into()));
    let stored = remote.push_objects(&with_paths).await.unwrap();
    assert_eq!((stored.stored, stored.skipped), (2, 3));
    let again = remote.push_objects(&with_paths).await.unwrap();
    assert_eq!((again.stored, again.skipped), (0, 5));
    let ids: Vec<_> = objects.iter().map(|upload| upload.object.id.clone()).collect();
    assert!(remote.filter_objects(&ids).await.unwrap().missing.is_empty());

    let before = place.store.picture();
    let mut forged = Object::make(noise(9, 100));
    forged.id = ids[0].clone();
    let refused = remote.push_objects(&[forged.into()]).await.unwrap_err();
    assert_eq!(refused.status(), Some(422));
    assert!(refused.detail().unwrap().contains(ids[0].as_str()), "{refused}");
    assert_eq!(place.store.picture(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_name_is_no_path() {
    let place = Place::new();
    let remote = place.remote();
    let local = long("ann", 1, 1);
    local.push(&remote, "main", false).await.unwrap();
    for name in ["../../etc", "a/../b", "", "-f", ".git", "a b", "a\u{7}", "x.lock"] {
        let pack = Pack { commits: vec![], snapshots: vec![], objects: vec![], ..Pack::default() };
        let refused = remote.push(&pack, name, false).await.unwrap_err();
        assert_eq!(refused.status(), Some(422), "{name:?}: {refused}");
    }
    assert_eq!(remote.refs().await.unwrap().branch_heads.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn negotiation_finds_the_nearest_common_commit() {
    let place = Place::new();
    let remote = place.remote();
    let base = long("ann", 5, 1);
    base.push(&remote, "main", false).await.unwrap();
    let head = base.head("main").unwrap().clone();
    let mut commits: Vec<_> = base.commits().values().collect();
    commits.sort_by_key(|commit| {
        std::cmp::Reverse(
            base.commits().keys().filter(|id| base.is_ancestor(id, &commit.id)).count(),
        )
    });
    let newest_first: Vec<_> = commits.iter().map(|commit| commit.id.clone()).collect();
    let unknown = packhouse_muse_client::Id::of(b"nobody");
    let answer = remote
        .negotiate(
            std::slice::from_ref(&head),
            &[unknown.clone(), newest_first[3].clone(), newest_first[2].clone()],
        )
        .await
        .unwrap();
    assert_eq!(answer.ack, [newest_first[3].clone(), newest_first[2].clone()]);
    assert_eq!((answer.common_base.as_ref(), answer.ready), (Some(&newest_first[2]), true));
    let answer = remote.negotiate(std::slice::from_ref(&head), &[unknown]).await.unwrap();
    assert!(answer.ack.is_empty() && answer.common_base.is_none() && !answer.ready);
    let answer = remote.negotiate(std::slice::from_ref(&head), &[]).await.unwrap();
    assert!(answer.ready && answer.common_base.is_none());
    // An update holds what is new and nothing else.
    let update = remote.fetch(&[head], &[newest_first[2].clone()]).await.unwrap();
    assert_eq!((update.commits.len(), update.objects.len()), (2, 2));
    assert!(remote.fetch(&[], &[]).await.unwrap().commits.is_empty(), "nothing reaches nothing");
}
