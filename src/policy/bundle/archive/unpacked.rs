//! The bytes of a tar archive as they come out of the compression, counted.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

/// The archive while it is unpacked.
pub(super) struct Unpacked<'a> {
    gzip: GzDecoder<&'a [u8]>,
    /// How many bytes may still come.
    left: u64,
    exhausted: bool,
}

impl<'a> Unpacked<'a> {
    pub(super) fn new(archive: &'a [u8], limit: u64) -> Self {
        Self {
            gzip: GzDecoder::new(archive),
            left: limit,
            exhausted: false,
        }
    }

    /// Whether more came than may.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Reads one block of a header; `false` at the mark that ends the archive.
    pub(super) fn block(&mut self, block: &mut [u8; BLOCK]) -> io::Result<bool> {
        self.read_exact(block).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                cut_off()
            } else {
                error
            }
        })?;
        Ok(block.iter().any(|byte| *byte != 0))
    }

    /// Goes on to the end: only zeros may follow the mark, and nothing the compressed bytes. This
    /// also compares the checksum of everything.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let read = self.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            if buffer.iter().take(read).any(|byte| *byte != 0) {
                return Err(io::Error::other("there is more behind the archive's end"));
            }
        }
        if self.gzip.get_ref().is_empty() {
            Ok(())
        } else {
            Err(io::Error::other(
                "there is more behind the compressed archive",
            ))
        }
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.gzip.read(buffer)?;
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(bytes) else {
            self.exhausted = true;
            return Err(io::Error::other("too much to unpack"));
        };
        self.left = left;
        Ok(read)
    }
}

/// The content of one file.
pub(in crate::policy::bundle) struct Body<'b, 'a> {
    unpacked: &'b mut Unpacked<'a>,
    size: u64,
    left: u64,
}

impl<'b, 'a> Body<'b, 'a> {
    pub(super) fn new(unpacked: &'b mut Unpacked<'a>, size: u64) -> Self {
        Self {
            unpacked,
            size,
            left: size,
        }
    }

    /// Its length, in bytes.
    pub(in crate::policy::bundle) fn size(&self) -> u64 {
        self.size
    }

    /// All of it, read at once.
    pub(in crate::policy::bundle) fn bytes(&mut self) -> io::Result<Vec<u8>> {
        // The header may lie: memory is taken as the content comes.
        let mut bytes =
            Vec::with_capacity(usize::try_from(self.size.min(FIRST_BYTES)).unwrap_or(0));
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Passes over what was not read, and over what fills the last block.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink())?;
        let block = u64::try_from(BLOCK).unwrap_or(u64::MAX);
        let used = self.size.checked_rem(block).unwrap_or(0);
        if used > 0 {
            self.left = block.saturating_sub(used);
            io::copy(self, &mut io::sink())?;
        }
        Ok(())
    }
}

impl Read for Body<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let read = self.unpacked.read(buffer)?;
        if read == 0 {
            return Err(cut_off());
        }
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(bytes);
        Ok(read)
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it is cut off")
}

/// What a tar archive is made of.
const BLOCK: usize = 512;

/// Memory taken for a file before its content came.
const FIRST_BYTES: u64 = 1 << 20;
