use proptest::collection::vec;
use proptest::prelude::*;
use ring::digest::{SHA256, digest};

use super::*;

fn by_ring(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

/// Cuts bytes at places, in any order.
fn parts<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let mut from = 0;
    let part = |to| &bytes[std::mem::replace(&mut from, to)..to];
    cuts.into_iter().map(part).collect()
}

/// Hashes a stream in windows, and messages beside it; the sums, that of the stream last.
fn all_sums(new: fn() -> Sha256, windows: &[&[u8]], messages: &[Vec<&[u8]>]) -> Vec<[u8; 32]> {
    let mut stream = new();
    let (mut sums, mut messages, mut left) = (Vec::new(), messages.iter(), Vec::new());
    for window in windows {
        left.extend_from_slice(window);
        let mut ahead = Ahead::new(&mut stream, &left);
        for message in messages.by_ref().take(3) {
            let mut sum = new();
            message.iter().for_each(|part| sum.update_beside(part, &mut ahead));
            sums.push(sum.finish_beside(&mut ahead));
        }
        ahead.hash_blocks();
        assert!(ahead.left() < BLOCK);
        left = left.split_off(left.len() - ahead.left());
    }
    stream.update(&left);
    sums.push(stream.finish());
    sums
}

proptest! {
    #[test]
    fn a_sum_of_parts_is_that_of_ring(
        bytes in vec(any::<u8>(), 0..1000),
        cuts in vec(any::<usize>(), 0..5),
    ) {
        let mut sum = Sha256::new();
        parts(&bytes, &cuts).into_iter().for_each(|part| sum.update(part));
        prop_assert_eq!(sum.finish(), by_ring(&bytes));
    }

    #[test]
    fn sums_of_a_stream_and_of_messages_beside_it_are_those_of_ring(
        stream in vec(any::<u8>(), 0..3000),
        windows in vec(any::<usize>(), 0..4),
        messages in vec((vec(any::<u8>(), 0..700), vec(any::<usize>(), 0..3)), 0..12),
    ) {
        let windows = parts(&stream, &windows);
        let used = &messages[..messages.len().min(3 * windows.len())];
        let mut expected: Vec<_> = used.iter().map(|(bytes, _)| by_ring(bytes)).collect();
        expected.push(by_ring(&stream));
        let messages: Vec<_> = used.iter().map(|(bytes, cuts)| parts(bytes, cuts)).collect();
        prop_assert_eq!(all_sums(Sha256::new, &windows, &messages), expected.clone());
        prop_assert_eq!(all_sums(Sha256::portable, &windows, &messages), expected);
    }
}

#[test]
fn every_length_up_to_some_blocks_is_padded_right() {
    let bytes: Vec<u8> = (0..300).map(|i| i as u8).collect();
    for n in 0..=bytes.len() {
        let (mut sum, mut stream) = (Sha256::new(), Sha256::new());
        let mut ahead = Ahead::new(&mut stream, &bytes);
        sum.update_beside(&bytes[..n], &mut ahead);
        assert_eq!(sum.finish_beside(&mut ahead), by_ring(&bytes[..n]), "{n} bytes");
        let left = ahead.left();
        stream.update(&bytes[bytes.len() - left..]);
        assert_eq!(stream.finish(), by_ring(&bytes), "beside {n} bytes");
    }
}

/// The example of FIPS 180-4: ring and this might be wrong alike.
#[test]
fn abc_has_the_sum_of_the_standard() {
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let mut sum = Sha256::new();
    sum.update(b"abc");
    let found: String = sum.finish().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, expected);
}

/// On processors that can, both are hashed at once.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_stream_advances_while_another_message_is_hashed() {
    if !is_x86_feature_detected!("sha") {
        return;
    }
    let bytes = [7; 1000];
    let mut stream = Sha256::new();
    let mut ahead = Ahead::new(&mut stream, &bytes);
    let mut sum = Sha256::new();
    sum.update_beside(&bytes[..640], &mut ahead);
    assert_eq!(ahead.left(), 1000 - 640);
}
