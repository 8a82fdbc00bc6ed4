//! Names that credentials stand under. `-`, `_`, `.` and the case make no difference, so that one list
//! serves headers, query parameters and the fields of bodies.

/// A set of names.
#[derive(Debug)]
pub(super) struct Names(Vec<Box<[u8]>>);

impl Names {
    /// What is known, and `more`.
    pub(super) fn with<'n>(more: impl Iterator<Item = &'n str>) -> Self {
        let known = super::super::SENSITIVE_HEADERS
            .iter()
            .chain(&KNOWN)
            .copied();
        let mut names: Vec<Box<[u8]>> = known
            .chain(more)
            .filter_map(|name| Plain::of(name).map(|plain| plain.bytes().into()))
            .collect();
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    /// Whether `name` is one of them, or a part of it is: `user[password]`.
    pub(super) fn contain(&self, name: &str) -> bool {
        parts(name).any(|part| self.know(part) || ends_as_one(part))
    }

    /// The same for what stands in a query, a form or a header, where more is a credential.
    pub(super) fn contain_parameter(&self, name: &str) -> bool {
        self.contain(name) || is_parameter(name)
    }

    fn know(&self, name: &str) -> bool {
        Plain::of(name).is_some_and(|plain| {
            let found = self
                .0
                .binary_search_by(|known| (**known).cmp(plain.bytes()));
            found.is_ok()
        })
    }
}

/// Whether the name is that of a credential in queries and forms, and of something else elsewhere.
pub(super) fn is_parameter(name: &str) -> bool {
    parts(name).any(|part| {
        PARAMETERS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(part))
    })
}

/// What stands outside and inside of brackets, as frameworks write nested parameters.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(['[', ']']).filter(|part| !part.is_empty())
}

/// Whether a name says with its last word that it is one: `old_password`, `subjectToken`.
pub(in crate::redact) fn ends_as_one(name: &str) -> bool {
    let before = |last: &str| {
        let (head, tail) = name.split_at_checked(name.len().checked_sub(last.len())?)?;
        tail.eq_ignore_ascii_case(last).then_some((head, tail))
    };
    ENDS.iter().any(|last| before(last).is_some())
        || LAST_WORDS.iter().any(|last| {
            before(last).is_some_and(|(head, tail)| match head.bytes().last() {
                Some(b'-' | b'_' | b'.') => true,
                Some(b'a'..=b'z' | b'0'..=b'9') => tail.starts_with(|c: char| c.is_uppercase()),
                Some(_) | None => false,
            })
        })
}

/// A name without what makes no difference.
struct Plain {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Plain {
    fn of(name: &str) -> Option<Self> {
        let mut plain = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        for byte in name.bytes() {
            if matches!(byte, b'-' | b'_' | b'.') {
                continue;
            }
            // A name that does not fit is none that is known.
            *plain.bytes.get_mut(plain.length)? = byte.to_ascii_lowercase();
            plain.length = plain.length.saturating_add(1);
        }
        Some(plain)
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Of a name, in bytes.
const LONGEST: usize = 128;

/// What names of credentials end with.
const ENDS: [&str; 3] = ["password", "passwd", "passphrase"];

/// The same, as a word of its own.
const LAST_WORDS: [&str; 3] = ["token", "secret", "authorization"];

/// Credentials in queries and forms. In JSON `code` is what went wrong, and a `signature` is checked
/// by who has the key.
const PARAMETERS: [&str; 2] = ["code", "signature"];

/// Parameters and fields that are credentials by themselves.
const KNOWN: [&str; 46] = [
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "bearer_token",
    "session_token",
    "security_token",
    "csrf_token",
    "token",
    "x-token",
    "jwt",
    "access_key",
    "api_key",
    "api_token",
    "api_secret",
    "client_secret",
    "client_assertion",
    "assertion",
    "saml_response",
    "saml_request",
    "code_verifier",
    "device_code",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "secret_key",
    "secret_access_key",
    "private_key",
    "credential",
    "credentials",
    "session_id",
    "jsessionid",
    "phpsessid",
    "sig",
    "otp",
    "ticket",
    "x-amz-signature",
    "x-amz-credential",
    "x-goog-signature",
    "x-goog-credential",
    "x-ms-signature",
    "tls_client_key",
    "x-vault-token",
    "x-id-token",
];
