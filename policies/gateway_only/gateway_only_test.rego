package portcullis.patterns.gateway_only_test

import data.portcullis.patterns.gateway_only

gateway := "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway"

request(id, headers) := {
	"attributes": {"request": {"http": {"method": "GET", "path": "/v1/orders", "headers": headers}}},
	"source": {"spiffe": {"id": id}},
	"parsed_path": ["v1", "orders"],
}

test_gateway_with_a_known_version_is_allowed if {
	gateway_only.allow with input as request(gateway, {"x-api-version": "2026-07"})
}

test_gateway_without_a_version_is_denied if {
	not gateway_only.allow with input as request(gateway, {})
}

test_gateway_with_a_wrong_version_is_denied if {
	every version in ["2025-01", "", "2026", "2026-07 ", "2026-01,2026-07", "*"] {
		not gateway_only.allow with input as request(gateway, {"x-api-version": version})
	}
}

test_any_other_caller_is_denied if {
	every id in [
		"spiffe://cluster.local/ns/shop/sa/storefront",
		"spiffe://cluster.local/ns/shop/sa/istio-ingressgateway",
		"spiffe://other.example/ns/istio-system/sa/istio-ingressgateway",
		"spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway2",
	] {
		not gateway_only.allow with input as request(id, {"x-api-version": "2026-07"})
	}
}

test_caller_without_identity_is_denied if {
	not gateway_only.allow with input as {
		"attributes": {
			"source": {"service": "istio-ingressgateway"},
			"request": {"http": {"headers": {
				"x-api-version": "2026-07",
				"x-forwarded-client-cert": concat("", ["URI=", gateway]),
			}}},
		},
		"parsed_path": ["v1", "orders"],
	}
}

test_tcp_connection_of_the_gateway_is_denied if {
	not gateway_only.allow with input as {"source": {"spiffe": {"id": gateway}}, "parsed_path": [""]}
}

test_without_data_nothing_is_allowed if {
	not gateway_only.allow with input as request(gateway, {"x-api-version": "2026-07"})
		with data.gateway_only as {}
}
