package portcullis.patterns.call_graph_test

import data.portcullis.patterns.call_graph

storefront := "spiffe://cluster.local/ns/shop/sa/storefront"

orders := "spiffe://cluster.local/ns/shop/sa/orders"

ledger := "spiffe://cluster.local/ns/shop/sa/ledger"

request(id, method, path, parsed_path) := {
	"attributes": {"request": {"http": {"method": method, "path": path}}},
	"source": {"spiffe": {"id": id}},
	"parsed_path": parsed_path,
}

connection(id, destination) := {
	"attributes": {"destination": {"principal": destination}},
	"source": {"spiffe": {"id": id}},
	"parsed_path": [""],
}

test_call_on_a_fixed_edge_is_allowed if {
	call_graph.allow with input as request(storefront, "GET", "/catalog/items", ["catalog", "items"])
}

test_query_does_not_change_the_edge if {
	call_graph.allow with input as request(storefront, "GET", "/catalog/items?a=/x//y", ["catalog", "items"])
}

test_other_caller_is_denied if {
	not call_graph.allow with input as request(orders, "GET", "/catalog/items", ["catalog", "items"])
}

test_caller_of_another_trust_domain_is_denied if {
	id := "spiffe://other.example/ns/shop/sa/storefront"
	not call_graph.allow with input as request(id, "GET", "/catalog/items", ["catalog", "items"])
}

test_caller_without_identity_is_denied if {
	not call_graph.allow with input as {
		"attributes": {"request": {"http": {"method": "GET", "path": "/catalog/items"}}},
		"parsed_path": ["catalog", "items"],
	}
}

test_unverified_principal_is_not_an_identity if {
	not call_graph.allow with input as {
		"attributes": {
			"source": {"principal": storefront},
			"request": {"http": {"method": "GET", "path": "/catalog/items"}},
		},
		"parsed_path": ["catalog", "items"],
	}
}

test_other_method_is_denied if {
	not call_graph.allow with input as request(storefront, "DELETE", "/catalog/items", ["catalog", "items"])
}

test_method_in_lower_case_is_denied if {
	not call_graph.allow with input as request(storefront, "get", "/catalog/items", ["catalog", "items"])
}

test_longer_path_is_denied if {
	not call_graph.allow with input as request(storefront, "GET", "/catalog/items/1", ["catalog", "items", "1"])
}

test_shorter_path_is_denied if {
	not call_graph.allow with input as request(storefront, "GET", "/catalog", ["catalog"])
}

test_path_in_other_case_is_denied if {
	not call_graph.allow with input as request(storefront, "GET", "/Catalog/items", ["Catalog", "items"])
}

test_star_stands_for_one_segment if {
	call_graph.allow with input as request(storefront, "POST", "/orders/17", ["orders", "17"])
	not call_graph.allow with input as request(storefront, "POST", "/orders", ["orders"])
	not call_graph.allow with input as request(storefront, "POST", "/orders/17/lines", ["orders", "17", "lines"])
}

test_two_stars_stand_for_one_or_more_segments if {
	call_graph.allow with input as request(storefront, "GET", "/images/a.png", ["images", "a.png"])
	call_graph.allow with input as request(storefront, "GET", "/images/2026/a.png", ["images", "2026", "a.png"])
	not call_graph.allow with input as request(storefront, "GET", "/images", ["images"])
	not call_graph.allow with input as request(storefront, "GET", "/imagesx/a.png", ["imagesx", "a.png"])
	not call_graph.allow with input as request(storefront, "GET", "/a.png/images/x", ["a.png", "images", "x"])
}

test_segments_in_another_order_are_denied if {
	not call_graph.allow with input as request(storefront, "GET", "/items/catalog", ["items", "catalog"])
}

test_encoded_letters_are_allowed if {
	call_graph.allow with input as request(storefront, "GET", "/images/caf%C3%A9.png", ["images", "café.png"])
}

test_ambiguous_path_is_denied if {
	every path, parsed_path in {
		"/orders/": ["orders", ""],
		"/orders/17/": ["orders", "17", ""],
		"//orders/17": ["orders", "17"],
		"/orders//17": ["orders", "", "17"],
		"/images/a%2fb": ["images", "a", "b"],
		"/images/a%2F..%2Fb": ["images", "a", "..", "b"],
		"/images/../orders": ["images", "..", "orders"],
		"/images/./a": ["images", ".", "a"],
		"/images/%2e%2e/a": ["images", "..", "a"],
		"/images/%252e%252e/a": ["images", "%2e%2e", "a"],
		"/images/..;/a": ["images", "..;", "a"],
		"/images/a;v=1": ["images", "a;v=1"],
		"/images/..\\a": ["images", "..\\a"],
		"/images/%5c..%5ca": ["images", "\\..\\a"],
		"http://shop/images/a": ["http:", "", "shop", "images", "a"],
		"images/a": ["images", "a"],
		"": [""],
		"*": ["*"],
	} {
		not call_graph.allow with input as request(storefront, "GET", path, parsed_path)
			with data.call_graph.edges as {storefront: [
				{"methods": ["GET"], "path": "/orders/*"},
				{"methods": ["GET"], "path": "/images/**"},
				{"methods": ["GET"], "path": "/**"},
			]}
	}
}

test_root_is_allowed_where_an_edge_names_it if {
	call_graph.allow with input as request(storefront, "GET", "/", [""])
		with data.call_graph.edges as {storefront: [{"methods": ["GET"], "path": "/"}]}
}

test_root_is_not_below_itself if {
	not call_graph.allow with input as request(storefront, "GET", "/", [""])
		with data.call_graph.edges as {storefront: [{"methods": ["GET"], "path": "/**"}]}
}

test_doubled_root_is_denied if {
	not call_graph.allow with input as request(storefront, "GET", "//", [""])
		with data.call_graph.edges as {storefront: [{"methods": ["GET"], "path": "/"}]}
}

test_client_cannot_send_the_wildcard if {
	not call_graph.allow with input as request(storefront, "GET", "/catalog/*", ["catalog", "*"])
}

test_grpc_method_is_a_path if {
	call_graph.allow with input as request(orders, "POST", "/shop.Stock/Reserve", ["shop.Stock", "Reserve"])
	not call_graph.allow with input as request(orders, "POST", "/shop.Stock/Release", ["shop.Stock", "Release"])
}

test_connection_on_a_tcp_edge_is_allowed if {
	call_graph.allow with input as connection(orders, ledger)
}

test_connection_of_another_caller_is_denied if {
	not call_graph.allow with input as connection(storefront, ledger)
}

test_connection_to_another_workload_is_denied if {
	not call_graph.allow with input as connection(orders, orders)
}

test_connection_to_an_unknown_workload_is_denied if {
	not call_graph.allow with input as {"source": {"spiffe": {"id": orders}}, "parsed_path": [""]}
}

test_http_request_is_on_no_tcp_edge if {
	not call_graph.allow with input as object.union(
		request(orders, "GET", "/", [""]),
		connection(orders, ledger),
	)
}

test_http_edge_opens_no_tcp_connection if {
	not call_graph.allow with input as connection(storefront, storefront)
}

test_without_data_nothing_is_allowed if {
	not call_graph.allow with input as request(storefront, "GET", "/catalog/items", ["catalog", "items"])
		with data.call_graph as {}
}

test_edge_without_methods_allows_nothing if {
	not call_graph.allow with input as request(storefront, "GET", "/catalog/items", ["catalog", "items"])
		with data.call_graph.edges as {storefront: [{"path": "/catalog/items"}]}
}
