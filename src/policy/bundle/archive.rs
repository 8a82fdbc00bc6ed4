//! The archive of a bundle: goes through its files one after the other, in bounded memory.
//!
//! Reads exactly what `opa build` and the usual `tar`s write, and refuses what two readers could
//! understand differently: links, devices, sparse files, headers that rename or resize in more than
//! one way, one name twice, anything behind the end. No name ever touches a file system.

mod extension;
mod unpacked;

use std::collections::BTreeSet;
use std::io::Read;

use tar::{EntryType, Header};

use super::limits::Limits;
use crate::policy::diagnostic::Diagnostic;
use extension::Extensions;
pub(super) use unpacked::Body;
use unpacked::Unpacked;

/// Takes one file: its path below the bundle's root, without a leading slash, and its content, of
/// which as much is read as is wanted.
pub(super) type Take<'t> = dyn FnMut(&str, &mut Body<'_, '_>) -> Result<(), Diagnostic> + 't;

/// Hands every file of the archive of `bundle` to `take`, in the archive's order.
pub(super) fn each_file(
    bundle: &str,
    archive: &[u8],
    limits: &Limits,
    take: &mut Take<'_>,
) -> Result<(), Diagnostic> {
    if u64::try_from(archive.len()).is_ok_and(|length| length > limits.archive_bytes) {
        let rule = format!(
            "a bundle's archive is at most {} bytes",
            limits.archive_bytes
        );
        return Err(Diagnostic::of_file(bundle, rule));
    }
    let mut unpacked = Unpacked::new(archive, limits.unpacked_bytes);
    let mut walk = Walk {
        bundle,
        limits,
        unpacked: &mut unpacked,
        seen: BTreeSet::new(),
        entries: 0,
    };
    let walked = walk.files(take);
    // Whatever follows from it, this is the reason.
    if unpacked.is_exhausted() {
        let rule = format!(
            "a bundle unpacks to at most {} bytes",
            limits.unpacked_bytes
        );
        return Err(Diagnostic::of_file(bundle, rule));
    }
    walked
}

/// One pass over an archive.
struct Walk<'w, 'a> {
    bundle: &'w str,
    limits: &'w Limits,
    unpacked: &'w mut Unpacked<'a>,
    seen: BTreeSet<String>,
    entries: usize,
}

impl Walk<'_, '_> {
    fn files(&mut self, take: &mut Take<'_>) -> Result<(), Diagnostic> {
        while let Some((header, extensions)) = self.next()? {
            let raw = match extensions.path {
                Some(path) => path,
                None => header.path_bytes().into_owned(),
            };
            let shown = shown(&raw);
            let refuse = |rule: String| entry_problem(self.bundle, &shown, &rule);
            let size = size_of(&header).map_err(refuse)?;
            if extensions.size.is_some_and(|other| other != size) {
                return Err(refuse("it has two different sizes".to_owned()));
            }
            if !is_file(header.entry_type(), &raw, size).map_err(refuse)? {
                continue;
            }
            let path = relative_path(&raw).map_err(|rule| refuse(rule.to_owned()))?;
            if size > self.limits.file_bytes {
                let limit = self.limits.file_bytes;
                return Err(refuse(format!("a file is at most {limit} bytes")));
            }
            if !self.seen.insert(path.clone()) {
                let problem = format!("`{path}` is in the archive twice");
                return Err(Diagnostic::of_file(self.bundle, problem));
            }
            let mut body = Body::new(self.unpacked, size);
            take(&path, &mut body)?;
            body.finish()
                .map_err(|error| unreadable(self.bundle, &error))?;
        }
        self.unpacked
            .finish()
            .map_err(|error| unreadable(self.bundle, &error))
    }

    /// The next header that is no extension, with what the extensions before it say.
    fn next(&mut self) -> Result<Option<(Header, Extensions)>, Diagnostic> {
        let mut extensions = Extensions::default();
        loop {
            let mut header = Header::new_old();
            let block = self.unpacked.block(header.as_mut_bytes());
            if !block.map_err(|error| unreadable(self.bundle, &error))? {
                return if extensions.is_empty() {
                    Ok(None)
                } else {
                    Err(unreadable(self.bundle, &"a header that belongs to no file"))
                };
            }
            self.entries = self.entries.saturating_add(1);
            if self.entries > self.limits.entries {
                let rule = format!("a bundle has at most {} entries", self.limits.entries);
                return Err(Diagnostic::of_file(self.bundle, rule));
            }
            if header.cksum().ok() != Some(checksum(&header)) {
                return Err(unreadable(self.bundle, &"a header's checksum is wrong"));
            }
            let kind = header.entry_type();
            if !extension::is_one(kind) {
                return Ok(Some((header, extensions)));
            }
            let name = shown(&header.path_bytes());
            let refuse = |rule: String| entry_problem(self.bundle, &name, &rule);
            let size = size_of(&header).map_err(refuse)?;
            if size > MAX_EXTENSION_BYTES {
                let rule = format!("a tar extension is at most {MAX_EXTENSION_BYTES} bytes");
                return Err(refuse(rule));
            }
            let mut bytes = Vec::new();
            let mut body = Body::new(self.unpacked, size);
            body.read_to_end(&mut bytes)
                .and_then(|_| body.finish())
                .map_err(|error| unreadable(self.bundle, &error))?;
            extensions.add(kind, &bytes).map_err(refuse)?;
        }
    }
}

/// Whether the entry is a file; `false` for a folder.
fn is_file(kind: EntryType, raw: &[u8], size: u64) -> Result<bool, String> {
    match kind {
        EntryType::Regular | EntryType::Continuous => Ok(true),
        EntryType::Directory => {
            let name = raw.strip_suffix(b"/").unwrap_or(raw);
            if size > 0 {
                return Err("a folder has no content".to_owned());
            }
            if !matches!(name, b"" | b"." | b"./") {
                relative_path(name)?;
            }
            Ok(false)
        }
        EntryType::Link
        | EntryType::Symlink
        | EntryType::Char
        | EntryType::Block
        | EntryType::Fifo
        | EntryType::GNULongName
        | EntryType::GNULongLink
        | EntryType::GNUSparse
        | EntryType::XGlobalHeader
        | EntryType::XHeader => Err("a bundle holds regular files and folders only".to_owned()),
        _ => Err("an unknown kind of tar entry".to_owned()),
    }
}

/// The path below the bundle's root. `opa build` writes `/a/b`, tar writes `./a/b`; both mean
/// `a/b`. Whatever else is unusual in a path is refused rather than interpreted.
pub(super) fn relative_path(raw: &[u8]) -> Result<String, &'static str> {
    let path = std::str::from_utf8(raw).map_err(|_| "a path must be UTF-8")?;
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.len() > MAX_PATH_BYTES {
        return Err("a path is at most 1024 bytes long");
    }
    let tidy = !path.is_empty()
        && !path.contains('\\')
        && !path.contains(char::is_control)
        && path
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."));
    if !tidy {
        return Err("a path must stay below the bundle's root");
    }
    Ok(path.to_owned())
}

/// The size in a header; what is no number has none.
fn size_of(header: &Header) -> Result<u64, String> {
    header
        .entry_size()
        .map_err(|error| format!("it has no readable size: {error}"))
}

/// The sum that a header's checksum must be: its own eight bytes count as spaces.
fn checksum(header: &Header) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let all = sum(header.as_bytes());
    let own = sum(&header.as_old().cksum);
    let spaces = u32::from(b' ').saturating_mul(8);
    all.saturating_sub(own).saturating_add(spaces)
}

fn shown(raw: &[u8]) -> String {
    let raw = raw.get(..MAX_SHOWN_BYTES).unwrap_or(raw);
    String::from_utf8_lossy(raw).escape_debug().to_string()
}

fn entry_problem(bundle: &str, entry: &str, rule: &str) -> Diagnostic {
    Diagnostic::of_file(bundle, format!("entry `{entry}`: {rule}"))
}

/// What cannot be read as an archive at all.
pub(super) fn unreadable(bundle: &str, error: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::of_file(bundle, format!("not a readable bundle archive: {error}"))
        .hinting("a bundle is a gzip-compressed tar archive, as `opa build` writes it")
}

/// Longest path; the names of all entries are kept until the end.
const MAX_PATH_BYTES: usize = 1024;

/// Longest name in a message.
const MAX_SHOWN_BYTES: usize = 128;

/// Largest header that says more about the file behind it.
const MAX_EXTENSION_BYTES: u64 = 64 << 10;
