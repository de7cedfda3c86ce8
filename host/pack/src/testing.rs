//! A pack for tests: records of all kinds, in an order and in encodings that clients may choose.

use packhouse_core::msgpack::{put_array, put_map, put_str};
use ring::digest::{SHA256, digest};

fn sum(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

pub(crate) fn put_bin(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        n @ 0..=0xff => out.extend([0xc4, n as u8]),
        n @ 0x100..=0xffff => {
            out.push(0xc5);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(0xc6);
            out.extend((n as u32).to_be_bytes());
        }
    }
    out.extend(bytes);
}

/// An object in its standard encoding.
fn put_object(out: &mut Vec<u8>, prefix: &str, content: &[u8]) {
    put_map(out, 2);
    put_str(out, "object_id");
    let id = format!("{prefix}{}", sum(content));
    out.extend([0xd9, id.len() as u8]);
    out.extend(id.as_bytes());
    put_str(out, "content");
    put_bin(out, content);
}

/// An object with other fields, some of them nested, around its content.
fn put_unusual_object(out: &mut Vec<u8>, content: &[u8]) {
    put_map(out, 5);
    put_array(out, 2);
    put_str(out, "a name");
    out.push(0xc0);
    out.extend([0xcd, 1, 2]);
    put_str(out, "content");
    put_bin(out, content);
    put_str(out, "a field whose name is longer than names of fields");
    put_map(out, 1);
    put_bin(out, b"key");
    put_array(out, 0);
    put_str(out, "object_id");
    put_str(out, &sum(content));
    put_str(out, "");
    put_str(out, "content");
}

fn put_record(out: &mut Vec<u8>, field: &str, id: &str, more: usize) {
    put_map(out, 2);
    put_str(out, "message");
    put_str(out, &"m".repeat(more));
    put_str(out, field);
    put_str(out, id);
}

/// A pack of 4 MB with 2001 objects of many sizes, and a large one among them: windows end anywhere
/// in them.
pub(crate) fn large_pack() -> Vec<u8> {
    let mut out = Vec::new();
    put_map(&mut out, 1);
    put_str(&mut out, "objects");
    put_array(&mut out, 2001);
    for number in 0..2000usize {
        put_object(&mut out, "", &vec![number as u8; number * 37 % 3001]);
        if number == 1000 {
            put_object(&mut out, "", &vec![1; 700_001]);
        }
    }
    out
}

/// A pack whose largest object has `large` bytes.
pub(crate) fn some_pack(large: usize) -> Vec<u8> {
    let (out, commit) = (&mut Vec::new(), sum(b"commit"));
    put_map(out, 5);
    put_str(out, "objects");
    put_array(out, 6);
    for length in [0, 200, 255, 256] {
        put_object(out, if length > 220 { "sha256:" } else { "" }, &vec![length as u8; length]);
    }
    put_unusual_object(out, &[7; 300]);
    put_object(out, "", &vec![9; large]);
    put_str(out, "commits");
    put_array(out, 2);
    put_record(out, "commit_id", &commit, 3);
    put_record(out, "commit_id", &format!("sha256:{}", sum(b"another")), 40);
    put_str(out, "branch_heads");
    put_map(out, 1);
    put_str(out, "main");
    put_str(out, &commit);
    put_str(out, "snapshots");
    put_array(out, 0);
    put_str(out, "tags");
    put_array(out, 1);
    put_record(out, "tag_id", "v1", 1);
    std::mem::take(out)
}
