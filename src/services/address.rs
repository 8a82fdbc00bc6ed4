//! The addresses of a service: how a resource is joined to it, where a redirect leads, and how it is
//! shown.

use reqwest::{Url, header::HeaderMap, header::LOCATION};

use super::error::ServiceError;

/// The address of `resource`: `<url>/<resource>`, without a slash too many. A query of either is kept.
pub(super) fn join(base: &Url, resource: &str) -> Result<Url, ServiceError> {
    let invalid = || ServiceError::Resource {
        place: place(base),
        resource: before_query(resource).to_owned(),
    };
    let mut bare = base.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    let bare = bare.as_str().trim_end_matches('/');
    let joined = format!("{bare}/{}", resource.trim_matches('/'));
    let mut url = Url::parse(&joined).map_err(|_| invalid())?;
    url.set_fragment(None);
    if let Some(query) = base.query() {
        let both = match url.query() {
            Some(own) => format!("{query}&{own}"),
            None => query.to_owned(),
        };
        url.set_query(Some(&both));
    }
    if url.origin() != base.origin() || !matches!(url.scheme(), "http" | "https") {
        return Err(invalid());
    }
    Ok(url)
}

/// Where an answer with these headers from `from` says to go.
pub(crate) fn redirected(from: &Url, headers: &HeaderMap) -> Result<Url, ServiceError> {
    let invalid = |rule| ServiceError::Redirect {
        place: place(from),
        rule,
    };
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let mut to = location
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| invalid("names no address"))?;
    to.set_fragment(None);
    match (from.scheme(), to.scheme()) {
        ("https" | "http", "https") | ("http", "http") => Ok(to),
        ("https", "http") => Err(invalid("leads away from TLS")),
        _ => Err(invalid("leads away from HTTP")),
    }
}

/// A URL as people may see it: without user info, query and fragment.
pub(crate) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}"));
    let (scheme, path) = (url.scheme(), url.path());
    format!("{scheme}://{host}{}{path}", port.unwrap_or_default())
}

/// Whether this machine is meant, to which nothing goes over a proxy.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn before_query(resource: &str) -> &str {
    resource
        .split_once(['?', '#'])
        .map_or(resource, |(path, _)| path)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_resource_stands_below_its_service() {
        let cases = [
            ("http://h", "bundles/a", "http://h/bundles/a"),
            ("http://h/", "/bundles/a", "http://h/bundles/a"),
            ("http://h/v1", "a.tar.gz", "http://h/v1/a.tar.gz"),
            ("http://h/v1//", "//a/", "http://h/v1/a"),
            ("http://h/v1?k=s", "a", "http://h/v1/a?k=s"),
            ("http://h/v1?k=s#f", "a?v=2#g", "http://h/v1/a?k=s&v=2"),
            ("http://h", "a b", "http://h/a%20b"),
            ("http://h:81", "@other/", "http://h:81/@other"),
            ("http://h", "http://other/a", "http://h/http://other/a"),
            ("http://u:p@h", "a", "http://u:p@h/a"),
        ];
        for (base, resource, joined) in cases {
            assert_eq!(join(&url(base), resource).unwrap().as_str(), joined);
        }
        assert!(join(&url("s3://bucket/a"), "b").is_err());
    }

    #[test]
    fn a_redirect_never_leads_away_from_tls() {
        let to = |from: &str, location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
            let to = redirected(&url(from), &headers);
            to.map(|to| to.to_string())
                .map_err(|error| error.to_string())
        };
        let good = [
            ("http://h/a", "/b", "http://h/b"),
            ("http://h/a", "c?d#e", "http://h/c?d"),
            ("http://h/a", "https://i/b", "https://i/b"),
            ("https://h/a", "//i/b", "https://i/b"),
        ];
        for (from, location, expected) in good {
            assert_eq!(to(from, location).as_deref(), Ok(expected));
        }
        let bad = [
            ("https://h/a?k=s", "http://h/a", "away from TLS"),
            ("http://h/a", "file:///etc/passwd", "away from HTTP"),
            ("http://h/a", "http://", "names no address"),
        ];
        for (from, location, rule) in bad {
            let error = to(from, location).unwrap_err();
            assert!(error.contains(rule) && !error.contains("k=s"), "{error}");
        }
        assert!(redirected(&url("http://h"), &HeaderMap::new()).is_err());
    }

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let cases = [
            ("https://u:p@h:8443/b?token=s#f", "https://h:8443/b"),
            ("http://[::1]:80/a%20b", "http://[::1]/a%20b"),
            ("s3://bucket/a", "s3://bucket/a"),
        ];
        for (text, shown) in cases {
            assert_eq!(place(&url(text)), shown);
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for text in ["http://localhost:1/", "http://127.0.0.2/", "http://[::1]:1"] {
            assert!(is_loopback(&url(text)), "{text}");
        }
        for text in ["http://localhost.example/", "http://10.0.0.1/", "http://h/"] {
            assert!(!is_loopback(&url(text)), "{text}");
        }
    }
}
