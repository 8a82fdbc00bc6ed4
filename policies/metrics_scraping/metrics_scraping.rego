# Metrics are for Prometheus alone: `GET /metrics` with one of the SPIFFE IDs in
# `data.metrics_scraping.scrapers`.
#
# `allow` is the scrape itself. `applies` tells that a request is after metrics, or may be read that
# way by the server behind us; a policy that combines patterns refuses it unless `allow` holds.
package portcullis.patterns.metrics_scraping

default allow := false

default applies := false

allow if {
	input.attributes.request.http.method == "GET"
	input.parsed_path == ["metrics"]
	input.source.spiffe.id in data.metrics_scraping.scrapers
}

applies if not elsewhere

elsewhere if {
	every segment in input.parsed_path {
		not contains(segment, "%")
		not contains(segment, "\\")
		name := split(lower(segment), ";")
		trim(name[0], " .") != "metrics"
	}
}
