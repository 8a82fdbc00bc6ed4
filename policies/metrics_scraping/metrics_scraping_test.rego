package portcullis.patterns.metrics_scraping_test

import data.portcullis.patterns.metrics_scraping

prometheus := "spiffe://cluster.local/ns/monitoring/sa/prometheus"

request(id, method, parsed_path) := {
	"attributes": {"request": {"http": {"method": method}}},
	"source": {"spiffe": {"id": id}},
	"parsed_path": parsed_path,
}

test_prometheus_may_scrape if {
	metrics_scraping.allow with input as request(prometheus, "GET", ["metrics"])
}

test_any_other_caller_may_not_scrape if {
	not metrics_scraping.allow with input as request("spiffe://cluster.local/ns/shop/sa/web", "GET", ["metrics"])
}

test_prometheus_of_another_namespace_may_not_scrape if {
	not metrics_scraping.allow with input as request("spiffe://cluster.local/ns/shop/sa/prometheus", "GET", ["metrics"])
}

test_prometheus_of_another_trust_domain_may_not_scrape if {
	id := "spiffe://other.example/ns/monitoring/sa/prometheus"
	not metrics_scraping.allow with input as request(id, "GET", ["metrics"])
}

test_caller_without_identity_may_not_scrape if {
	not metrics_scraping.allow with input as {
		"attributes": {"request": {"http": {"method": "GET"}}},
		"parsed_path": ["metrics"],
	}
}

test_prometheus_may_only_read if {
	every method in ["POST", "PUT", "DELETE", "HEAD", "get", ""] {
		not metrics_scraping.allow with input as request(prometheus, method, ["metrics"])
	}
}

test_prometheus_may_not_go_elsewhere if {
	every parsed_path in [[""], ["metrics", ""], ["metrics", "x"], ["api", "metrics"], ["Metrics"]] {
		not metrics_scraping.allow with input as request(prometheus, "GET", parsed_path)
	}
}

test_tcp_connection_is_no_scrape if {
	not metrics_scraping.allow with input as {"source": {"spiffe": {"id": prometheus}}, "parsed_path": [""]}
}

test_without_data_nobody_may_scrape if {
	not metrics_scraping.allow with input as request(prometheus, "GET", ["metrics"])
		with data.metrics_scraping as {}
}

test_every_spelling_of_metrics_is_recognized if {
	every parsed_path in [
		["metrics"],
		["metrics", ""],
		["", "metrics"],
		["METRICS"],
		["public", "..", "metrics"],
		["metrics;v=1"],
		["metrics."],
		["public\\metrics"],
		["%6detrics"],
	] {
		metrics_scraping.applies with input as request(prometheus, "GET", parsed_path)
	}
}

test_other_paths_are_left_alone if {
	every parsed_path in [[""], ["api", "v1"], ["metricsx"], ["my-metrics"]] {
		metrics_scraping.applies == false with input as request(prometheus, "GET", parsed_path)
	}
}

test_missing_path_counts_as_metrics if {
	metrics_scraping.applies with input as {}
}
