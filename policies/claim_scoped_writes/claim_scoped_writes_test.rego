package portcullis.patterns.claim_scoped_writes_test

import data.portcullis.patterns.claim_scoped_writes

request(method, headers) := {"attributes": {"request": {"http": {"method": method, "path": "/v1/products", "headers": headers}}}}

scoped(method, scope) := object.union(
	request(method, {}),
	{"attributes": {"metadata_context": {"filter_metadata": {"envoy.filters.http.jwt_authn": {"fields": {"scope": scope}}}}}},
)

writes := ["POST", "PUT", "PATCH", "DELETE"]

test_reading_is_open if {
	every method in ["GET", "HEAD"] {
		claim_scoped_writes.allow with input as request(method, {})
	}
}

test_writing_without_a_token_is_denied if {
	every method in writes {
		not claim_scoped_writes.allow with input as request(method, {"authorization": "Bearer storefront:admin"})
	}
}

test_writing_with_the_scope_in_a_string_is_allowed if {
	every method in writes {
		claim_scoped_writes.allow with input as scoped(method, "openid storefront:admin read")
	}
}

test_writing_with_the_scope_in_a_list_is_allowed if {
	every method in writes {
		claim_scoped_writes.allow with input as scoped(method, ["read", "storefront:admin"])
	}
}

test_writing_with_other_scopes_is_denied if {
	every scope in [
		"read write",
		"storefront",
		"storefront:admins",
		"storefront:admin:read",
		"xstorefront:admin",
		"Storefront:Admin",
		"storefront:admin,read",
		"storefront:admin\tread",
		"*",
		"",
		[],
		["read write storefront:admin"],
		[["storefront:admin"]],
	] {
		not claim_scoped_writes.allow with input as scoped("POST", scope)
	}
}

test_scope_of_the_wrong_type_is_denied if {
	every scope in [null, true, 7, {"storefront:admin": true}, {"a": "storefront:admin"}] {
		not claim_scoped_writes.allow with input as scoped("DELETE", scope)
	}
}

test_scope_outside_the_verified_claims_is_denied if {
	not claim_scoped_writes.allow with input as object.union(
		request("POST", {"scope": "storefront:admin"}),
		{"attributes": {"metadata_context": {"filter_metadata": {"envoy.filters.http.lua": {"fields": {"scope": "storefront:admin"}}}}}},
	)
}

test_every_other_method_counts_as_writing if {
	every method in ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "Get", "GET ", ""] {
		not claim_scoped_writes.allow with input as request(method, {})
	}
}

test_read_with_an_overridden_method_is_denied if {
	every header in ["x-http-method-override", "x-http-method", "x-method-override"] {
		not claim_scoped_writes.allow with input as request("GET", {header: "DELETE"})
	}
}

test_overridden_method_with_the_scope_is_allowed if {
	claim_scoped_writes.allow with input as object.union(
		scoped("POST", "storefront:admin"),
		request("POST", {"x-http-method-override": "DELETE"}),
	)
}

test_tcp_connection_is_denied if {
	not claim_scoped_writes.allow with input as {"parsed_path": [""]}
}
