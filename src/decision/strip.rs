//! Taking the caller's token out of a request that goes upstream (`strip_on_allow`).
//!
//! What the policy itself sets in the token's place stays: Envoy removes headers after it has set
//! others, so a header that the policy replaces is not removed as well.

use std::{collections::BTreeSet, sync::Arc};

use super::{AppendAction, Decision, Header, HeaderName, Permit};
use crate::{identity::jwt::Location, request::RequestView};

impl Decision {
    /// Takes the tokens at `locations` out of `request`, if the request goes through.
    pub fn strip(&mut self, locations: &[&Location], request: &RequestView<'_>) {
        match self {
            Self::Allow(permit) => permit.strip(locations, request),
            Self::Deny(_) => {}
        }
    }
}

impl Permit {
    fn strip(&mut self, locations: &[&Location], request: &RequestView<'_>) {
        let mut cookies: Vec<&str> = Vec::new();
        for location in locations {
            match location {
                Location::Header { name, .. } => self.strip_header(name),
                Location::Cookie(name) => cookies.push(name),
                Location::Param(name) => self.strip_parameter(name, request),
            }
        }
        if !cookies.is_empty() {
            self.strip_cookies(&cookies, request);
        }
    }

    fn strip_header(&mut self, name: &str) {
        let mut replaced = false;
        for header in self.request_headers.iter_mut().filter(|h| h.is(name)) {
            // Joined to the token, it would bring the token along.
            if !replaced {
                header.append = None;
            }
            replaced = true;
        }
        if !replaced {
            self.request_headers_to_remove.push(HeaderName(name.into()));
        }
    }

    /// All at once: what is left of them is one header.
    fn strip_cookies(&mut self, names: &[&str], request: &RequestView<'_>) {
        if self.request_headers.iter().any(|header| header.is(COOKIE)) {
            self.strip_header(COOKIE);
            return;
        }
        let cookies = request.header(COOKIE).unwrap_or_default();
        let is_other = |pair: &&str| !names.contains(&name_of(pair));
        // A second header of an HTTP/1 request is joined with `,`; any other stays in its value.
        let others = cookies.split(';').map(|cookie| {
            let kept = cookie.split(',').filter(is_other).collect::<Vec<_>>();
            kept.join(",").trim().to_owned()
        });
        let others = others.filter(|cookie| !cookie.is_empty());
        let others = others.collect::<Vec<_>>().join("; ");
        if others.is_empty() {
            self.strip_header(COOKIE);
        } else {
            self.request_headers.push(Header {
                name: HeaderName(COOKIE.into()),
                value: Arc::from(others),
                append: Some(AppendAction::OverwriteIfExistsOrAdd),
            });
        }
    }

    /// Removes the parameter in each spelling that it has in the query.
    fn strip_parameter(&mut self, name: &str, request: &RequestView<'_>) {
        let query = request.http().map_or("", |http| http.raw_query());
        let spellings: BTreeSet<&str> = query
            .split('&')
            .map(|pair| pair.split('=').next().unwrap_or_default())
            .filter(|spelled| Location::is_spelling(spelled, name))
            .collect();
        self.query_parameters_to_remove
            .extend(spellings.into_iter().map(str::to_owned));
    }
}

/// The name of `name=value`.
fn name_of(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default().trim()
}

impl Header {
    fn is(&self, name: &str) -> bool {
        self.name.as_str() == name
    }
}

const COOKIE: &str = "cookie";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Value;

    /// What is left of `decision` when the token at `location` is taken out: headers set, headers
    /// removed, parameters removed.
    fn stripped(decision: &str, location: &Location, cookie: &str, path: &str) -> [String; 3] {
        stripped_of_all(decision, &[location], cookie, path)
    }

    fn stripped_of_all(
        decision: &str,
        locations: &[&Location],
        cookie: &str,
        path: &str,
    ) -> [String; 3] {
        let headers = [("cookie", cookie), ("authorization", "Bearer x")];
        let view = RequestView::for_tests(path, &headers);
        let value = Value::from_json_str(decision).unwrap();
        let mut decision = Decision::parse(&value).unwrap();
        decision.strip(locations, &view);
        let Decision::Allow(permit) = decision else {
            panic!("an allow")
        };
        let set = permit.request_headers().iter();
        let set = set.map(|h| format!("{}: {} {:?}", h.name().as_str(), h.value(), h.append()));
        let removed = permit.request_headers_to_remove().iter();
        [
            set.collect::<Vec<_>>().join(", "),
            removed
                .map(HeaderName::as_str)
                .collect::<Vec<_>>()
                .join(", "),
            permit.query_parameters_to_remove().join(", "),
        ]
    }

    #[test]
    fn the_header_of_the_token_is_removed() {
        let [set, removed, parameters] = stripped("true", &Location::bearer(), "", "/");
        assert_eq!((&*set, &*removed, &*parameters), ("", "authorization", ""));
    }

    #[test]
    fn what_the_policy_puts_in_its_place_stays_and_does_not_bring_it_along() {
        for value in [
            r#""mine""#,
            r#"{"value": "mine", "append_action": "APPEND_IF_EXISTS_OR_ADD"}"#,
        ] {
            let decision =
                format!(r#"{{"allowed": true, "headers": {{"Authorization": {value}}}}}"#);
            let [set, removed, _] = stripped(&decision, &Location::bearer(), "", "/");
            assert_eq!((&*set, &*removed), ("authorization: mine None", ""));
        }
    }

    #[test]
    fn the_cookie_of_the_token_is_cut_out_of_the_others() {
        let location = Location::Cookie("session".into());
        for (cookie, set, removed) in [
            ("a=1; session=x; b=2", "cookie: a=1; b=2", ""),
            ("session=x; session=y;a=1", "cookie: a=1", ""),
            ("sessions=1; session=x", "cookie: sessions=1", ""),
            (
                "a=\"1, 2\"; session=x; b=3,4",
                "cookie: a=\"1, 2\"; b=3,4",
                "",
            ),
            ("a=1,session=x; b=2", "cookie: a=1; b=2", ""),
            ("session=x,b=2", "cookie: b=2", ""),
            ("session=x", "", "cookie"),
        ] {
            let [was_set, was_removed, _] = stripped("true", &location, cookie, "/");
            assert_eq!(was_removed, removed, "{cookie}");
            assert!(
                was_set.starts_with(set) && was_set.is_empty() == set.is_empty(),
                "{was_set}"
            );
            assert!(!was_set.contains("session="), "{was_set}");
        }
    }

    #[test]
    fn the_tokens_of_two_cookies_are_both_cut_out() {
        let [one, other] = ["one", "other"].map(|name| Location::Cookie(name.into()));
        for (decision, cookie, set, removed) in [
            ("true", "a=1; one=x; other=y", "cookie: a=1 Some(", ""),
            ("true", "one=x; other=y", "", "cookie"),
            (
                r#"{"allowed": true, "headers": {"cookie": "mine"}}"#,
                "a=1; one=x; other=y",
                "cookie: mine None",
                "",
            ),
        ] {
            let [was_set, was_removed, _] = stripped_of_all(decision, &[&one, &other], cookie, "/");
            assert!(was_set.starts_with(set), "{cookie}: {was_set}");
            assert!(
                !was_set.contains("=x") && !was_set.contains("=y"),
                "{cookie}: {was_set}"
            );
            assert_eq!(was_removed, removed, "{cookie}");
        }
    }

    #[test]
    fn the_parameter_of_the_token_is_removed_in_every_spelling() {
        let location = Location::Param("access_token".into());
        let path = "/x?access_token=1&a=2&access%5Ftoken=3&access_token=4#access_token";
        let [_, _, removed] = stripped("true", &location, "", path);
        assert_eq!(removed, "access%5Ftoken, access_token");
        let [_, _, none] = stripped("true", &location, "", "/access_token?b=access_token");
        assert_eq!(none, "");
    }
}
