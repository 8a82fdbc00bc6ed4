//! Chunks: records as they are posted, a JSON array under gzip.
//!
//! Promises that no chunk is longer than it may be, that chunks keep the order of their records, and
//! that a record that fits nowhere is counted and not silently left out. How many records make a chunk
//! of the right size depends on how well they compress, which is learned from the chunks before.

use std::{
    collections::BTreeMap,
    fmt, io,
    io::{Read as _, Write as _},
    mem,
};

use bytes::Bytes;
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use serde_json::value::RawValue;

use crate::priority::give_way;

/// Where a chunk stands among the others: first by its number, then by which half it is of which half.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Ascends with each chunk that is made.
    pub(super) number: u64,
    half: String,
}

impl Place {
    pub(super) const fn new(number: u64) -> Self {
        Self {
            number,
            half: String::new(),
        }
    }

    /// The places of both halves of what is here: after what is before it, before what is after it.
    fn halves(&self) -> (Self, Self) {
        let half = |which| Self {
            number: self.number,
            half: format!("{}{which}", self.half),
        };
        (half('a'), half('b'))
    }

    /// Reads what [`Display`](fmt::Display) writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, half) = text.split_at_checked(DIGITS)?;
        let plain = number.bytes().all(|digit| digit.is_ascii_digit());
        let halves = half.len() <= MOST_HALVES && half.bytes().all(|which| b"ab".contains(&which));
        (plain && halves).then_some(())?;
        Some(Self {
            number: number.parse().ok()?,
            half: half.to_owned(),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$}{}", self.number, self.half)
    }
}

/// Records as they are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) place: Place,
    /// How many records it holds.
    pub(super) records: u64,
    /// The array, compressed.
    pub(super) bytes: Bytes,
}

/// What is left of a chunk that the service finds too large.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Less {
    /// Both halves.
    Halves(Chunk, Chunk),
    /// Its only record, without what policies were told by others.
    Stripped(Chunk),
    /// Nothing: its only record cannot be made smaller.
    Nothing,
}

impl Chunk {
    fn of(place: Place, records: &[Bytes]) -> io::Result<Self> {
        Ok(Self {
            place,
            records: count(records.len()),
            bytes: gzip(records)?.into(),
        })
    }

    /// Whether it holds so many records and nothing else, to its last byte.
    pub(super) fn verify(&self) -> io::Result<()> {
        let found = count(self.unpack()?.len());
        if found == self.records {
            return Ok(());
        }
        let message = format!("{found} records where {} should be", self.records);
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }

    /// Makes less of it.
    pub(super) fn reduce(&self) -> io::Result<Less> {
        let records = self.unpack()?;
        let (first, second) = records.split_at(records.len().div_ceil(2));
        if !second.is_empty() {
            let (a, b) = self.place.halves();
            return Ok(Less::Halves(Self::of(a, first)?, Self::of(b, second)?));
        }
        let Some(stripped) = first.first().and_then(without_cache) else {
            return Ok(Less::Nothing);
        };
        Ok(Less::Stripped(Self::of(self.place.clone(), &[stripped])?))
    }

    fn unpack(&self) -> io::Result<Vec<Bytes>> {
        let mut json = Vec::new();
        let mut decoder = GzDecoder::new(&*self.bytes);
        let read = decoder
            .by_ref()
            .take(MOST_UNPACKED)
            .read_to_end(&mut json)?;
        if count(read) >= MOST_UNPACKED || !decoder.into_inner().is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "longer than any chunk",
            ));
        }
        let records: Vec<&RawValue> = serde_json::from_slice(&json)?;
        let copy = |record: &RawValue| Bytes::copy_from_slice(record.get().as_bytes());
        Ok(records.into_iter().map(copy).collect())
    }
}

/// What came of packing.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// In order.
    pub(super) chunks: Vec<Chunk>,
    /// Records that are alone larger than a chunk may be.
    pub(super) too_large: u64,
    /// Records that were only small enough without what policies were told by others.
    pub(super) stripped: u64,
    /// Records that could not be compressed.
    pub(super) broken: u64,
}

/// Makes chunks of records.
#[derive(Debug)]
pub(super) struct Packer {
    /// The most bytes of a chunk.
    limit: usize,
    /// What chunks should come close to: the limit, or less if the service says so.
    target: usize,
    /// How many bytes of records a chunk of the target's size probably has.
    soft: usize,
    next: u64,
    records: Vec<Bytes>,
    /// Bytes of them, with what stands between them.
    raw: usize,
}

impl Packer {
    /// Makes chunks of at most `limit` bytes; the first one has the number `next`.
    pub(super) fn new(limit: usize, next: u64) -> Self {
        Self {
            limit,
            target: limit,
            soft: limit.min(MOST_RAW),
            next,
            records: Vec::new(),
            raw: 0,
        }
    }

    /// The number of the next chunk.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// From now on the first chunk has this number at least.
    pub(super) fn start_at(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// So many records wait to be packed, of so many bytes.
    pub(super) fn waiting(&self) -> (u64, usize) {
        (count(self.records.len()), self.raw)
    }

    /// Leaves out what was taken and not packed.
    pub(super) fn forget(&mut self) {
        self.records.clear();
        self.raw = 0;
    }

    /// About how many bytes of records make a chunk.
    pub(super) const fn soft(&self) -> usize {
        self.soft
    }

    /// The service does not take chunks of this size.
    pub(super) fn refused(&mut self, bytes: usize) {
        let less = (bytes / 2).max(LEAST_TARGET).min(self.limit);
        if less < self.target {
            self.target = less;
            self.soft = (self.soft / 2).max(less);
        }
    }

    /// Takes a record; what was taken before is packed if it is enough.
    pub(super) fn push(&mut self, record: Bytes, packed: &mut Packed) {
        let length = record.len().saturating_add(1);
        if self.raw.saturating_add(length) > self.soft {
            self.close(packed);
        }
        self.raw = self.raw.saturating_add(length);
        self.records.push(record);
    }

    /// Packs what was taken.
    pub(super) fn close(&mut self, packed: &mut Packed) {
        let records = mem::take(&mut self.records);
        let raw = mem::take(&mut self.raw);
        if !records.is_empty() {
            self.pack(&records, raw, packed);
        }
    }

    fn pack(&mut self, records: &[Bytes], raw: usize, packed: &mut Packed) {
        let Ok(chunk) = Chunk::of(Place::new(self.next), records) else {
            packed.broken = packed.broken.saturating_add(count(records.len()));
            return;
        };
        let length = chunk.bytes.len();
        // What was sent before it was full says little of what would have been too much.
        if length > self.target || raw > self.soft / 2 {
            self.learn(raw, length);
        }
        if length <= self.limit {
            self.next = self.next.saturating_add(1);
            packed.chunks.push(chunk);
            return;
        }
        let (first, second) = records.split_at(records.len().div_ceil(2));
        if second.is_empty() {
            self.strip(first, packed);
            return;
        }
        for half in [first, second] {
            let raw = half.iter().fold(0, |raw: usize, record| {
                raw.saturating_add(record.len()).saturating_add(1)
            });
            self.pack(half, raw, packed);
        }
    }

    /// Packs a record that is too large as it is.
    fn strip(&mut self, record: &[Bytes], packed: &mut Packed) {
        let stripped = record.first().and_then(without_cache);
        let chunk = stripped.and_then(|record| Chunk::of(Place::new(self.next), &[record]).ok());
        match chunk.filter(|chunk| chunk.bytes.len() <= self.limit) {
            Some(chunk) => {
                self.next = self.next.saturating_add(1);
                packed.stripped = packed.stripped.saturating_add(1);
                packed.chunks.push(chunk);
            }
            None => packed.too_large = packed.too_large.saturating_add(1),
        }
    }

    /// So many bytes of records became so many of a chunk: the next one comes closer to the target,
    /// and stays a little below it.
    fn learn(&mut self, raw: usize, length: usize) {
        let wanted = self.target.saturating_sub(self.target / 20);
        let fitting = raw
            .saturating_mul(wanted)
            .checked_div(length)
            .unwrap_or(self.soft);
        let (least, most) = (self.soft / 2, self.soft.saturating_mul(4));
        self.soft = fitting.clamp(least, most).clamp(1, MOST_RAW);
    }
}

fn gzip(records: &[Bytes]) -> io::Result<Vec<u8>> {
    // A fast level: what is saved on the wire is not worth what it costs beside the checks.
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    let mut before = b"[";
    for record in records {
        out.write_all(before)?;
        out.write_all(record)?;
        give_way();
        before = b",";
    }
    out.write_all(b"]")?;
    out.finish()
}

/// The record without the answers that others gave to policies, which can be as large as they like.
fn without_cache(record: &Bytes) -> Option<Bytes> {
    let mut event: BTreeMap<&str, &RawValue> = serde_json::from_slice(record).ok()?;
    event.remove("nd_builtin_cache")?;
    serde_json::to_vec(&event).ok().map(Bytes::from)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// As many as the largest number has.
const DIGITS: usize = 20;
/// A chunk of more records than fit into memory is not halved so often.
const MOST_HALVES: usize = 64;
/// The most bytes of records in a chunk, however well they compress.
const MOST_RAW: usize = 64 << 20;
/// A service that takes less than this takes no record at all.
const LEAST_TARGET: usize = 1024;
/// More is in no chunk: the records, and one that is as large as a request may be and its answer.
const MOST_UNPACKED: u64 = 1 << 30;

#[cfg(test)]
mod tests;
