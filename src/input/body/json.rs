//! Strict JSON (RFC 8259) from bytes to values.
//!
//! As the reference reads it: the last of equal keys counts, whole numbers of any size keep their
//! value, bytes and escapes that are no character become U+FFFD. `serde_json` does none of these
//! without features that would change it for the whole program. Decimals become doubles, the only
//! ones the evaluator has.
//!
//! Memory: at most about 30 bytes for a byte of JSON (`[[],[],[]]` is the worst). Depth, and the
//! length and exponent of numbers, are bounded.

use std::collections::BTreeMap;

use regorus::Value;

/// The rule of JSON that a text breaks, and the byte where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule} at byte {at}")]
pub struct InvalidJson {
    /// The rule.
    pub rule: Rule,
    /// Counted from 0.
    pub at: usize,
}

/// A rule of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// The text ends inside a value, or has none.
    #[error("unexpected end")]
    End,
    /// A byte that cannot stand where it stands; a byte order mark is one.
    #[error("unexpected byte")]
    Byte,
    /// Something follows the value.
    #[error("data after the value")]
    Trailing,
    /// Deeper than 128 levels.
    #[error("nesting deeper than {MAX_DEPTH} levels")]
    Depth,
    /// A number that the grammar does not know.
    #[error("malformed number")]
    Number,
    /// A number of more than 1024 characters, or one that no double comes near.
    #[error("number out of range")]
    Range,
    /// A control character inside a string.
    #[error("control character in a string")]
    Control,
    /// An escape that the grammar does not know.
    #[error("malformed escape")]
    Escape,
}

/// Reads one JSON text.
pub(crate) fn parse(text: &[u8]) -> Result<Value, InvalidJson> {
    parse_within(text, MAX_DEPTH)
}

/// Reads a JSON text that was written here, and may hold one that was read somewhere in it.
pub(crate) fn parse_own(text: &[u8]) -> Result<Value, InvalidJson> {
    parse_within(text, MAX_DEPTH.saturating_add(ABOVE))
}

fn parse_within(text: &[u8], depth: usize) -> Result<Value, InvalidJson> {
    let mut reader = Reader { rest: text };
    reader.document(depth).map_err(|rule| InvalidJson {
        rule,
        at: text.len().saturating_sub(reader.rest.len()),
    })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn document(&mut self, depth: usize) -> Result<Value, Rule> {
        let value = self.value(depth)?;
        self.skip_space();
        if self.rest.is_empty() {
            Ok(value)
        } else {
            Err(Rule::Trailing)
        }
    }

    /// A value with the white space before it, `depth` levels of nesting left.
    fn value(&mut self, depth: usize) -> Result<Value, Rule> {
        self.skip_space();
        match self.rest.first().ok_or(Rule::End)? {
            b'{' => self.object(depth.checked_sub(1).ok_or(Rule::Depth)?),
            b'[' => self.array(depth.checked_sub(1).ok_or(Rule::Depth)?),
            b'"' => self.string().map(Value::from),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal(b"true", Value::Bool(true)),
            b'f' => self.literal(b"false", Value::Bool(false)),
            b'n' => self.literal(b"null", Value::Null),
            _ => Err(Rule::Byte),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Rule> {
        self.expect(b'{')?;
        let mut fields = BTreeMap::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::from(fields));
        }
        loop {
            self.skip_space();
            let key = Value::from(self.string()?);
            self.skip_space();
            self.expect(b':')?;
            fields.insert(key, self.value(depth)?);
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::from(fields));
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Rule> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::from(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take(b']') {
                items.shrink_to_fit();
                return Ok(Value::from(items));
            }
            self.expect(b',')?;
        }
    }

    fn literal(&mut self, word: &[u8], value: Value) -> Result<Value, Rule> {
        self.rest = self.rest.strip_prefix(word).ok_or(Rule::Byte)?;
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Rule> {
        let start = self.rest;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        let length = start.len().saturating_sub(self.rest.len());
        let text = start.get(..length).unwrap_or_default();
        to_number(std::str::from_utf8(text).map_err(|_| Rule::Number)?)
    }

    fn digits(&mut self) -> Result<(), Rule> {
        let count = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            return Err(Rule::Number);
        }
        self.rest = self.rest.get(count..).unwrap_or_default();
        Ok(())
    }

    fn string(&mut self) -> Result<String, Rule> {
        self.expect(b'"')?;
        let mut text = String::new();
        loop {
            let plain = self
                .rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
                .ok_or_else(|| self.end())?;
            let (run, rest) = self.rest.split_at(plain);
            self.rest = rest;
            // A run ends at an ASCII byte, so no character is cut in two.
            text.push_str(&String::from_utf8_lossy(run));
            if self.take(b'"') {
                return Ok(text);
            }
            if !self.take(b'\\') {
                return Err(Rule::Control);
            }
            text.push(self.escape()?);
        }
    }

    fn end(&mut self) -> Rule {
        self.rest = &[];
        Rule::End
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, Rule> {
        let (&letter, rest) = self.rest.split_first().ok_or(Rule::End)?;
        let plain = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.rest = rest;
                return self.code_unit_escape();
            }
            _ => return Err(Rule::Escape),
        };
        self.rest = rest;
        Ok(plain)
    }

    /// `XXXX` or `XXXX\uXXXX`; a surrogate without its partner becomes U+FFFD alone.
    fn code_unit_escape(&mut self) -> Result<char, Rule> {
        let first = self.code_unit()?;
        if !is_high_surrogate(first) {
            return Ok(char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_first = self.rest;
        if let Some(rest) = self.rest.strip_prefix(b"\\u") {
            self.rest = rest;
            let second = self.code_unit()?;
            if let Some(Ok(pair)) = char::decode_utf16([first, second]).next() {
                return Ok(pair);
            }
            self.rest = after_first;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn code_unit(&mut self) -> Result<u16, Rule> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(Rule::End)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Rule::Escape);
        }
        let digits = std::str::from_utf8(digits).map_err(|_| Rule::Escape)?;
        self.rest = rest;
        u16::from_str_radix(digits, 16).map_err(|_| Rule::Escape)
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Rule> {
        if self.take(byte) {
            Ok(())
        } else if self.rest.is_empty() {
            Err(Rule::End)
        } else {
            Err(Rule::Byte)
        }
    }
}

fn is_high_surrogate(unit: u16) -> bool {
    matches!(unit, 0xd800..=0xdbff)
}

/// Converts a number of valid grammar. Its length and exponent are bounded first: a few bytes of
/// exponent can stand for more digits than there is memory.
fn to_number(text: &str) -> Result<Value, Rule> {
    if let Ok(number) = text.parse::<i64>() {
        return Ok(Value::from(number));
    }
    if text.len() > MAX_NUMBER {
        return Err(Rule::Range);
    }
    if let Some((mantissa, exponent)) = text.split_once(['e', 'E']) {
        let exponent: i32 = exponent.parse().map_err(|_| Rule::Range)?;
        if exponent.unsigned_abs() > MAX_EXPONENT {
            return Err(Rule::Range);
        }
        if is_zero(mantissa) {
            return Ok(Value::from(0_i64));
        }
    }
    let number = Value::from_numeric_string(text).map_err(|_| Rule::Range)?;
    // Too small for a double is not the same as zero.
    if number == Value::from(0_i64) && !is_zero(text.split(['e', 'E']).next().unwrap_or_default()) {
        return Err(Rule::Range);
    }
    Ok(number)
}

fn is_zero(mantissa: &str) -> bool {
    mantissa.bytes().all(|b| matches!(b, b'0' | b'.' | b'-'))
}

/// The deepest nesting of objects and arrays.
pub(super) const MAX_DEPTH: usize = 128;
/// How deep a text that was read may stand in one that is written.
const ABOVE: usize = 16;
/// The longest number in bytes.
const MAX_NUMBER: usize = 1024;
/// The largest power of ten, either way.
const MAX_EXPONENT: u32 = 1024;

#[cfg(test)]
mod tests;
