//! What portcullis adds to the metadata of Envoy's `jwt_authn` filter: `fields`.
//!
//! Widely published policies look for the claims at
//! `filter_metadata["envoy.filters.http.jwt_authn"].fields`. The filter itself puts them under the
//! key its `payload_in_metadata` names, usually `payload`. `fields` is that object once more; what
//! Envoy sent is neither changed nor replaced. Where Envoy sent nothing and the gate itself has verified a
//! token, as always in Istio, the claims of that stand in both places.

use super::{
    Reads,
    select::{Fields, text, union},
    token::TokenDocument,
};
use regorus::Value;

/// The metadata namespace of the filter.
pub(crate) const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

/// Extends the reads of `filterMetadata`: who reads `fields` needs `payload`.
pub(super) fn with_payload(filter_metadata: &Reads) -> Reads {
    let fields = filter_metadata.child(NAMESPACE).child(FIELDS);
    let mut payload = fields.clone();
    for key in [PAYLOAD, NAMESPACE] {
        payload = match payload {
            Reads::Nothing => Reads::Nothing,
            below @ (Reads::Keys(_) | Reads::Everything) => {
                Reads::Keys([(key.into(), below)].into())
            }
        };
    }
    union(filter_metadata, &payload).into_owned()
}

/// Adds `fields` to the filter's metadata: its `payload` when that is an object, else the claims that
/// were verified here.
pub(super) fn add_fields(metadata: &mut Fields, token: Option<&TokenDocument>) {
    let claims = match metadata.0.get(&text(PAYLOAD)) {
        Some(payload @ Value::Object(_)) => Some(payload.clone()),
        Some(_) | None => token.map(|token| token.claims.clone()),
    };
    if let Some(claims) = claims {
        metadata.0.entry(text(FIELDS)).or_insert(claims);
    }
}

/// What the filter would have sent of these claims.
pub(super) fn of_claims(claims: &Value) -> Value {
    let mut metadata = Fields::default();
    metadata.0.insert(text(PAYLOAD), claims.clone());
    metadata.0.insert(text(FIELDS), claims.clone());
    metadata.into()
}

const FIELDS: &str = "fields";
const PAYLOAD: &str = "payload";

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(entries: &[(&str, &str)]) -> Fields {
        let parse = |json| Value::from_json_str(json).unwrap();
        Fields(entries.iter().map(|(k, v)| (text(k), parse(v))).collect())
    }

    fn with_fields(entries: &[(&str, &str)]) -> String {
        let mut metadata = metadata(entries);
        add_fields(&mut metadata, None);
        Value::from(metadata).to_string()
    }

    #[test]
    fn fields_are_the_claims_of_the_payload() {
        assert_eq!(
            with_fields(&[("payload", r#"{"tier":"premium"}"#)]),
            r#"{"fields":{"tier":"premium"},"payload":{"tier":"premium"}}"#
        );
    }

    #[test]
    fn without_an_object_in_payload_there_are_no_fields() {
        for payload in ["null", r#""x""#, "[1]"] {
            let entries = [("payload", payload)];
            assert!(!with_fields(&entries).contains("fields"), "{payload}");
        }
        assert_eq!(with_fields(&[("other", "{}")]), r#"{"other":{}}"#);
    }

    #[test]
    fn what_envoy_sent_under_that_key_stays() {
        assert_eq!(
            with_fields(&[("payload", r#"{"a":1}"#), ("fields", "2")]),
            r#"{"fields":2,"payload":{"a":1}}"#
        );
    }

    #[test]
    fn reading_fields_reads_the_payload_too() {
        let mut reads = Reads::default();
        reads.add([NAMESPACE, "fields", "tier"]);
        reads.add(["other"]);
        let reads = with_payload(&reads);
        assert!(reads.child(NAMESPACE).child("payload").child("tier").any());
        assert!(!reads.child(NAMESPACE).child("payload").child("sub").any());
        assert!(reads.child("other").any());
        assert_eq!(with_payload(&Reads::Nothing), Reads::Nothing);
    }
}
