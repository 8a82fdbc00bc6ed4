//! Bundles with many entries, as an exporter of users would write them.

use std::{fmt::Write as _, io::Write as _};

use flate2::{Compression, write::GzEncoder};

/// What an entry is like.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// Roles, a tier, a tenant: what many users have in common.
    Common,
    /// The same and an address that nobody else has.
    Unique,
}

/// Which revision of the data.
#[derive(Clone, Copy)]
pub(crate) struct Revision {
    /// Entries of two generations are never equal.
    pub(crate) generation: usize,
    /// Whether one entry of a hundred is of the generation that follows.
    pub(crate) patched: bool,
}

/// An archive, and how long the data in it is as JSON.
pub(crate) struct Archive {
    pub(crate) bytes: Vec<u8>,
    pub(crate) json: usize,
}

impl Shape {
    pub(crate) const ALL: [Self; 2] = [Self::Common, Self::Unique];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Unique => "unique",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|shape| shape.name() == name)
            .unwrap()
    }

    fn entry(self, text: &mut String, user: usize, generation: usize) {
        const ROLES: [&str; 8] = [
            r#""reader""#,
            r#""reader","writer""#,
            r#""auditor","reader""#,
            r#""reader","writer","admin""#,
            r#""billing","reader""#,
            r#""reader","support""#,
            r#""reader","operator""#,
            r#""operator","reader","writer""#,
        ];
        const TIERS: [&str; 3] = ["basic", "premium", "enterprise"];
        // No order in them that would help.
        let mixed = user.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let tenant = (mixed / 24 + generation) % 5_000;
        write!(
            text,
            r#"{}:{{"roles":[{}],"tier":"{}","tenant":"tenant-{tenant:04}","active":true"#,
            quoted_name(user),
            ROLES[mixed % 8],
            TIERS[mixed / 8 % 3],
        )
        .unwrap();
        if matches!(self, Self::Unique) {
            write!(text, r#","mail":"u{user}@g{generation}.example.com""#).unwrap();
        }
        text.push('}');
    }
}

/// The name of a user.
pub(crate) fn name(user: usize) -> String {
    format!("user-{user:07}")
}

fn quoted_name(user: usize) -> String {
    format!("\"{}\"", name(user))
}

/// A bundle of `revision`.
pub(crate) fn archive(shape: Shape, entries: usize, revision: Revision) -> Archive {
    let mut json = String::from(r#"{"users":{"#);
    for user in 0..entries {
        if user > 0 {
            json.push(',');
        }
        let newer = revision.patched && user % 100 == 0;
        shape.entry(&mut json, user, revision.generation + usize::from(newer));
    }
    json.push_str("}}");
    let manifest = format!(
        r#"{{"revision":"{}{}","roots":[""]}}"#,
        revision.generation,
        if revision.patched { "+" } else { "" }
    );
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in [
        (".manifest", manifest.as_str()),
        ("authz.rego", POLICY),
        ("data.json", json.as_str()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let mut gzip = tar.into_inner().unwrap();
    gzip.flush().unwrap();
    Archive {
        bytes: gzip.finish().unwrap(),
        json: json.len(),
    }
}

/// Lets users in who read.
const POLICY: &str = r#"package envoy.authz

default allow := false

allow if {
	user := data.users[input.attributes.request.http.headers["x-user"]]
	user.active
	"reader" in user.roles
}
"#;
