//! Archives made of a fuzzer's bytes. What a mutation nearly always breaks without anything being
//! learned (the compression, a checksum, the padding) is put right here.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

/// Files of an input: names and contents, each ended by a byte that no text has.
pub fn files(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut parts = bytes.split(|byte| *byte == SEPARATOR);
    std::iter::from_fn(|| {
        let name = String::from_utf8_lossy(parts.next()?).into_owned();
        Some((name, parts.next()?.to_vec()))
    })
    .collect()
}

/// Whether these are compressed bytes as they stand.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// The bytes of a tar archive, compressed with true checksums.
pub fn compressed(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    let mut at = 0;
    while let Some(header) = tar.get_mut(at..at + BLOCK) {
        if header.iter().any(|byte| *byte != 0) {
            header[CHECKSUM].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let content = size(header).next_multiple_of(BLOCK);
        at += BLOCK + content;
    }
    tar.extend([0; 2 * BLOCK]);
    // Storing is quick, and is read like any other compression.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(&tar).expect("memory takes all");
    gzip.finish().expect("memory takes all")
}

/// The size in a header, as far as an input can be so long.
fn size(header: &[u8]) -> usize {
    let digits = header[SIZE].iter().skip_while(|byte| **byte == b' ');
    let digits = digits.map_while(|byte| char::from(*byte).to_digit(8));
    digits.fold(0, |size, digit| ((size << 3) | digit as usize).min(1 << 30))
}

/// No byte of UTF-8.
const SEPARATOR: u8 = 0xff;

/// What tar archives are made of, and where a header has its size and its checksum.
const BLOCK: usize = 512;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
