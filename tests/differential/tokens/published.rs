//! Policies in the forms that tutorials and the reference's documentation have.

use serde_json::json;

use super::{Keys, case, claims, set};
use crate::generate::Case;

/// Each policy, asked about every token.
pub(crate) fn published(keys: &Keys) -> Vec<Case> {
    let jwks = set(&[keys.public("rsa", &json!({"kid": "k1", "use": "sig", "alg": "RS256"}))]);
    let mut inputs = Vec::new();
    let premium = keys.token(&json!({"alg": "RS256", "kid": "k1"}), &claims(), "rsa");
    let mut basic = claims();
    basic["tier"] = json!("basic");
    let basic = keys.token(&json!({"alg": "RS256", "kid": "k1"}), &basic, "rsa");
    let forged = keys.token(
        &json!({"alg": "RS256", "kid": "k1"}),
        &claims(),
        "other_rsa",
    );
    for authorization in [
        format!("Bearer {premium}"),
        format!("Bearer {basic}"),
        format!("Bearer {forged}"),
        "Bearer x.y.z".to_owned(),
        "Bearer".to_owned(),
        premium.clone(),
        format!("Basic {premium}"),
    ] {
        inputs.push(json!({"jwks": jwks, "attributes": {"request": {"http": {"method": "GET", "headers": {"authorization": authorization}}}}}));
    }
    inputs.push(json!({"jwks": jwks, "attributes": {"request": {"http": {"headers": {}}}}}));
    PUBLISHED.iter().map(|rules| case(rules, &inputs)).collect()
}

const PUBLISHED: &[&str] = &[
    // The Envoy tutorial's.
    r#"import input.attributes.request.http as http_request

default decision := false

decision if {
  is_token_valid
  token.payload.tier == "premium"
}

is_token_valid if {
  token.valid
  now := 1000
  token.payload.nbf <= now
  now < token.payload.exp
}

token := {"valid": valid, "payload": payload} if {
  [_, encoded] := split(http_request.headers.authorization, " ")
  [valid, _, payload] := io.jwt.decode_verify(encoded, {"cert": input.jwks, "aud": "orders", "time": 1000000000000})
}"#,
    r#"default decision := false

bearer_token := t if {
  v := input.attributes.request.http.headers.authorization
  startswith(v, "Bearer ")
  t := substring(v, count("Bearer "), -1)
}

claims := payload if {
  io.jwt.verify_rs256(bearer_token, input.jwks)
  [_, payload, _] := io.jwt.decode(bearer_token)
}

decision if claims.tier == "premium""#,
    // With the result as an argument.
    r#"default decision := false

payload := p if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.decode(token, [_, p, _])
}

decision if payload.tier == "premium""#,
    r#"default decision := "none"

decision := tier if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.decode_verify(token, {"cert": input.jwks, "aud": "orders", "time": 1000000000000}, [true, _, {"iss": _, "aud": _, "exp": _, "nbf": _, "sub": _, "tier": tier}])
}"#,
    r#"default decision := "unverified"

decision := "forged" if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.verify_rs256(token, input.jwks, false)
}

decision := "good" if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.verify_rs256(token, input.jwks, valid)
  valid
}"#,
    r#"default decision := "unverified"

decision := "not good" if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  not io.jwt.verify_rs256(token, input.jwks, true)
}"#,
    r#"default decision := "not denied"

decision := "denied" if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  not io.jwt.verify_rs256(token, input.jwks)
}"#,
    // In a comprehension, in `every`, under `with`, over two lines and behind an alias.
    r#"decision := [payload.tier |
  some word in split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.decode(word, [
    _,
    payload, # the claims, of course
    _,
  ])
]"#,
    r#"default decision := false

decision if {
  tokens := [w | some w in split(input.attributes.request.http.headers.authorization, " "); contains(w, ".")]
  count(tokens) > 0
  every token in tokens {
    io.jwt.decode(token, [_, {"iss": _, "aud": _, "exp": _, "nbf": _, "sub": _, "tier": "premium"}, _])
  }
}"#,
    r#"default decision := false

decision if {
  io.jwt.decode(input.token, [_, payload, _]) with input.token as split(input.attributes.request.http.headers.authorization, " ")[1]
  payload.tier == "premium"
}"#,
    r#"default decision := false

decision if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.decode((token), ([_, payload, _])); payload.tier == "premium"
}"#,
    r#"decision contains problem if {
  not valid
  problem := "the token is not valid"
}

valid if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  constraints := {"cert": input.jwks, "iss": "https://issuer.example", "aud": "orders", "time": 1000000000000}
  io.jwt.decode_verify(token, constraints, [verified, header, payload])
  verified
  header.alg == "RS256"
  payload.sub == "alice"
}"#,
];
