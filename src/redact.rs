//! What must not be shown: values behind a type, headers by name, tokens in text.

pub mod credentials;
pub mod json;

use std::{borrow::Cow, fmt};

/// What stands in for a secret.
pub const MASK: &str = "****";

/// A value that is never printed. Take it out with [`Secret::expose`], where it is used.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

/// Whether the value of this header is a credential, or carries one.
pub fn is_sensitive_header(name: &str) -> bool {
    SENSITIVE_HEADERS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
        || credentials::ends_as_one(name)
}

const SENSITIVE_HEADERS: [&str; 12] = [
    "authorization",
    "cookie",
    "set-cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-forwarded-access-token",
    "x-forwarded-client-cert",
    "x-goog-iap-jwt-assertion",
    "x-xsrf-token",
];

/// The text without the JSON Web Tokens in it: error texts may quote what they failed on.
pub fn tokens(text: &str) -> Cow<'_, str> {
    // Every JOSE header starts as `{"`, which base64url writes so.
    const START: &str = "eyJ";
    if !text.contains(START) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(START) {
        out.push_str(before);
        out.push_str(MASK);
        rest = after.trim_start_matches(is_token_character);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_its_mask() {
        let secret = Secret::new("hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "**** **** Some(****)"
        );
        assert_eq!(secret.expose(), &"hunter2");
    }

    #[test]
    fn headers_with_credentials_are_known_in_any_case() {
        assert!(is_sensitive_header("Authorization"));
        assert!(is_sensitive_header("set-cookie"));
        assert!(is_sensitive_header("X-Original-Authorization"));
        assert!(is_sensitive_header("x-session-token"));
        assert!(!is_sensitive_header("x-request-id"));
        assert!(!is_sensitive_header("authorization-hint"));
    }

    #[test]
    fn tokens_are_cut_out_of_text() {
        let cases = [
            ("no token", "no token"),
            ("", ""),
            ("`eyJhbGciOi.eyJzdWIi.c2ln-_=` is bad", "`****` is bad"),
            ("Bearer eyJhbGciOi", "Bearer ****"),
            ("a eyJx b eyJy", "a **** b ****"),
        ];
        for (text, shown) in cases {
            assert_eq!(tokens(text), shown);
        }
    }
}
