use std::io::Write;

use packhouse_core::msgpack::put_array;
use packhouse_store::Produce;
use proptest::prelude::*;

use super::*;

/// A file that is deleted when it is closed.
fn body(bytes: &[u8]) -> (File, u64) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    (file, bytes.len() as u64)
}

fn whole(mut pack: AssembledBody) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let mut chunk = Vec::new();
        pack.produce(&mut chunk).unwrap();
        if chunk.is_empty() {
            return whole;
        }
        whole.extend(chunk);
    }
}

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn put_bin(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend([0xc5, (bytes.len() >> 8) as u8, bytes.len() as u8]);
    out.extend(bytes);
}

/// An object as clients write it: its fields in any order, and a path.
fn put_object(out: &mut Vec<u8>, id: &str, content: &[u8]) {
    put_map(out, 3);
    put_str(out, "content");
    put_bin(out, content);
    put_str(out, "path");
    put_str(out, "some/where");
    put_str(out, "object_id");
    put_str(out, id);
}

fn commit(commit: &str, parent: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    put_map(&mut out, 3);
    put_str(&mut out, "commit_id");
    put_str(&mut out, commit);
    put_str(&mut out, "parent_commit_id");
    match parent {
        Some(parent) => put_str(&mut out, parent),
        None => out.push(0xc0),
    }
    put_str(&mut out, "snapshot_id");
    put_str(&mut out, &id('5'));
    out
}

/// A push of commits, with other parts of its bundle and its body.
fn pushed(commits: &[Vec<u8>], heads: Option<(&str, &str)>, branch: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_map(&mut out, 3);
    put_str(&mut out, "bundle");
    put_map(&mut out, 1 + u32::from(heads.is_some()));
    put_str(&mut out, "commits");
    put_array(&mut out, commits.len() as u32);
    out.extend(commits.concat());
    if let Some((branch, head)) = heads {
        put_str(&mut out, "branch_heads");
        put_map(&mut out, 1);
        put_str(&mut out, branch);
        put_str(&mut out, head);
    }
    put_str(&mut out, "branch");
    put_str(&mut out, branch);
    put_str(&mut out, "force");
    out.push(0xc3);
    out
}

#[test]
fn of_an_object_its_id_and_its_content_go_in() {
    let mut sent = Vec::new();
    put_map(&mut sent, 1);
    put_str(&mut sent, "objects");
    put_array(&mut sent, 2);
    put_object(&mut sent, &id('a'), b"one");
    put_object(&mut sent, &id('b'), b"");
    let (file, bytes) = body(&sent);
    let (pack, count) = objects(file, bytes).unwrap();
    let mut expected = Vec::new();
    put_map(&mut expected, 3);
    for section in ["commits", "snapshots"] {
        put_str(&mut expected, section);
        put_array(&mut expected, 0);
    }
    put_str(&mut expected, "objects");
    put_array(&mut expected, 2);
    for (name, content) in [(id('a'), &b"one"[..]), (id('b'), b"")] {
        put_map(&mut expected, 2);
        put_str(&mut expected, "object_id");
        put_str(&mut expected, &name);
        put_str(&mut expected, "content");
        put_bin(&mut expected, content);
    }
    assert_eq!((count, whole(pack)), (2, expected));
}

#[test]
fn a_branch_goes_where_the_bundle_says_or_to_its_one_tip() {
    let history = [commit(&id('3'), Some(&id('2'))), commit(&id('2'), Some(&id('1')))];
    let head = |sent: &[u8]| {
        let (file, bytes) = body(sent);
        push(file, bytes).map(|push| (push.head.to_string(), push.force))
    };
    assert_eq!(head(&pushed(&history, None, "main")).unwrap(), (id('3'), true));
    assert_eq!(head(&pushed(&history, Some(("main", &id('2'))), "main")).unwrap(), (id('2'), true));
    // Other branches don't count: this one is pushed.
    assert_eq!(
        head(&pushed(&history, Some(("other", &id('2'))), "main")).unwrap(),
        (id('3'), true)
    );
    assert_eq!(head(&pushed(&[], Some(("main", &id('2'))), "main")).unwrap(), (id('2'), true));
    for bad in [
        pushed(&[], None, "main"),
        pushed(&[commit(&id('3'), None), commit(&id('4'), None)], None, "main"),
        pushed(&history, Some(("main", "nonsense")), "main"),
        pushed(&history, None, "../x"),
    ] {
        assert_eq!(head(&bad).unwrap_err().status.as_u16(), 422);
    }
}

#[test]
fn records_travel_verbatim_and_one_branch_is_named() {
    let history = [commit(&id('3'), Some(&id('2')))];
    let (file, bytes) = body(&pushed(&history, Some(("other", &id('9'))), "main"));
    let pack = whole(push(file, bytes).unwrap().pack);
    assert!(pack.windows(history[0].len()).any(|window| window == history[0]));
    let text = String::from_utf8_lossy(&pack);
    assert!(text.contains("main") && !text.contains("other"), "{text}");
}

#[test]
fn too_many_is_told_before_they_are_looked_at() {
    for (sent, most) in [("objects", OBJECTS), ("tags", RECORDS)] {
        let mut out = Vec::new();
        put_map(&mut out, 1);
        put_str(&mut out, sent);
        put_array(&mut out, most + 1);
        let (file, bytes) = body(&out);
        let refused = if sent == "tags" {
            tags(file, bytes).map(drop)
        } else {
            objects(file, bytes).map(drop)
        };
        assert_eq!(refused.unwrap_err().status.as_u16(), 413);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever comes: an answer, and no panic, no endless loop, no memory by a claimed length.
    #[test]
    fn bytes_of_any_kind_are_looked_through(noise in proptest::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>(), flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let history = [commit(&id('3'), Some(&id('2'))), commit(&id('2'), None)];
        let mut sound = pushed(&history, Some(("main", &id('3'))), "main");
        let object = {
            let mut out = Vec::new();
            put_map(&mut out, 1);
            put_str(&mut out, "objects");
            put_array(&mut out, 1);
            put_object(&mut out, &id('a'), &noise);
            out
        };
        for (at, byte) in flips {
            let at = at.index(sound.len());
            sound[at] = byte;
        }
        sound.truncate(cut.index(sound.len()) + 1);
        for sent in [&noise, &sound, &object] {
            for look in [
                |file, bytes| objects(file, bytes).map(|(pack, _)| pack),
                |file, bytes| tags(file, bytes).map(|(pack, _)| pack),
                |file, bytes| push(file, bytes).map(|push| push.pack),
            ] {
                let (file, bytes) = body(sent);
                match look(file, bytes) {
                    Ok(pack) => drop(whole(pack)),
                    Err(problem) => prop_assert!(problem.status.is_client_error(), "{problem:?}"),
                }
            }
        }
    }
}
