use super::*;
use crate::scan::scan;
use crate::testing::some_pack;

/// What a pack must be, in order.
fn expected(pack: &[u8]) -> Vec<Expected> {
    let found = scan(pack, |_| Ok(())).unwrap();
    let mut all: Vec<_> = found.frame.into_iter().map(Expected::Frame).collect();
    all.extend(found.rows.into_iter().map(Expected::Record));
    all.sort_unstable_by_key(Expected::offset);
    all
}

/// Pushes a pack in pieces of some bytes; the bytes that may be passed on, and what is wrong.
fn pass(pack: &[u8], expected: &[Expected], piece: usize) -> (usize, Option<WrongRecord>) {
    let (mut verifier, mut expected) = (Verifier::default(), expected.iter().copied());
    let mut passed = 0;
    for bytes in pack.chunks(piece) {
        match verifier.push(bytes, &mut expected) {
            Ok(()) => passed += bytes.len(),
            Err(wrong) => return (passed + wrong.before, Some(wrong)),
        }
    }
    (passed, None)
}

#[test]
fn a_right_pack_passes_whole_in_pieces_of_any_size() {
    let pack = some_pack(700);
    let expected = expected(&pack);
    for piece in (1..40).chain([77, 300, 1000, pack.len()]) {
        assert_eq!(pass(&pack, &expected, piece), (pack.len(), None), "{piece}");
    }
}

#[test]
fn no_wrong_record_is_ever_passed_whole() {
    let pack = some_pack(300);
    let expected = expected(&pack);
    for piece in [1, 10, 64, pack.len()] {
        for at in 0..pack.len() {
            let hit = expected.iter().rfind(|one| one.offset() <= at as u64).unwrap();
            let (begin, end) = (hit.offset(), hit.offset() + hit.length());
            for flip in [1, 0x80, 0xff] {
                let mut damaged = pack.clone();
                damaged[at] ^= flip;
                let (passed, wrong) = pass(&damaged, &expected, piece);
                let wrong = wrong.unwrap_or_else(|| panic!("byte {at} ^ {flip} passed"));
                assert_eq!((wrong.expected, wrong.bad.offset), (*hit, begin));
                assert!((passed as u64) < end, "byte {at}: {passed} of {end}");
                assert!(passed as u64 >= begin, "what lies before it is right");
            }
        }
    }
}

#[test]
fn the_end_of_a_large_object_is_held_back() {
    let mut pack = some_pack(100_000);
    let expected = expected(&pack);
    let large = expected.iter().find(|one| one.length() > 100_000).unwrap();
    let (begin, end) = (large.offset() as usize, (large.offset() + large.length()) as usize);
    pack[begin + 500] ^= 1;
    let (passed, wrong) = pass(&pack, &expected, 1000);
    assert_eq!(passed, (end - 1) / 1000 * 1000, "all but the piece with its end");
    let shown = wrong.unwrap().to_string();
    assert!(
        shown.contains("hash mismatch: expected") && shown.ends_with(&format!("at byte {begin}")),
        "{shown}"
    );
}

#[test]
fn trusted_bytes_pass_and_others_must_be_expected() {
    let mut verifier = Verifier::default();
    assert_eq!(verifier.push(b"abc", &mut [Expected::Trusted(5)].into_iter()), Ok(()));
    let wrong = verifier.push(b"de and more", &mut [].into_iter()).unwrap_err();
    assert_eq!((wrong.before, wrong.bad.reason.as_str()), (2, "9 bytes are left over"));
}

#[test]
fn an_object_of_another_length_is_noticed() {
    let pack = some_pack(300);
    let mut expected = expected(&pack);
    // One byte moves from the next record to this one.
    let Expected::Record(row) = &mut expected[2] else { panic!("an object") };
    row.length += 1;
    let (_, wrong) = pass(&pack, &expected, 1000);
    assert_eq!(wrong.unwrap().expected, expected[2]);
}
