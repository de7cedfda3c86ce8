//! Bad input, through the binary: each file is refused with a message that says which record, at
//! which byte and why, exit code 1, and a store that is to the byte what it was. `trouble_store.rs`
//! has the troubles of stores.

use packhouse_core::Kind;
use packhouse_host::sample::{
    CommitSpec, Encoding, IdForm, PackBuilder, SnapshotSpec, TagSpec, Value, object_record,
};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::{fixtures, model};

const AT: &str = "2026-03-02T09:00:00+00:00";

fn id(text: &str) -> String {
    IdForm::Bare.id_of(text.as_bytes())
}

fn commit() -> CommitSpec {
    CommitSpec::new(IdForm::Bare, [None, None], &id("s"), "bar 1", AT)
}

/// The commit's record with one field set to something else.
fn commit_with(field: &str, value: Value) -> Vec<u8> {
    let Value::Map(mut fields) = commit().value() else { unreachable!("a commit is a map") };
    match fields.iter_mut().find(|(name, _)| name == field) {
        Some((_, old)) => *old = value,
        None => fields.push((field.into(), value)),
    }
    Value::Map(fields).encode()
}

fn pack_of(kind: Kind, record: Vec<u8>) -> Vec<u8> {
    let mut pack = PackBuilder::new();
    pack.object(b"sound");
    pack.raw(kind, record);
    pack.finish()
}

fn sound() -> Vec<u8> {
    fixtures::muse_cli_packs().swap_remove(0)
}

/// A store that holds something, so that there is something to leave unchanged.
fn lived_in() -> Packhouse {
    let store = Packhouse::with_repo();
    store.push(&fixtures::muse_cli()[..2]).ok();
    store
}

/// Pushes each file, alone and after a sound one; each must be refused with these words and leave
/// no trace.
#[track_caller]
fn refused(cases: &[(&str, Vec<u8>, &[&str])]) {
    let store = lived_in();
    let before = store.picture();
    let sound = fixtures::muse_cli()[2].to_str().unwrap().to_owned();
    for (name, pack, words) in cases {
        let file = store.file(&format!("{name}.mpack"), pack);
        store.push([&file]).exits(1).says(words).says(&[name, "byte", "nothing was stored"]);
        store.push([&sound, &file]).exits(1).says(words);
        assert_eq!(store.picture(), before, "{name} left a trace");
    }
    store.push([&sound]).ok();
}

#[test]
fn a_truncated_pack() {
    let pack = sound();
    let cut = |at: usize| pack[..at].to_vec();
    refused(&[
        ("cut-last", cut(pack.len() - 1), &["ends"]),
        ("cut-half", cut(pack.len() / 2), &["ends"]),
        ("cut-first-record", cut(40), &["ends"]),
        ("cut-first-byte", cut(1), &["ends"]),
        ("cut-all", cut(0), &["empty"]),
    ]);
}

#[test]
fn trailing_bytes() {
    let with = |tail: &[u8]| [&sound()[..], tail].concat();
    let end = format!("byte {}", sound().len());
    refused(&[
        ("nil", with(&[0xc0]), &["follow", &end]),
        ("twice", with(&sound()), &["follow", &end]),
    ]);
}

#[test]
fn not_messagepack() {
    refused(&[
        ("text", b"# not a pack\n".to_vec(), &["map"]),
        ("json", b"{\"commits\": []}".to_vec(), &["map"]),
        ("reserved", vec![0x81, 0xc1], &["0xC1"]),
        ("array", vec![0x90], &["array", "map"]),
        ("zip", b"PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec(), &["map"]),
    ]);
}

#[test]
fn claims_of_four_billion() {
    let object_claiming = |header: &[u8]| {
        [b"\x81\xa7objects\x91\x82\xa9object_id\xd9\x40", id("").as_bytes(), b"\xa7content", header]
            .concat()
    };
    refused(&[
        ("map", vec![0xdf, 0xff, 0xff, 0xff, 0xff], &["4294967295"]),
        ("commits", b"\x81\xa7commits\xdd\xff\xff\xff\xff".to_vec(), &["4294967295"]),
        ("commit", b"\x81\xa7commits\x91\xdf\xff\xff\xff\xff".to_vec(), &["commit", "ends"]),
        ("heads", b"\x81\xacbranch_heads\xdf\xff\xff\xff\xff".to_vec(), &["4294967295"]),
        ("name", b"\x81\xdb\xff\xff\xff\xff".to_vec(), &["4294967295"]),
        ("content", object_claiming(&[0xc6, 0xff, 0xff, 0xff, 0xff]), &["4294967295", &id("")]),
        (
            "message",
            pack_of(Kind::Commit, b"\x81\xa7message\xdb\xff\xff\xff\xff".to_vec()),
            &["4294967295", "commit"],
        ),
        (
            "nested",
            pack_of(Kind::Commit, b"\x81\xa7message\xdd\xff\xff\xff\xff".to_vec()),
            &["commit"],
        ),
    ]);
}

#[test]
fn nesting_a_hundred_thousand_deep() {
    let deep = |open: u8| {
        let mut record = commit_with("metadata", Value::Nil);
        // The value after the name of the field is nil.
        let at = record.windows(9).position(|w| w == b"\xa8metadata").unwrap() + 9;
        let mut value = Vec::new();
        for _ in 0..100_000 {
            value.push(open);
            if open == 0x81 {
                value.push(0xc0);
            }
        }
        value.push(0xc0);
        record.splice(at..=at, value);
        record
    };
    refused(&[
        ("arrays", pack_of(Kind::Commit, deep(0x91)), &["deep", "commit"]),
        ("maps", pack_of(Kind::Commit, deep(0x81)), &["deep", "commit"]),
        ("tops", [&b"\x81\xa7commits"[..], &[0x91; 100_000]].concat(), &["commit"]),
    ]);
}

#[test]
fn ids_in_upper_case_or_of_wrong_length() {
    let upper = id("x").to_uppercase();
    let short = id("x")[..63].to_owned();
    let long = format!("{}0", id("x"));
    let prefixed = format!("SHA256:{}", id("x"));
    let mut cases: Vec<(String, Vec<u8>, Vec<&str>)> = Vec::new();
    for (name, bad, word) in [
        ("upper", &upper, "upper-case"),
        ("short", &short, "64"),
        ("long", &long, "64"),
        ("prefix", &prefixed, "64"),
    ] {
        for field in ["commit_id", "parent_commit_id", "parent2_commit_id", "snapshot_id"] {
            cases.push((
                format!("{name}-{field}"),
                pack_of(Kind::Commit, commit_with(field, Value::text(bad))),
                vec![word, field],
            ));
        }
        let manifest = |id: &str, object: &str| SnapshotSpec::Whole {
            id: id.into(),
            manifest: vec![("a".into(), object.into())],
            created_at: AT.into(),
        };
        cases.push((
            format!("{name}-snapshot"),
            pack_of(Kind::Snapshot, manifest(bad, &id("o")).value().encode()),
            vec![word, "snapshot_id"],
        ));
        cases.push((
            format!("{name}-manifest"),
            pack_of(Kind::Snapshot, manifest(&id("s"), bad).value().encode()),
            vec![word, "manifest"],
        ));
        cases.push((
            format!("{name}-object"),
            pack_of(Kind::Object, object_record(bad, b"x", Encoding::Client)),
            vec![word, "object_id"],
        ));
        let mut heads = PackBuilder::new();
        heads.branch_head("main", bad);
        cases.push((format!("{name}-head"), heads.finish(), vec![word, "main"]));
    }
    let cases: Vec<(&str, Vec<u8>, &[&str])> =
        cases.iter().map(|(n, p, w)| (n.as_str(), p.clone(), w.as_slice())).collect();
    refused(&cases);
}

#[test]
fn records_of_other_shapes() {
    let tag = |tag_id: &str| {
        TagSpec { id: tag_id.into(), commit_id: id("c"), tag: "t".into(), created_at: AT.into() }
            .value()
            .encode()
    };
    let text = Value::text("text").encode();
    let nameless = Value::map([("message", Value::text("no id"))]).encode();
    let both = SnapshotSpec::Whole { id: id("s"), manifest: vec![], created_at: AT.into() };
    let Value::Map(mut both) = both.value() else { unreachable!("a snapshot is a map") };
    both.push(("delta_upsert".into(), Value::Map(vec![])));
    let twice =
        Value::map([("commit_id", Value::text(id("a"))), ("commit_id", Value::text(id("b")))])
            .encode();
    let no_content = Value::map([("object_id", Value::text(id("x")))]).encode();
    let as_text =
        Value::map([("object_id", Value::text(id("x"))), ("content", Value::text("x"))]).encode();
    let mut unknown =
        Value::map([("objects", Value::Array(vec![])), ("vectors", Value::Array(vec![]))]).encode();
    refused(&[
        ("no-map", pack_of(Kind::Commit, text), &["commit", "map"]),
        ("no-id", pack_of(Kind::Commit, nameless), &["commit_id"]),
        ("two-ids", pack_of(Kind::Commit, twice), &["duplicate"]),
        (
            "two-forms",
            pack_of(Kind::Snapshot, Value::Map(both).encode()),
            &["manifest", "delta_upsert"],
        ),
        ("no-content", pack_of(Kind::Object, no_content), &["content", &id("x")]),
        ("text-content", pack_of(Kind::Object, as_text), &["content", &id("x")]),
        ("tag-control", pack_of(Kind::Tag, tag("a\nb")), &["tag_id"]),
        ("tag-empty", pack_of(Kind::Tag, tag("")), &["tag_id"]),
        ("tag-long", pack_of(Kind::Tag, tag(&"x".repeat(257))), &["tag_id", "256"]),
        ("section", std::mem::take(&mut unknown), &["vectors"]),
    ]);
}

#[test]
fn an_object_whose_content_is_not_its_id() {
    let lie = |encoding| pack_of(Kind::Object, object_record(&id("truth"), b"lie", encoding));
    let prefixed = format!("sha256:{}", id("truth"));
    let large = vec![7; 3 << 20];
    refused(&[
        ("lie", lie(Encoding::Client), &[&id("truth"), &id("lie")]),
        ("lie-reversed", lie(Encoding::Reversed), &[&id("truth")]),
        ("lie-newer", lie(Encoding::Newer), &[&id("truth")]),
        (
            "lie-prefixed",
            pack_of(Kind::Object, object_record(&prefixed, b"lie", Encoding::Client)),
            &[&prefixed],
        ),
        (
            "lie-large",
            pack_of(Kind::Object, object_record(&id("truth"), &large, Encoding::Client)),
            &[&id("truth")],
        ),
    ]);
}

#[test]
fn a_muse_framed_pack() {
    refused(&[
        ("framed", [b"MUSE\x01", &sound()[..]].concat(), &["MUSE", "framed"]),
        ("bare", b"MUSE".to_vec(), &["MUSE"]),
    ]);
}

#[test]
fn the_same_id_twice_in_one_pack_is_legal_when_both_agree() {
    let store = Packhouse::with_repo();
    let snapshot = SnapshotSpec::Whole {
        id: id("s"),
        manifest: vec![("a".into(), id("x"))],
        created_at: AT.into(),
    };
    let tag = TagSpec {
        id: "v1".into(),
        commit_id: commit().id,
        tag: "v1".into(),
        created_at: AT.into(),
    };
    let mut pack = PackBuilder::new();
    for encoding in [Encoding::Client, Encoding::Client, Encoding::Reversed, Encoding::Newer] {
        pack.commit_as(&commit(), encoding).snapshot_as(&snapshot, encoding).tag_as(&tag, encoding);
        pack.raw(Kind::Object, object_record(&id("x"), b"x", encoding));
    }
    pack.branch_head("main", commit().id);
    let pack = pack.finish();
    let answer = store.push([store.file("twice.mpack", &pack)]).ok().json();
    assert_eq!(
        ["commits", "snapshots", "objects", "tags"].map(|n| answer[n].as_u64().unwrap()),
        [1, 1, 1, 1]
    );
    // Nothing is lost: the longest of each survives consolidation, whichever pack comes with it.
    store.push(&fixtures::muse_cli()[..1]).exits(3);
    let mut other = PackBuilder::new();
    other.object(b"other");
    let other = other.finish();
    store.push([store.file("other.mpack", &other)]).ok();
    let heads = model::read(&pack).heads;
    assert_eq!(
        store.gc()["consolidated_key"],
        model::key(&model::consolidate(&[&pack, &other], &heads))
    );
    assert_eq!(store.run(["verify"]).ok().json()["ok"], true);
}

#[test]
fn a_duplicate_record_that_disagrees_on_what_it_reaches() {
    let store = Packhouse::with_repo();
    let forged = commit_with("parent_commit_id", Value::text(id("elsewhere")));
    let mut pack = PackBuilder::new();
    pack.commit(&commit());
    store.push([store.file("true.mpack", &pack.finish())]).ok();
    let before = store.picture();
    // Against the store, inside one pack, and between two packs of one push.
    let file = store.file("forged.mpack", &pack_of(Kind::Commit, forged.clone()));
    store.push([&file]).exits(1).says(&[
        &commit().id,
        "disagree",
        "parent_commit_id",
        "nothing was stored",
        "forged.mpack",
    ]);
    let whole = |object: &str| SnapshotSpec::Whole {
        id: id("s"),
        manifest: vec![("a".into(), id(object))],
        created_at: AT.into(),
    };
    let mut both = PackBuilder::new();
    both.snapshot(&whole("x")).snapshot(&whole("y"));
    let file = store.file("both.mpack", &both.finish());
    store.push([&file]).exits(1).says(&[&id("s"), "disagree", "both.mpack"]);
    let tag = |commit: &str| {
        TagSpec {
            id: "v1 ü".into(), commit_id: id(commit), tag: "t".into(), created_at: AT.into()
        }
        .value()
        .encode()
    };
    let files = ["x", "y"]
        .map(|commit| store.file(&format!("tag-{commit}.mpack"), &pack_of(Kind::Tag, tag(commit))));
    store.push(&files).exits(1).says(&["v1 ü", "disagree", "tag-x.mpack", "tag-y.mpack"]);
    store.run(["push", "a/b", "--force", &files[0], &files[1]]).exits(1);
    assert_eq!(store.picture(), before);
}

#[test]
fn files_that_are_no_files() {
    let store = lived_in();
    let before = store.picture();
    let folder = store.scratch();
    store.push([folder.to_str().unwrap()]).exits(2).says(&[folder.to_str().unwrap(), "folder"]);
    let nowhere = folder.join("nowhere.mpack");
    store.push([nowhere.to_str().unwrap()]).exits(1).says(&["nowhere.mpack"]);
    store.push(["/dev/null"]).exits(1).says(&["/dev/null"]);
    assert_eq!(store.picture(), before);
    store.push([] as [&str; 0]).exits(2);
    store.run(["push", "a-b", "x"]).exits(2).says(&["OWNER/SLUG"]);
    store.run(["push", "nobody/home", "x"]).exits(1).says(&["packhouse repo create nobody/home"]);
}

#[test]
fn heads_that_do_not_lead_to_each_other_are_a_conflict() {
    let store = lived_in();
    let before = store.picture();
    let mut stray = CommitSpec::new(IdForm::Bare, [None, None], &id("s"), "stray", AT);
    stray.branch = "main".into();
    let mut pack = PackBuilder::new();
    pack.commit(&stray).branch_head("main", &stray.id);
    let file = store.file("stray.mpack", &pack.finish());
    store.push([&file]).exits(3).says(&["main", &stray.id, "--force", "nothing was stored"]);
    store.push([&file, fixtures::muse_cli()[2].to_str().unwrap()]).exits(3);
    assert_eq!(store.picture(), before);
    let forced = store.run(["push", "a/b", "--force", &file]).ok().json();
    assert_eq!(forced["branch_heads"]["main"], stray.id);
}
