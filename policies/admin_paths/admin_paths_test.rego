package portcullis.patterns.admin_paths_test

import data.portcullis.patterns.admin_paths

test_admin_path_is_denied if {
	admin_paths.deny with input as {"parsed_path": ["admin"]}
}

test_ordinary_path_is_not_denied if {
	every parsed_path in [[""], ["api", "v1", "items"], ["api", ""], ["administrators"], ["api", "not-admin"], ["café"]] {
		admin_paths.deny == false with input as {"parsed_path": parsed_path}
	}
}

test_tcp_connection_is_not_denied if {
	admin_paths.deny == false with input as {
		"source": {"spiffe": {"id": "spiffe://cluster.local/ns/shop/sa/orders"}},
		"parsed_path": [""],
	}
}

test_admin_path_is_denied_to_an_administrator if {
	admin_paths.deny with input as {
		"attributes": {
			"request": {"http": {"method": "GET", "path": "/admin"}},
			"metadata_context": {"filter_metadata": {"envoy.filters.http.jwt_authn": {"fields": {"scope": "admin"}}}},
		},
		"source": {"spiffe": {"id": "spiffe://cluster.local/ns/ops/sa/admin"}},
		"parsed_path": ["admin"],
	}
}

test_admin_segment_is_denied_at_any_depth if {
	every parsed_path in [["api", "admin", "x"], ["api", "v1", "internal"], ["debug", "pprof", "heap"]] {
		admin_paths.deny with input as {"parsed_path": parsed_path}
	}
}

# What the input document shows for `//admin`, `/a//admin`, `/admin/`, `/./admin`, `/public/../admin`,
# `/admin/../public`, `/public%2fadmin`, `/ADMIN`, `/%61dmin`.
test_admin_path_is_denied_in_every_spelling if {
	every parsed_path in [
		["", "admin"],
		["a", "", "admin"],
		["admin", ""],
		[".", "admin"],
		["public", "..", "admin"],
		["admin", "..", "public"],
		["public", "admin"],
		["ADMIN"],
		["aDmIn", "users"],
		["admin;jsessionid=1"],
		["admin;"],
		["admin."],
		["admin..."],
		["admin "],
		[" admin"],
		["public\\admin"],
		["\\admin"],
		["%61dmin"],
		["public%2fadmin"],
		["%2e%2e", "admin"],
	] {
		admin_paths.deny with input as {"parsed_path": parsed_path}
	}
}

test_missing_path_is_denied if {
	admin_paths.deny with input as {}
}

test_path_of_the_wrong_type_is_denied if {
	admin_paths.deny with input as {"parsed_path": "/api"}
	admin_paths.deny with input as {"parsed_path": null}
}

test_without_data_everything_is_denied if {
	admin_paths.deny with input as {"parsed_path": ["api"]} with data.admin_paths as {}
}
