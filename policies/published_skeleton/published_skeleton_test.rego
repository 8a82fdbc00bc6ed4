package envoy.authz_test

import data.envoy.authz

orders := "spiffe://cluster.local/ns/commerce/sa/orders-api"

request(principal, fields) := {"attributes": {
	"source": {"principal": principal},
	"metadata_context": {"filter_metadata": {"envoy.filters.http.jwt_authn": {"fields": fields}}},
}}

test_orders_with_a_premium_token_is_allowed if {
	authz.allow with input as request(orders, {"tier": "premium"})
}

test_another_caller_is_denied if {
	every principal in ["", "spiffe://other.example/ns/commerce/sa/orders-api", "spiffe://cluster.local/ns/commerce/sa/orders"] {
		authz.allow == false with input as request(principal, {"tier": "premium"})
	}
}

test_another_tier_is_denied if {
	every tier in ["free", "Premium", null, ["premium"]] {
		authz.allow == false with input as request(orders, {"tier": tier})
	}
}

test_request_without_claims_is_denied if {
	authz.allow == false with input as {"attributes": {"source": {"principal": orders}, "metadata_context": {}}}
}

test_claims_below_payload_alone_are_not_enough if {
	authz.allow == false with input as {"attributes": {
		"source": {"principal": orders},
		"metadata_context": {"filter_metadata": {"envoy.filters.http.jwt_authn": {"payload": {"tier": "premium"}}}},
	}}
}

test_empty_input_is_denied if {
	authz.allow == false with input as {}
}
