//! Bundles with many entries, as an exporter of users would write them.

use std::{fmt::Write as _, fs, io::Write as _, path::Path};

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
    generation: usize,
    /// Whether one entry of a hundred is of the generation that follows.
    patched: bool,
}

/// In the order in which they are swapped: from one to the next changes little, then everything.
pub(crate) const REVISIONS: [Revision; 4] = [
    Revision {
        generation: 0,
        patched: false,
    },
    Revision {
        generation: 0,
        patched: true,
    },
    Revision {
        generation: 2,
        patched: false,
    },
    Revision {
        generation: 2,
        patched: true,
    },
];

/// Writes the archive of every revision, and beside it how long its JSON is.
pub(crate) fn write(shape: Shape, entries: usize, folder: &Path) {
    for (at, revision) in REVISIONS.into_iter().enumerate() {
        let (bytes, json) = archive(shape, entries, revision);
        fs::write(folder.join(format!("{at}.tar.gz")), bytes).unwrap();
        fs::write(folder.join(format!("{at}.length")), json.to_string()).unwrap();
    }
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

/// A bundle of `revision`, and the length of its JSON.
fn archive(shape: Shape, entries: usize, revision: Revision) -> (Vec<u8>, usize) {
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
    (gzip.finish().unwrap(), json.len())
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
