//! `.signatures.json` and the token in it, read strictly; nothing is believed before it is verified.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::refused::{Refused, shown};
use super::{HashAlgorithm, Key};
use crate::identity::jose::{Algorithm, Jws};

/// `.signatures.json`.
#[derive(serde::Deserialize)]
struct File {
    #[serde(default)]
    signatures: Vec<String>,
    #[serde(default)]
    plugin: Option<String>,
}

/// The token, taken apart.
pub(super) struct Token<'t> {
    jws: Jws<'t>,
    pub(super) payload: Payload,
}

/// What the token says.
#[derive(serde::Deserialize)]
pub(super) struct Payload {
    files: Vec<Object<Entry>>,
    /// Deprecated: `kid` of the header goes before it.
    #[serde(default)]
    keyid: Option<String>,
    #[serde(default)]
    pub(super) scope: String,
}

#[derive(serde::Deserialize)]
struct Entry {
    name: String,
    hash: String,
    algorithm: String,
}

/// What JSON must have as an object: serde takes a list of the fields' values as well.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }
        source.deserialize_map(Fields(PhantomData))
    }
}

/// The hash that a file must have.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) algorithm: HashAlgorithm,
    pub(super) hash: Vec<u8>,
}

impl<'t> Token<'t> {
    /// The one token of the file.
    pub(super) fn of_file(text: &[u8]) -> Result<String, Refused> {
        if text.len() > MAX_BYTES {
            return Err(Refused::TooLong(text.len()));
        }
        let Object(file): Object<File> = serde_json::from_slice(text).map_err(Refused::File)?;
        // OPA writes `_default` when it builds.
        if let Some(other) = file
            .plugin
            .filter(|plugin| !matches!(plugin.as_str(), "" | "_default"))
        {
            return Err(Refused::Plugin(shown(&other)));
        }
        let count = file.signatures.len();
        let only = <[String; 1]>::try_from(file.signatures);
        only.map(|[token]| token).map_err(|_| Refused::Count(count))
    }

    pub(super) fn parse(text: &'t str) -> Result<Self, Refused> {
        let jws = Jws::parse(text)?;
        // RFC 7515, section 4.1.11: what must be understood and is not, is refused.
        for name in ["crit", "b64"] {
            if jws.header.contains_key(name) {
                return Err(Refused::Unsupported(name));
            }
        }
        let payload = serde_json::from_slice(&jws.payload);
        let Object(payload) = payload.map_err(Refused::Payload)?;
        Ok(Self { jws, payload })
    }

    /// The key that the token names.
    pub(super) fn key_id(&self) -> Result<Option<&String>, Refused> {
        let header = match self.jws.header.get("kid") {
            None => None,
            Some(serde_json::Value::String(kid)) => Some(kid),
            Some(_) => return Err(Refused::Header("kid")),
        };
        let named = header.filter(|id| !id.is_empty());
        Ok(named.or_else(|| self.payload.keyid.as_ref().filter(|id| !id.is_empty())))
    }

    /// Verifies the signature with the key's algorithm, which the header has to name as well.
    pub(super) fn verify(&self, id: &str, key: &Key) -> Result<(), Refused> {
        let header = self.jws.header.get("alg").and_then(|name| name.as_str());
        let name = header.ok_or(Refused::Header("alg"))?;
        let algorithm = key.algorithm();
        if Algorithm::parse(name) != Some(algorithm) {
            return Err(Refused::Algorithm {
                key: shown(id),
                expected: algorithm.as_str(),
                found: shown(name),
            });
        }
        let jws = &self.jws;
        if key
            .verifying()
            .verify(algorithm, jws.signing_input, &jws.signature)
        {
            Ok(())
        } else {
            Err(Refused::Signature(shown(id)))
        }
    }
}

impl Payload {
    /// The files by their paths below the bundle's root.
    pub(super) fn listed(self) -> Result<BTreeMap<String, Listed>, Refused> {
        let mut listed = BTreeMap::new();
        for Object(entry) in self.files {
            let Entry {
                name,
                hash,
                algorithm,
            } = entry;
            // `opa sign` of an archive keeps the `./` that tar writes.
            let path = name.strip_prefix("./").unwrap_or(&name);
            let path = path.strip_prefix('/').unwrap_or(path).to_owned();
            let Some(algorithm) = HashAlgorithm::parse(&algorithm) else {
                return Err(Refused::HashAlgorithm {
                    name: shown(&name),
                    algorithm: shown(&algorithm),
                });
            };
            let hash = from_hex(&hash)
                .filter(|hash| hash.len() == algorithm.bytes())
                .ok_or_else(|| Refused::Hash(shown(&name)))?;
            if listed.insert(path, Listed { algorithm, hash }).is_some() {
                return Err(Refused::Twice(shown(&name)));
            }
        }
        Ok(listed)
    }
}

/// The bytes of hexadecimal digits, of either case.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |character: &u8| {
        char::from(*character)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some((digit(high)? << 4) | digit(low)?),
            _ => None,
        })
        .collect()
}

/// The longest `.signatures.json`: a million bytes list about four thousand files.
pub(super) const MAX_BYTES: usize = 16 << 20;
