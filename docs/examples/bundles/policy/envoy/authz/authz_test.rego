package envoy.authz_test

import data.envoy.authz

readers := {"spiffe://example.org/ns/shop/sa/web": ["orders"]}

get(path) := {
	"attributes": {"request": {"http": {"method": "GET"}}},
	"source": {"spiffe": {"id": "spiffe://example.org/ns/shop/sa/web"}},
	"parsed_path": [path],
}

test_reader_may_read_its_collection if {
	authz.allow with input as get("orders") with data.shop.readers as readers
}

test_reader_may_read_no_other_collection if {
	not authz.allow with input as get("payments") with data.shop.readers as readers
}
