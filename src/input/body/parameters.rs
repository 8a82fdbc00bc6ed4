//! The value of `content-type` and `content-disposition`: a word and its parameters (RFC 2045).
//!
//! Strict where readers are known to differ: a repeated parameter and the extended form `name*=`
//! are refused for the parameters that are read here.

/// The rule of the parameter syntax that a header breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameters {
    /// Not `word; name=value; name="value"`.
    #[error("malformed parameters")]
    Syntax,
    /// The same parameter twice.
    #[error("a parameter stands twice")]
    Repeated,
    /// `name*=` or `name*0=`: the encodings of RFC 2231.
    #[error("an extended parameter")]
    Extended,
}

/// The word before the parameters in lower case, and the one parameter that is asked for.
pub(super) fn parameter(
    header: &str,
    wanted: &str,
) -> Result<(String, Option<String>), InvalidParameters> {
    let (word, mut rest) = header
        .find(';')
        .map_or((header, ""), |at| header.split_at(at));
    let word = word.trim().to_ascii_lowercase();
    if word.is_empty() {
        return Err(InvalidParameters::Syntax);
    }
    let mut found = None;
    while let Some(next) = rest.trim_start().strip_prefix(';') {
        let next = next.trim_start();
        if next.is_empty() {
            return Ok((word, found));
        }
        let (name, value) = next.split_once('=').ok_or(InvalidParameters::Syntax)?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(InvalidParameters::Syntax);
        }
        let (value, after) = read_value(value)?;
        rest = after;
        let name = name.to_ascii_lowercase();
        if name == wanted {
            if found.replace(value).is_some() {
                return Err(InvalidParameters::Repeated);
            }
        } else if name.split('*').next() == Some(wanted) {
            return Err(InvalidParameters::Extended);
        }
    }
    if rest.trim().is_empty() {
        Ok((word, found))
    } else {
        Err(InvalidParameters::Syntax)
    }
}

/// A token or a quoted string, and what follows it.
fn read_value(text: &str) -> Result<(String, &str), InvalidParameters> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.bytes().position(|byte| !is_token(byte));
        let (value, rest) = text
            .split_at_checked(end.unwrap_or(text.len()))
            .ok_or(InvalidParameters::Syntax)?;
        if value.is_empty() {
            return Err(InvalidParameters::Syntax);
        }
        return Ok((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut rest = quoted.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok((value, rest.as_str())),
            // Browsers of old sent file names with single backslashes, so a backslash escapes only
            // what would otherwise mean something.
            '\\' if rest.as_str().starts_with(is_special) => value.extend(rest.next()),
            '\r' | '\n' => return Err(InvalidParameters::Syntax),
            c => value.push(c),
        }
    }
    Err(InvalidParameters::Syntax)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !is_special(char::from(byte))
}

fn is_special(c: char) -> bool {
    r#"()<>@,;:\"/[]?="#.contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_parameter_is_found_in_every_form() {
        for (header, value) in [
            ("form-data; name=a", Some("a")),
            ("Form-Data; NAME=\"a b\"", Some("a b")),
            ("form-data;name=\"a;b=c\"; filename=\"x\"", Some("a;b=c")),
            ("form-data; filename=name; name=\"\"", Some("")),
            (r#"form-data; name="a\"b""#, Some("a\"b")),
            (r#"form-data; filename="C:\x\y"; name=n"#, Some("n")),
            ("form-data; filename*=UTF-8''x; name=n", Some("n")),
            ("form-data; name=a;", Some("a")),
            ("form-data", None),
            ("form-data; filename=name", None),
        ] {
            let (word, found) = parameter(header, "name").unwrap();
            assert_eq!((&*word, found.as_deref()), ("form-data", value), "{header}");
        }
    }

    #[test]
    fn what_readers_may_read_differently_is_refused() {
        use InvalidParameters as E;
        for (header, rule) in [
            ("", E::Syntax),
            ("; name=a", E::Syntax),
            ("form-data; name", E::Syntax),
            ("form-data; name=", E::Syntax),
            ("form-data; name =a", E::Syntax),
            ("form-data; name=a b", E::Syntax),
            ("form-data; name=\"a", E::Syntax),
            ("form-data; name=\"a\"b", E::Syntax),
            ("form-data; name=é", E::Syntax),
            ("form-data; name=a; name=b", E::Repeated),
            ("form-data; name=a; Name=b", E::Repeated),
            ("form-data; name*=UTF-8''a", E::Extended),
            ("form-data; name=a; name*0=b", E::Extended),
        ] {
            assert_eq!(parameter(header, "name"), Err(rule), "{header}");
        }
    }
}
