//! The SHA instructions of a processor.
//!
//! They do two rounds each, on four words of the state, and hold the state as A, B, E, F and C, D,
//! G, H (Intel SHA Extensions, "Intel 64 and IA-32 Architectures Software Developer's Manual",
//! volume 2).

#![expect(unsafe_code, reason = "instructions that not every processor has, and unaligned loads")]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_loadu_si128, _mm_set_epi8, _mm_setzero_si128,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
    _mm_shuffle_epi32, _mm_storeu_si128,
};

use crate::lane::Block;

/// The words F, E, B, A, and H, G, D, C.
pub(crate) type State = [[u32; 4]; 2];

/// The state before the first block: FIPS 180-4, 5.3.3.
pub(crate) const FIRST: State = [
    [0x9b05_688c, 0x510e_527f, 0xbb67_ae85, 0x6a09_e667],
    [0x5be0_cd19, 0x1f83_d9ab, 0xa54f_f53a, 0x3c6e_f372],
];

/// The constants of the rounds: FIPS 180-4, 4.2.2.
const ROUNDS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

/// The words of a state, A to H.
pub(crate) const fn words(state: &State) -> [u32; 8] {
    let [[f, e, b, a], [h, g, d, c]] = *state;
    [a, b, c, d, e, f, g, h]
}

/// The SHA instructions. Whoever has one runs on a processor that has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShaUnit(());

impl ShaUnit {
    /// None where the processor has no such instructions.
    pub(crate) fn find() -> Option<ShaUnit> {
        let found = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse2");
        found.then_some(ShaUnit(()))
    }

    /// Compresses as many blocks of each message as all of them have.
    pub(crate) fn compress<const N: usize>(self, states: [&mut State; N], blocks: [&[Block]; N]) {
        // SAFETY: the processor has the instructions; there is no `ShaUnit` elsewhere.
        unsafe { compress(states, blocks) }
    }
}

#[target_feature(enable = "sha,ssse3,sse2")]
fn compress<const N: usize>(mut states: [&mut State; N], blocks: [&[Block]; N]) {
    // Words are big-endian in a block, and little-endian in a register.
    let order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    let mut now = [[_mm_setzero_si128(); 2]; N];
    for (now, state) in now.iter_mut().zip(&states) {
        *now = [load(&state[0]), load(&state[1])];
    }
    let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    for at in 0..count {
        let before = now;
        // The last sixteen words of the message schedule.
        let mut schedule = [[_mm_setzero_si128(); 4]; N];
        for (schedule, blocks) in schedule.iter_mut().zip(&blocks) {
            let (parts, _) = blocks[at].as_chunks::<16>();
            for (words, part) in schedule.iter_mut().zip(parts) {
                *words = _mm_shuffle_epi8(load(part), order);
            }
        }
        for (sixteen, rounds) in ROUNDS.as_chunks::<4>().0.iter().enumerate() {
            for (four, constants) in rounds.iter().enumerate() {
                let constants = load(constants);
                for lane in 0..N {
                    let [abef, cdgh] = &mut now[lane];
                    let words = _mm_add_epi32(schedule[lane][four], constants);
                    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, words);
                    let words = _mm_shuffle_epi32(words, 0b1110);
                    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, words);
                }
                if sixteen == 3 {
                    continue;
                }
                for schedule in &mut schedule {
                    let [first, second, third, fourth] =
                        [0, 1, 2, 3].map(|next| schedule[(four + next) % 4]);
                    let sum = _mm_add_epi32(
                        _mm_sha256msg1_epu32(first, second),
                        _mm_alignr_epi8(fourth, third, 4),
                    );
                    schedule[four] = _mm_sha256msg2_epu32(sum, fourth);
                }
            }
        }
        for (now, before) in now.iter_mut().zip(&before) {
            *now = [_mm_add_epi32(now[0], before[0]), _mm_add_epi32(now[1], before[1])];
        }
    }
    for (state, now) in states.iter_mut().zip(&now) {
        store(&mut state[0], now[0]);
        store(&mut state[1], now[1]);
    }
}

/// Sixteen bytes, wherever they are.
#[target_feature(enable = "sse2")]
fn load<T>(from: &T) -> __m128i {
    const { assert!(size_of::<T>() == 16) };
    // SAFETY: sixteen bytes can be read there, which are all initialized: `T` is a `[u8; 16]` or a
    // `[u32; 4]`. The load needs no alignment.
    unsafe { _mm_loadu_si128(std::ptr::from_ref(from).cast()) }
}

#[target_feature(enable = "sse2")]
fn store(to: &mut [u32; 4], from: __m128i) {
    // SAFETY: sixteen bytes can be written there. The store needs no alignment.
    unsafe { _mm_storeu_si128(std::ptr::from_mut(to).cast(), from) }
}
