//! Headers that say more about the file behind them: long names, as GNU tar and PAX write them.
//!
//! A name may come from one of them; a size may not differ from the header's own, because readers
//! disagree on which counts. What else PAX tells (times, owners) means nothing here.

use tar::EntryType;

/// What was said about the next file.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Whether PAX records were there.
    records: bool,
}

/// Whether an entry of this kind belongs to another one, or to all.
pub(super) fn is_one(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::GNULongName
            | EntryType::GNULongLink
            | EntryType::XHeader
            | EntryType::XGlobalHeader
    )
}

impl Extensions {
    /// Whether nothing was said about the next file.
    pub(super) fn is_empty(&self) -> bool {
        self.path.is_none() && !self.records
    }

    /// Takes the content of an extension.
    pub(super) fn add(&mut self, kind: EntryType, bytes: &[u8]) -> Result<(), String> {
        if kind.is_gnu_longname() {
            return self.name(bytes.strip_suffix(&[0]).unwrap_or(bytes));
        }
        if kind.is_gnu_longlink() {
            return Err("a bundle holds regular files and folders only".to_owned());
        }
        let global = kind.is_pax_global_extensions();
        if !global && std::mem::replace(&mut self.records, true) {
            return Err("two lists of PAX records for one file".to_owned());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let record = Record::first(rest).ok_or("malformed PAX records")?;
            let Record { key, value, behind } = record;
            rest = behind;
            match key {
                "path" | "size" | "linkpath" if global => {
                    return Err(format!("`{key}` for all files at once"));
                }
                "path" => self.name(value)?,
                "size" => self.sized(std::str::from_utf8(value).ok())?,
                "linkpath" => {
                    return Err("a bundle holds regular files and folders only".to_owned());
                }
                _ if key.starts_with("GNU.sparse.") => {
                    return Err("a bundle holds no sparse files".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn name(&mut self, path: &[u8]) -> Result<(), String> {
        match self.path.replace(path.to_vec()) {
            None => Ok(()),
            Some(_) => Err("one file has two long names".to_owned()),
        }
    }

    fn sized(&mut self, text: Option<&str>) -> Result<(), String> {
        let size = text.and_then(|text| text.parse().ok());
        let size = size.ok_or("its PAX size is no number")?;
        match self.size.replace(size) {
            None => Ok(()),
            Some(_) => Err("it has two PAX sizes".to_owned()),
        }
    }
}

/// One PAX record: `12 key=value` and a line feed, the number being the length of all of it.
struct Record<'r> {
    key: &'r str,
    value: &'r [u8],
    /// What follows it.
    behind: &'r [u8],
}

impl<'r> Record<'r> {
    fn first(bytes: &'r [u8]) -> Option<Self> {
        let digits = bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let length = std::str::from_utf8(bytes.get(..digits)?).ok()?;
        let (record, behind) = bytes.split_at_checked(length.parse().ok()?)?;
        let record = record
            .get(digits..)?
            .strip_prefix(b" ")?
            .strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let (key, value) = record.split_at_checked(equals)?;
        Some(Self {
            key: std::str::from_utf8(key).ok()?,
            value: value.strip_prefix(b"=")?,
            behind,
        })
    }
}
