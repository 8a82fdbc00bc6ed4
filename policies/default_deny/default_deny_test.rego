package portcullis.patterns.default_deny_test

import data.portcullis.patterns.default_deny

caller := {
	"id": "spiffe://cluster.local/ns/shop/sa/storefront",
	"trust_domain": "cluster.local",
	"namespace": "shop",
	"service_account": "storefront",
}

test_http_request_of_a_known_caller_is_denied if {
	default_deny.allow == false with input as {
		"attributes": {"request": {"http": {"method": "GET", "path": "/"}}},
		"source": {"spiffe": caller},
		"parsed_path": [""],
	}
}

test_tcp_connection_is_denied if {
	default_deny.allow == false with input as {"source": {"spiffe": caller}, "parsed_path": [""]}
}

test_empty_input_is_denied if {
	default_deny.allow == false with input as {}
}
