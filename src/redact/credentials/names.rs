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

    /// Whether `name` is one of them.
    pub(super) fn contain(&self, name: &str) -> bool {
        Plain::of(name).is_some_and(|plain| {
            let found = self
                .0
                .binary_search_by(|known| (**known).cmp(plain.bytes()));
            found.is_ok()
        })
    }
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

/// Parameters and fields that are credentials by themselves.
const KNOWN: [&str; 43] = [
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "bearer_token",
    "session_token",
    "security_token",
    "csrf_token",
    "token",
    "jwt",
    "api_key",
    "api_token",
    "api_secret",
    "client_secret",
    "client_assertion",
    "assertion",
    "saml_response",
    "saml_request",
    "code",
    "code_verifier",
    "device_code",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "secret_key",
    "private_key",
    "credential",
    "credentials",
    "session_id",
    "signature",
    "sig",
    "otp",
    "x-amz-signature",
    "x-amz-credential",
    "x-goog-signature",
    "x-goog-credential",
    "x-ms-signature",
    "tls_client_key",
    "x-vault-token",
    "x-access-token",
    "x-id-token",
];
