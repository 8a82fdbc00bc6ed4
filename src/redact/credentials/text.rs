//! Credentials within a text: parameters, JSON Web Tokens, users in URLs, and all of them once more
//! where they are written with percent signs.
//!
//! Every pass reads its text once, however it is made.

use memchr::memmem;

use super::{Redactor, Taken, decoded, names::is_parameter};
use crate::redact::is_token_character;

impl Redactor {
    /// A text without credentials, looked into as deep as `depth` says where it is encoded.
    pub(in crate::redact) fn text_at(
        &self,
        text: &str,
        taken: &mut Taken,
        depth: u8,
    ) -> Option<String> {
        // Most texts hold neither a parameter nor the beginning of a token nor a user.
        let bytes = text.as_bytes();
        let encoded = memchr::memchr(b'%', bytes).is_some();
        if self.off || !(encoded || memchr::memchr3(b'=', b'J', b'@', bytes).is_some()) {
            return None;
        }
        let mut shown = self.without_parameters(text, taken);
        for without in [Self::without_tokens, Self::without_users] {
            let left = shown.as_deref().unwrap_or(text);
            if let Some(less) = without(self, left, taken) {
                shown = Some(less);
            }
        }
        if encoded && depth > 0 {
            let left = shown.as_deref().unwrap_or(text);
            if let Some(less) = self.without_encoded(left, taken, depth) {
                shown = Some(less);
            }
        }
        shown
    }

    /// `name=value` with the value replaced, where the name is that of a credential.
    fn without_parameters(&self, text: &str, taken: &mut Taken) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        // From here on `rest` has not been looked at; `kept` is what is before it and not written.
        let mut kept = text;
        while let Some((before, after)) = rest.split_once('=') {
            rest = after;
            if !self.is_led_by_a_name(before) {
                continue;
            }
            let value = after.split(ends_a_value).next().unwrap_or_default();
            if value.is_empty() {
                continue;
            }
            let (head, _) = kept.split_at(kept.len().saturating_sub(after.len()));
            out.push_str(head);
            rest = self.take(taken, &mut out, after, value.len());
            kept = rest;
        }
        (!out.is_empty()).then(|| out + kept)
    }

    /// Whether what stands before a `=` ends with the name of a credential.
    pub(super) fn is_led_by_a_name(&self, before: &str) -> bool {
        let name = before.rsplit(ends_a_name).next().unwrap_or_default();
        if name.is_empty() {
            return false;
        }
        let decoded = decoded(name);
        self.names.contain(&decoded)
            || (is_parameter(&decoded) && {
                let lead = before.strip_suffix(name).unwrap_or_default();
                lead.is_empty() || lead.ends_with(['?', '&', '#', ';', '\n'])
            })
    }

    /// Hashes in the place of JSON Web Tokens.
    fn without_tokens(&self, text: &str, taken: &mut Taken) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        let mut kept = text;
        while let Some(at) = memmem::find(rest.as_bytes(), START.as_bytes()) {
            let (_, token) = rest.split_at(at);
            rest = token.trim_start_matches(is_token_character);
            let length = token.len().saturating_sub(rest.len());
            let (run, _) = token.split_at(length);
            if length < SHORTEST_TOKEN || !run.contains('.') {
                continue;
            }
            let (head, _) = kept.split_at(kept.len().saturating_sub(token.len()));
            out.push_str(head);
            rest = self.take(taken, &mut out, token, length);
            kept = rest;
        }
        (!out.is_empty()).then(|| out + kept)
    }

    /// A hash in the place of what stands before the `@` of a URL.
    fn without_users(&self, text: &str, taken: &mut Taken) -> Option<String> {
        memchr::memchr(b'@', text.as_bytes())?;
        let mut out = String::new();
        let mut rest = text;
        let mut kept = text;
        while let Some((_, after)) = rest.split_once("//") {
            rest = after;
            let authority = after.split(ends_an_authority).next().unwrap_or_default();
            let Some((user, _)) = authority.rsplit_once('@') else {
                continue;
            };
            let (head, _) = kept.split_at(kept.len().saturating_sub(after.len()));
            out.push_str(head);
            rest = self.take(taken, &mut out, after, user.len());
            kept = rest;
        }
        (!out.is_empty()).then(|| out + kept)
    }

    /// A hash in the place of each word that holds a credential when it is decoded: a URL within a URL.
    fn without_encoded(&self, text: &str, taken: &mut Taken, depth: u8) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut changed = false;
        for piece in text.split_inclusive(ends_a_word) {
            let word = piece.strip_suffix(ends_a_word).unwrap_or(piece);
            if word.contains('%') && self.hides_encoded(word, depth) {
                changed = true;
                out.push_str(&self.replace(taken, word));
                out.push_str(piece.strip_prefix(word).unwrap_or_default());
            } else {
                out.push_str(piece);
            }
        }
        changed.then_some(out)
    }

    fn hides_encoded(&self, word: &str, depth: u8) -> bool {
        let decoded = decoded(word);
        let deeper = depth.saturating_sub(1);
        decoded != word
            && self
                .any_at(&decoded, &mut Taken::nothing(), deeper)
                .is_some()
    }
}

fn ends_a_name(c: char) -> bool {
    !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '%' | '~' | '[' | ']'))
}

fn ends_a_value(c: char) -> bool {
    c == '&' || c == '#' || c.is_whitespace()
}

fn ends_an_authority(c: char) -> bool {
    matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>') || c.is_whitespace()
}

fn ends_a_word(c: char) -> bool {
    ends_an_authority(c) || matches!(c, '=' | '&' | ';' | ',')
}

/// Every JOSE header starts as `{"`, which base64url writes so.
const START: &str = "eyJ";
/// In bytes; no header, payload and signature fit in fewer.
const SHORTEST_TOKEN: usize = 20;
