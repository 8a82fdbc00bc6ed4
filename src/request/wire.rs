//! The protobuf wire format, read in place: a cursor over the fields of one message.
//!
//! Promises that no input makes it panic, loop or read outside its slice. It accepts what prost
//! accepts, except groups: no message of the `ext_authz` API has one, so they are refused even in
//! unknown fields.

/// The rule of the wire format that some bytes break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("the bytes end inside a field")]
    Truncated,
    /// A varint has more than 64 bits.
    #[error("a varint has more than 64 bits")]
    VarintOverflow,
    /// A field number is 0 or does not fit.
    #[error("a field number is out of range")]
    FieldNumber,
    /// Wire type 3, 4, 6 or 7: a group or nothing at all.
    #[error("a field has a wire type that is not in use")]
    WireType,
    /// A known field came with another wire type than its own.
    #[error("a field has the wrong wire type")]
    Mismatch,
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// A field that may stand once in its message came again.
    #[error("a field came twice")]
    Repeated,
}

/// The content of one field, still undecoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64([u8; 8]),
    /// Wire type 2: a string, bytes or an embedded message.
    Delimited(&'a [u8]),
    /// Wire type 5: no field we read has it.
    Fixed32,
}

impl<'a> Field<'a> {
    /// The bytes of a `bytes` field or an embedded message.
    pub(crate) fn bytes(self) -> Result<&'a [u8], WireError> {
        match self {
            Self::Delimited(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32 => Err(WireError::Mismatch),
        }
    }

    /// The text of a `string` field.
    pub(crate) fn text(self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Utf8)
    }

    /// The number of an integer, `bool` or enum field.
    pub(crate) fn varint(self) -> Result<u64, WireError> {
        match self {
            Self::Varint(number) => Ok(number),
            Self::Delimited(_) | Self::Fixed64(_) | Self::Fixed32 => Err(WireError::Mismatch),
        }
    }

    /// The number of an `int64` field.
    pub(crate) fn int64(self) -> Result<i64, WireError> {
        self.varint().map(u64::cast_signed)
    }

    /// The number of an `int32` or enum field: the low 32 bits, as protobuf reads them.
    pub(crate) fn int32(self) -> Result<i32, WireError> {
        self.uint32().map(u32::cast_signed)
    }

    /// The number of a `uint32` field: the low 32 bits, as protobuf reads them.
    pub(crate) fn uint32(self) -> Result<u32, WireError> {
        let [a, b, c, d, ..] = self.varint()?.to_le_bytes();
        Ok(u32::from_le_bytes([a, b, c, d]))
    }

    /// The number of a `double` field.
    pub(crate) fn double(self) -> Result<f64, WireError> {
        match self {
            Self::Fixed64(bytes) => Ok(f64::from_le_bytes(bytes)),
            Self::Varint(_) | Self::Delimited(_) | Self::Fixed32 => Err(WireError::Mismatch),
        }
    }
}

/// Reads the fields of one message in the order in which they stand.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning of a message.
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field with its number, `None` at the end of the message.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = u32::try_from(self.varint()?).map_err(|_| WireError::FieldNumber)?;
        let number = key >> 3;
        if number == 0 {
            return Err(WireError::FieldNumber);
        }
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.array()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
                Field::Delimited(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Field::Fixed32
            }
            _ => return Err(WireError::WireType),
        };
        Ok(Some((number, field)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        let (&first, rest) = self.rest.split_first().ok_or(WireError::Truncated)?;
        if first < 0x80 {
            self.rest = rest;
            return Ok(u64::from(first));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(WireError::Truncated)?;
            self.rest = rest;
            // The tenth byte has room for the 64th bit alone.
            if shift == 63 && byte > 1 {
                return Err(WireError::VarintOverflow);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(WireError::VarintOverflow)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

/// Reads one entry of a `map<string, string>`.
#[inline]
pub(crate) fn text_entry(entry: &[u8]) -> Result<(&str, &str), WireError> {
    let (mut key, mut value) = ("", "");
    let mut cursor = Cursor::new(entry);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Reads one entry of a `map<string, message>`, the message still undecoded.
///
/// Two values in one entry would have to be merged; nothing writes that, so it is refused.
pub(crate) fn message_entry(entry: &[u8]) -> Result<(&str, &[u8]), WireError> {
    let (mut key, mut value) = ("", None);
    let mut cursor = Cursor::new(entry);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => key = field.text()?,
            2 if value.is_some() => return Err(WireError::Repeated),
            2 => value = Some(field.bytes()?),
            _ => {}
        }
    }
    Ok((key, value.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, Field<'_>)>, WireError> {
        let mut cursor = Cursor::new(bytes);
        let mut fields = Vec::new();
        while let Some(field) = cursor.next()? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn fields_of_every_wire_type_are_read() {
        let bytes = [
            0x08, 0x96, 0x01, // 1: varint 150
            0x12, 0x02, b'h', b'i', // 2: "hi"
            0x1d, 1, 2, 3, 4, // 3: fixed32
            0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, // 4: 1.0
        ];
        let fields = read(&bytes).unwrap();
        assert_eq!(fields[0], (1, Field::Varint(150)));
        assert_eq!(fields[1].1.text(), Ok("hi"));
        assert_eq!(fields[2], (3, Field::Fixed32));
        assert_eq!(fields[3].1.double(), Ok(1.0));
    }

    #[test]
    fn every_broken_rule_is_named() {
        use WireError as E;
        let overlong = [
            0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
        ];
        let huge = [
            0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
        ];
        for (bytes, rule) in [
            (&[0x08][..], E::Truncated),
            (&[0x08, 0x80], E::Truncated),
            (&[0x0a, 0x05, b'a'], E::Truncated),
            (&[0x0d, 1, 2, 3], E::Truncated),
            (&[0x09, 1, 2, 3, 4, 5, 6, 7], E::Truncated),
            (&overlong, E::VarintOverflow),
            (&huge, E::Truncated),
            (&[0x00, 0x00], E::FieldNumber),
            (&[0x80, 0x80, 0x80, 0x80, 0x10, 0x00], E::FieldNumber),
            (&[0x0b, 0x0c], E::WireType),
            (&[0x0c], E::WireType),
            (&[0x0e], E::WireType),
            (&[0x0f], E::WireType),
        ] {
            assert_eq!(read(bytes), Err(rule), "{bytes:x?}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_wire_type_is_refused() {
        assert_eq!(Field::Varint(1).text(), Err(WireError::Mismatch));
        assert_eq!(Field::Delimited(b"").varint(), Err(WireError::Mismatch));
        assert_eq!(Field::Delimited(b"").double(), Err(WireError::Mismatch));
        assert_eq!(Field::Fixed32.bytes(), Err(WireError::Mismatch));
        assert_eq!(Field::Delimited(b"\xff").text(), Err(WireError::Utf8));
    }

    #[test]
    fn narrow_integers_keep_the_low_bits() {
        assert_eq!(Field::Varint(u64::MAX).int32(), Ok(-1));
        assert_eq!(Field::Varint(u64::MAX).int64(), Ok(-1));
        assert_eq!(Field::Varint(0x1_0000_0002).uint32(), Ok(2));
    }

    #[test]
    fn entries_read_the_last_scalar_and_refuse_a_second_message() {
        let entry = b"\x0a\x01a\x12\x01b\x12\x01c\x1a\x01z";
        assert_eq!(text_entry(entry), Ok(("a", "c")));
        assert_eq!(text_entry(b""), Ok(("", "")));
        assert_eq!(message_entry(entry), Err(WireError::Repeated));
        assert_eq!(message_entry(b"\x0a\x01a"), Ok(("a", &b""[..])));
    }
}
