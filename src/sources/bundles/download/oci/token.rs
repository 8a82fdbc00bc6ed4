//! The token that a registry wants to see: where it says that they are handed out, and what comes from
//! there.

use reqwest::{
    Url,
    header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;

use super::error::RegistryError;

/// `WWW-Authenticate: Bearer` of a registry.
#[derive(Debug)]
pub(super) struct Challenge {
    /// Where tokens are handed out.
    pub(super) realm: Url,
    service: Option<String>,
}

impl Challenge {
    /// Where a token for `scope` is. The scope is our own: a registry has no say in what we ask for.
    pub(super) fn url(&self, scope: &str) -> Url {
        let mut url = self.realm.clone();
        let mut query = url.query_pairs_mut();
        if let Some(service) = &self.service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", scope);
        drop(query);
        url
    }
}

/// The first challenge that a token answers.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut values = headers.get_all(WWW_AUTHENTICATE).iter();
    values.find_map(|value| {
        let challenges = http_auth::parse_challenges(value.to_str().ok()?).ok()?;
        challenges.iter().find_map(bearer)
    })
}

fn bearer(challenge: &http_auth::ChallengeRef<'_>) -> Option<Challenge> {
    let parameter = |wanted: &str| {
        let mut parameters = challenge.params.iter();
        parameters.find_map(|(name, value)| {
            name.eq_ignore_ascii_case(wanted)
                .then(|| value.to_unescaped())
        })
    };
    if !challenge.scheme.eq_ignore_ascii_case("Bearer") {
        return None;
    }
    let realm = Url::parse(&parameter("realm")?).ok()?;
    matches!(realm.scheme(), "http" | "https").then(|| Challenge {
        realm,
        service: parameter("service"),
    })
}

/// Takes the token out of the answer of `place`.
pub(super) fn read(place: &str, body: &[u8]) -> Result<HeaderValue, RegistryError> {
    let answer: Answer = serde_json::from_slice(body).map_err(|source| RegistryError::NoToken {
        place: place.to_owned(),
        source,
    })?;
    let (Answer::Token { token } | Answer::AccessToken { token }) = answer;
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| RegistryError::Token(place.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Registries call it the one or the other, some both.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Token {
        token: String,
    },
    AccessToken {
        #[serde(rename = "access_token")]
        token: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        challenge(&headers)
    }

    #[test]
    fn a_bearer_challenge_is_found_among_others() {
        let found = of(&[
            "Basic realm=\"x\"",
            "Negotiate, bearer realm=\"https://a.example/token?x=1\",service=\"r e\",scope=\"all\"",
        ])
        .unwrap();
        assert_eq!(
            found.url("repository:a:pull").as_str(),
            "https://a.example/token?x=1&service=r+e&scope=repository%3Aa%3Apull"
        );
    }

    #[test]
    fn other_challenges_are_none() {
        for value in [
            "Basic realm=\"https://a.example\"",
            "Bearer",
            "Bearer service=\"x\"",
            "Bearer realm=\"/token\"",
            "Bearer realm=\"file:///etc/passwd\"",
            "Bearer realm=\"https://a.example",
            "",
        ] {
            assert!(of(&[value]).is_none(), "{value}");
        }
        assert!(of(&[]).is_none());
    }

    #[test]
    fn a_token_goes_by_two_names_and_fits_into_a_header() {
        for body in [
            r#"{"token":"t"}"#,
            r#"{"access_token":"t","expires_in":60}"#,
            r#"{"token":"t","access_token":"u"}"#,
        ] {
            assert_eq!(read("it", body.as_bytes()).unwrap(), "Bearer t", "{body}");
        }
        for body in ["", "{}", "[]", r#"{"token":1}"#, r#"{"token":"a\r\nx: y"}"#] {
            assert!(read("it", body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_token_does_not_show() {
        let token = read("it", br#"{"token":"secret"}"#).unwrap();
        assert!(!format!("{token:?}").contains("secret"));
    }
}
