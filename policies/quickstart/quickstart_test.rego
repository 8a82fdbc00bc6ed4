package quickstart_test

import data.envoy.authz

sleep := "spiffe://cluster.local/ns/foo/sa/sleep"

gateway := "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway"

prometheus := "spiffe://cluster.local/ns/monitoring/sa/prometheus"

customer := {"iss": "https://issuer.example", "sub": "alice@example.com", "scope": "read", "tier": "premium"}

administrator := object.union(customer, {"scope": ["read", "storefront:admin"]})

versioned := {"x-api-version": "2026-07"}

http(method, path, headers) := {
	"attributes": {
		"destination": {"principal": "spiffe://cluster.local/ns/foo/sa/httpbin"},
		"metadata_context": {},
		"request": {"http": {"method": method, "path": path, "headers": headers}},
	},
	"parsed_path": split(trim_left(path, "/"), "/"),
}

tcp := {
	"attributes": {"destination": {"principal": "spiffe://cluster.local/ns/foo/sa/httpbin"}},
	"parsed_path": [""],
}

by(id, request) := object.union(request, {
	"attributes": {"source": {"principal": id}},
	"source": {"spiffe": {"id": id, "trust_domain": split(id, "/")[2], "namespace": split(id, "/")[4]}},
})

with_claims(claims, request) := object.union(
	request,
	{"attributes": {"metadata_context": {"filter_metadata": {"envoy.filters.http.jwt_authn": {"fields": claims}}}}},
)

refused(decision, reason, status) if {
	decision.allowed == false
	decision.reason == reason
	decision.http_status == status
	json.unmarshal(decision.body).error == reason
	{"content-type": "application/json"} in decision.headers
	{"x-portcullis-reason": reason} in decision.headers
}

test_read_on_the_call_graph_is_allowed if {
	authz.allow.allowed with input as by(sleep, http("GET", "/api/v1/items", {}))
}

test_allowed_request_carries_its_caller if {
	decision := authz.allow with input as by(sleep, http("GET", "/api/v1", {}))
	decision == {"allowed": true, "headers": {"x-portcullis-caller": sleep}}
}

test_read_off_the_call_graph_is_denied if {
	refused(authz.allow, "no_edge", 403) with input as by(sleep, http("GET", "/api/x/dry", {}))
}

test_unknown_caller_is_denied if {
	refused(authz.allow, "no_edge", 403) with input as by("spiffe://cluster.local/ns/foo/sa/first", http("GET", "/api/v1", {}))
}

test_caller_of_another_trust_domain_is_denied if {
	refused(authz.allow, "no_edge", 403) with input as by("spiffe://other.example/ns/foo/sa/sleep", http("GET", "/api/v1", {}))
}

test_ambiguous_path_is_denied if {
	every path in ["/api/v1/items/", "/api//v1/items", "//api/v1/items", "/api/v1/./items", "/api/v1/items/;x"] {
		refused(authz.allow, "no_edge", 403) with input as by(sleep, http("GET", path, {}))
	}
}

test_admin_path_is_denied_to_everybody if {
	every request in [
		http("GET", "/api/admin/x", {}),
		by(sleep, http("GET", "/ADMIN", {})),
		by(gateway, http("GET", "/assets/../admin", versioned)),
		with_claims(administrator, by(gateway, http("GET", "/assets/internal", versioned))),
	] {
		refused(authz.allow, "admin_path", 403) with input as request
	}
}

test_caller_without_identity_is_denied if {
	refused(authz.allow, "no_identity", 403) with input as http("GET", "/api/v1/items", {})
}

test_principal_that_is_no_spiffe_id_is_no_identity if {
	refused(authz.allow, "no_identity", 403) with input as object.union(
		http("GET", "/api/v1/items", {"x-forwarded-client-cert": concat("", ["URI=", sleep])}),
		{"attributes": {"source": {"principal": "client.example", "service": sleep}}},
	)
}

test_caller_in_the_sandbox_is_denied if {
	refused(authz.allow, "sandbox", 403) with input as by("spiffe://cluster.local/ns/bar/sa/default", http("GET", "/api/v1/items", {}))
}

test_prometheus_may_scrape if {
	authz.allow.allowed with input as by(prometheus, http("GET", "/metrics", {}))
}

test_any_other_caller_may_not_scrape if {
	refused(authz.allow, "metrics", 403) with input as by(sleep, http("GET", "/metrics", {}))
}

test_prometheus_may_only_scrape if {
	refused(authz.allow, "no_edge", 403) with input as by(prometheus, http("GET", "/api/v1/items", {}))
}

test_public_api_through_the_gateway_is_allowed if {
	authz.allow.allowed with input as by(gateway, http("GET", "/v1/products", versioned))
}

test_public_api_past_the_gateway_is_denied if {
	refused(authz.allow, "gateway", 403) with input as by(sleep, http("GET", "/v1/products", versioned))
}

test_public_api_without_a_version_is_denied if {
	refused(authz.allow, "gateway", 403) with input as by(gateway, http("GET", "/v1/products", {}))
}

test_public_api_in_other_spelling_is_denied if {
	every path in ["/V1/products", "/x/../v1/products", "/v1;x/products"] {
		refused(authz.allow, "no_edge", 403) with input as by(gateway, http("GET", path, {}))
	}
}

test_write_with_the_scope_is_allowed if {
	authz.allow.allowed with input as with_claims(administrator, by(sleep, http("POST", "/api/v1/items", {})))
}

test_write_without_the_scope_is_denied if {
	refused(authz.allow, "scope", 403) with input as with_claims(customer, by(sleep, http("POST", "/api/v1/items", {})))
}

test_write_without_a_token_is_denied if {
	refused(authz.allow, "token", 401) with input as by(sleep, http("POST", "/api/v1/items", {"authorization": "Bearer x.y.z"}))
}

test_missing_token_is_challenged if {
	{"www-authenticate": "Bearer"} in authz.allow.headers with input as by(sleep, http("POST", "/api/v1/items", {}))
}

test_read_in_name_only_is_a_write if {
	refused(authz.allow, "token", 401) with input as by(sleep, http("GET", "/api/v1/items", {"x-http-method-override": "DELETE"}))
}

test_premium_customer_may_read_charges if {
	authz.allow.allowed with input as with_claims(customer, by(gateway, http("GET", "/v1/charges/ch_1", versioned)))
}

test_any_other_tier_may_not_read_charges if {
	free := object.union(customer, {"tier": "free"})
	refused(authz.allow, "tier", 403) with input as with_claims(free, by(gateway, http("GET", "/v1/charges/ch_1", versioned)))
}

test_charges_need_a_token if {
	refused(authz.allow, "token", 401) with input as by(gateway, http("GET", "/v1/charges/ch_1", versioned))
}

test_charging_needs_the_scope_too if {
	refused(authz.allow, "scope", 403) with input as with_claims(customer, by(gateway, http("POST", "/v1/charges", versioned)))
	authz.allow.allowed with input as with_claims(administrator, by(gateway, http("POST", "/v1/charges", versioned)))
}

test_tcp_connection_on_the_call_graph_is_allowed if {
	authz.allow.allowed with input as by(sleep, tcp)
}

test_tcp_connection_without_identity_is_denied if {
	refused(authz.allow, "no_identity", 403) with input as tcp
}

test_tcp_connection_off_the_call_graph_is_denied if {
	refused(authz.allow, "no_edge", 403) with input as by(gateway, tcp)
}

test_empty_input_is_denied if {
	authz.allow.allowed == false with input as {}
}

test_without_data_nothing_is_allowed if {
	authz.allow.allowed == false with input as by(sleep, http("GET", "/api/v1/items", {}))
		with data.admin_paths as {}
		with data.call_graph as {}
		with data.sandbox as {}
}

test_first_reason_is_told if {
	refused(authz.allow, "admin_path", 403) with input as http("POST", "/admin/v1/charges", {})
}

test_pattern_that_is_not_loaded_denies if {
	request := by(sleep, http("GET", "/api/v1/items", {}))
	authz.allow.allowed == false with input as request with data.portcullis.patterns.admin_paths as {}
	authz.allow.allowed == false with input as request with data.portcullis.patterns.sandbox as {}
	authz.allow.allowed == false with input as request with data.portcullis.patterns.metrics_scraping as {}
	authz.allow.allowed == false with input as request with data.portcullis.patterns.call_graph as {}
	authz.allow.allowed == false with input as request with data.portcullis.patterns.claim_scoped_writes as {}
	authz.allow.allowed == false with input as request with data.portcullis.patterns.premium_tier as {}
}
