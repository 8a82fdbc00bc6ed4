//! JSON text whose strings lose their credentials while they are written, and the list of where they
//! were.

mod places;

use super::{
    MASK,
    credentials::{DEEPEST, Redactor, Taken},
};
use places::Places;

/// JSON text that is being written.
#[derive(Debug)]
pub struct Json<'r> {
    out: Vec<u8>,
    redactor: &'r Redactor,
    /// The JSON pointer of what is being written.
    path: String,
    redacted: Places,
    truncated: Places,
    /// Above zero, every scalar is a credential.
    hiding: u32,
    taken: Taken,
    /// Nothing more is written when there is more than this.
    most: usize,
}

impl<'r> Json<'r> {
    /// Nothing yet, with room for `capacity` bytes.
    pub fn new(redactor: &'r Redactor, capacity: usize) -> Self {
        Self {
            out: Vec::with_capacity(capacity),
            redactor,
            path: String::with_capacity(128),
            redacted: Places::default(),
            truncated: Places::default(),
            hiding: 0,
            taken: Taken::default(),
            most: usize::MAX,
        }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// What has been written so far.
    pub fn written(&self) -> &[u8] {
        &self.out
    }

    /// Takes back what has been written since there were `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.out.truncate(length);
    }

    /// What takes the credentials out.
    pub fn redactor(&self) -> &'r Redactor {
        self.redactor
    }

    /// JSON pointers of what was taken out, or of what that is a part of.
    pub fn redacted(&self) -> &[Box<str>] {
        self.redacted.list()
    }

    /// The same, handed over.
    pub fn take_redacted(&mut self) -> Vec<Box<str>> {
        self.redacted.take()
    }

    /// JSON pointers of what was too long, handed over.
    pub fn take_truncated(&mut self) -> Vec<Box<str>> {
        self.truncated.take()
    }

    /// Notes that something was taken out of what is being written.
    pub fn note(&mut self) {
        self.redacted.note(&self.path);
    }

    /// What `write` writes, unless that is longer than `most` bytes.
    pub fn bounded(&mut self, most: usize, write: impl FnOnce(&mut Self)) {
        let (start, outer) = (self.out.len(), self.most);
        self.most = outer.min(start.saturating_add(most));
        write(self);
        let is_full = self.is_full();
        self.most = outer;
        if is_full {
            self.out.truncate(start);
            self.cut();
        }
    }

    /// In the place of what is too long.
    pub fn cut(&mut self) {
        self.cut_as(TOO_LONG);
    }

    /// The same, shown as `shown`.
    pub fn cut_as(&mut self, shown: &str) {
        self.truncated.note(&self.path);
        self.string(shown);
    }

    fn is_full(&self) -> bool {
        self.out.len() > self.most
    }

    /// An object with what `write` puts into it.
    pub fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.raw("{");
        write(self);
        self.raw("}");
    }

    /// A list with what `write` puts into it.
    pub fn list(&mut self, write: impl FnOnce(&mut Self)) {
        self.raw("[");
        write(self);
        self.raw("]");
    }

    /// A field of the object that is being written; `write` writes its value. Keys come from outside.
    pub fn field(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        if self.is_full() {
            return;
        }
        let shown = self.redactor.text_at(key, &mut self.taken, DEEPEST);
        if shown.is_none() {
            return self.field_as_is(key, write);
        }
        // Hashed whole: what stands for several of them would make different keys equal.
        let key = self.redactor.hash(key.as_bytes());
        self.field_as_is(&key, |json| {
            json.note();
            write(json);
        });
    }

    /// A field whose key holds no credential.
    pub fn field_as_is(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        let above = self.path.len();
        self.push(key);
        self.separate();
        self.string(key);
        self.raw(":");
        write(self);
        self.path.truncate(above);
    }

    /// An item of the list that is being written, the `index`th.
    pub fn item(&mut self, index: usize, write: impl FnOnce(&mut Self)) {
        if self.is_full() {
            return;
        }
        let above = self.path.len();
        self.push(&index.to_string());
        self.separate();
        write(self);
        self.path.truncate(above);
    }

    /// What `write` writes is a credential, whatever it looks like.
    pub fn hidden(&mut self, write: impl FnOnce(&mut Self)) {
        self.hiding = self.hiding.saturating_add(1);
        write(self);
        self.hiding = self.hiding.saturating_sub(1);
    }

    /// A text from outside.
    pub fn text(&mut self, text: &str) {
        let shown = if self.hiding > 0 && !text.is_empty() {
            Some(self.redactor.credentials_at(text, &mut self.taken))
        } else {
            self.redactor.text_at(text, &mut self.taken, DEEPEST)
        };
        self.shown(text, shown);
    }

    /// The value of a header from outside.
    pub fn header(&mut self, name: &str, value: &str) {
        let shown = self.header_shown(name, value);
        self.shown(value, shown);
    }

    /// What is shown of it; `None`: all of it.
    pub fn header_shown(&mut self, name: &str, value: &str) -> Option<String> {
        self.redactor.header_at(name, value, &mut self.taken)
    }

    /// A body from outside, or what looks like one.
    pub fn body(&mut self, body: &str) {
        if self.hiding > 0 {
            self.text(body);
        } else {
            let shown = self.redactor.body_at(body, &mut self.taken, DEEPEST);
            self.shown(body, shown);
        }
    }

    /// `text`, or what is shown in its place.
    pub fn shown(&mut self, text: &str, shown: Option<String>) {
        match shown {
            Some(shown) => {
                self.note();
                self.string(&shown);
            }
            None => self.string(text),
        }
    }

    /// A string as it is.
    pub fn string(&mut self, text: &str) {
        if self.is_full() {
            return;
        }
        // Writing to memory does not fail, and a string is always JSON.
        let written = serde_json::to_writer(&mut self.out, text);
        drop(written);
    }

    /// JSON text as it is.
    pub fn raw(&mut self, json: &str) {
        if !self.is_full() {
            self.out.extend_from_slice(json.as_bytes());
        }
    }

    /// A number, `true`, `false` or `null`.
    pub fn scalar(&mut self, json: &str) {
        if self.hiding > 0 && json != "null" {
            self.text(json);
        } else {
            self.raw(json);
        }
    }

    /// A field whose value is a text from outside, unless that is empty.
    pub fn text_field(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.field(key, |json| json.text(text));
        }
    }

    /// A field with a string as it is.
    pub fn string_field(&mut self, key: &str, text: &str) {
        self.field(key, |json| json.string(text));
    }

    /// A field whose value is JSON text.
    pub fn raw_field(&mut self, key: &str, value: &str) {
        self.field(key, |json| json.raw(value));
    }

    /// A field with a number.
    pub fn number_field(&mut self, key: &str, number: impl Into<i64>) {
        self.field(key, |json| {
            // As with strings.
            let written = serde_json::to_writer(&mut json.out, &number.into());
            drop(written);
        });
    }

    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[')) {
            self.raw(",");
        }
    }

    fn push(&mut self, key: &str) {
        self.path.push('/');
        if memchr::memchr2(b'~', b'/', key.as_bytes()).is_some() {
            self.path
                .push_str(&key.replace('~', "~0").replace('/', "~1"));
        } else {
            self.path.push_str(key);
        }
    }
}

/// What stands for what is too long.
const TOO_LONG: &str = MASK;

#[cfg(test)]
mod tests;
