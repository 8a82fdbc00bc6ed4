//! JSON text whose strings lose their credentials while they are written, and the list of where they
//! were.

use super::credentials::Redactor;

/// JSON text that is being written.
#[derive(Debug)]
pub struct Json<'r> {
    out: Vec<u8>,
    redactor: &'r Redactor,
    /// The JSON pointer of what is being written.
    path: String,
    redacted: Vec<Box<str>>,
    /// Above zero, every scalar is a credential.
    hiding: u32,
}

impl<'r> Json<'r> {
    /// Nothing yet, with room for `capacity` bytes.
    pub fn new(redactor: &'r Redactor, capacity: usize) -> Self {
        Self {
            out: Vec::with_capacity(capacity),
            redactor,
            path: String::with_capacity(128),
            redacted: Vec::new(),
            hiding: 0,
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

    /// JSON pointers of what was taken out.
    pub fn redacted(&self) -> &[Box<str>] {
        &self.redacted
    }

    /// The same, handed over.
    pub fn take_redacted(&mut self) -> Vec<Box<str>> {
        std::mem::take(&mut self.redacted)
    }

    /// Notes that something was taken out of what is being written.
    pub fn note(&mut self) {
        self.redacted.push(self.path.as_str().into());
    }

    /// An object with what `write` puts into it.
    pub fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        write(self);
        self.out.push(b'}');
    }

    /// A list with what `write` puts into it.
    pub fn list(&mut self, write: impl FnOnce(&mut Self)) {
        self.out.push(b'[');
        write(self);
        self.out.push(b']');
    }

    /// A field of the object that is being written; `write` writes its value.
    pub fn field(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        let above = self.path.len();
        self.push(key);
        self.separate();
        self.string(key);
        self.out.push(b':');
        write(self);
        self.path.truncate(above);
    }

    /// An item of the list that is being written, the `index`th.
    pub fn item(&mut self, index: usize, write: impl FnOnce(&mut Self)) {
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
            Some(self.redactor.credentials(text))
        } else {
            self.redactor.text(text)
        };
        self.shown(text, shown);
    }

    /// The value of a header from outside.
    pub fn header(&mut self, name: &str, value: &str) {
        let shown = self.redactor.header(name, value);
        self.shown(value, shown);
    }

    /// A body from outside, or what looks like one.
    pub fn body(&mut self, body: &str) {
        if self.hiding > 0 {
            self.text(body);
        } else {
            let shown = self.redactor.body(body);
            self.shown(body, shown);
        }
    }

    /// `text`, or what is shown in its place.
    pub fn shown(&mut self, text: &str, shown: Option<String>) {
        match shown {
            Some(shown) => {
                self.redacted.push(self.path.as_str().into());
                self.string(&shown);
            }
            None => self.string(text),
        }
    }

    /// A string as it is.
    pub fn string(&mut self, text: &str) {
        // Writing to memory does not fail, and a string is always JSON.
        let written = serde_json::to_writer(&mut self.out, text);
        drop(written);
    }

    /// JSON text as it is.
    pub fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
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
            self.out.push(b',');
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
