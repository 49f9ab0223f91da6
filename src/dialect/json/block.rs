//! 64 bytes of JSON at once: a bit for each byte that ends a run of plain characters in a string. `unsafe`
//! because vector instructions are called that the processor must have.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls vector instructions once they are known to exist")
)]

/// Bytes of one block.
pub(super) const BLOCK: usize = 64;

/// What is known of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Block {
    /// A bit for each quote, backslash and control character, the first byte's lowest.
    pub(super) stops: u64,
    /// Whether some byte is beyond ASCII.
    pub(super) has_high_bytes: bool,
}

impl Block {
    /// The block at the front of `bytes`. What lies beyond their end counts as a stop.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if let Some(whole) = bytes.first_chunk() {
            return look(whole);
        }
        let mut padded = [b'"'; BLOCK];
        padded[..bytes.len()].copy_from_slice(bytes);
        look(&padded)
    }
}

#[cfg(target_arch = "x86_64")]
fn look(bytes: &[u8; BLOCK]) -> Block {
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was just asked.
        unsafe { x86_64::look_by_32(bytes) }
    } else {
        // SAFETY: every x86-64 has SSE2.
        unsafe { x86_64::look_by_16(bytes) }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_set1_epi8,
    };

    use super::{BLOCK, Block};

    #[target_feature(enable = "avx2")]
    pub(super) fn look_by_32(bytes: &[u8; BLOCK]) -> Block {
        let (quote, backslash) = (_mm256_set1_epi8(0x22), _mm256_set1_epi8(0x5c));
        let last_control = _mm256_set1_epi8(0x1f);
        let mask = |vector: __m256i| u64::from(_mm256_movemask_epi8(vector) as u32);
        let (mut stops, mut high_bytes) = (0, 0);
        for (lane, bytes) in bytes.as_chunks::<32>().0.iter().enumerate() {
            // SAFETY: 32 bytes are read, of an array of 32.
            let vector = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
            let is_control = _mm256_cmpeq_epi8(_mm256_min_epu8(vector, last_control), vector);
            let is_either =
                _mm256_or_si256(_mm256_cmpeq_epi8(vector, quote), _mm256_cmpeq_epi8(vector, backslash));
            stops |= mask(_mm256_or_si256(is_control, is_either)) << (32 * lane);
            high_bytes |= mask(vector);
        }
        Block { stops, has_high_bytes: high_bytes != 0 }
    }

    #[target_feature(enable = "sse2")]
    pub(super) fn look_by_16(bytes: &[u8; BLOCK]) -> Block {
        let (quote, backslash) = (_mm_set1_epi8(0x22), _mm_set1_epi8(0x5c));
        let last_control = _mm_set1_epi8(0x1f);
        let mask = |vector: __m128i| u64::from(_mm_movemask_epi8(vector) as u16);
        let (mut stops, mut high_bytes) = (0, 0);
        for (lane, bytes) in bytes.as_chunks::<16>().0.iter().enumerate() {
            // SAFETY: 16 bytes are read, of an array of 16.
            let vector = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
            let is_control = _mm_cmpeq_epi8(_mm_min_epu8(vector, last_control), vector);
            let is_either = _mm_or_si128(_mm_cmpeq_epi8(vector, quote), _mm_cmpeq_epi8(vector, backslash));
            stops |= mask(_mm_or_si128(is_control, is_either)) << (16 * lane);
            high_bytes |= mask(vector);
        }
        Block { stops, has_high_bytes: high_bytes != 0 }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn look(bytes: &[u8; BLOCK]) -> Block {
    byte_by_byte(bytes)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn byte_by_byte(bytes: &[u8; BLOCK]) -> Block {
    let is_stop = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let stops = bytes.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(is_stop(*byte)));
    Block { stops, has_high_bytes: !bytes.is_ascii() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_see_what_is_there_byte_by_byte() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let bytes = [(); BLOCK].map(|()| {
                let special = b"\"\\\x1f\x20\x00\x7f\x80\xff";
                if rng.u8(..8) == 0 { special[rng.usize(..special.len())] } else { b'a' }
            });
            check(&bytes);
        }
        for byte in 0..=255 {
            check(&[byte; BLOCK]);
        }
    }

    fn check(bytes: &[u8; BLOCK]) {
        assert_eq!(look(bytes), byte_by_byte(bytes), "{bytes:?}");
        // SAFETY: every x86-64 has SSE2.
        #[cfg(target_arch = "x86_64")]
        assert_eq!(unsafe { x86_64::look_by_16(bytes) }, byte_by_byte(bytes), "{bytes:?}");
    }

    #[test]
    fn the_end_is_a_stop() {
        for length in 0..BLOCK {
            let stops = Block::of(&vec![b'a'; length]).stops;
            assert_eq!(stops.trailing_zeros() as usize, length);
        }
    }
}
