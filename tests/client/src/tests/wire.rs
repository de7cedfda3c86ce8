//! Packs and answers as bytes.

use bytes::Bytes;

use super::files;
use crate::answer::{self, FetchedMpack, Stored};
use crate::push::chunks;
use crate::wire::Out;
use crate::{Id, Local, Object, Pack, Upload};

fn pack() -> Pack {
    let mut local = Local::new("gabriel").writing_oddly();
    let head = local.commit("main", files([("a", "one"), ("empty", "")]), "begin").unwrap();
    let tag = local.tag("v1", &head).unwrap();
    let (mut pack, uploads) = local.bundle("main", &head, []).unwrap();
    pack.objects = uploads.into_iter().map(|upload| upload.object).collect();
    pack.tags.push(tag);
    pack
}

#[test]
fn a_pack_is_read_as_it_was_written() {
    let bytes = pack().encode();
    let read = Pack::decode(&bytes).unwrap();
    assert_eq!(read, pack());
    assert_eq!(read.encode(), bytes);
    assert_eq!(Pack::decode(&Bytes::from_static(&[0x80])).unwrap(), Pack::default());
    let odd = &read.commits[0].record;
    assert!(odd.ends_with(&[0xce, 0, 0, 0, 0]), "a number that is longer than it need be stays so");
}

#[test]
fn what_is_no_pack_is_refused() {
    let bytes = pack().encode();
    let longer: Bytes = [&bytes[..], &[0xc0]].concat().into();
    let framed = Bytes::from_static(b"MUSE\x01");
    let unknown = Out::default().map(1).text("comets").array(0).take();
    for bad in [longer, framed, unknown, bytes.slice(..bytes.len() - 1), Bytes::new()] {
        Pack::decode(&bad).unwrap_err();
    }
}

#[test]
fn an_answer_is_one_msgpack_map() {
    let mut out = Out::default();
    out.map(3)
        .text("stored")
        .value(&3.into())
        .text("skipped")
        .value(&1.into())
        .text("more")
        .array(0);
    let good = out.take();
    assert_eq!(answer::decode::<Stored>("", &good).unwrap(), Stored { stored: 3, skipped: 1 });
    let array = Out::default().array(2).value(&3.into()).value(&1.into()).take();
    let longer = [&good[..], &[0xc0]].concat();
    for bad in [&array[..], &longer, b"{\"stored\": 3, \"skipped\": 1}"] {
        answer::decode::<Stored>("", bad).unwrap_err();
    }
}

#[test]
fn a_refusal_is_json_or_shown_as_it_is() {
    for body in [&b"{\"detail\": \"no such repo\"}"[..], b"no such repo"] {
        assert_eq!(answer::detail(body), "no such repo");
    }
    let packed = Out::default().map(1).text("detail").text("no such repo").take();
    assert_ne!(answer::detail(&packed), "no such repo", "the real client reads no other encoding");
}

#[test]
fn the_key_of_a_pack_is_found() {
    let id = Id::of(b"a pack");
    let read = |field: &str, url: &str| {
        let mut out = Out::default();
        out.map(3)
            .text("mpack_url")
            .text(url)
            .text("object_count")
            .value(&1.into())
            .text("mpack_key")
            .text(field);
        answer::decode::<FetchedMpack>("", &out.take()).unwrap().key()
    };
    assert_eq!(read(&format!("sha256:{id}"), "http://host/x"), Some(id.clone()));
    assert_eq!(read("", &format!("http://host/sha256:{id}?sig=1")), Some(id.clone()));
    assert_eq!(read("", &format!("http://host/sha256%3A{id}")), Some(id));
    assert_eq!(read("", "http://host/sha256:short"), None);
}

#[test]
fn chunks_are_neither_too_many_nor_too_long() {
    let upload = |content: Bytes| Upload::from(Object { id: Id::from("made up"), content });
    let lengths = |uploads| chunks(uploads).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(vec![upload(Bytes::new()); 801]), [400, 400, 1]);
    let large: Bytes = vec![0; 20 << 20].into();
    let larger: Bytes = vec![0; 40 << 20].into();
    let small = upload(Bytes::from_static(b"small"));
    assert_eq!(
        lengths(vec![upload(large.clone()), small.clone(), upload(large), upload(larger), small]),
        [2, 1, 1, 1]
    );
    assert_eq!(lengths(vec![]), [0; 0]);
}
