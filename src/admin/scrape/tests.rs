//! Which format is chosen, and that it is the one announced.

use std::io::Read as _;

use flate2::read::GzDecoder;
use http_body_util::BodyExt as _;

use super::*;

const TEXT: &str = "# HELP a Help.\n# TYPE a counter\na_total 1\n# EOF\n";
const PLAIN: &str = "# HELP a_total Help.\n# TYPE a_total counter\na_total 1\n";

fn asked(headers: &[(HeaderName, &str)]) -> HeaderMap {
    let headers = headers.iter();
    headers
        .map(|(name, value)| (name.clone(), value.parse().unwrap()))
        .collect()
}

#[test]
fn openmetrics_is_for_those_who_ask_for_it() {
    // What Prometheus 3 sends, with and without native histograms, and what Prometheus 2 does.
    let third = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
        encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;q=0.6,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, openmetrics) in [
        (Some(third), true),
        (Some(protobuf), true),
        (Some("application/openmetrics-text; version=1.0.0"), true),
        (Some("Application/OpenMetrics-Text"), true),
        (
            Some("text/plain;q=0.5, application/openmetrics-text;q=0.5"),
            true,
        ),
        (
            Some("text/plain, application/openmetrics-text;q=0.9"),
            false,
        ),
        (Some("application/openmetrics-text;q=0"), false),
        (Some("application/openmetrics-text;q=nan"), false),
        (Some("application/openmetrics-text-2"), false),
        (Some("text/plain;version=0.0.4"), false),
        (Some("*/*"), false),
        (Some(",;,q=1"), false),
        (Some(""), false),
        (None, false),
    ] {
        let headers = asked(
            &accept
                .map(|accept| (ACCEPT, accept))
                .into_iter()
                .collect::<Vec<_>>(),
        );
        assert_eq!(wants_openmetrics(&headers), openmetrics, "{accept:?}");
    }
    let several = asked(&[
        (ACCEPT, "text/html"),
        (ACCEPT, "application/openmetrics-text"),
    ]);
    assert!(wants_openmetrics(&several));
}

#[tokio::test]
async fn the_body_is_what_its_headers_say() {
    for (accept, media_type, text) in [
        ("application/openmetrics-text", OPENMETRICS, TEXT),
        ("text/plain", PROMETHEUS, PLAIN),
    ] {
        for (encoding, gzip) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0, identity", false),
            ("br", false),
            ("*", false),
        ] {
            let headers = asked(&[(ACCEPT, accept), (ACCEPT_ENCODING, encoding)]);
            let response = answer(TEXT, &headers);
            let told = response.headers();
            assert_eq!(told[CONTENT_TYPE], media_type);
            assert_eq!(told[VARY], "accept, accept-encoding");
            assert_eq!(told.get(CONTENT_ENCODING).is_some(), gzip, "{encoding}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let mut read = String::new();
            if gzip {
                GzDecoder::new(&*body).read_to_string(&mut read).unwrap();
            } else {
                body.as_ref().read_to_string(&mut read).unwrap();
            }
            assert_eq!(read, text, "{encoding}");
        }
    }
}
